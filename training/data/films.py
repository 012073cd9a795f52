"""Whose films a folder holds, from where and of which view, with the boxes on them; labels are left alone.

:mod:`training.data.manifest` reads the same layout for training and refuses what it does not know. What a package is
tried on may come from anywhere, so here a box of an unknown finding is passed over, and a view or an age that nobody
wrote is unknown.
"""

import csv
from pathlib import Path

from config.errors import DataError
from training.data.examples import Example, TruthBox, View
from training.data.terms import BOX_LABELS

CHILD_YEARS = 5.0
"""What an age that is only known to be a child's counts as."""


def films(root: Path) -> tuple[Example, ...]:
    """Read ``manifest.csv`` and, where there is one, ``boxes.csv`` under ``root``.

    ``source`` is the column ``part`` where the folder has it: the collection that a film came in.

    Raises
    ------
    DataError
        When there is no manifest.
    """
    if not (root / "manifest.csv").is_file():
        raise DataError(f"{root} holds no manifest.csv: give a data folder with images/ and manifest.csv")
    drawn = boxes(root)
    return tuple(_film(root, row, drawn.get(row["file"], ())) for row in _rows(root / "manifest.csv"))


def boxes(root: Path) -> dict[str, tuple[TruthBox, ...]]:
    """Return the boxes of ``boxes.csv`` under ``root`` whose finding has a term here, by file; none without the file.

    The files need not be those of this folder's manifest.
    """
    found: dict[str, tuple[TruthBox, ...]] = {}
    for row in _rows(root / "boxes.csv") if (root / "boxes.csv").is_file() else ():
        label = BOX_LABELS.get(row["label"])
        if label is not None:
            x, y, w, h = (float(row[side]) for side in ("x", "y", "w", "h"))
            found[row["file"]] = (*found.get(row["file"], ()), TruthBox(label, x, y, w, h, row["source"]))
    return found


def _film(root: Path, row: dict[str, str], drawn: tuple[TruthBox, ...]) -> Example:
    return Example(
        file=row["file"],
        path=root / "images" / row["file"],
        patient=row["patient"],
        source=row.get("part") or row["source"],
        fold=int(row["fold"]) if row["fold"] else None,
        view=View(row["view"]) if row["view"] in set(View) else View.UNKNOWN,
        age=CHILD_YEARS if row.get("children") == "yes" else _years(row["age"]),
        boxes=drawn,
    )


def _years(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))
