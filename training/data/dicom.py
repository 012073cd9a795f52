"""A folder of DICOM files with an ``index.csv``: ``id`` (a file's name without ``.dcm``), ``patient``, ``rsna_class``.

The pictures go through the node's own pixel pipeline (``training.data.image_files``), so what is learnt or measured on
such a folder is what the node would see.
"""

from pathlib import Path

from config.errors import DataError
from training.data.csv_rows import choice, existing, refuse_duplicates, rows
from training.data.examples import Example
from training.data.headers import read_header
from training.data.terms import READ_LABELS, Read, read_truths

COLUMNS = ("id", "patient", "rsna_class")


def read(root: Path) -> tuple[Example, ...]:
    """Read ``index.csv`` and the headers of its files; an empty ``rsna_class`` is a picture nobody has read.

    Raises
    ------
    DataError
        Naming the line: a missing file, column or patient, or a class that nobody knows.
    """
    examples = []
    for place, row in rows(root / "index.csv", COLUMNS, "give a folder of DICOM files with an index.csv"):
        if not row["patient"]:
            raise DataError(f"{place}: the patient is empty: give each patient a key, splits need it")
        if not row["id"] or Path(row["id"]).name != row["id"]:
            raise DataError(f'{place}: the id "{row["id"]}" is no file name: write the name without .dcm')
        path = existing(place, root / f"{row['id']}.dcm")
        view, age, sex = read_header(path)
        was_read = row["rsna_class"] != ""
        examples.append(
            Example(
                file=path.name,
                path=path,
                patient=row["patient"],
                source="dicom",
                view=view,
                age=age,
                sex=sex,
                truths=read_truths(choice(place, "rsna_class", row["rsna_class"], Read)) if was_read else {},
                read=frozenset(READ_LABELS.values()) if was_read else frozenset(),
            )
        )
    if not examples:
        raise DataError(f"{root / 'index.csv'} has no row: add one for each file")
    refuse_duplicates(examples, "index.csv")
    return tuple(examples)
