"""The cardiothoracic ratio, areas, and what is cut off, on drawn outlines."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.anatomy.assess import assess
from inference.anatomy.measures import Line, cardiothoracic_ratio, heart_share, lung_shown
from inference.anatomy.outlines import Outlines
from inference.anatomy.structures import HEART, LEFT_LUNG, RIGHT_LUNG
from inference.verdict.mend import Mending
from tests.inference.anatomy.phantom_masks import chest


def test_the_ratio_is_that_of_the_widths_and_its_lines_lie_on_the_stored_image() -> None:
    ratio = cardiothoracic_ratio(chest(heart=(40, 80)))
    assert ratio is not None
    assert ratio.ratio == pytest.approx(40 / 80)
    assert ratio.heart == Line(80.0, 240.0, 160.0, 240.0)
    assert (ratio.thorax.x0, ratio.thorax.x1) == (20.0, 180.0)
    assert ratio.thorax.y0 == ratio.thorax.y1


@given(st.integers(12, 44), st.integers(56, 88), st.integers(50, 900), st.integers(50, 900))
def test_the_ratio_does_not_depend_on_the_size_of_the_image(left: int, right: int, rows: int, columns: int) -> None:
    ratio = cardiothoracic_ratio(chest(heart=(left, right), rows=rows, columns=columns))
    assert ratio is not None
    assert ratio.ratio == pytest.approx((right - left) / 80)
    lines = [line.x1 - line.x0 for line in (ratio.heart, ratio.thorax)]
    assert lines[0] / lines[1] == pytest.approx(ratio.ratio)


@pytest.mark.parametrize("absent", [RIGHT_LUNG, LEFT_LUNG, HEART])
def test_without_a_structure_there_is_no_ratio(absent: int) -> None:
    outlines = chest()
    lacking = replace(outlines, structures=np.where(outlines.structures == absent, 0, outlines.structures))
    assert cardiothoracic_ratio(lacking) is None
    assert heart_share(lacking) is None


def test_a_thorax_cut_off_at_a_side_has_no_width_and_its_lung_is_not_whole() -> None:
    outlines = chest()
    cut = Outlines(outlines.structures[:, 15:], 400, 200)
    assert cardiothoracic_ratio(cut) is None
    assert heart_share(cut) is not None
    assert not lung_shown(cut, RIGHT_LUNG).whole
    assert lung_shown(cut, LEFT_LUNG).whole
    extent = lung_shown(outlines, RIGHT_LUNG).extent
    assert extent is not None
    assert (extent.x0 < extent.x1, extent.y0 < extent.y1) == (True, True)
    assert lung_shown(outlines, RIGHT_LUNG).at_edge == 0


def test_the_hearts_share_is_of_areas() -> None:
    outlines = chest(heart=(40, 60))
    assert heart_share(outlines) == pytest.approx(20 * 20 / (20 * 20 + 2 * 30 * 60))


def test_lines_follow_an_image_that_was_put_right() -> None:
    anatomy = assess(chest(rows=100, columns=100))
    turned = Mending(90, negative=False, rows=100, columns=100, values=(100, 100))
    moved = anatomy.moved(turned.to_stored)
    assert moved.ratio is not None
    assert moved.ratio.heart.x0 == moved.ratio.heart.x1
    assert abs(moved.ratio.heart.y1 - moved.ratio.heart.y0) == pytest.approx(40)
    assert moved.as_json()["cardiothoracic_ratio"] == 0.5
