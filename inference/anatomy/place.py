"""Where in the lungs a region lies: side and zone, by the lungs' own outlines; pure functions."""

import numpy as np

from inference.anatomy.outlines import Outlines
from inference.anatomy.structures import LEFT_LUNG, RIGHT_LUNG
from inference.findings import Box, Place, Side, Zone

MOST_OUTSIDE = 0.9
"""With more than this share of it outside of both lungs, a region has no place in them."""
BOTH = 0.25
"""A region lies in both lungs where the smaller part of what is in lungs has at least this share of it."""


def place_of(box: Box, outlines: Outlines) -> Place | None:
    """Return where in the lungs a box on the stored image lies; None where it hardly touches them."""
    (x0, y0), (x1, y1) = outlines.to_grid(box.x0, box.y0), outlines.to_grid(box.x1, box.y1)
    rows, columns = outlines.structures.shape
    top, bottom = _cells(y0, y1, rows)
    left, right = _cells(x0, x1, columns)
    inside: dict[int, np.ndarray] = {}
    for lung in (RIGHT_LUNG, LEFT_LUNG):
        inside[lung] = outlines.mask(lung)[top:bottom, left:right].sum(axis=1)
    counts = {lung: int(cells.sum()) for lung, cells in inside.items()}
    total = sum(counts.values())
    if total == 0 or total < (1 - MOST_OUTSIDE) * (bottom - top) * (right - left):
        return None
    shares = dict.fromkeys(Zone, 0.0)
    for lung, cells in inside.items():
        if counts[lung]:
            for row, count in enumerate(cells.tolist(), top):
                shares[_zone(row, lung, outlines)] += count / total
    smaller, larger = sorted(counts, key=lambda lung: counts[lung])
    side = Side.RIGHT if larger == RIGHT_LUNG else Side.LEFT
    return Place(
        Side.BOTH if counts[smaller] >= BOTH * total else side,
        tuple(zone for zone in Zone if shares[zone] >= BOTH),
    )


def _zone(row: int, lung: int, outlines: Outlines) -> Zone:
    rows = np.nonzero(outlines.mask(lung).any(axis=1))[0]
    first, height = int(rows[0]), int(rows[-1] - rows[0]) + 1
    return tuple(Zone)[min(2, 3 * (row - first) // height)]


def _cells(start: float, end: float, count: int) -> tuple[int, int]:
    """Return the cells from ``start`` to ``end``, at least one."""
    first = min(max(0, int(start)), count - 1)
    return first, max(first + 1, min(count, round(end)))
