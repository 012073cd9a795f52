"""Score maps lie where the networks looked, on the stored image."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.explanation.score_map import LONGEST_SIDE, score_map
from inference.findings import MapKind
from inference.placement import Placement


def peak(rows: int, columns: int, values: tuple[int, ...]) -> tuple[float, float]:
    """Return the greatest cell's middle as x, y in fractions of the image."""
    row, column = divmod(int(np.argmax(values)), columns)
    return (column + 0.5) / columns, (row + 0.5) / rows


def blob(placement: Placement, x: float, y: float, cells: int = 24) -> np.ndarray:
    """Return a grid over a network's input, greatest at the point (x, y) of the image, in fractions of it."""
    across, down = placement.to_model(x * placement.picture_columns, y * placement.picture_rows)
    middles = (np.arange(cells) + 0.5) / cells
    wide, high = middles[None, :] - across / placement.columns, middles[:, None] - down / placement.rows
    return np.exp(-(wide**2 + high**2) / 0.02)


@given(
    rows=st.integers(100, 3000),
    columns=st.integers(100, 3000),
    aspect=st.floats(0.5, 2.0),
    x=st.floats(0.05, 0.95),
    y=st.floats(0.05, 0.95),
)
def test_the_greatest_cell_lies_where_the_networks_grids_are_greatest_through_crop_pad_and_aspect(
    rows: int, columns: int, aspect: float, x: float, y: float
) -> None:
    placements = [Placement.fit((rows, columns), size, aspect) for size in ((384, 384), (320, 256))]
    drawn = score_map(MapKind.HEAT, [(blob(place, x, y), place) for place in placements])
    found_x, found_y = peak(drawn.rows, drawn.columns, drawn.values)
    for found, true, shown, whole in (
        (found_x, x, placements[0].width, 384),
        (found_y, y, placements[0].height, 384),
    ):
        cell_of_network, cell_of_map = whole / 24 / shown, 1 / LONGEST_SIDE * whole / shown
        assert abs(found - true) <= cell_of_network + cell_of_map


def test_a_map_covers_the_whole_image_with_cells_that_are_square_where_it_is_shown() -> None:
    placement = Placement.fit((1000, 1000), (384, 384), 2.0)  # pixels twice as high as wide: a tall image
    drawn = score_map(MapKind.HEAT, [(np.ones((24, 24)), placement)])
    assert (drawn.rows, drawn.columns) == (32, 16)
    assert set(drawn.values) == {255}


def test_a_map_is_the_mean_of_the_networks() -> None:
    placement = Placement.fit((512, 512), (384, 384))
    grids = [(np.zeros((24, 24)), placement), (np.ones((24, 24)), placement)]
    assert set(score_map(MapKind.HEAT, grids).values) == {128}


@pytest.mark.parametrize("bad", [np.nan, -3.0, 7.0])
def test_a_map_stays_within_its_bounds(bad: float) -> None:
    placement = Placement.fit((512, 512), (384, 384))
    drawn = score_map(MapKind.HEAT, [(np.full((24, 24), bad), placement)])
    assert all(0 <= value <= 255 for value in drawn.values)
