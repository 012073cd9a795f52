"""Outlines of a drawn chest: two lungs and a heart of known sizes."""

import numpy as np

from inference.anatomy.outlines import Outlines
from inference.anatomy.structures import HEART, LEFT_LUNG, RIGHT_LUNG


def chest(*, heart: tuple[int, int] = (40, 80), rows: int = 400, columns: int = 200) -> Outlines:
    """Return a chest on a grid of 100 x 100: lungs from column 10 to 40 and 60 to 90, rows 10 to 70.

    The heart lies in rows 50 to 70 from the first to the second column of ``heart``.
    """
    structures = np.zeros((100, 100), np.uint8)
    structures[10:70, 10:40] = RIGHT_LUNG
    structures[10:70, 60:90] = LEFT_LUNG
    structures[50:70, slice(*heart)] = HEART
    return Outlines(structures, rows, columns)
