"""Score maps: grids in the inputs of several networks become one grid over the stored image. Pure numpy."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from inference.findings import MapKind, ScoreMap
from inference.placement import Placement

LONGEST_SIDE = 32
"""Cells along the longer side of a stored map: more than the 24 cells of the detectors' grids, few enough to keep."""

Grid = NDArray[np.floating]


def score_map(kind: MapKind, grids: Sequence[tuple[Grid, Placement]]) -> ScoreMap:
    """Return one map over the whole stored image from each network's grid over its own input.

    Parameters
    ----------
    kind
        How the grids were made.
    grids
        As :func:`over_image` takes them, 0 to 1.

    Returns
    -------
    ScoreMap
        255 for 1; what is no number counts 0.
    """
    cells = over_image(grids)
    values = np.clip(np.rint(255 * np.nan_to_num(cells)), 0, 255).astype(int)
    rows, columns = cells.shape
    return ScoreMap(kind, rows, columns, tuple(values.ravel().tolist()))


def over_image(grids: Sequence[tuple[Grid, Placement]]) -> NDArray[np.float64]:
    """Return the mean of several networks' grids on cells that cover the stored image evenly, (rows, columns).

    ``grids`` holds for each network its (h, w) grid, which covers its whole input evenly, and where the image lies in
    that input; at least one. Each is sampled bilinearly at the middle of every cell.
    """
    placement = grids[0][1]
    rows, columns = _cells(placement)
    y = (np.arange(rows) + 0.5) / rows * placement.picture_rows
    x = (np.arange(columns) + 0.5) / columns * placement.picture_columns
    return np.asarray(np.mean([_sampled(grid, place, x, y) for grid, place in grids], axis=0))


def _cells(placement: Placement) -> tuple[int, int]:
    """Return the rows and columns of cells that are about square where the image is shown in its true shape."""
    longest = max(placement.height, placement.width)
    height, width = (LONGEST_SIDE * side / longest for side in (placement.height, placement.width))
    return max(1, round(height)), max(1, round(width))


def _sampled(grid: Grid, placement: Placement, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the grid at these columns ``x`` and rows ``y`` of the stored image, in continuous pixels."""
    height, width = grid.shape
    across = x / placement.picture_columns * placement.width + placement.left
    down = y / placement.picture_rows * placement.height + placement.top
    left, right, to_right = _neighbours(across / placement.columns * width - 0.5, width)
    above, below, to_below = _neighbours(down / placement.rows * height - 0.5, height)
    values = grid.astype(np.float64)
    upper = values[above][:, left] * (1 - to_right) + values[above][:, right] * to_right
    lower = values[below][:, left] * (1 - to_right) + values[below][:, right] * to_right
    return np.asarray(upper * (1 - to_below[:, None]) + lower * to_below[:, None])


def _neighbours(
    position: NDArray[np.float64], count: int
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
    """Return the cells on both sides of each position, and how far it is towards the second, 0 to 1."""
    inside = np.clip(position, 0.0, count - 1.0)
    first = np.floor(inside).astype(np.intp)
    return first, np.minimum(first + 1, count - 1), inside - first
