"""Boxes from a detector's heat and box maps, in the pixels of the stored picture. Pure numpy."""

import numpy as np
from numpy.typing import NDArray

from inference.findings import Box
from inference.manifest import DetectorSpec
from inference.placement import Placement

Map = NDArray[np.float32]

_SMALLEST_SIDE = 1.0
"""Boxes narrower than this many stored pixels on the picture are dropped."""


def sigmoid(value: float) -> float:
    """Return 1 / (1 + exp(-value)) without overflow."""
    return float(0.5 * (1.0 + np.tanh(0.5 * np.float64(value))))


def decode_boxes(
    heat: Map, box: Map, spec: DetectorSpec, placement: Placement, *, sensitive: float | None = None
) -> tuple[Box, ...]:
    """Return the boxes at or above the sensitive point, the surest first.

    Parameters
    ----------
    heat
        (h, w, 1) logits of box centres: the detector's channel of the heat map.
    box
        (h, w, 4): the centre's x and y inside its cell, 0 to 1, then width and height as fractions of the
        input's width and height.
    spec
        Calibration, operating points, how many boxes and how much they may overlap.
    placement
        Where the picture lies in the input.
    sensitive
        Another least score than the sensitive point, such as 0 for every box there is; levels stay the points'.
    """
    least = spec.points.sensitive if sensitive is None else sensitive
    logits = heat[:, :, 0].astype(np.float64)
    scores = 0.5 * (1.0 + np.tanh(0.5 * (spec.calibration.scale * logits + spec.calibration.bias)))
    peaks = _local_maxima(logits) & (scores >= least) & np.isfinite(box).all(axis=2)
    cells = np.argwhere(peaks)
    order = np.lexsort((cells[:, 1], cells[:, 0], -scores[peaks]))
    points = spec.points.points()
    kept: list[Box] = []
    for row, column in cells[order]:
        x0, y0, x1, y1 = _corners(int(row), int(column), box, placement)
        if x1 - x0 < _SMALLEST_SIDE or y1 - y0 < _SMALLEST_SIDE:
            continue
        score = float(scores[row, column])
        candidate = Box(x0, y0, x1, y1, score, points.level(score))
        if all(overlap(candidate, other) <= spec.iou for other in kept):
            kept.append(candidate)
        if len(kept) == spec.max_boxes:
            break
    return tuple(kept)


def _local_maxima(logits: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which cells are the greatest of their 3 x 3 neighbourhood; of equal neighbours the first one is."""
    height, width = logits.shape
    padded = np.pad(logits, 1, constant_values=-np.inf)
    maxima = np.isfinite(logits)
    for down in (0, 1, 2):
        for across in (0, 1, 2):
            neighbour = padded[down : down + height, across : across + width]
            if (down, across) < (1, 1):
                maxima &= logits > neighbour
            elif (down, across) > (1, 1):
                maxima &= logits >= neighbour
    return maxima


def _corners(row: int, column: int, box: Map, placement: Placement) -> tuple[float, float, float, float]:
    """Return one cell's box in the stored picture, cut off where it leaves it."""
    height, width = box.shape[:2]
    offset_x, offset_y, wide, tall = (min(max(float(value), 0.0), 1.0) for value in box[row, column])
    x, y = (column + offset_x) / width * placement.columns, (row + offset_y) / height * placement.rows
    half_width, half_height = wide * placement.columns / 2, tall * placement.rows / 2
    x0, y0 = placement.to_stored(x - half_width, y - half_height)
    x1, y1 = placement.to_stored(x + half_width, y + half_height)
    columns, rows = float(placement.picture_columns), float(placement.picture_rows)
    return min(max(x0, 0.0), columns), min(max(y0, 0.0), rows), min(max(x1, 0.0), columns), min(max(y1, 0.0), rows)


def overlap(one: Box, other: Box) -> float:
    """Return the intersection over union of two boxes."""
    across = min(one.x1, other.x1) - max(one.x0, other.x0)
    down = min(one.y1, other.y1) - max(one.y0, other.y0)
    if across <= 0 or down <= 0:
        return 0.0
    areas = sum((entry.x1 - entry.x0) * (entry.y1 - entry.y0) for entry in (one, other))
    return across * down / (areas - across * down)
