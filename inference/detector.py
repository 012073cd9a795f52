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
    heat: Map,
    box: Map,
    spec: DetectorSpec,
    placement: Placement,
    *,
    sensitive: float | None = None,
) -> tuple[Box, ...]:
    """Return the boxes at or above the sensitive point, the surest first.

    Parameters
    ----------
    heat
        (h, w, 1) logits of box centres: the detector's channel of the heat map.
    box
        (h, w, 4): how far the box's left, top, right and bottom sides are from the cell's middle, as fractions of
        the input's width and height.
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
    corners = _all_corners(box)
    for row, column in cells[order]:
        x0, y0, x1, y1 = _stored(_agreed(int(row), int(column), corners, logits), placement)
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


def _all_corners(box: Map) -> NDArray[np.float64]:
    """Return each cell's box as x0, y0, x1, y1 in fractions of the input: (h, w, 4)."""
    height, width = box.shape[:2]
    x, y = (np.arange(width) + 0.5)[None, :] / width, (np.arange(height) + 0.5)[:, None] / height
    left, top, right, bottom = np.moveaxis(np.clip(box.astype(np.float64), -1.0, 1.0), 2, 0)
    return np.stack([x - left, y - top, x + right, y + bottom], axis=2)


def _agreed(row: int, column: int, corners: NDArray[np.float64], logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what a peak and its eight neighbours say of the box, each as much as its heat: steadier than one cell."""
    around = (slice(max(row - 1, 0), row + 2), slice(max(column - 1, 0), column + 2))
    weights = np.where(np.isfinite(corners[around]).all(axis=2), np.exp(logits[around] - logits[row, column]), 0.0)
    return np.asarray(np.einsum("rcs,rc->s", np.nan_to_num(corners[around]), weights) / weights.sum())


def _stored(corners: NDArray[np.float64], placement: Placement) -> tuple[float, float, float, float]:
    """Return a box in the stored picture, cut off where it leaves it."""
    x0, y0, x1, y1 = (float(value) for value in corners)
    x0, y0 = placement.to_stored(x0 * placement.columns, y0 * placement.rows)
    x1, y1 = placement.to_stored(x1 * placement.columns, y1 * placement.rows)
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
