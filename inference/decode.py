"""From encoded pixel data to stored values, without trusting the stream.

The installed decoders allocate what the compressed stream claims, so its own frame size is read first and has
to agree with the data set, which in turn is bounded by the settings.
"""

import struct
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.encaps import get_frame
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    UID,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    JPEG2000Lossless,
    JPEG2000TransferSyntaxes,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    JPEGTransferSyntaxes,
    RLELossless,
)

from config.errors import UndecodablePixels
from inference.attributes import integer_of, text_of
from inference.sandbox import GDCM

_PREFERRED: dict[UID, tuple[str, ...]] = {
    JPEGBaseline8Bit: ("pillow", "gdcm"),
    JPEGExtended12Bit: ("pillow", "gdcm", "pylibjpeg"),
    JPEGLossless: ("gdcm",),
    JPEGLosslessSV1: ("gdcm",),
    JPEGLSLossless: ("pyjpegls", "gdcm"),
    JPEGLSNearLossless: ("pyjpegls", "gdcm"),
    JPEG2000Lossless: ("pylibjpeg", "gdcm"),
    JPEG2000: ("pylibjpeg", "gdcm"),
    HTJ2K: ("pylibjpeg",),
    HTJ2KLossless: ("pylibjpeg",),
    HTJ2KLosslessRPCL: ("pylibjpeg",),
    RLELossless: ("pylibjpeg", "pydicom"),
}
"""Which decoder speaks first: fixed, so that the same file gives the same pixels on every node.

GDCM speaks through :mod:`inference.sandbox`, for it can take its process down.
"""

_JPEG_FAMILY = {*JPEGTransferSyntaxes, JPEGLSLossless, JPEGLSNearLossless}
_JPEG2000_FAMILY = {*JPEG2000TransferSyntaxes, HTJ2K, HTJ2KLossless, HTJ2KLosslessRPCL}
_JPEG_FRAME_HEADERS = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC} | {0xF7}
"""SOF0 to SOF15 without DHT, JPG and DAC (ISO 10918-1 B.1.1.3), and SOF55 of JPEG-LS (ISO 14495-1 C.1.1)."""
_JPEG2000_START = b"\xff\x4f\xff\x51"


def transfer_syntax(dataset: Dataset) -> UID:
    """Return the transfer syntax of a data set read from a file, empty when it names none."""
    return UID(text_of(dataset.file_meta, "TransferSyntaxUID"))


def decode_frame(dataset: Dataset) -> NDArray[Any]:
    """Return the only frame as a (rows, columns) integer array of the stored values.

    Raises :class:`UndecodablePixels` when no decoder here can read it. The caller has bounded Rows x Columns.
    """
    syntax = transfer_syntax(dataset)
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError as error:
        msg = f"no decoder here reads transfer syntax {syntax}; `cxrnode doctor` lists those that do"
        raise UndecodablePixels(msg) from error
    expected = integer_of(dataset, "Rows", 0), integer_of(dataset, "Columns", 0)
    if not syntax.is_encapsulated:
        return _checked(_attempt(decoder, dataset, ""), expected, syntax)
    _check_stream_size(dataset, syntax, expected)
    available = decoder.available_plugins
    order = [name for name in _PREFERRED.get(syntax, ()) if name in available]
    if not order:
        msg = f"the decoder for transfer syntax {syntax.name} is not installed; see `cxrnode doctor`"
        raise UndecodablePixels(msg)
    for name in order[:-1]:
        try:
            return _checked(_attempt(decoder, dataset, name), expected, syntax)
        except UndecodablePixels:
            continue
    return _checked(_attempt(decoder, dataset, order[-1]), expected, syntax)


def _attempt(decoder: Any, dataset: Dataset, plugin: str) -> NDArray[Any]:
    """Decode with one plug-in; whatever a decoder raises on a broken stream becomes one error."""
    syntax = transfer_syntax(dataset)
    if plugin == "gdcm":
        return GDCM.decode(dataset, syntax)
    try:
        array, _ = decoder.as_array(
            dataset, index=0, raw=True, view_only=True, correct_unused_bits=False, decoding_plugin=plugin
        )
    except (MemoryError, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a Rust decoder's panic is no Exception
        msg = f"the {syntax.name} pixel data are broken or cut short"
        raise UndecodablePixels(msg) from error
    return np.asarray(array)


def _checked(array: NDArray[Any], expected: tuple[int, int], syntax: UID) -> NDArray[Any]:
    if array.shape != expected or array.dtype.kind not in "iu" or array.dtype.itemsize > 2:
        msg = f"the {syntax.name} pixel data decode to another size or depth than the header says"
        raise UndecodablePixels(msg)
    return array


def _check_stream_size(dataset: Dataset, syntax: UID, expected: tuple[int, int]) -> None:
    """Refuse a stream whose own header claims another picture than the data set does."""
    if syntax not in _JPEG_FAMILY and syntax not in _JPEG2000_FAMILY:
        return
    try:
        stream = get_frame(dataset.PixelData, 0, number_of_frames=1)
    except (ValueError, AttributeError, KeyError, TypeError, struct.error, EOFError) as error:
        msg = f"the {syntax.name} pixel data are not encapsulated as PS3.5 A.4 asks"
        raise UndecodablePixels(msg) from error
    size = _jpeg2000_size(stream) if syntax in _JPEG2000_FAMILY else _jpeg_size(stream)
    if size is None:
        msg = f"the {syntax.name} pixel data hold no frame header"
        raise UndecodablePixels(msg)
    if size != expected:
        msg = f"the {syntax.name} pixel data are {size[0]} x {size[1]}, the header says {expected[0]} x {expected[1]}"
        raise UndecodablePixels(msg)


def _jpeg_size(stream: bytes) -> tuple[int, int] | None:
    """Return (rows, columns) of the first frame header of a JPEG or JPEG-LS stream."""
    reader = BytesIO(stream)
    if reader.read(2) != b"\xff\xd8":
        return None
    while True:
        byte = reader.read(1)
        if not byte:
            return None
        if byte != b"\xff":
            continue
        marker = b"\xff"
        while marker == b"\xff":
            marker = reader.read(1)
        if not marker or marker[0] == 0xDA:
            return None
        if marker[0] in {0x00, 0x01} or 0xD0 <= marker[0] <= 0xD9:
            continue
        head = reader.read(2)
        if len(head) < 2:
            return None
        if marker[0] in _JPEG_FRAME_HEADERS:
            frame = reader.read(5)
            if len(frame) < 5:
                return None
            rows, columns = struct.unpack(">xHH", frame)
            return rows, columns
        reader.seek(max(0, struct.unpack(">H", head)[0] - 2), 1)


def _jpeg2000_size(stream: bytes) -> tuple[int, int] | None:
    """Return (rows, columns) of the SIZ marker of a JPEG 2000 codestream (ISO 15444-1 A.5.1)."""
    start = stream.find(_JPEG2000_START, 0, 4096)
    if start < 0 or len(stream) < start + 24:
        return None
    right, bottom, left, top = struct.unpack_from(">IIII", stream, start + 8)
    return bottom - top, right - left
