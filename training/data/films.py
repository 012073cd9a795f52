"""The films of one or of many collections, and the boxes on them, as a data folder's tables list them.

:mod:`training.data.manifest` reads the same layout for training and refuses a word that it does not know. What a
package is measured on may come from anywhere, so here a box of an unknown finding is passed over, and a view or an age
that nobody wrote is unknown.
"""

import csv
from pathlib import Path

from training.data.csv_rows import existing, number, rows
from training.data.examples import Example, TruthBox, View
from training.data.terms import BOX_LABELS, NO_FINDING, Read, read_truths

CHILD_YEARS = 5.0
"""What an age that is only known to be a child's counts as."""
_COLUMNS = ("file", "source", "patient", "fold", "view", "age")
_OPTIONAL = ("part", "children", "rsna_class", "findings")
_BOX_COLUMNS = ("file", "label", "x", "y", "w", "h", "source")
_CURE = "give a data folder with images/ and manifest.csv"


def films(root: Path) -> tuple[Example, ...]:
    """Read ``manifest.csv`` and, where there is one, ``boxes.csv`` under ``root``.

    ``source`` is the column ``part`` where the folder has it: the collection that a film came in. Truths are what
    RSNA's radiologists read (``rsna_class``), and ``no_finding`` where the collection itself says whether it is normal
    (``findings``); labels that were mined from reports are left alone.

    Raises
    ------
    DataError
        Naming file, line and cure: a file or a column that is missing.
    """
    boxes_by_file = boxes(root)
    return tuple(
        _film(place, root, row, boxes_by_file.get(row["file"], ()))
        for place, row in rows(root / "manifest.csv", _COLUMNS, _CURE, optional=_OPTIONAL)
    )


def all_films(data: Path) -> tuple[Example, ...]:
    """Read the films of a data folder and of ``more/`` in it, without those that ``known-wrong.csv`` names.

    Raises :class:`DataError` as :func:`films` does.
    """
    wrong = {data / file for file in known_wrong(data / "known-wrong.csv")}
    more = data / "more"
    listed = (*films(data), *(films(more) if (more / "manifest.csv").is_file() else ()))
    return tuple(film for film in listed if film.path not in wrong)


def known_wrong(path: Path) -> dict[str, str]:
    """Return what films are that are not what their row says, by file below the data folder; none without the list."""
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8", newline="") as stream:
        return {row["file"]: row["what"] for row in csv.DictReader(stream)}


def boxes(root: Path) -> dict[str, tuple[TruthBox, ...]]:
    """Return the boxes of ``boxes.csv`` under ``root`` whose finding has a term here, by file; none without the file.

    The files need not be those of this folder's manifest.
    """
    if not (root / "boxes.csv").is_file():
        return {}
    by_file: dict[str, tuple[TruthBox, ...]] = {}
    for place, row in rows(root / "boxes.csv", _BOX_COLUMNS, _CURE):
        label = BOX_LABELS.get(row["label"])
        if label is not None:
            x, y, w, h = (number(place, side, row[side], float) for side in ("x", "y", "w", "h"))
            by_file[row["file"]] = (*by_file.get(row["file"], ()), TruthBox(label, x, y, w, h, row["source"]))
    return by_file


def _film(place: str, root: Path, row: dict[str, str], boxes_of_film: tuple[TruthBox, ...]) -> Example:
    truths = dict(read_truths(Read(row["rsna_class"]))) if row["rsna_class"] in set(Read) else {}
    read = frozenset(truths)
    if row["findings"]:
        truths[NO_FINDING] = row["findings"] == "none"
    return Example(
        file=row["file"],
        path=existing(place, root / "images" / row["file"]),
        patient=row["patient"],
        source=row["part"] or row["source"],
        fold=int(row["fold"]) if row["fold"] else None,
        view=View(row["view"]) if row["view"] in set(View) else View.UNKNOWN,
        age=CHILD_YEARS if row["children"] == "yes" else _years(row["age"]),
        truths=truths,
        read=read,
        boxes=boxes_of_film,
    )


def _years(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
