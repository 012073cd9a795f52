"""How a radiograph is to be shown (PS3.3 C.11.1, C.11.8, C.11.6), for a presentation state that refers to it.

A presentation state takes the place of all that the image itself says of it. What is repeated here was read as the
analysis reads it: what is empty or makes no sense counts as absent.
"""

from dataclasses import dataclass
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom

from config.errors import UndecodablePixels
from inference.pixels.grayscale import Grayscale, LookupTable, read_grayscale
from inference.pixels.layout import read_layout
from reporting.charset import quiet


@dataclass(frozen=True, slots=True)
class Presentation:
    """The transformations from stored values to presentation values; None where there is nothing to do."""

    modality: hd.ModalityLUTTransformation | None
    voi: hd.pr.SoftcopyVOILUTTransformation | None
    inverted: bool
    """The smallest value is to be shown white."""


def read_presentation(path: Path) -> Presentation | None:
    """Return how the image of a stored file is shown; None where it is no grey image, or does not say what it is."""
    with quiet():
        header = pydicom.dcmread(path, stop_before_pixels=True, force=True)
        try:
            layout = read_layout(header, None)
        except UndecodablePixels:
            return None
        if not layout.monochrome:
            return None
        gray = read_grayscale(header, layout, layout.bits_allocated)
        return Presentation(_modality(gray), _voi(gray), gray.inverted)


def _modality(gray: Grayscale) -> hd.ModalityLUTTransformation | None:
    table = _entries(gray.modality)
    if table is not None:
        return hd.ModalityLUTTransformation(modality_lut=hd.ModalityLUT("US", *table))
    if (gray.slope, gray.intercept) == (1.0, 0.0):
        return None
    return hd.ModalityLUTTransformation(
        rescale_intercept=gray.intercept, rescale_slope=gray.slope, rescale_type=hd.RescaleTypeValues.US
    )


def _voi(gray: Grayscale) -> hd.pr.SoftcopyVOILUTTransformation | None:
    table = _entries(gray.voi)
    if table is not None:
        return hd.pr.SoftcopyVOILUTTransformation(voi_luts=[hd.VOILUT(*table)])
    if not gray.windows:
        return None
    window = gray.windows[0]
    return hd.pr.SoftcopyVOILUTTransformation(
        window_center=window.center, window_width=window.width, voi_lut_function=window.function.value
    )


def _entries(table: LookupTable | None) -> tuple[int, "np.ndarray[tuple[int], np.dtype[np.uint16]]"] | None:
    """Return the first value of a table and its entries; None for one that begins below zero: highdicom takes none."""
    return None if table is None or table.first < 0 else (table.first, table.entries.astype(np.uint16))
