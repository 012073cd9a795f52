"""Fitting an image into a model's input."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inference.pixels.picture import Gray, Picture
from inference.placement import Placement

Contrast = Literal["stored", "stretched"]
"""What a model is shown of an image's grey levels, see :func:`to_model_input`."""

_STRIP_ROWS = 64
_REDUCING_GAP = 2.0
_LEAST_SPREAD = 0.02


def to_model_input(
    picture: Picture | NDArray[Any], rows: int, columns: int, contrast: Contrast = "stored"
) -> tuple[Gray, Placement]:
    """Fit a picture into a model's input, its shape kept, centred, with black (0) around it.

    Parameters
    ----------
    picture
        A :class:`Picture`, or a (height, width) array: float32 from 0 to 1, or uint8 from 0 to 255.
    rows, columns
        The size of the input.
    contrast
        ``stored`` takes the grey levels as they are shown; ``stretched`` spreads the middle 98 % of them from 0 to
        1, so that a window stored too wide or too dark does not reach the model as a washed-out picture.

    Returns
    -------
    (rows, columns, 1) float32 from 0 to 1, and where the picture lies in it.
    """
    if not isinstance(picture, Picture):
        gray = picture.astype(np.float32) / np.float32(255) if picture.dtype == np.uint8 else picture
        picture = Picture(np.ascontiguousarray(gray, np.float32))
    placement = Placement.fit((picture.rows, picture.columns), (rows, columns), picture.pixel_aspect)
    canvas = np.zeros((rows, columns, 1), np.float32)
    bottom, right = placement.top + placement.height, placement.left + placement.width
    resized = _resize(picture, placement.height, placement.width)
    if contrast == "stretched":
        resized = _stretched(resized)
    np.clip(resized, 0.0, 1.0, out=canvas[placement.top : bottom, placement.left : right, 0])
    return canvas, placement


def _stretched(gray: Gray) -> Gray:
    """Spread the middle 98 % of the grey levels from 0 to 1; an image of one tone stays as it is."""
    low, high = np.percentile(gray, (1.0, 99.0))
    if high - low < _LEAST_SPREAD:
        return gray
    return np.asarray((gray - np.float32(low)) / np.float32(high - low), np.float32)


def _resize(picture: Picture, height: int, width: int) -> Gray:
    """Resample with antialiasing: whole-number box averages first, then a triangle filter for the rest."""
    gray, (left, upper, right, lower) = picture.resampling_source()
    down = max(1, int(picture.rows / picture.reduction / height / _REDUCING_GAP))
    across = max(1, int(picture.columns / picture.reduction / width / _REDUCING_GAP))
    image = Image.fromarray(gray)
    if down > 1 or across > 1:
        strip = max(1, _STRIP_ROWS // down) * down
        parts = (Image.fromarray(gray[top : top + strip]) for top in range(0, len(gray), strip))
        image = Image.fromarray(np.concatenate([np.asarray(part.reduce((across, down))) for part in parts]))
    box = (left / across, upper / down, right / across, lower / down)
    return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR, box=box))
