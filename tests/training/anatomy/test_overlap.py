"""Dice and distance of outlines."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.anatomy.outlines import Outlines
from tests.inference.anatomy.phantom_masks import chest
from training.anatomy.measure_outlines import agreement, summary
from training.anatomy.overlap import dice, surface_distance


def square(first: int, last: int) -> np.ndarray:
    mask = np.zeros((40, 40), bool)
    mask[10:30, first:last] = True
    return mask


def test_dice_is_the_common_share() -> None:
    assert dice(square(10, 20), square(15, 25)) == pytest.approx(0.5)
    assert dice(square(10, 20), square(20, 30)) == 0
    assert dice(square(5, 5), square(5, 5)) == 1


def test_the_distance_is_that_of_the_outlines() -> None:
    assert surface_distance(square(10, 20), square(10, 20)) == 0
    assert surface_distance(square(10, 11), square(14, 15)) == pytest.approx(4)
    assert surface_distance(square(5, 5), square(5, 9)) == float("inf")
    assert surface_distance(square(5, 5), square(5, 5)) == 0


@given(st.integers(0, 18), st.integers(20, 40), st.integers(0, 18), st.integers(20, 40))
def test_both_are_the_same_either_way(a: int, b: int, c: int, d: int) -> None:
    assert dice(square(a, b), square(c, d)) == dice(square(c, d), square(a, b))
    assert surface_distance(square(a, b), square(c, d)) == pytest.approx(surface_distance(square(c, d), square(a, b)))


def test_the_error_of_the_ratio_is_the_networks_less_the_readers() -> None:
    wide, drawn = chest(heart=(40, 84)), chest(heart=(40, 80))
    row = agreement("a", Outlines(wide.structures, 256, 256), drawn.structures)
    assert row.ratio_error == pytest.approx(4 / 80)
    assert row.heart_dice == pytest.approx(2 * 40 / 84)
    means = summary([row])
    assert (means["films"], means["hearts"], means["ratios"]) == (1, 1, 1)


def test_films_without_an_outlined_heart_measure_lungs_alone() -> None:
    drawn = chest()
    lungs = np.where(drawn.structures == 3, 0, drawn.structures)
    row = agreement("a", drawn, lungs)
    assert (row.lungs_dice, row.heart_dice, row.ratio_error) == (1.0, None, None)
    assert summary([row])["heart_dice"] is None
    assert summary([])["lungs_dice"] is None
