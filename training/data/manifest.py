"""A folder with ``images/``, ``manifest.csv`` (one row a picture) and ``boxes.csv`` (one row a box, in fractions).

Everything that is wrong with it is found while reading, before anything is trained or written.
"""

from pathlib import Path

from config.errors import DataError
from training.data.csv_rows import checked_box, choice, existing, number, refuse_duplicates, rows
from training.data.examples import Example, TruthBox, View, refuse_leak
from training.data.terms import (
    BOX_LABELS,
    COVID19,
    LUNG_OPACITY,
    NIH_CONDITIONS,
    NIH_NO_FINDING,
    NO_FINDING,
    PNEUMONIA,
    READ_LABELS,
    Read,
    mined_truths,
    read_truths,
)

_MANIFEST_COLUMNS = (
    "file", "source", "patient", "fold", "view", "age", "sex", "nih_labels", "rsna_class", "covid_finding",
    "width", "height", "licence",
)  # fmt: skip
_BOX_COLUMNS = ("file", "label", "x", "y", "w", "h", "source")
_CURE = "give the folder that holds manifest.csv, boxes.csv and images/"

_COVID = "COVID-19"
_NO_FINDING = "No Finding"
_UNKNOWN = "todo"
_NOT_PNEUMONIA = "ARDS"
"""A diagnosis, stated without one of pneumonia."""
_PNEUMONIAS = frozenset(
    {
        "Aspiration", "Aspergillosis", "Bacterial", "Chlamydophila", "E.Coli", "Fungal", "H1N1", "Herpes", "Influenza",
        "Klebsiella", "Legionella", "Lipoid", "MERS-CoV", "Mycoplasma Bacterial Pneumonia", "Nocardia",
        "Pneumocystis", "Pneumonia", "SARS", "Staphylococcus", "Streptococcus", "Varicella", "Viral",
    }
)  # fmt: skip
"""The other pneumonias that the ieee8023 collection names."""


def read(root: Path) -> tuple[Example, ...]:
    """Read ``manifest.csv`` and ``boxes.csv`` under ``root``.

    What is known about a picture: from ``rsna_class`` the three exclusive reads; from ``nih_labels`` the fourteen
    mined labels and ``no_finding``; from ``covid_finding`` whether it is COVID-19, another pneumonia or nothing.
    Boxes are complete (``boxed``) for lung opacities where RSNA radiologists read the picture, and for a condition
    of which a radiologist drew boxes in this very picture.

    Raises
    ------
    DataError
        Naming file, line and cure: a file that is missing, a column that is missing, a label nobody knows, a
        patient in two folds, a box outside its picture or around nothing, a box for a picture that is not there.
    """
    boxes: dict[str, list[TruthBox]] = {}
    for place, row in rows(root / "boxes.csv", _BOX_COLUMNS, _CURE):
        boxes.setdefault(row["file"], []).append(_box(place, row))
    examples: list[Example] = []
    for place, row in rows(root / "manifest.csv", _MANIFEST_COLUMNS, _CURE):
        examples.append(_example(place, row, root, tuple(boxes.pop(row["file"], ()))))
    refuse_duplicates(examples, "manifest.csv")
    if boxes:
        raise DataError(f"boxes.csv names {min(boxes)}, which manifest.csv does not have: add its row")
    if not examples:
        raise DataError("manifest.csv has no row: add one for each picture")
    folds: dict[str, list[Example]] = {}
    for example in examples:
        folds.setdefault(f"fold {example.fold}", []).append(example)
    refuse_leak(folds)
    return tuple(examples)


def _example(place: str, row: dict[str, str], root: Path, boxes: tuple[TruthBox, ...]) -> Example:
    if not row["patient"]:
        raise DataError(f"{place}: the patient is empty: give each patient a key, splits need it")
    truths: dict[str, bool] = {}
    read_labels: frozenset[str] = frozenset()
    if row["nih_labels"]:
        truths |= mined_truths(_mined(place, row["nih_labels"]))
    truths |= _stated(place, row["covid_finding"])
    if row["rsna_class"]:
        truths |= read_truths(choice(place, "rsna_class", row["rsna_class"], Read))
        read_labels = frozenset(READ_LABELS.values())
    complete = {box.label for box in boxes} | ({LUNG_OPACITY} if read_labels else set())
    return Example(
        file=row["file"],
        path=existing(place, root / "images" / row["file"]),
        patient=row["patient"],
        source=row["source"],
        fold=number(place, "fold", row["fold"], int),
        view=choice(place, "view", row["view"] or View.UNKNOWN, View),
        age=number(place, "age", row["age"], float) if row["age"] else None,
        sex=row["sex"],
        licence=row["licence"],
        truths=truths,
        read=read_labels,
        boxes=boxes,
        boxed=frozenset(complete),
    )


def _mined(place: str, text: str) -> frozenset[str]:
    labels = frozenset(label for label in text.split("|") if label)
    unknown = sorted(labels - {*NIH_CONDITIONS, NIH_NO_FINDING})
    if unknown:
        known = ", ".join([*NIH_CONDITIONS, NIH_NO_FINDING])
        raise DataError(f'{place}: unknown label "{unknown[0]}": write one of {known}')
    return labels


def _stated(place: str, finding: str) -> dict[str, bool]:
    """Return what the ieee8023 collection's finding makes known."""
    names = [name.strip() for name in finding.split(",")]
    if finding in ("", _UNKNOWN):
        return {}
    unknown = sorted(set(names) - {_COVID, _NO_FINDING, _NOT_PNEUMONIA, *_PNEUMONIAS})
    if unknown:
        known = ", ".join([_COVID, _NO_FINDING, _UNKNOWN, _NOT_PNEUMONIA, *sorted(_PNEUMONIAS)])
        raise DataError(f'{place}: unknown covid_finding "{unknown[0]}": write one of {known}')
    if _COVID in names:
        return {COVID19: True}
    if _NO_FINDING in names:
        return {COVID19: False, PNEUMONIA: False, NO_FINDING: True}
    if _PNEUMONIAS & set(names):
        return {COVID19: False, PNEUMONIA: True, NO_FINDING: False}
    return {COVID19: False, NO_FINDING: False}


def _box(place: str, row: dict[str, str]) -> TruthBox:
    if row["label"] not in BOX_LABELS:
        raise DataError(f'{place}: unknown label "{row["label"]}": write one of {", ".join(sorted(BOX_LABELS))}')
    x, y, w, h = (number(place, column, row[column], float) for column in ("x", "y", "w", "h"))
    return checked_box(place, TruthBox(label=BOX_LABELS[row["label"]], x=x, y=y, w=w, h=h, source=row["source"]))
