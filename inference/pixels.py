"""From a stored DICOM file to the picture a reader is meant to see, and on to a model's input.

The order is that of PS3.4 N.2: stored values, modality LUT, padding, VOI LUT, presentation LUT, shutter, pixel
aspect. Training takes the same way, for JPEG files from :func:`to_model_input` on.
"""

import struct
import zlib
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom import dcmread
from pydicom.dataset import Dataset

from config.errors import UndecodablePixels, UnreadableInstance
from inference.attributes import integer_of, numbers_of, text_of
from inference.decode import decode_frame, transfer_syntax
from inference.findings import NotAnalysed, Reason
from inference.grayscale import all_stored_values, display_table, read_grayscale
from inference.placement import Placement
from inference.shutter import outside_shutter

Gray = NDArray[np.float32]
Contrast = Literal["stored", "stretched"]
"""What a model is shown of a picture's grey levels, see :func:`to_model_input`."""

_SAMPLES_A_SIDE = 512
_STRIP_ROWS = 64
_REDUCING_GAP = 2.0
_SMALLEST_SIDE = 128
_NARROWEST = 4.0
_LEAST_SPREAD = 0.02
_MOST_OF_ONE_TONE = 0.97
_LARGEST_INFLATED = 1 << 30
_DEFLATED = b"1.2.840.10008.1.2.1.99"
_GROUP_LENGTH_END = 144
"""Where a file's meta information begins to be counted: preamble, "DICM" and (0002,0000) (PS3.10 7.1)."""


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A decoded radiograph in presentation polarity: bone bright, air dark."""

    gray: Gray
    """(rows, columns) float32, 0 to 1, the stored pixels in their stored places; do not write to it."""
    pixel_aspect: float = 1.0
    """Height of a pixel over its width."""

    @property
    def rows(self) -> int:
        """Return the number of stored rows."""
        return int(self.gray.shape[0])

    @property
    def columns(self) -> int:
        """Return the number of stored columns."""
        return int(self.gray.shape[1])


def read_dataset(path: Path) -> Dataset:
    """Read one stored DICOM file.

    Raises :class:`UnreadableInstance` when it cannot be parsed; OSError, such as for a missing file, passes.
    """
    encoded = path.read_bytes()
    try:
        _check_inflated_size(encoded)
        dataset = dcmread(BytesIO(encoded))
    except (MemoryError, UnreadableInstance):
        raise
    except Exception as error:
        msg = "the stored file cannot be parsed as DICOM; ask the sender for it again"
        raise UnreadableInstance(msg) from error
    return dataset


def read_picture(path: Path, max_pixels: int) -> Picture:
    """Read, decode and render one stored file; see :func:`render` for the errors."""
    return render(read_dataset(path), max_pixels)


def render(dataset: Dataset, max_pixels: int) -> Picture:
    """Return the picture of a single-frame grayscale data set, as it is meant to be displayed.

    Raises :class:`UndecodablePixels` when it has more than ``max_pixels``, is no 8 to 16-bit grayscale picture,
    or cannot be decoded.
    """
    _check_shape(dataset, max_pixels)
    pixels = np.ascontiguousarray(decode_frame(dataset))
    bits = 8 * pixels.dtype.itemsize
    if not pixels.dtype.isnative:
        pixels = pixels.astype(pixels.dtype.newbyteorder("="))
    patterns = pixels.view(np.uint8 if bits == 8 else np.uint16)
    settings = read_grayscale(dataset)
    native = not transfer_syntax(dataset).is_encapsulated
    stored = all_stored_values(settings, bits, masked=native)
    step = max(1, max(patterns.shape) // _SAMPLES_A_SIDE)
    table = display_table(settings, stored, patterns[::step, ::step])
    gray = _look_up(table, patterns)
    hidden = outside_shutter(dataset, gray.shape[0], gray.shape[1])
    if hidden is not None:
        gray[hidden] = 0.0
    return Picture(gray, _pixel_aspect(dataset))


def implausible(picture: Picture) -> NotAnalysed | None:
    """Return why a picture cannot be a chest radiograph, judged by its pixels alone; None when it may be."""
    short, long = sorted((picture.rows * picture.pixel_aspect, float(picture.columns)))
    if short < _SMALLEST_SIDE:
        because = f"its picture is only {picture.columns} × {picture.rows} pixels, too small to be judged"
        return NotAnalysed(Reason.IMPLAUSIBLE, because)
    if long > _NARROWEST * short:
        return NotAnalysed(Reason.IMPLAUSIBLE, "its picture is a narrow strip, not a whole chest")
    step = max(1, max(picture.gray.shape) // _SAMPLES_A_SIDE)
    sample = picture.gray[::step, ::step]
    if float(sample.std()) < _LEAST_SPREAD:
        return NotAnalysed(Reason.IMPLAUSIBLE, "its picture is blank: all pixels have nearly the same tone")
    tones = np.bincount((sample * 32).astype(np.uint8).ravel(), minlength=33)
    if tones.max() > _MOST_OF_ONE_TONE * sample.size:
        return NotAnalysed(Reason.IMPLAUSIBLE, "its picture is nearly empty: almost all of it has one tone")
    return None


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
    resized = _resize(picture.gray, placement.height, placement.width)
    if contrast == "stretched":
        resized = _stretched(resized)
    np.clip(resized, 0.0, 1.0, out=canvas[placement.top : bottom, placement.left : right, 0])
    return canvas, placement


def _stretched(gray: Gray) -> Gray:
    """Spread the middle 98 % of the grey levels from 0 to 1; a picture of one tone stays as it is."""
    low, high = np.percentile(gray, (1.0, 99.0))
    if high - low < _LEAST_SPREAD:
        return gray
    return np.asarray((gray - np.float32(low)) / np.float32(high - low), np.float32)


def _resize(gray: Gray, height: int, width: int) -> Gray:
    """Resample with antialiasing: whole-number box averages first, then a triangle filter for the rest."""
    rows, columns = gray.shape
    down = max(1, int(rows / height / _REDUCING_GAP))
    across = max(1, int(columns / width / _REDUCING_GAP))
    image = Image.fromarray(gray)
    if down > 1 or across > 1:
        strip = max(1, _STRIP_ROWS // down) * down
        parts = (Image.fromarray(gray[top : top + strip]) for top in range(0, rows, strip))
        image = Image.fromarray(np.concatenate([np.asarray(part.reduce((across, down))) for part in parts]))
    box = (0.0, 0.0, columns / across, rows / down)
    return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR, box=box))


def _look_up(table: Gray, patterns: NDArray[Any]) -> Gray:
    """Return ``table[patterns]``, in strips that stay inside the processor's cache."""
    gray = np.empty(patterns.shape, np.float32)
    for top in range(0, len(patterns), _STRIP_ROWS):
        np.take(table, patterns[top : top + _STRIP_ROWS], out=gray[top : top + _STRIP_ROWS], mode="clip")
    return gray


