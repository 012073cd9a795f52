"""What was decoded once is at hand, within bounds."""

from pathlib import Path

import numpy as np

from inference.pixels import Picture
from inference.shelf import Shelf

ONE, TWO, THREE = Path("1"), Path("2"), Path("3")


def picture(size: int = 10) -> Picture:
    """Return a picture of ``size`` × ``size`` pixels, four bytes each."""
    return Picture(np.zeros((size, size), np.float32))


def test_a_picture_of_reduced_resolution_is_not_kept() -> None:
    shelf = Shelf()
    shelf.put(ONE, Picture(np.zeros((4, 4), np.float32), reduction=2, stored_size=(8, 7)))
    assert shelf.take(ONE) is None


def test_a_picture_is_taken_once() -> None:
    shelf, kept = Shelf(), picture()
    shelf.put(ONE, kept)
    assert shelf.take(TWO) is None
    assert shelf.take(ONE) is kept
    assert shelf.take(ONE) is None


def test_what_came_first_makes_room() -> None:
    shelf = Shelf(most_bytes=800)
    for path in (ONE, TWO, THREE):
        shelf.put(path, picture())
    assert [shelf.take(path) is not None for path in (ONE, TWO, THREE)] == [False, True, True]


def test_what_is_too_large_is_not_kept_and_displaces_no_other() -> None:
    shelf = Shelf(most_bytes=800)
    shelf.put(ONE, picture())
    shelf.put(TWO, picture(100))
    assert shelf.take(TWO) is None
    assert shelf.take(ONE) is not None


def test_the_latest_picture_of_a_file_stays() -> None:
    shelf, latest = Shelf(most_bytes=400), picture()
    shelf.put(ONE, picture())
    shelf.put(ONE, latest)
    assert shelf.take(ONE) is latest
