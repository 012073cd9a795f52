"""Radiographs that are DICOM files with an index beside them.

``index.csv`` has one row a file: ``id`` (the file's name without ``.dcm``), ``patient``, ``rsna_class``.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

from config.errors import DataError
from training.dataset import Read

COLUMNS = ("id", "patient", "rsna_class")


@dataclass(frozen=True, slots=True)
class DicomRow:
    """One DICOM file and what radiologists read on it."""

    path: Path
    patient: str
    read: Read


def read_index(folder: Path) -> tuple[DicomRow, ...]:
    """Read ``index.csv`` in a folder of DICOM files.

    Raises
    ------
    DataError
        Naming the row: a missing file or column, or a class that nobody knows.
    """
    index = folder / "index.csv"
    if not index.is_file():
        raise DataError(f"{index} is missing: give a folder of DICOM files with an index.csv")
    rows = []
    with index.open(encoding="utf-8", newline="") as stream:
        reader = csv.DictReader(stream)
        missing = [column for column in COLUMNS if column not in (reader.fieldnames or ())]
        if missing:
            raise DataError(f"{index.name} has no column {', '.join(missing)}: expected {', '.join(COLUMNS)}")
        for row in reader:
            path = folder / f"{row['id']}.dcm"
            if not path.is_file():
                raise DataError(f"{index.name} line {reader.line_num}: {path.name} is not in the folder")
            try:
                read = Read(row["rsna_class"])
            except ValueError:
                known = ", ".join(repr(choice.value) for choice in Read)
                raise DataError(
                    f'{index.name} line {reader.line_num}: unknown rsna_class "{row["rsna_class"]}": expected {known}'
                ) from None
            rows.append(DicomRow(path, row["patient"], read))
    return tuple(rows)
