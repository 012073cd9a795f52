"""Images of one's own: three columns are enough, and whatever is wrong with them is said."""

import contextlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from config.errors import DataError
from tests.phantoms import phantom_dataset
from training.data import labels
from training.data.examples import View
from training.data.readers import open_data


def _folder(root: Path, rows: str, header: str = "file,patient,labels") -> Path:
    (root / "images").mkdir(exist_ok=True)
    for name in ("a", "b", "c"):
        Image.fromarray(np.full((16, 16), 90, np.uint8)).save(root / "images" / f"{name}.png")
    (root / labels.FILE).write_text(f"{header}\n{rows}", encoding="utf-8")
    return root


def test_three_columns_are_enough(tmp_path: Path) -> None:
    rows = "images/a.png,p1,Lung Opacity|COVID-19\nimages/b.png,p1,none\nimages/c.png,p2,COVID-19?\n"
    first, second, third = open_data(_folder(tmp_path, rows), "labels")
    assert first.truths == {"covid19": True, "lung_opacity": True}
    assert second.truths == {"covid19": False, "lung_opacity": False}
    assert third.truths == {"lung_opacity": False}
    assert first.patient == second.patient == "p1"
    assert first.view is View.UNKNOWN
    assert first.age is None
    assert first.fold is None
    assert not first.read


def test_nobody_looked_is_not_no(tmp_path: Path) -> None:
    first, second = open_data(_folder(tmp_path, "images/a.png,p1,mass\nimages/b.png,p2,?\n"), "labels")
    assert first.truths == {"mass": True}
    assert second.truths == {}


def test_more_columns_say_more(tmp_path: Path) -> None:
    header = "file,patient,labels,view,age,sex,fold,read,source"
    rows = "images/a.png,p1,mass,PA,61,F,2,yes,here\nimages/b.png,p2,none,L,9,M,0,no,there\n"
    first, second = open_data(_folder(tmp_path, rows, header), "labels")
    assert (first.view, first.age, first.sex, first.fold, first.source) == (View.PA, 61, "F", 2, "here")
    assert first.read == {"mass"}
    assert not second.read
    assert second.view is View.LATERAL


def test_of_a_dicom_file_the_header_says_what_the_row_does_not(tmp_path: Path) -> None:
    dataset = phantom_dataset(1, size=64)
    dataset.PatientAge, dataset.ViewPosition = "033Y", "AP"
    dataset.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    dataset.save_as(tmp_path / "b.dcm", enforce_file_format=True)
    rows = "a.dcm,p1,whatever we call it,,\nb.dcm,p2,none,PA,70\n"
    (tmp_path / labels.FILE).write_text(f"file,patient,labels,view,age\n{rows}", encoding="utf-8")
    first, second = open_data(tmp_path, "labels")
    assert first.truths == {"whatever_we_call_it": True}
    assert (first.view, first.age) == (View.AP, 33)
    assert (second.view, second.age) == (View.PA, 70)


def test_boxes_beside_the_labels(tmp_path: Path) -> None:
    root = _folder(tmp_path, "images/a.png,p1,mass\nimages/b.png,p2,none\n")
    (root / "boxes.csv").write_text("file,label,x,y,w,h\nimages/a.png,Mass,0.1,0.2,0.3,0.4\n", encoding="utf-8")
    first, second = open_data(root, "labels")
    assert [box.label for box in first.boxes] == ["mass"]
    assert first.boxed == {"mass"}
    assert second.boxes == ()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("", "labels.csv has no row"),
        ("images/a.png,,mass\n", "labels.csv line 2: the patient is empty"),
        ("images/a.png,p1,\n", "line 2: the labels are empty: write none where none is true"),
        ("images/a.png,p1,none\n", "names no label"),
        ("images/a.png,p1,mass|\n", 'line 2: the label "" makes no term'),
        ("images/a.png,p1,mass|Mass?\n", "mass is both true and unknown"),
        ("images/z.png,p1,mass\n", r"line 2: the picture z\.png is not in"),
        ("images/a.png,p1,mass\nimages/a.png,p1,mass\n", "twice"),
        ("images/a.png,p1\n", "not as many values as columns"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(rows: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        open_data(_folder(tmp_path, rows), "labels")


def test_a_patient_in_two_folds_is_refused(tmp_path: Path) -> None:
    rows = "images/a.png,p1,mass,0\nimages/b.png,p1,none,1\n"
    with pytest.raises(DataError, match="both in fold 0 and in fold 1"):
        open_data(_folder(tmp_path, rows, "file,patient,labels,fold"), "labels")


def test_a_box_of_another_label_or_image_is_refused(tmp_path: Path) -> None:
    root = _folder(tmp_path, "images/a.png,p1,mass\n")
    boxes = root / "boxes.csv"
    boxes.write_text("file,label,x,y,w,h\nimages/a.png,nodule,0.1,0.1,0.1,0.1\n", encoding="utf-8")
    with pytest.raises(DataError, match=r'unknown label "nodule": labels\.csv names mass'):
        open_data(root, "labels")
    boxes.write_text("file,label,x,y,w,h\nimages/b.png,mass,0.1,0.1,0.1,0.1\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"boxes\.csv names images/b\.png"):
        open_data(root, "labels")


@given(text=st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\x00"), max_size=40))
def test_any_text_is_labels_or_a_clear_error(text: str) -> None:
    with contextlib.suppress(DataError):
        said = labels._labels("labels.csv line 2", text.strip())
        assert not said.true & said.unknown
