"""NIH ChestX-ray14 with the headers that it was released with."""

from collections.abc import Callable
from pathlib import Path

import pytest
import structlog.testing

from config.errors import DataError
from training.data.examples import TruthBox, View
from training.data.readers import open_data

ENTRY = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y],\n"
    "00000013_005.png,Infiltration|Mass,5,13,058Y,M,AP,2500,2048,0.168,0.168,\n"
    "00000013_006.png,No Finding,6,13,58,M,AP,2500,2048,0.168,0.168,\n"
    "00000020_000.png,Pneumonia,0,20,412,F,PA,2500,2048,0.168,0.168,\n"
)
BOXES = "Image Index,Finding Label,Bbox [x,y,w,h],,,\n00000013_005.png,Infiltrate,256,512,128,64,,,\n"


@pytest.fixture
def nih(tmp_path: Path, draw: Callable[..., Path]) -> Callable[..., Path]:
    """A function that writes the release, two of its three pictures in it."""

    def write(entry: str = ENTRY, boxes: str = BOXES) -> Path:
        (tmp_path / "Data_Entry_2017_v2020.csv").write_text(entry, "utf-8")
        (tmp_path / "BBox_List_2017.csv").write_text(boxes, "utf-8")
        draw(tmp_path / "images_001" / "images" / "00000013_005.png", rows=64, columns=64)
        draw(tmp_path / "images_002" / "images" / "00000020_000.jpg", rows=64, columns=64)
        return tmp_path

    return write


def test_labels_patients_views_and_boxes_are_read(nih: Callable[..., Path]) -> None:
    with structlog.testing.capture_logs() as logs:
        first, second = open_data(nih(), "nih")
    assert [label for label, true in first.truths.items() if true] == ["infiltration", "mass"]
    assert (first.patient, first.age, first.sex, first.view) == ("00000013", 58, "M", View.AP)
    assert first.boxes == (TruthBox("infiltration", 0.25, 0.5, 0.125, 0.0625, "bbox2017"),)
    assert (first.boxed, first.read) == ({"infiltration"}, frozenset())
    assert (second.file, second.age) == ("00000020_000.png", None)  # an age of 412 is none
    assert [(entry["event"], entry["count"]) for entry in logs] == [("pictures are missing and left out", 1)]


def test_rows_without_the_last_comma_are_read_too(nih: Callable[..., Path]) -> None:
    assert len(open_data(nih(ENTRY.replace(",\n", "\n").replace("[x,y]\n", "[x,y],\n")), "nih")) == 2


@pytest.mark.parametrize(
    ("entry", "boxes", "says"),
    [
        (ENTRY.replace("Mass", "Measles"), BOXES, r'Data_Entry_2017_v2020\.csv line 2: unknown label "Measles"'),
        (ENTRY.replace("View Position", "View"), BOXES, "line 1 has no column View Position"),
        (ENTRY.replace(",AP,", ",XX,"), BOXES, 'line 2: unknown View Position "XX"'),
        (ENTRY, BOXES.replace("256", "1000"), r"BBox_List_2017\.csv line 2: the box is outside the picture"),
        (ENTRY, BOXES.replace("Infiltrate", "Smudge"), r'BBox_List_2017\.csv line 2: unknown label "Smudge"'),
        (ENTRY, BOXES.replace("13_005", "99_000"), r"BBox_List_2017\.csv names 00000099_000\.png, which"),
        (
            ENTRY.replace("_000.png", "_001.png").replace("13_005", "13_007"),
            BOXES.splitlines()[0] + "\n",
            "none of the",
        ),
    ],
)
def test_what_is_wrong_is_named(nih: Callable[..., Path], entry: str, boxes: str, says: str) -> None:
    with pytest.raises(DataError, match=says):
        open_data(nih(entry, boxes), "nih")


def test_missing_entries_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"Data_Entry_2017\*\.csv is missing"):
        open_data(tmp_path, "nih")
