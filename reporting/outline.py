"""The outline of a region, as documents draw it on the image."""

import numpy as np
from numpy.typing import NDArray

from inference.findings import Box


def outline(box: Box, rows: int, columns: int) -> NDArray[np.float64]:
    """Return a box as a closed polyline, (5, 2) of (column, row), kept within an image of that many rows and columns.

    Coordinates count from the upper left corner of the first pixel, as :class:`Box` does, SCOORD (PS3.3 C.18.6.1.2) and
    graphic annotations in units of pixels (PS3.3 C.10.5.1.2).
    """
    x0, x1 = (float(min(max(x, 0), columns)) for x in (box.x0, box.x1))
    y0, y1 = (float(min(max(y, 0), rows)) for y in (box.y0, box.y1))
    return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)])
