"""From a file of a data set to the model's input, through the same pixel pipeline and letterbox as serving."""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from pydicom import dcmread
from pydicom.errors import InvalidDicomError

from config.errors import CxrnodeError, DataError
from inference import pixels
from inference.pixels import Picture
from inference.pixels.image_file import HEAD_BYTES, FileKind, file_kind, read_image_file
from training.data.examples import Example

MAX_PIXELS = 100_000_000
_BROKEN = (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError)


def read_picture(path: Path) -> Picture:
    """Read a JPEG, PNG or DICOM file as grey, 0..1, air dark, with the height of a pixel over its width.

    This is what ``inference.pixels.to_model_input`` takes. Grey levels of a picture file are taken as they stand
    (16-bit ones over their full range); a DICOM file goes through the node's own pixel pipeline.

    Raises
    ------
    DataError
        When the file is missing, is no picture, or breaks off.
    """
    try:
        if _is_dicom(path):
            return pixels.read_picture(path, MAX_PIXELS)
        return read_image_file(path, MAX_PIXELS, colour_as_grey=True)
    except FileNotFoundError:
        raise DataError(f"the picture {path.name} is not in {path.parent}: put it there or remove its row") from None
    except CxrnodeError as error:
        raise DataError(f"{path.name} cannot be read as a picture: {error}; replace or remove the file") from None
    except OSError as error:
        raise DataError(
            f"{path.name} cannot be read as a picture ({type(error).__name__}): replace or remove the file"
        ) from None


def read_grey(path: Path) -> NDArray[np.float32]:
    """Read a JPEG, PNG or DICOM file as grey (rows, columns), 0..1, air dark; see :func:`read_picture`."""
    return read_picture(path).gray


def size(path: Path) -> tuple[int, int]:
    """Return a picture's (rows, columns) from its header alone; errors as :func:`read_picture` has them."""
    try:
        if _is_dicom(path):
            header = dcmread(path, stop_before_pixels=True, specific_tags=["Rows", "Columns"])
            return int(header.Rows), int(header.Columns)
        with Image.open(path) as picture:
            return picture.height, picture.width
    except (*_BROKEN, AttributeError, TypeError, InvalidDicomError):
        picture_ = read_picture(path)  # which knows what to say
        return picture_.rows, picture_.columns


def require_readable(examples: Iterable[Example], progress: Callable[[int], None] = lambda _count: None) -> None:
    """Raise :class:`DataError` for the first picture that cannot be read: better now than after an hour of fitting."""
    for count, example in enumerate(examples, 1):
        read_grey(example.path)
        progress(count)


def _is_dicom(path: Path) -> bool:
    with path.open("rb") as stream:
        return file_kind(stream.read(HEAD_BYTES)) is FileKind.DICOM
