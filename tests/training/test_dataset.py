"""Reading a manifest, splitting it by patient, and refusing what is wrong with it."""

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from config.errors import DataError
from training.dataset import (
    Read,
    Split,
    View,
    is_frontal_adult,
    read_manifest,
    require_every_class,
    split_by_fold,
)

Rows = list[dict[str, Any]]
WriteData = Callable[..., Path]


def test_a_manifest_is_read_with_its_boxes(write_data: WriteData) -> None:
    rows = read_manifest(write_data())
    assert len(rows) == 40
    opacity = next(row for row in rows if row.read is Read.OPACITY)
    assert opacity.view is View.PA
    assert opacity.age == 50
    assert opacity.opacities[0].w == pytest.approx(0.24)
    assert all(not row.boxes for row in rows if row.read is not Read.OPACITY)


def test_splits_keep_patients_whole(write_data: WriteData) -> None:
    split = split_by_fold(read_manifest(write_data()), test=0, validation=1)
    assert {row.fold for row in split.test} == {0}
    assert {row.fold for row in split.validation} == {1}
    assert {row.fold for row in split.training} == {2, 3, 4}
    with pytest.raises(DataError, match="both in training and in test"):
        Split(split.training, split.validation, (replace(split.test[0], patient=split.training[0].patient),))


def test_one_fold_cannot_be_both_validation_and_test(write_data: WriteData) -> None:
    rows = read_manifest(write_data())
    with pytest.raises(DataError, match="cannot be both"):
        split_by_fold(rows, test=1, validation=1)
    with pytest.raises(DataError, match="test part is empty"):
        split_by_fold(rows, test=9, validation=1)


def test_only_frontal_pictures_of_adults_are_used(write_data: WriteData) -> None:
    row = read_manifest(write_data())[0]
    assert is_frontal_adult(row)
    assert is_frontal_adult(replace(row, age=None, view=View.AP_SUPINE))
    assert not is_frontal_adult(replace(row, age=17.0))
    assert not is_frontal_adult(replace(row, view=View.LATERAL))
    assert not is_frontal_adult(replace(row, view=View.UNKNOWN))


def test_a_class_without_pictures_is_refused(write_data: WriteData) -> None:
    rows = [row for row in read_manifest(write_data()) if row.read is not Read.NORMAL]
    with pytest.raises(DataError, match='no picture is read as "Normal" in the validation part'):
        require_every_class(rows, "validation")


def _rename_file(rows: Rows, _boxes: Rows) -> None:
    rows[3]["file"] = "nih/gone.jpg"


def _unknown_label(rows: Rows, _boxes: Rows) -> None:
    rows[3]["nih_labels"] = "Infiltration|Flu"


def _unknown_read(rows: Rows, _boxes: Rows) -> None:
    rows[3]["rsna_class"] = "Maybe"


def _no_patient(rows: Rows, _boxes: Rows) -> None:
    rows[3]["patient"] = ""


def _two_folds(rows: Rows, _boxes: Rows) -> None:
    rows[0]["patient"] = rows[-1]["patient"]


def _no_number(rows: Rows, _boxes: Rows) -> None:
    rows[3]["age"] = "old"


def _twice(rows: Rows, _boxes: Rows) -> None:
    rows.append(dict(rows[-1]))


def _outside(_rows: Rows, boxes: Rows) -> None:
    boxes[0]["x"] = 0.9


def _no_area(_rows: Rows, boxes: Rows) -> None:
    boxes[0]["h"] = 0


def _stray_box(_rows: Rows, boxes: Rows) -> None:
    boxes[0]["file"] = "nih/nobody.jpg"


def _unknown_box(_rows: Rows, boxes: Rows) -> None:
    boxes[0]["label"] = "Shadow"


def _no_column(_rows: Rows, boxes: Rows) -> None:
    for box in boxes:
        del box["w"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_rename_file, r"manifest.csv line 5: the picture nih/gone.jpg is not under"),
        (_unknown_label, r'line 5: unknown label "Flu"'),
        (_unknown_read, r'line 5: unknown rsna_class "Maybe"'),
        (_no_patient, r"line 5: the patient is empty"),
        (_two_folds, r"both in fold 0 and in fold 4"),
        (_no_number, r'line 5: column age holds "old"'),
        (_twice, r"twice"),
        (_outside, r"boxes.csv line 2: the box is outside the picture"),
        (_no_area, r"boxes.csv line 2: the box has no area"),
        (_stray_box, r"nih/nobody.jpg, which manifest.csv does not have"),
        (_unknown_box, r'unknown label "Shadow"'),
        (_no_column, r"boxes.csv has no column w"),
    ],
)
def test_bad_data_get_an_error_that_names_the_row(
    write_data: WriteData, change: Callable[[Rows, Rows], None], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        read_manifest(write_data(change))


def test_a_missing_or_wrongly_encoded_manifest_is_named(write_data: WriteData, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is missing: give the folder"):
        read_manifest(tmp_path)
    root = write_data()
    (root / "boxes.csv").write_bytes(b"file,label,x,y,w,h,source\n\xff\xfe,,,,,,\n")
    with pytest.raises(DataError, match="not UTF-8"):
        read_manifest(root)


@pytest.mark.data
def test_the_real_manifest_reads_and_splits(cxr_data: Path) -> None:
    rows = read_manifest(cxr_data)
    with (cxr_data / "manifest.csv").open(encoding="utf-8") as stream:
        assert len(rows) == sum(1 for _ in csv.DictReader(stream))
    split = split_by_fold((row for row in rows if row.read and is_frontal_adult(row)), test=0, validation=1)
    for part in (split.training, split.validation, split.test):
        require_every_class(part, "any")
    assert sum(len(row.opacities) for row in rows) == 662
