"""Grey levels as stored values: what a decoded PNG or JPEG is kept as."""

import numpy as np

from inference.pixels.picture import Picture

_SAME = 1e-3
"""Of one of 255 steps: grey levels nearer to a whole step than this were 8 bits."""


def stored_values_of(picture: Picture) -> tuple[int, bytes]:
    """Return bits of a pixel (8, or 16 where 8 would lose something) and the values row by row, little endian.

    0 is black, the largest value white.
    """
    steps = picture.gray.astype(np.float64) * 255
    whole = np.rint(steps)
    if np.abs(steps - whole).max(initial=0.0) <= _SAME:
        return 8, whole.astype(np.uint8).tobytes()
    return 16, np.rint(picture.gray.astype(np.float64) * 65535).astype("<u2").tobytes()
