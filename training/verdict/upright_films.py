"""Which films teach a verdict network, and how small they are kept."""

from collections.abc import Collection, Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from training.data.examples import Example
from training.data.image_files import read_picture

STORED_SIDE = 112
"""The longest side, in pixels, that a film is kept with: the network's input is smaller."""


def chosen(films: Iterable[Example], sources: Collection[str]) -> list[Example]:
    """Return the adults' films of these sources."""
    return [film for film in films if film.source in sources and film.is_adult]


def small(path: Path, side: int = STORED_SIDE) -> NDArray[np.uint8]:
    """Return an image, its longest side shrunk to ``side`` pixels, (rows, columns) uint8."""
    gray = read_picture(path).gray
    image = Image.fromarray((np.clip(gray, 0, 1) * 255 + 0.5).astype(np.uint8))
    image.thumbnail((side, side), Image.Resampling.BOX)
    return np.asarray(image)
