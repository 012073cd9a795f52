"""Boxes of one tone over a lung, and sides that are blacked out; measured bounds, drawn images."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.not_analysed import ReasonCode
from inference.pixels.covered import covered
from inference.pixels.picture import Gray
from tests.phantoms import draw

SIDE = 400


def noise() -> Gray:
    return np.random.default_rng(1).random((SIDE, SIDE), np.float32)


@given(st.floats(0, 1), st.floats(0.16, 0.5), st.floats(0.16, 0.5), st.floats(0.05, 0.3), st.floats(0.05, 0.3))
def test_a_box_of_any_tone_inside_is_found(tone: float, height: float, width: float, top: float, left: float) -> None:
    gray = noise()
    y, x = int(top * SIDE), int(left * SIDE)
    gray[y : y + int(height * SIDE), x : x + int(width * SIDE)] = tone
    assert covered(gray) is ReasonCode.BOX


@pytest.mark.parametrize(("turns", "edge"), list(enumerate(["left", "lower", "right", "upper"])))
def test_a_quarter_of_one_tone_is_found_on_every_side_but_below(turns: int, edge: str) -> None:
    gray = noise()
    gray[:, : SIDE // 4] = 0
    assert covered(np.rot90(gray, turns)) is (None if edge == "lower" else ReasonCode.STRIP)


def test_margins_padding_on_both_sides_and_covered_corners_are_left_alone() -> None:
    margin, both, corner, marker = noise(), noise(), noise(), noise()
    margin[:, : SIDE // 6] = 0
    both[:, : SIDE // 4] = both[:, -SIDE // 4 :] = 0
    corner[: SIDE // 5, : SIDE // 3] = 0
    marker[50:85, 50:85] = 1
    assert [covered(gray) for gray in (noise(), margin, both, corner, marker)] == [None] * 5


def test_saturated_parts_and_slow_ramps_are_no_boxes() -> None:
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    disc = np.where(np.hypot(x - 200, y - 200) < 90, np.float32(1), noise())
    assert covered(disc) is None
    assert covered(np.tile(np.linspace(0, 0.3, SIDE, dtype=np.float32), (SIDE, 1))) is None


@pytest.mark.parametrize("opacity", [False, True])
def test_a_phantom_is_not_covered_until_a_lung_is(opacity: bool) -> None:
    gray = draw(9, opacity=opacity, size=512).astype(np.float32) / 4095
    assert covered(gray) is None
    gray[150:330, 300:440] = 0
    assert covered(gray) is not None
