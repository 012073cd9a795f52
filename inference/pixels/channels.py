"""Whether a colour image is grey: its three channels agree in nearly all pixels.

They agree within 4 of 255 in at least 99.9 % of the pixels, so that lossy compression and a coloured marker of a few
pixels do not make a radiograph a colour image.
"""

import numpy as np
from numpy.typing import NDArray

TOLERANCE = 4
LEAST_AGREEING = 0.999


def grey_of_rgb(channels: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    """Return the middle channel of (rows, columns, 3) where all three agree; None for a colour image."""
    apart = channels.max(axis=2) - channels.min(axis=2) > TOLERANCE
    return channels[:, :, 1] if apart.mean() <= 1.0 - LEAST_AGREEING else None
