"""What was drawn once is at hand, within bounds."""

import threading
from pathlib import Path

import numpy as np
import pytest

from inference.pixels import Picture
from reporting.capture.radiograph import Radiograph
from reporting.capture.radiograph_cache import RadiographCache
from tests.accounts import picture

ONE, TWO, THREE = Path("1"), Path("2"), Path("3")
SIDE = 512
WAITING = picture().gray.nbytes


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """An event before which nothing is drawn."""
    opened, draw = threading.Event(), Radiograph.of

    def wait_and_draw(image: Picture, longest_side: int) -> Radiograph:
        opened.wait(10)
        return draw(image, longest_side)

    monkeypatch.setattr(Radiograph, "of", wait_and_draw)
    return opened


def test_an_image_of_reduced_resolution_is_not_kept() -> None:
    cache = RadiographCache(SIDE)
    cache.put(ONE, Picture(np.zeros((4, 4), np.float32), reduction=2, stored_size=(8, 7)))
    assert cache.take(ONE) is None


def test_a_radiograph_is_taken_once_and_is_that_of_the_image() -> None:
    cache = RadiographCache(SIDE)
    cache.put(ONE, picture())
    assert cache.take(TWO) is None
    kept, drawn = cache.take(ONE), Radiograph.of(picture(), SIDE)
    assert kept is not None
    assert kept.layout == drawn.layout
    np.testing.assert_array_equal(np.asarray(kept.shades), np.asarray(drawn.shades))
    assert cache.take(ONE) is None


def test_what_is_still_being_drawn_is_waited_for(gate: threading.Event) -> None:
    cache = RadiographCache(SIDE)
    cache.put(ONE, picture())
    threading.Timer(0.05, gate.set).start()
    assert cache.take(ONE) is not None


def test_what_came_first_makes_room(gate: threading.Event) -> None:
    cache = RadiographCache(SIDE, most_bytes=2 * WAITING)
    for path in (ONE, TWO, THREE):
        cache.put(path, picture())
    gate.set()
    assert [cache.take(path) is not None for path in (ONE, TWO, THREE)] == [False, True, True]


def test_what_is_too_large_is_not_kept_and_displaces_no_other() -> None:
    cache = RadiographCache(SIDE, most_bytes=WAITING)
    cache.put(ONE, picture())
    cache.put(TWO, picture(4000, 400))
    assert cache.take(TWO) is None
    assert cache.take(ONE) is not None


def test_the_latest_radiograph_of_a_file_stays() -> None:
    cache = RadiographCache(SIDE)
    cache.put(ONE, picture())
    cache.put(ONE, Picture(np.ones_like(picture().gray)))
    kept = cache.take(ONE)
    assert kept is not None
    assert np.asarray(kept.shades).min() == 255


def test_what_cannot_be_drawn_is_left_to_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> Radiograph:
        raise MemoryError

    monkeypatch.setattr(Radiograph, "of", fail)
    cache = RadiographCache(SIDE)
    cache.put(ONE, picture())
    assert cache.take(ONE) is None
    cache.put(ONE, picture())
    cache.put(TWO, picture())
    assert cache.take(TWO) is None
