"""The films that a verdict network learns from or is measured on, from a folder with one or two manifests."""

import csv
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from training.data.examples import ADULT_YEARS, FRONTAL, View
from training.data.pictures import read_picture
from training.data.tables import existing, rows

STORED_SIDE = 112
"""The longest side, in pixels, that a film is kept with: the network's input is smaller."""
_COLUMNS = ("file", "source", "patient", "fold", "view", "age")
_CURE = "give the folder that holds manifest.csv and images/"


@dataclass(frozen=True, slots=True)
class Film:
    """One radiograph as its manifest describes it."""

    file: str
    """Its path below the data folder."""
    path: Path
    source: str
    """The collection, or the part of one, that it came with."""
    patient: str
    fold: int
    view: str
    age: float | None

    @property
    def frontal(self) -> bool:
        """Say whether its row says frontal."""
        return self.view in FRONTAL

    @property
    def adult(self) -> bool:
        """Say whether its row does not say otherwise."""
        return self.age is None or self.age >= ADULT_YEARS


def read_films(data: Path) -> tuple[Film, ...]:
    """Read ``manifest.csv`` and, where there is one, ``more/manifest.csv``; without the files in ``known-wrong.csv``.

    Raises :class:`DataError` naming file, line and cure.
    """
    wrong = known_wrong(data / "known-wrong.csv")
    films = [_film(place, row, data, "images") for place, row in rows(data / "manifest.csv", _COLUMNS, _CURE)]
    if (data / "more" / "manifest.csv").is_file():
        more = rows(data / "more" / "manifest.csv", (*_COLUMNS, "part"), _CURE)
        films += [_film(place, row, data, "more/images") for place, row in more]
    return tuple(film for film in films if film.file not in wrong)


def known_wrong(path: Path) -> dict[str, str]:
    """Return what films are that are not what their row says, by file; empty where no such list is kept."""
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8", newline="") as stream:
        return {row["file"]: row["what"] for row in csv.DictReader(stream)}


def chosen(films: Iterable[Film], sources: Collection[str]) -> list[Film]:
    """Return the adults' films of these sources."""
    return [film for film in films if film.source in sources and film.adult]


def small(path: Path, side: int = STORED_SIDE) -> NDArray[np.uint8]:
    """Return an image, its longest side shrunk to ``side`` pixels, (rows, columns) uint8."""
    gray = read_picture(path).gray
    image = Image.fromarray((np.clip(gray, 0, 1) * 255 + 0.5).astype(np.uint8))
    image.thumbnail((side, side), Image.Resampling.BOX)
    return np.asarray(image)


def _age(row: dict[str, str]) -> float | None:
    """Return the age in years; a child's is taken as 5 where only that is known."""
    if row.get("children") == "yes":
        return 5.0
    try:
        return float(row["age"])
    except ValueError:
        return None


def _film(place: str, row: dict[str, str], data: Path, folder: str) -> Film:
    return Film(
        file=f"{folder}/{row['file']}",
        path=existing(place, data / folder / row["file"]),
        source=row.get("part") or row["source"],
        patient=row["patient"],
        fold=int(row["fold"] or 0),
        view=View.UNKNOWN if not row["view"] else row["view"],
        age=_age(row),
    )
