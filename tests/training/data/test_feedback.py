"""The layout of exported answers: what is written is read again, and what is wrong is named."""

from dataclasses import replace
from pathlib import Path

import pytest

from config.errors import DataError
from training.data import feedback
from training.data.examples import TruthBox, View
from training.data.feedback import FeedbackImage
from training.data.readers import open_data

IMAGE = FeedbackImage(
    "ab.png", "0123", View.PA, 61, "F", 320, 400, 2, "m 1.0", {"opacity": True, "mass": False, "nodule": None},
    (TruthBox("opacity", 0.25, 0.5, 0.125, 0.25, "feedback"),), frozenset({"mass", "opacity"}),
)  # fmt: skip


def written(folder: Path, *images: FeedbackImage) -> Path:
    (folder / "images").mkdir()
    for image in images:
        (folder / "images" / image.file).write_bytes(b"x")
    feedback.write(folder, images)
    return folder


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    (example,) = open_data(written(tmp_path, IMAGE), "feedback")
    assert (example.file, example.patient, example.view, example.age, example.sex) == (
        "ab.png", "0123", View.PA, 61, "F",
    )  # fmt: skip
    assert example.truths == {"opacity": True, "mass": False}, "unknown is not no"
    assert example.read == {"opacity", "mass"}
    assert (example.boxes, example.boxed) == (IMAGE.boxes, IMAGE.boxed)


@pytest.mark.parametrize(
    ("table", "old", "new", "complaint"),
    [
        ("labels.csv", "unknown", "perhaps", "unknown truth"),
        ("labels.csv", "ab.png,mass", "zz.png,mass", "labels.csv names zz.png"),
        ("boxes.csv", "ab.png", "zz.png", "boxes.csv names zz.png"),
        ("boxes.csv", "0.250000,0.500000", "0.950000,0.500000", "outside the picture"),
        ("manifest.csv", "0123", "", "patient is empty"),
        ("manifest.csv", "ab.png", "zz.png", "zz.png is not in"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, table: str, old: str, new: str, complaint: str) -> None:
    path = written(tmp_path, IMAGE) / table
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(DataError, match=complaint):
        open_data(tmp_path, "feedback")


def test_a_set_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no row"):
        open_data(written(tmp_path), "feedback")


def test_files_do_not_stand_twice(tmp_path: Path) -> None:
    written(tmp_path, IMAGE)
    for table in ("manifest.csv", "labels.csv", "boxes.csv"):
        (tmp_path / table).unlink()
    feedback.write(tmp_path, [IMAGE, replace(IMAGE, patient="9")])
    with pytest.raises(DataError, match="twice"):
        open_data(tmp_path, "feedback")
