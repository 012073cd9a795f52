"""From logits to clean outlines."""

import numpy as np
import pytest

from inference.anatomy.outlines import GRID, cleaned, outlines_of, require_structures
from inference.anatomy.structures import HEART, LEFT_LUNG, RIGHT_LUNG, STRUCTURES
from inference.placement import Placement
from tests.inference.anatomy.phantom_masks import chest


def test_specks_go_and_holes_are_filled() -> None:
    structures = chest().structures.copy()
    whole = structures.copy()
    structures[2:4, 50:52] = HEART
    structures[30:33, 20:23] = 0
    assert np.array_equal(cleaned(structures), whole)


def test_a_structure_that_is_too_small_is_left_out() -> None:
    structures = np.zeros((100, 100), np.uint8)
    structures[:5, :5] = HEART
    assert not cleaned(structures).any()


@pytest.mark.parametrize(("rows", "columns"), [(400, 400), (400, 300), (150, 500)])
def test_outlines_cover_the_image_without_its_letterbox(rows: int, columns: int) -> None:
    placement = Placement.fit((rows, columns), (64, 64))
    logits = np.zeros((32, 32, len(STRUCTURES)), np.float32)
    middle = (placement.left + placement.width / 2) / 2
    logits[:, : round(middle), RIGHT_LUNG] = 9
    logits[:, round(middle) :, LEFT_LUNG] = 9
    outlines = outlines_of(logits, placement)
    assert max(outlines.structures.shape) == GRID
    height, width = outlines.structures.shape
    assert height / width == pytest.approx(rows / columns, rel=0.02)
    assert outlines.mask(RIGHT_LUNG).mean() == pytest.approx(0.5, abs=0.03)
    assert outlines.to_image(*outlines.to_grid(12.5, 30.0)) == pytest.approx((12.5, 30.0))
    assert outlines.to_image(width, height) == (columns, rows)


def test_what_are_no_numbers_is_refused() -> None:
    require_structures(np.zeros((4, 4, len(STRUCTURES)), np.float32))
    for wrong in (np.zeros((4, 4, 3), np.float32), np.full((4, 4, len(STRUCTURES)), np.nan, np.float32)):
        with pytest.raises(ValueError, match="no outlines"):
            require_structures(wrong)
