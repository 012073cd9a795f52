"""Data sets as typed rows: the manifest of radiographs with its boxes, and splits that keep patients whole.

A manifest is a folder with ``images/``, ``manifest.csv`` (one row a picture) and ``boxes.csv`` (one row a box, in
fractions of width and height, top left corner first). Everything that is wrong with it is found while reading,
before anything is trained or written.
"""

import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from config.errors import DataError

ADULT_YEARS = 18
_EDGE = 0.002
"""How far, in fractions of a side, rounding may push a box over the edge of its picture."""

_MANIFEST_COLUMNS = (
    "file", "source", "patient", "fold", "view", "age", "sex", "nih_labels", "rsna_class", "covid_finding",
    "width", "height", "licence",
)  # fmt: skip
_BOX_COLUMNS = ("file", "label", "x", "y", "w", "h", "source")


class Read(StrEnum):
    """What the radiologists of the RSNA 2018 challenge said about a picture."""

    NORMAL = "Normal"
    OTHER = "No Lung Opacity / Not Normal"
    OPACITY = "Lung Opacity"


class View(StrEnum):
    """The projection as the source states it."""

    PA = "PA"
    AP = "AP"
    AP_SUPINE = "AP Supine"
    LATERAL = "L"
    UNKNOWN = "?"


FRONTAL = frozenset({View.PA, View.AP, View.AP_SUPINE})

