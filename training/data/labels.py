"""Images of one's own, labelled in one CSV file: ``labels.csv`` with the columns ``file``, ``patient`` and ``labels``.

Images are JPEG, PNG or DICOM files below the same folder. Labels are whatever the file names: those that occur in it
are all there are, and of each image those that its row lists are true and the others are not.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from config.errors import DataError
from training.data.csv_rows import checked_box, choice, existing, number, refuse_duplicates, rows
from training.data.examples import Example, TruthBox, View, refuse_leak
from training.data.headers import read_header
from training.data.terms import term

FILE = "labels.csv"
COLUMNS = ("file", "patient", "labels")
OPTIONAL = ("view", "age", "sex", "fold", "source", "licence", "read")
BOX_COLUMNS = ("file", "label", "x", "y", "w", "h")
NONE = "none"
"""In place of labels: the image was looked at, and none of the labels is true."""
UNKNOWN = "?"
"""In place of labels: nobody looked at the image. Behind a label: nobody knows whether that one is true."""
_SEPARATOR = "|"
_TERM = re.compile(r"[a-z][a-z0-9_]{0,39}")
_CURE = f"give the folder that holds {FILE} with the columns {', '.join(COLUMNS)}"
_YES = frozenset({"yes", "true", "1"})
_NO = frozenset({"", "no", "false", "0"})


@dataclass(frozen=True, slots=True)
class _Labels:
    """What one row says of its image."""

    true: frozenset[str]
    unknown: frozenset[str]
    nothing_known: bool = False


def read(root: Path) -> tuple[Example, ...]:
    """Read ``labels.csv`` and, where there is one, ``boxes.csv`` (fractions of width and height) under ``root``.

    ``labels`` holds names with ``|`` between them, ``none`` where none of the data set's labels is true, ``?`` where
    nobody looked; ``name?`` leaves that one unknown. Names become the catalogue's terms (``COVID-19``: ``covid19``).
    ``view`` (PA, AP, L, ?), ``age``, ``sex``, ``fold``, ``source``, ``licence`` and ``read`` (yes where a radiologist
    read the labels) may be there; of a DICOM file, the header gives view, age and sex that the row does not. A label's
    boxes count as complete in an image where there is one, or where the label is not true.

    Raises
    ------
    DataError
        Naming file, line and cure: a file or a column that is missing, an empty patient or label, an unknown word, a
        patient in two folds, a box outside its image, or a box for an image that is not there.
    """
    table = list(rows(root / FILE, COLUMNS, _CURE, optional=OPTIONAL))
    if not table:
        raise DataError(f"{FILE} has no row: add one for each image")
    said = [_labels(place, row["labels"]) for place, row in table]
    names = sorted({name for one in said for name in one.true | one.unknown})
    if not names:
        raise DataError(f"{FILE} names no label: write at least one into the column labels")
    boxes = _boxes(root, names)
    examples = tuple(
        _example(place, row, root, labels, names, boxes.pop(row["file"], ()))
        for (place, row), labels in zip(table, said, strict=True)
    )
    refuse_duplicates(examples, FILE)
    if boxes:
        raise DataError(f"boxes.csv names {min(boxes)}, which {FILE} does not have: add its row")
    folds: dict[str, list[Example]] = {}
    for example in examples:
        if example.fold is not None:
            folds.setdefault(f"fold {example.fold}", []).append(example)
    refuse_leak(folds)
    return examples


def _labels(place: str, text: str) -> _Labels:
    if not text:
        raise DataError(
            f"{place}: the labels are empty: write {NONE} where none is true, {UNKNOWN} where nobody looked"
        )
    if text == UNKNOWN:
        return _Labels(frozenset(), frozenset(), nothing_known=True)
    if text.lower() == NONE:
        return _Labels(frozenset(), frozenset())
    listed = [name.strip() for name in text.split(_SEPARATOR)]
    true = frozenset(_term(place, name) for name in listed if not name.endswith(UNKNOWN))
    unknown = frozenset(_term(place, name.removesuffix(UNKNOWN)) for name in listed if name.endswith(UNKNOWN))
    both = true & unknown
    if both:
        raise DataError(f"{place}: {min(both)} is both true and unknown: write it once")
    return _Labels(true, unknown)


def _term(place: str, name: str) -> str:
    found = term(name)
    if not _TERM.fullmatch(found):
        raise DataError(
            f'{place}: the label "{name}" makes no term: begin it with a letter a to z, at most 40 characters'
        )
    return found


def _example(
    place: str, row: dict[str, str], root: Path, labels: _Labels, names: Iterable[str], boxes: tuple[TruthBox, ...]
) -> Example:
    if not row["patient"]:
        raise DataError(f"{place}: the patient is empty: give each patient a key, splits need it")
    path = existing(place, root / row["file"])
    truths = {} if labels.nothing_known else {name: name in labels.true for name in names if name not in labels.unknown}
    view, age, sex = read_header(path) if path.suffix.lower() == ".dcm" else (View.UNKNOWN, None, "")
    boxed = {box.label for box in boxes}
    if row["read"].lower() not in _YES | _NO:
        raise DataError(f'{place}: unknown read "{row["read"]}": write yes or no')
    return Example(
        file=row["file"],
        path=path,
        patient=row["patient"],
        source=row["source"],
        fold=number(place, "fold", row["fold"], int) if row["fold"] else None,
        view=choice(place, "view", row["view"], View) if row["view"] else view,
        age=number(place, "age", row["age"], float) if row["age"] else age,
        sex=row["sex"] or sex,
        licence=row["licence"],
        truths=truths,
        read=frozenset(truths) if row["read"].lower() in _YES else frozenset(),
        boxes=boxes,
        boxed=frozenset(boxed),
    )


def _boxes(root: Path, names: Iterable[str]) -> dict[str, tuple[TruthBox, ...]]:
    path = root / "boxes.csv"
    found: dict[str, tuple[TruthBox, ...]] = {}
    if not path.is_file():
        return found
    known = frozenset(names)
    for place, row in rows(path, BOX_COLUMNS, ""):
        label = _term(place, row["label"])
        if label not in known:
            raise DataError(f'{place}: unknown label "{row["label"]}": {FILE} names {", ".join(sorted(known))}')
        x, y, w, h = (number(place, side, row[side], float) for side in ("x", "y", "w", "h"))
        found[row["file"]] = (*found.get(row["file"], ()), checked_box(place, TruthBox(label, x, y, w, h)))
    return found
