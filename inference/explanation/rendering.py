"""Drawing a score map over the image that it explains."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inference.findings import ScoreMap

AMBER = (255, 176, 46)
"""One hue whose strength is the map, so that no scale of colours suggests levels that were never measured."""
STRONGEST = 0.6
"""How much of a pixel is covered where the map is greatest; the anatomy stays visible below."""
LAYER_PIXELS = 16
"""Pixels along a side of a cell where a map is a layer of its own."""


def render_map(gray: NDArray[np.floating], score_map: ScoreMap) -> NDArray[np.uint8]:
    """Return the image with the map over it, (rows, columns, 3) RGB.

    Parameters
    ----------
    gray
        (rows, columns), 0 (black) to 1 (white): the whole image, at any size and pixel aspect.
    score_map
        What to draw. Strength is relative to its greatest cell; a map of zeros leaves the image as it is.
    """
    alpha = STRONGEST * _strength(score_map, *gray.shape)[:, :, None]
    base = 255.0 * np.clip(np.nan_to_num(gray), 0.0, 1.0)[:, :, None].astype(np.float32)
    mixed = base * (1 - alpha) + np.asarray(AMBER, np.float32) * alpha
    return np.asarray(np.clip(np.rint(mixed), 0, 255), np.uint8)


def map_layer(score_map: ScoreMap) -> NDArray[np.uint8]:
    """Return the map alone, (rows, columns, 4) RGBA, to lie over the whole image at any size.

    Over the image it looks as :func:`render_map` draws it.
    """
    rows, columns = score_map.rows * LAYER_PIXELS, score_map.columns * LAYER_PIXELS
    layer = np.empty((rows, columns, 4), np.uint8)
    layer[:, :, :3] = AMBER
    layer[:, :, 3] = np.rint(255 * STRONGEST * _strength(score_map, rows, columns))
    return layer


def _strength(score_map: ScoreMap, rows: int, columns: int) -> NDArray[np.float32]:
    """Return the map at a size, 0 to 1, relative to its greatest cell."""
    cells = np.asarray(score_map.values, np.float32).reshape(score_map.rows, score_map.columns)
    strength = Image.fromarray(cells / max(float(cells.max()), 1.0))
    return np.asarray(strength.resize((columns, rows), Image.Resampling.BILINEAR), np.float32)
