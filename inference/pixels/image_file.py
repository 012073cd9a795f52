"""Image files (PNG, JPEG) as grey levels: what has pixels and no DICOM header."""

import warnings
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps

from config.errors import UndecodablePixels
from config.language.translation import marked
from inference.findings import Remark, RemarkKind
from inference.pixels.channels import LEAST_AGREEING, grey_of_rgb
from inference.pixels.picture import Gray, Picture

DICOM_PREFIX = b"DICM"
DICOM_PREFIX_AT = 128
"""Where the prefix of a DICOM file stands (PS3.10 7.1)."""
HEAD_BYTES = DICOM_PREFIX_AT + len(DICOM_PREFIX)
"""How many bytes of a file :func:`file_kind` looks at."""

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_JPEG_SIGNATURE = b"\xff\xd8\xff"
_DEEP_MODES = frozenset({"I", "I;16", "I;16B", "I;16L"})
_GREY_MODES = frozenset({"1", "L"})
_EXIF = Remark(RemarkKind.ORIENTATION_MENDED, marked("The image was turned as the orientation in its EXIF data says"))
_COLOUR = marked("it is a colour image, for its colour channels differ; export it in grey, without coloured marks")
_TRANSPARENT = marked(
    "parts of it are transparent, so that nothing says what they show; export it without transparency"
)


class FileKind(StrEnum):
    """Kinds of files that an image is read from."""

    DICOM = "DICOM"
    PNG = "PNG"
    JPEG = "JPEG"


def file_kind(head: bytes) -> FileKind | None:
    """Return the kind of a file by its first :data:`HEAD_BYTES`, whatever its name is; None for all other files."""
    if head[DICOM_PREFIX_AT:HEAD_BYTES] == DICOM_PREFIX:
        return FileKind.DICOM
    if head.startswith(_PNG_SIGNATURE):
        return FileKind.PNG
    return FileKind.JPEG if head.startswith(_JPEG_SIGNATURE) else None


def read_image_file(
    source: Path | BinaryIO,
    max_pixels: int,
    kinds: tuple[FileKind, ...] | None = None,
    *,
    colour_as_grey: bool = False,
) -> Picture:
    """Decode an image file to grey levels from 0 to 1, taken as they stand; 16-bit ones over their full range.

    The orientation in EXIF data is applied, with a remark. An even transparency is left out.

    Parameters
    ----------
    source
        The file, or a stream of its bytes.
    max_pixels
        The most pixels that are decoded; Pillow's own limit (``Image.MAX_IMAGE_PIXELS``) holds beside it.
    kinds
        Formats that may be tried; None for all that Pillow knows.
    colour_as_grey
        Take the luminance of an image whose colour channels differ, or of one that is transparent in parts, as data
        sets hold them, instead of refusing it.

    Raises
    ------
    OSError
        The file cannot be read from the disk.
    UndecodablePixels
        It has too many pixels, is no image, breaks off, is in colour, or is transparent in parts. The size is judged
        before anything is decoded.
    """
    formats = None if kinds is None else [kind.value for kind in kinds]
    try:
        with warnings.catch_warnings():
            # Beyond Pillow's limit Image.open warns before its caller can see the size.
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            opened = Image.open(source, formats=formats)
        with opened as image:
            if image.width * image.height > max_pixels:
                raise UndecodablePixels(_too_large(max_pixels))
            return _upright(image, colour_as_grey=colour_as_grey)
    except (MemoryError, UndecodablePixels):
        raise
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise UndecodablePixels(_too_large(min(max_pixels, Image.MAX_IMAGE_PIXELS or max_pixels))) from None
    except Exception as error:  # Pillow's readers raise many kinds on damaged files
        if isinstance(error, OSError) and error.errno is not None:  # of the disk, not of the image
            raise
        msg = "the file is damaged or cut short, or no image at all; export it again"
        raise UndecodablePixels(msg) from None


def _upright(image: Image.Image, *, colour_as_grey: bool) -> Picture:
    """Return the image as its EXIF orientation has it shown; 1 is as stored, other values than 1 to 8 say nothing."""
    turned = image.getexif().get(ExifTags.Base.Orientation) in range(2, 9)
    shown = ImageOps.exif_transpose(image) if turned else image
    return Picture(_grey(shown, colour_as_grey=colour_as_grey), remarks=(_EXIF,) if turned else ())


def _grey(image: Image.Image, *, colour_as_grey: bool) -> Gray:
    if image.mode in _DEEP_MODES:
        deep = np.asarray(image).astype(np.float32) / np.float32(65535)
        return np.ascontiguousarray(deep.clip(0, 1))
    if image.mode in _GREY_MODES or colour_as_grey:
        return np.asarray(image.convert("L"), np.float32) / np.float32(255)
    if image.has_transparency_data:
        rgba = np.asarray(image.convert("RGBA"))
        _require_even(rgba[:, :, 3])
        channels = rgba[:, :, :3]
    else:
        channels = np.asarray(image.convert("RGB"))
    grey = grey_of_rgb(channels)
    if grey is None:
        raise UndecodablePixels(_COLOUR)
    return np.asarray(grey, np.float32) / np.float32(255)


def _require_even(alpha: NDArray[np.uint8]) -> None:
    """Refuse an image that hides some of its pixels more than others: what it shows depends on what lies behind it."""
    usual = int(np.median(alpha))
    if usual == 0 or (alpha != usual).mean() > 1.0 - LEAST_AGREEING:
        raise UndecodablePixels(_TRANSPARENT)


def _too_large(most: int) -> str:
    return f"the image has more than {most:,} pixels; export it smaller"
