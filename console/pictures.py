"""A stored secondary capture as a PNG of bounded size."""

import io
import threading
from pathlib import Path

from PIL import Image
from pydicom import dcmread
from pydicom.errors import InvalidDicomError
from pydicom.uid import ExplicitVRLittleEndian

from config.errors import UndecodablePixels
from console.stored_files import read_stored
from tracking.lists.study_page import StoredFile

LONGEST_SIDE = 1400
"""Pixels of the image on a study's page; a larger capture is made smaller."""

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
        It is not in the form that captures are written in.
    """
    with drawing:
        image = _image(read_stored(folder, file), file.uid)
        if longest_side is not None and max(image.size) > longest_side:
            image.thumbnail((longest_side, longest_side), Image.Resampling.LANCZOS, reducing_gap=2.0)
        png = io.BytesIO()
        image.save(png, "PNG", compress_level=3)
        return png.getvalue()


def _image(content: bytes, uid: str) -> Image.Image:
    """Read the pixels in the one form that captures are written in: RGB of 8 bits, interleaved, uncompressed."""
    try:
        dataset = dcmread(io.BytesIO(content))
        form = (dataset.PhotometricInterpretation, dataset.BitsAllocated, dataset.PlanarConfiguration)
        if form != ("RGB", 8, 0) or dataset.file_meta.TransferSyntaxUID != ExplicitVRLittleEndian:
            msg = f"document {uid}: is no capture of this node"
            raise UndecodablePixels(msg)
        return Image.frombytes("RGB", (dataset.Columns, dataset.Rows), dataset.PixelData)
    except (InvalidDicomError, AttributeError, ValueError) as error:
        msg = f"document {uid}: cannot be read ({type(error).__name__})"
        raise UndecodablePixels(msg) from None
