"""How well two outlines of one structure agree."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Mask = NDArray[np.bool_]


def dice(first: Mask, second: Mask) -> float:
    """Return twice the common area over the sum of both areas (Dice 1945); 1 where both are empty."""
    both = np.count_nonzero(first) + np.count_nonzero(second)
    return 2 * float(np.count_nonzero(first & second)) / both if both else 1.0


def surface_distance(first: Mask, second: Mask) -> float:
    """Return the mean distance, in pixels, from each outline's pixels to the other outline, both ways.

    Infinite where one is empty and the other is not; 0 where both are empty.
    """
    if not first.any() or not second.any():
        return 0.0 if not first.any() and not second.any() else float("inf")
    outlines = [_outline(first), _outline(second)]
    far = [ndimage.distance_transform_edt(~outline) for outline in outlines]
    distances = np.concatenate([far[1][outlines[0]], far[0][outlines[1]]])
    return float(distances.mean())


def _outline(mask: Mask) -> Mask:
    """Return the pixels of a mask that have a neighbour outside of it."""
    return np.asarray(mask & ~ndimage.binary_erosion(mask))