NIH_LABELS = frozenset(
    {
        "Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Effusion", "Emphysema", "Fibrosis", "Hernia",
        "Infiltration", "Mass", "No Finding", "Nodule", "Pleural_Thickening", "Pneumonia", "Pneumothorax",
    }
)  # fmt: skip
BOX_LABELS = frozenset(
    {
        "Lung Opacity", "Atelectasis", "Cardiomegaly", "Effusion", "Infiltrate", "Mass", "Nodule", "Pneumonia",
        "Pneumothorax",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class TruthBox:
    """A box somebody drew, in fractions of the picture's width and height; ``x, y`` is its upper left corner."""

    label: str
    x: float
    y: float
    w: float
    h: float
    source: str


@dataclass(frozen=True, slots=True)
class Radiograph:
    """One picture of a data set with everything that is known about it."""

    file: str
    """Its name within the data set: the key that other files refer to."""
    path: Path
    source: str
    patient: str
    fold: int
    view: View
    age: float | None
    sex: str
    nih_labels: tuple[str, ...]
    """Mined from reports by machine: noisy. Empty where the source is not NIH."""
    read: Read | None
    """Read by radiologists: the better truth."""
    licence: str
    boxes: tuple[TruthBox, ...]

    @property
    def opacities(self) -> tuple[TruthBox, ...]:
        """The boxes that radiologists drew around lung opacities."""
        return tuple(box for box in self.boxes if box.label == "Lung Opacity")


@dataclass(frozen=True, slots=True)
class Split:
    """Rows to learn from, rows to choose with, and rows to report on. No patient stands in two of them."""

    training: tuple[Radiograph, ...]
    validation: tuple[Radiograph, ...]
    test: tuple[Radiograph, ...]

    def __post_init__(self) -> None:
        refuse_leak({"training": self.training, "validation": self.validation, "test": self.test})


def read_manifest(root: Path) -> tuple[Radiograph, ...]:
    """Read ``manifest.csv`` and ``boxes.csv`` under ``root``.

    Raises
    ------
    DataError
        Naming file, row and cure: a file that is missing, a column that is missing, a label nobody knows, a
        patient in two folds, a box outside its picture or around nothing, a box for a picture that is not there.
    """
    boxes: dict[str, list[TruthBox]] = {}
    for place, row in _rows(root / "boxes.csv", _BOX_COLUMNS):
        boxes.setdefault(row["file"], []).append(_box(place, row))
    rows: list[Radiograph] = []
    for place, row in _rows(root / "manifest.csv", _MANIFEST_COLUMNS):
        rows.append(_radiograph(place, row, root, tuple(boxes.pop(row["file"], ()))))
    if boxes:
        raise DataError(f"boxes.csv names {min(boxes)}, which manifest.csv does not have: add its row")
    seen: set[str] = set()
    for radiograph in rows:
        if radiograph.file in seen:
            raise DataError(f"manifest.csv names {radiograph.file} twice: remove one row")
        seen.add(radiograph.file)
    folds: dict[int, list[Radiograph]] = {}
    for radiograph in rows:
        folds.setdefault(radiograph.fold, []).append(radiograph)
    refuse_leak({f"fold {fold}": members for fold, members in folds.items()})
    return tuple(rows)


def is_frontal_adult(radiograph: Radiograph) -> bool:
    """Say whether this is a picture the node would analyse: frontal, and an adult's (unknown age counts as one)."""
    return radiograph.view in FRONTAL and (radiograph.age is None or radiograph.age >= ADULT_YEARS)


def split_by_fold(rows: Iterable[Radiograph], *, test: int, validation: int) -> Split:
    """Split by the data set's own patient-grouped folds; what is in neither named fold is for training.

    Raises
    ------
    DataError
        When a part would be empty or a patient would stand in two parts.
    """
    if test == validation:
        raise DataError(f"fold {test} cannot be both test and validation: choose another validation fold")
    rows = tuple(rows)
    split = Split(
        training=tuple(row for row in rows if row.fold not in (test, validation)),
        validation=tuple(row for row in rows if row.fold == validation),
        test=tuple(row for row in rows if row.fold == test),
    )
    for name, part in (("training", split.training), ("validation", split.validation), ("test", split.test)):
        if not part:
            raise DataError(f"the {name} part is empty: check the fold numbers in manifest.csv and in the recipe")
    return split


def refuse_leak(parts: Mapping[str, Sequence[Radiograph]]) -> None:
    """Raise :class:`DataError` when one patient stands in two parts."""
    home: dict[str, str] = {}
    for name, part in parts.items():
        for radiograph in part:
            other = home.setdefault(radiograph.patient, name)
            if other != name:
                raise DataError(
                    f"the patient of {radiograph.file} is both in {other} and in {name}: "
                    "group by patient, pictures of one patient look alike"
                )


def require_every_class(rows: Iterable[Radiograph], part: str) -> None:
    """Raise :class:`DataError` when a class of the radiologists' reads has no picture in this part."""
    present = {row.read for row in rows}
    for read in Read:
        if read not in present:
            raise DataError(f'no picture is read as "{read.value}" in the {part} part: add some or change the folds')


def _rows(path: Path, columns: tuple[str, ...]) -> Iterable[tuple[str, dict[str, str]]]:
    """Yield (place, row) for each row of a CSV file that must have these columns."""
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            reader = csv.DictReader(stream)
            missing = [column for column in columns if column not in (reader.fieldnames or ())]
            if missing:
                raise DataError(f"{path.name} has no column {', '.join(missing)}: expected {', '.join(columns)}")
            for row in reader:
                yield f"{path.name} line {reader.line_num}", {key: row[key] or "" for key in columns}
    except FileNotFoundError:
        raise DataError(f"{path} is missing: give the folder that holds manifest.csv, boxes.csv and images/") from None
    except UnicodeDecodeError:
        raise DataError(f"{path.name} is not UTF-8 text: save it as UTF-8") from None


def _radiograph(place: str, row: dict[str, str], root: Path, boxes: tuple[TruthBox, ...]) -> Radiograph:
    path = root / "images" / row["file"]
    if not path.is_file():
        raise DataError(f"{place}: the picture {row['file']} is not under {root / 'images'}")
    if not row["patient"]:
        raise DataError(f"{place}: the patient is empty: give each patient a key, splits need it")
    labels = tuple(label for label in row["nih_labels"].split("|") if label)
    unknown = sorted(set(labels) - NIH_LABELS)
    if unknown:
        raise DataError(f'{place}: unknown label "{unknown[0]}": expected one of {", ".join(sorted(NIH_LABELS))}')
    return Radiograph(
        file=row["file"],
        path=path,
        source=row["source"],
        patient=row["patient"],
        fold=_number(place, "fold", row["fold"], int),
        view=_choice(place, "view", row["view"] or View.UNKNOWN, View),
        age=_number(place, "age", row["age"], float) if row["age"] else None,
        sex=row["sex"],
        nih_labels=labels,
        read=_choice(place, "rsna_class", row["rsna_class"], Read) if row["rsna_class"] else None,
        licence=row["licence"],
        boxes=boxes,
    )


def _box(place: str, row: dict[str, str]) -> TruthBox:
    if row["label"] not in BOX_LABELS:
        raise DataError(f'{place}: unknown label "{row["label"]}": expected one of {", ".join(sorted(BOX_LABELS))}')
    x, y, w, h = (_number(place, column, row[column], float) for column in ("x", "y", "w", "h"))
    if w <= 0 or h <= 0:
        raise DataError(f"{place}: the box has no area: width and height must be above 0")
    if min(x, y) < -_EDGE or x + w > 1 + _EDGE or y + h > 1 + _EDGE:
        raise DataError(f"{place}: the box is outside the picture: x, y, w, h are fractions of width and height")
    return TruthBox(label=row["label"], x=x, y=y, w=w, h=h, source=row["source"])


_Number = TypeVar("_Number", int, float)
_Choice = TypeVar("_Choice", bound=StrEnum)


def _number(place: str, column: str, text: str, kind: Callable[[str], _Number]) -> _Number:
    try:
        return kind(text)
    except ValueError:
        raise DataError(f'{place}: column {column} holds "{text}", which is no number') from None


def _choice(place: str, column: str, text: str, choices: type[_Choice]) -> _Choice:
    try:
        return choices(text)
    except ValueError:
        known = ", ".join(repr(choice.value) for choice in choices)
        raise DataError(f'{place}: unknown {column} "{text}": expected one of {known}') from None
