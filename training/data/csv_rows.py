"""CSV tables with known columns, read strictly: every complaint names the file, the line and the cure."""

import csv
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from config.errors import DataError
from training.data.examples import Example, TruthBox

EDGE = 0.002
"""How far, in fractions of a side, rounding may push a box over the edge of its picture."""

_Number = TypeVar("_Number", int, float)
_Choice = TypeVar("_Choice", bound=StrEnum)


def rows(
    path: Path, columns: Sequence[str], cure: str, *, optional: Sequence[str] = (), same_length: bool = True
) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield (place, row) for each row of a CSV file that must have these columns; ``place`` names file and line.

    A column in ``optional`` that is not there reads as empty. ``same_length`` refuses rows with more or fewer values
    than the header has columns; otherwise only the columns asked for have to be there.

    Raises
    ------
    DataError
        When the file is missing (``cure`` is then what to do about it), is no UTF-8 text, or lacks a column.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream, strict=True)
            missing = [column for column in columns if column not in (reader.fieldnames or ())]
            if missing:
                raise DataError(
                    f"{path.name} line 1 has no column {', '.join(missing)}: name its columns {', '.join(columns)}"
                )
            for row in reader:
                place = f"{path.name} line {reader.line_num}"
                short = any(row[column] is None for column in columns)
                if short or (same_length and (None in row or None in row.values())):
                    raise DataError(f"{place}: not as many values as columns: quote values that hold a comma")
                yield place, {column: (row.get(column) or "").strip() for column in (*columns, *optional)}
    except FileNotFoundError:
        raise DataError(f"{path} is missing: {cure}") from None
    except IsADirectoryError:
        raise DataError(f"{path} is a folder, not a CSV file: {cure}") from None
    except UnicodeDecodeError:
        raise DataError(f"{path.name} is not UTF-8 text: save it as UTF-8") from None
    except csv.Error as error:
        raise DataError(f"{path.name} line {reader.line_num} is no CSV ({error}): mend or remove the line") from None


def number(place: str, column: str, text: str, kind: Callable[[str], _Number]) -> _Number:
    """Read a finite number; :class:`DataError` when it is none."""
    try:
        value = kind(text)
    except ValueError:
        raise DataError(f'{place}: column {column} holds "{text}": write a number') from None
    if not math.isfinite(value):
        raise DataError(f'{place}: column {column} holds "{text}": write a finite number')
    return value


def choice(place: str, column: str, text: str, choices: type[_Choice]) -> _Choice:
    """Read one of a few known words; :class:`DataError` when it is none of them."""
    try:
        return choices(text)
    except ValueError:
        known = ", ".join(repr(one.value) for one in choices)
        raise DataError(f'{place}: unknown {column} "{text}": write one of {known}') from None


def checked_box(place: str, box: TruthBox) -> TruthBox:
    """Return the box when it lies in its picture and holds something; raise :class:`DataError` otherwise."""
    if not all(math.isfinite(value) for value in (box.x, box.y, box.w, box.h)):
        raise DataError(f"{place}: the box has a side that is no finite number: draw it again")
    if box.w <= 0 or box.h <= 0:
        raise DataError(f"{place}: the box has no area: width and height must be above 0")
    if min(box.x, box.y) < -EDGE or box.x + box.w > 1 + EDGE or box.y + box.h > 1 + EDGE:
        raise DataError(f"{place}: the box is outside the picture: check its place and the picture's size")
    return box


def existing(place: str, path: Path, cure: str = "put it there or remove the row") -> Path:
    """Return the path when a file is there; raise :class:`DataError` otherwise."""
    if not path.is_file():
        raise DataError(f"{place}: the picture {path.name} is not in {path.parent}: {cure}")
    return path


def refuse_duplicates(examples: Iterable[Example], where: str) -> None:
    """Raise :class:`DataError` when a file is named twice."""
    seen: set[str] = set()
    for example in examples:
        if example.file in seen:
            raise DataError(f"{where} names {example.file} twice: remove one of them")
        seen.add(example.file)
