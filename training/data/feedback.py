"""The folder that ``cxrnode feedback export`` writes: what radiologists answered to a model's findings.

``manifest.csv`` has a row an image, ``labels.csv`` a row for each label of an image (yes, no or unknown), ``boxes.csv``
a row a box, ``images/`` the images, and ``card.md`` says what it is. Boxes are in fractions of the image's width and
height.
"""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from config.errors import DataError
from training.data.csv_rows import checked_box, choice, existing, number, refuse_duplicates, rows
from training.data.examples import Example, TruthBox, View

MANIFEST = ("file", "patient", "view", "age", "sex", "width", "height", "readers", "model", "boxed")
LABELS = ("file", "label", "truth")
BOXES = ("file", "label", "x", "y", "w", "h")
SOURCE = "feedback"
_CURE = "give the folder that cxrnode feedback export wrote"
_SEPARATOR = "|"
_Row = TypeVar("_Row")


class Truth(StrEnum):
    """What is known about a label."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"
    """Nobody answered, or readers say different things."""


@dataclass(frozen=True, slots=True)
class FeedbackImage:
    """One image of the set; ``patient`` is a salted mark, boxes are in fractions of the image."""

    file: str
    patient: str
    view: View
    age: float | None
    sex: str
    width: int
    height: int
    readers: int
    model: str
    truths: dict[str, bool | None]
    boxes: tuple[TruthBox, ...]
    boxed: frozenset[str]


def write(folder: Path, images: Iterable[FeedbackImage]) -> None:
    """Write the three tables into a folder that holds ``images/``."""
    listed = list(images)
    _write(folder / "manifest.csv", MANIFEST, [_manifest_row(image) for image in listed])
    _write(
        folder / "labels.csv", LABELS,
        [(image.file, label, truth_word(known)) for image in listed for label, known in image.truths.items()],
    )  # fmt: skip
    _write(
        folder / "boxes.csv", BOXES,
        [
            (image.file, box.label, *(f"{side:.6f}" for side in (box.x, box.y, box.w, box.h)))
            for image in listed
            for box in image.boxes
        ],
    )  # fmt: skip


def truth_word(known: bool | None) -> str:
    """Return how the tables write what is known about a label."""
    return Truth.UNKNOWN.value if known is None else (Truth.YES if known else Truth.NO).value


def read(root: Path) -> tuple[Example, ...]:
    """Read the three tables under ``root``; labels that are unknown are left out, which is not the same as no.

    Raises
    ------
    DataError
        Naming file, line and cure: a table or an image that is missing, an unknown word, a box outside its image, a row
        for an image that is not there.
    """
    truths = _by_file(
        (row["file"], (row["label"], choice(place, "truth", row["truth"], Truth)))
        for place, row in rows(root / "labels.csv", LABELS, _CURE)
    )
    boxes = _by_file((row["file"], _box(place, row)) for place, row in rows(root / "boxes.csv", BOXES, _CURE))
    examples = [
        _example(place, row, root, truths.pop(row["file"], []), boxes.pop(row["file"], []))
        for place, row in rows(root / "manifest.csv", MANIFEST, _CURE)
    ]
    refuse_duplicates(examples, "manifest.csv")
    for name, left in (("labels.csv", truths), ("boxes.csv", boxes)):
        if left:
            raise DataError(f"{name} names {min(left)}, which manifest.csv does not have: add its row")
    if not examples:
        raise DataError("manifest.csv has no row: export again when radiologists have answered")
    return tuple(examples)


def _example(
    place: str, row: dict[str, str], root: Path, truths: Sequence[tuple[str, Truth]], boxes: Sequence[TruthBox]
) -> Example:
    if not row["patient"]:
        raise DataError(f"{place}: the patient is empty: give each patient a key, splits need it")
    known = {label: truth is Truth.YES for label, truth in truths if truth is not Truth.UNKNOWN}
    return Example(
        file=row["file"],
        path=existing(place, root / "images" / row["file"]),
        patient=row["patient"],
        source=SOURCE,
        view=choice(place, "view", row["view"], View),
        age=number(place, "age", row["age"], float) if row["age"] else None,
        sex=row["sex"],
        truths=known,
        read=frozenset(known),
        boxes=tuple(boxes),
        boxed=frozenset(label for label in row["boxed"].split(_SEPARATOR) if label),
    )


def _box(place: str, row: dict[str, str]) -> TruthBox:
    if not row["label"]:
        raise DataError(f"{place}: the label is empty: write the finding's label")
    x, y, w, h = (number(place, column, row[column], float) for column in ("x", "y", "w", "h"))
    return checked_box(place, TruthBox(row["label"], x, y, w, h, SOURCE))


def _by_file(pairs: Iterable[tuple[str, _Row]]) -> dict[str, list[_Row]]:
    found: dict[str, list[_Row]] = {}
    for file, value in pairs:
        found.setdefault(file, []).append(value)
    return found


def _manifest_row(image: FeedbackImage) -> tuple[object, ...]:
    age = "" if image.age is None else f"{image.age:g}"
    return (
        image.file, image.patient, image.view.value, age, image.sex, image.width, image.height, image.readers,
        image.model, _SEPARATOR.join(sorted(image.boxed)),
    )  # fmt: skip


def _write(path: Path, columns: Sequence[str], table: Iterable[Sequence[object]]) -> None:
    with path.open("x", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(table)
