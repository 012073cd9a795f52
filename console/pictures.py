"""A stored secondary capture as a PNG of bounded size."""

import hashlib
import io
import threading
from pathlib import Path

import numpy as np
from PIL import Image
from pydicom import dcmread
from pydicom.errors import InvalidDicomError

from config.errors import UndecodablePixels, UnreadableInstance
from tracking.worklist import StoredFile

LONGEST_SIDE = 1400
"""Pixels of the picture on a study's page; a larger capture is made smaller."""

_MOST_BYTES = 512 * 1024 * 1024
drawing = threading.BoundedSemaphore(2)
"""Held while a picture is drawn: a page of many captures must not take all memory and processors."""


def draw(folder: Path, file: StoredFile, *, longest_side: int | None = LONGEST_SIDE) -> bytes:
    """Return a capture as PNG; ``longest_side`` None is the size it was stored in.

    Only the very bytes that were recorded are shown: a file that was changed on disk since is refused.

    Raises
    ------
    UnreadableInstance
        The file is gone, outside the store, too large, altered, or no DICOM.
    UndecodablePixels
        It holds no 8-bit picture.
    """
    with drawing:
        picture = _picture(_read(folder, file), file.uid)
        if longest_side is not None and max(picture.size) > longest_side:
            picture.thumbnail((longest_side, longest_side), Image.Resampling.LANCZOS, reducing_gap=2.0)
        png = io.BytesIO()
        picture.save(png, "PNG", compress_level=3)
        return png.getvalue()


def _read(folder: Path, file: StoredFile) -> bytes:
    root = folder.resolve()
    path = (root / file.path).resolve()
    if not path.is_relative_to(root) or file.size > _MOST_BYTES:
        msg = f"document {file.uid}: its record does not name a document of this store"
        raise UnreadableInstance(msg)
    try:
        content = path.read_bytes() if path.stat().st_size == file.size else b""
    except OSError as error:
        msg = f"document {file.uid}: its file cannot be read: {error.strerror}; restore it from the backup"
        raise UnreadableInstance(msg) from None
    if hashlib.sha256(content).hexdigest() != file.sha256:
        msg = f"document {file.uid}: its file was altered after it was built; restore it from the backup"
        raise UnreadableInstance(msg)
    return content


def _picture(content: bytes, uid: str) -> Image.Image:
    try:
        pixels = dcmread(io.BytesIO(content)).pixel_array
    except (InvalidDicomError, AttributeError, ValueError, RuntimeError, NotImplementedError, EOFError) as error:
        msg = f"document {uid}: cannot be decoded ({type(error).__name__})"
        raise UndecodablePixels(msg) from None
    if pixels.dtype != np.uint8 or pixels.ndim not in {2, 3} or (pixels.ndim == 3 and pixels.shape[2] != 3):
        msg = f"document {uid}: holds no single 8-bit picture"
        raise UndecodablePixels(msg)
    return Image.fromarray(pixels)
