"""Films as softer sources show them: small, blurred, noisy.

Some collections came at 224 pixels. A head that sees normals of one of them beside sharp films of others learns that
soft means normal, so every film is also shown soft.
"""

import zlib

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from inference.pixels import Picture

SIDE = 224
_MOST_BLUR = 1.4
"""Standard deviation of the strongest blur, in pixels of the small image."""
_MOST_NOISE = 7.0
"""Standard deviation of the strongest noise, of 255 grey levels."""


def is_shown_soft(name: str, share: float) -> bool:
    """Say whether a film is among the share, 0 to 1, of films that are also shown soft; it follows from its name."""
    return zlib.crc32(name.encode()) < share * 2**32


def soften(picture: Picture, name: str) -> NDArray[np.uint8]:
    """Return a film at most :data:`SIDE` pixels long, blurred and with noise, (rows, columns), 0 to 255.

    How much follows from ``name`` alone, so that two runs see the same.
    """
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    image = Image.fromarray(picture.gray * np.float32(255))
    share = SIDE / max(image.size)
    if share < 1:
        size = (max(1, round(image.width * share)), max(1, round(image.height * share)))
        image = image.resize(size, Image.Resampling.LANCZOS)
    gray = ndimage.gaussian_filter(np.asarray(image), rng.uniform(0, _MOST_BLUR))
    noisy: NDArray[np.float64] = gray + rng.normal(0, rng.uniform(0, _MOST_NOISE), gray.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8)