def _check_shape(dataset: Dataset, max_pixels: int) -> None:
    """Refuse what is no single grayscale picture of a bearable size, before any of it is decoded."""
    rows, columns = integer_of(dataset, "Rows", 0), integer_of(dataset, "Columns", 0)
    bits = integer_of(dataset, "BitsAllocated", 0)
    problem = ""
    if "PixelData" not in dataset:
        problem = "it holds no pixel data"
    elif rows < 1 or columns < 1:
        problem = "its header gives no picture size"
    elif rows * columns > max_pixels:
        problem = f"its {rows} x {columns} pixels are more than inference.max_pixels allows"
    elif integer_of(dataset, "NumberOfFrames", 1) > 1:
        problem = "it holds several frames"
    elif integer_of(dataset, "SamplesPerPixel", 1) != 1 or "PALETTE" in text_of(dataset, "PhotometricInterpretation"):
        problem = "it is a colour picture"
    elif bits not in {8, 16}:
        problem = f"its pixels are {bits} bits deep; 8 to 16 can be read"
    if problem:
        msg = f"the pixel data make no radiograph: {problem}"
        raise UndecodablePixels(msg)


def _pixel_aspect(dataset: Dataset) -> float:
    """Return pixel height over width from the spacings or the ratio; square when they make no sense."""
    for keyword in ("PixelSpacing", "ImagerPixelSpacing", "PixelAspectRatio"):
        numbers = numbers_of(dataset, keyword)
        if len(numbers) == 2 and min(numbers) > 0 and 0.25 <= numbers[0] / numbers[1] <= 4.0:
            return numbers[0] / numbers[1]
    return 1.0


def _check_inflated_size(encoded: bytes) -> None:
    """Refuse a deflated data set (PS3.5 A.5) that would grow beyond any radiograph."""
    if _DEFLATED not in encoded[: _GROUP_LENGTH_END + 1024]:
        return
    (meta_length,) = struct.unpack_from("<I", encoded, _GROUP_LENGTH_END - 4)
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    rest, total = encoded[_GROUP_LENGTH_END + meta_length :], 0
    while rest and not inflater.eof:
        total += len(inflater.decompress(rest, 1 << 20))
        rest = inflater.unconsumed_tail
        if total > _LARGEST_INFLATED:
            msg = "the deflated data set grows beyond what any radiograph needs and was not read"
            raise UnreadableInstance(msg)
