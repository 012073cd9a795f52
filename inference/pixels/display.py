"""A decoded radiograph at the size of a display."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inference.pixels.picture import Picture


def display_size(picture: Picture, longest_side: int) -> tuple[int, int]:
    """Return (width, height) of the whole image with square pixels, no side above ``longest_side``, never enlarged."""
    width, height = float(picture.columns), picture.rows * picture.pixel_aspect
    scale = min(1.0, longest_side / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def to_display(picture: Picture, width: int, height: int) -> NDArray[np.uint8]:
    """Return the whole image resampled to (height, width), 0 black to 255 white."""
    gray, box = picture.resampling_source()
    image = Image.fromarray(np.ascontiguousarray(gray, dtype=np.float32))
    resized = image.resize((width, height), Image.Resampling.LANCZOS, box=box)
    return np.asarray(np.clip(np.rint(np.asarray(resized) * 255), 0, 255), np.uint8)
