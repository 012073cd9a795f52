"""Image files (PNG, JPEG) as grey levels: what has pixels and no DICOM header."""

import warnings
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from config.errors import UndecodablePixels
from inference.pixels.picture import Picture

DICOM_PREFIX = b"DICM"
DICOM_PREFIX_AT = 128
"""Where the prefix of a DICOM file stands (PS3.10 7.1)."""
HEAD_BYTES = DICOM_PREFIX_AT + len(DICOM_PREFIX)
"""How many bytes of a file :func:`file_kind` looks at."""

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_JPEG_SIGNATURE = b"\xff\xd8\xff"
_DEEP_MODES = frozenset({"I", "I;16", "I;16B", "I;16L"})


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


def read_image_file(source: Path | BinaryIO, max_pixels: int, kinds: tuple[FileKind, ...] | None = None) -> Picture:
    """Decode an image file to grey levels from 0 to 1, taken as they stand; 16-bit ones over their full range.

    Parameters
    ----------
    source
        The file, or a stream of its bytes.
    max_pixels
        The most pixels that are decoded; Pillow's own limit (``Image.MAX_IMAGE_PIXELS``) holds beside it.
    kinds
        Formats that may be tried; None for all that Pillow knows.

    Raises
    ------
    OSError
        The file cannot be read from the disk.
    UndecodablePixels
        It has too many pixels, is no image, or breaks off. The size is judged before anything is decoded.
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
            return _grey(image)
    except (MemoryError, UndecodablePixels):
        raise
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise UndecodablePixels(_too_large(min(max_pixels, Image.MAX_IMAGE_PIXELS or max_pixels))) from None
    except Exception as error:  # Pillow's readers raise many kinds on damaged files
        if isinstance(error, OSError) and error.errno is not None:  # of the disk, not of the image
            raise
        msg = "the file is damaged or cut short, or no image at all; export it again"
        raise UndecodablePixels(msg) from None


def _grey(image: Image.Image) -> Picture:
    if image.mode in _DEEP_MODES:
        deep = np.asarray(image).astype(np.float32) / np.float32(65535)
        return Picture(np.ascontiguousarray(deep.clip(0, 1)))
    return Picture(np.asarray(image.convert("L"), np.float32) / np.float32(255))


def _too_large(most: int) -> str:
    return f"the image has more than {most:,} pixels; export it smaller"
