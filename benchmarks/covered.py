"""Covered images: how many good films are stopped for a box or an even strip, and how many made ones are.

::

    .venv/bin/python -m benchmarks.covered --data DATA

Boxes, quarters and strips are drawn over every 20th good film.
"""

import argparse
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.verdict import WRONG
from inference.pixels.covered import covered
from training.data import image_files
from training.data.films import all_films, known_wrong

Gray = NDArray[np.float32]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="benchmarks.covered", description="Measure what is taken for covered.")
    parser.add_argument("--data", type=Path, required=True)
    data = parser.parse_args().data
    wrong = {data / file for file in known_wrong(WRONG)}
    good = [film for film in all_films(data) if film.path not in wrong and film.is_frontal_adult]
    films, stopped, found, drawn = Counter[str](), Counter[str](), Counter[str](), 0
    for number, film in enumerate(good):
        gray = image_files.read_grey(film.path)
        films[film.source] += 1
        stopped[film.source] += bool(covered(gray))
        if number % 20 == 0:
            drawn += 1
            found.update(kind for kind, image in covers(gray) if covered(image))
    for source, count in sorted(films.items()):
        print(f"{source:20} {stopped[source]} of {count} good films stopped")
    for kind, _ in covers(np.zeros((10, 10), np.float32)):
        print(f"{kind:20} {found[kind]} of {drawn} found")


def covers(gray: Gray) -> Iterator[tuple[str, Gray]]:
    """Yield the film with a part of it covered."""
    parts = {
        "black box": (0.3, 0.68, 0.55, 0.88, 0.0),
        "white box": (0.3, 0.68, 0.55, 0.88, 1.0),
        "grey box": (0.25, 0.55, 0.12, 0.42, 0.5),
        "small box": (0.35, 0.6, 0.2, 0.4, 0.0),
        "left quarter": (0.0, 1.0, 0.0, 0.25, 0.0),
        "right quarter": (0.0, 1.0, 0.75, 1.0, 0.0),
        "upper quarter": (0.0, 0.25, 0.0, 1.0, 0.0),
    }
    rows, columns = gray.shape
    for kind, (top, bottom, left, right, tone) in parts.items():
        image = gray.copy()
        image[int(top * rows) : int(bottom * rows), int(left * columns) : int(right * columns)] = tone
        yield kind, image


if __name__ == "__main__":
    main()
