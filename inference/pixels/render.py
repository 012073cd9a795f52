"""From a data set to the image that a reader is meant to see."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from inference.codec.stream import Codec
from inference.findings import Remark
from inference.pixels.decode import Samples, decode_samples, read_codestream
from inference.pixels.grayscale import all_stored_values, display_table, read_grayscale
from inference.pixels.grey import grey_levels
from inference.pixels.layout import PixelLayout, check_size, pixel_aspect, read_layout
from inference.pixels.picture import Gray, Picture
from inference.pixels.read import read_dataset
from inference.pixels.shutter import outside_shutter
from inference.pixels.subsample import subsample

_STRIP_ROWS = 64


def read_picture(path: Path, max_pixels: int, at_least: int | None = None) -> Picture:
    """Read, decode and render one stored file; see :func:`render` for the errors."""
    return render(read_dataset(path), max_pixels, at_least)


def render(dataset: Dataset, max_pixels: int, at_least: int | None = None) -> Picture:
    """Return the picture of a single-frame grey data set, as it is meant to be displayed.

    Parameters
    ----------
    dataset
        The data set, with its file meta information.
    max_pixels
        The most pixels, Rows x Columns, that are decoded.
    at_least
        Decode at a reduced resolution where the decoder can and the longest side keeps at least this many pixels;
        None for all pixels.

    Raises :class:`UndecodablePixels` when it has more than ``max_pixels``, is no 8 to 16-bit grey image, or cannot be
    decoded.
    """
    check_size(dataset, max_pixels)
    stream = read_codestream(dataset)
    layout = read_layout(dataset, None if stream is None else stream.header)
    samples = decode_samples(dataset, layout, stream, at_least)
    gray, remarks = _shown(dataset, layout, samples)
    if samples.missing:
        gray.reshape(-1)[-samples.missing :] = 0.0
    hidden = outside_shutter(dataset, layout.rows, layout.columns)
    step = 1 << samples.halvings
    if hidden is not None:
        gray[hidden[::step, ::step]] = 0.0
    return Picture(
        gray=gray,
        pixel_aspect=pixel_aspect(dataset),
        remarks=(*layout.remarks, *samples.remarks, *remarks),
        reduction=step,
        lead=0.0 if layout.codec is Codec.JPEG else (1.0 - 1.0 / step) / 2.0,
        stored_size=(layout.rows, layout.columns),
    )


def _shown(dataset: Dataset, layout: PixelLayout, samples: Samples) -> tuple[Gray, tuple[Remark, ...]]:
    if not layout.monochrome:
        return _look_up(np.linspace(0, 1, 256, dtype=np.float32), grey_levels(dataset, layout, samples)), ()
    bits = 8 * samples.array.dtype.itemsize
    patterns = np.ascontiguousarray(samples.array).view(np.uint8 if bits == 8 else np.uint16)
    settings = read_grayscale(dataset, layout, samples.precision)
    table, remarks = display_table(settings, all_stored_values(settings, bits), subsample(patterns))
    return _look_up(table, patterns), remarks


def _look_up(table: Gray, patterns: NDArray[Any]) -> Gray:
    """Return ``table[patterns]``, in strips that stay inside the processor's cache."""
    gray = np.empty(patterns.shape, np.float32)
    for top in range(0, len(patterns), _STRIP_ROWS):
        np.take(table, patterns[top : top + _STRIP_ROWS], out=gray[top : top + _STRIP_ROWS], mode="clip")
    return gray
