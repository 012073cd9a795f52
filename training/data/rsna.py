"""The RSNA 2018 pneumonia challenge: reads and boxes by radiologists, and DICOM files.

Source: Shih et al. 2019, "Augmenting the National Institutes of Health Chest Radiograph Dataset with Expert
Annotations of Possible Pneumonia".
"""

import json
from pathlib import Path
from typing import Any

from config.errors import DataError
from training.data.csv_rows import checked_box, choice, existing, number, rows
from training.data.examples import Example, TruthBox
from training.data.headers import read_header
from training.data.image_files import size
from training.data.patients import Owner, owner_of, warn_of_unknown
from training.data.terms import LUNG_OPACITY, READ_LABELS, Read, read_truths

_LABELS = "stage_2_train_labels.csv"
_CLASSES = "stage_2_detailed_class_info.csv"
_PICTURES = "stage_2_train_images"
_MAPPING = "pneumonia-challenge-dataset-mappings_2018.json"
_BOX_COLUMNS = ("patientId", "x", "y", "width", "height", "Target")
_CLASS_COLUMNS = ("patientId", "class")
_CURE = f"give the folder that holds {_LABELS}, {_CLASSES} and {_PICTURES}/"


def read(root: Path) -> tuple[Example, ...]:
    """Read the radiologists' classes and boxes, and view, age and sex from the DICOM headers.

    The challenge's ``patientId`` names a picture, not a patient. Patients are known where the organisers' mapping to
    NIH pictures lies beside the other files (``pneumonia-challenge-dataset-mappings_2018.json``); without it each
    picture counts as a patient of its own, which is logged.

    Raises
    ------
    DataError
        Naming the line: a missing file, column or picture, an unknown class, a box outside its picture or on a
        picture without an opacity, or an opacity without a box.
    """
    reads = _read_classes(root)
    boxes = _read_boxes(root, reads)
    patients = _patients(root)
    examples: list[Example] = []
    owners: list[Owner] = []
    for name, (place, one) in reads.items():
        path = existing(place, root / _PICTURES / f"{name}.dcm")
        owner = owner_of(Path(patients.get(name, name)).stem)
        owners.append(owner)
        view, age, sex = read_header(path)
        examples.append(
            Example(
                file=path.name,
                path=path,
                patient=owner.patient,
                source="rsna",
                view=view,
                age=age,
                sex=sex,
                licence="NIH ChestX-ray14, attribution",
                truths=read_truths(one),
                read=frozenset(READ_LABELS.values()),
                boxes=_in_fractions(path, boxes.get(name, ())),
                boxed=frozenset({LUNG_OPACITY}),
            )
        )
    warn_of_unknown(owners, "rsna")
    return tuple(examples)


def _read_classes(root: Path) -> dict[str, tuple[str, Read]]:
    """Return (place, read) by picture. The published file repeats a picture's row once for each of its boxes."""
    reads: dict[str, tuple[str, Read]] = {}
    for place, row in rows(root / _CLASSES, _CLASS_COLUMNS, _CURE):
        name, one = row["patientId"], choice(place, "class", row["class"], Read)
        if reads.setdefault(name, (place, one))[1] is not one:
            raise DataError(f"{place}: {name} has two different classes: remove the wrong row")
    if not reads:
        raise DataError(f"{_CLASSES} has no row: add one for each picture")
    return reads


def _read_boxes(root: Path, reads: dict[str, tuple[str, Read]]) -> dict[str, list[tuple[str, list[float]]]]:
    """Return (place, [x, y, width, height] in pixels) by picture, and check them against the classes."""
    boxes: dict[str, list[tuple[str, list[float]]]] = {}
    for place, row in rows(root / _LABELS, _BOX_COLUMNS, _CURE):
        name = row["patientId"]
        if name not in reads:
            raise DataError(f"{place}: {_CLASSES} has no row for {name}: add it")
        if row["Target"] not in {"0", "1"}:
            raise DataError(f'{place}: unknown Target "{row["Target"]}": write 0 or 1')
        if (row["Target"] == "1") is not (reads[name][1] is Read.OPACITY):
            raise DataError(
                f'{place}: Target {row["Target"]} contradicts the class "{reads[name][1]}": mend one of them'
            )
        if row["Target"] == "1":
            sides = [number(place, column, row[column], float) for column in _BOX_COLUMNS[1:5]]
            boxes.setdefault(name, []).append((place, sides))
    bare = next((name for name, (_place, one) in reads.items() if one is Read.OPACITY and name not in boxes), None)
    if bare is not None:
        raise DataError(f"{_LABELS} has no box for {bare}, which shows a lung opacity: add its row")
    return boxes


def _in_fractions(path: Path, boxes: Any) -> tuple[TruthBox, ...]:
    if not boxes:
        return ()
    rows_, columns = size(path)
    return tuple(
        checked_box(place, TruthBox(LUNG_OPACITY, x / columns, y / rows_, w / columns, h / rows_, "rsna"))
        for place, (x, y, w, h) in boxes
    )


def _patients(root: Path) -> dict[str, str]:
    """Return the NIH picture that each challenge picture was, where the organisers' mapping is there."""
    path = root / _MAPPING
    if not path.is_file():
        return {}
    try:
        return {str(entry["subset_img_id"]): str(entry["img_id"]) for entry in json.loads(path.read_bytes())}
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{_MAPPING} is not as published ({type(error).__name__}): fetch it again") from None
