"""Grey images that are stored in colour, as film digitisers and teaching files have them (PS3.3 C.7.6.3.1.2).

An image is grey where its three channels agree (:mod:`inference.pixels.channels`). Codecs undo colour transforms, so
YBR may come as RGB, too.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_color_lut

from config.errors import UndecodablePixels
from inference.pixels.channels import LEAST_AGREEING, TOLERANCE, grey_of_rgb
from inference.pixels.decode import Samples
from inference.pixels.layout import PALETTE, PixelLayout

_NEUTRAL = 128


def grey_levels(dataset: Dataset, layout: PixelLayout, samples: Samples) -> NDArray[np.uint8]:
    """Return the grey levels of a colour image, (rows, columns), 0 black to 255 white.

    Raises :class:`UndecodablePixels` when its channels do not agree, for then it is a colour image indeed.
    """
    if layout.photometric == PALETTE:
        channels = _bytes(_through_palette(dataset, layout, samples.array), 16)
        grey = grey_of_rgb(channels)
    else:
        channels = _bytes(samples.array, min(samples.precision, layout.bits_stored))
        grey = grey_of_rgb(channels)
        if grey is None and layout.photometric.startswith("YBR"):
            grey = _grey_of_ybr(channels)
    if grey is None:
        msg = "the pixel data make no radiograph: it is a colour image, for its colour channels differ"
        raise UndecodablePixels(msg)
    return np.ascontiguousarray(grey)


def _grey_of_ybr(channels: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    """Return the luminance where both chrominances are neutral."""
    apart = np.abs(channels[:, :, 1:].astype(np.int16) - _NEUTRAL).max(axis=2) > TOLERANCE
    return channels[:, :, 0] if apart.mean() <= 1.0 - LEAST_AGREEING else None


def _through_palette(dataset: Dataset, layout: PixelLayout, array: NDArray[Any]) -> NDArray[np.uint16]:
    """Return the three channels, 16 bits each, of indices into the palette (PS3.3 C.7.6.3.1.5, C.7.6.3.1.6)."""
    unsigned = np.ascontiguousarray(array).view(f"u{array.dtype.itemsize}")  # a mask of 16 bits is beyond int16
    indices = unsigned & ((1 << layout.bits_stored) - 1)
    try:
        channels = apply_color_lut(indices, dataset)
        depth = int(dataset.RedPaletteColorLookupTableDescriptor[2])
    except Exception as error:
        msg = "the pixel data make no radiograph: its Palette Color Lookup Tables (0028,1201) to (0028,1203) are broken"
        raise UndecodablePixels(msg) from error
    return np.asarray(channels, np.uint16) << np.uint16(0 if depth > 8 else 8)


def _bytes(array: NDArray[Any], bits: int) -> NDArray[np.uint8]:
    """Return the uppermost 8 of each sample's bits."""
    return (array if bits <= 8 else array >> (bits - 8)).astype(np.uint8)
