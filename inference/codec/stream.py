"""Headers of codestreams: what a codestream says about itself, read before anything is decoded.

Decoders allocate what a codestream claims, so its claims are compared with the data set's first.
"""

import struct
from dataclasses import dataclass
from enum import StrEnum


class Codec(StrEnum):
    """A family of codestreams."""

    JPEG = "jpeg"
    """ISO 10918-1, with lossless processes."""
    JPEG_LS = "jpeg-ls"
    """ISO 14495-1."""
    JPEG_2000 = "jpeg-2000"
    """ISO 15444-1."""
    HTJ2K = "htj2k"
    """ISO 15444-15."""
    RLE = "rle"
    """PS3.5 Annex G; it has no header of this kind."""


CODECS = {
    "1.2.840.10008.1.2.4.50": Codec.JPEG,
    "1.2.840.10008.1.2.4.51": Codec.JPEG,
    "1.2.840.10008.1.2.4.57": Codec.JPEG,
    "1.2.840.10008.1.2.4.70": Codec.JPEG,
    "1.2.840.10008.1.2.4.80": Codec.JPEG_LS,
    "1.2.840.10008.1.2.4.81": Codec.JPEG_LS,
    "1.2.840.10008.1.2.4.90": Codec.JPEG_2000,
    "1.2.840.10008.1.2.4.91": Codec.JPEG_2000,
    "1.2.840.10008.1.2.4.201": Codec.HTJ2K,
    "1.2.840.10008.1.2.4.202": Codec.HTJ2K,
    "1.2.840.10008.1.2.4.203": Codec.HTJ2K,
    "1.2.840.10008.1.2.5": Codec.RLE,
}
"""The codec of each encapsulated transfer syntax that is read here (PS3.5 Annex A.4)."""

END_MARKER = b"\xff\xd9"
"""EOI of JPEG and JPEG-LS, EOC of JPEG 2000."""

_LONGEST_PADDING = 16
_FRAME_MARKERS = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC} | {0xF7}
"""SOF0 to SOF15 without DHT, JPG and DAC (ISO 10918-1 B.1.1.3), and SOF55 of JPEG-LS (ISO 14495-1 C.1.1)."""
_BASELINE = 0xC0
_START_OF_SCAN = 0xDA
_JPEG_2000_START = b"\xff\x4f\xff\x51"
_SIZE_FIELDS = struct.Struct(">4xHH8IH")
"""SOC and SIZ: Lsiz, Rsiz, image and tile sizes with their offsets, Csiz (ISO 15444-1 A.5.1)."""
_CODING_STYLE = 0x52
_START_OF_TILE = 0x90


@dataclass(frozen=True, slots=True)
class StreamHeader:
    """What a codestream says about itself."""

    rows: int
    columns: int
    components: int
    precision: int
    """Bits of a sample of the first component."""
    signed: bool = False
    """Samples are signed; only JPEG 2000 says so."""
    halvings: int = 0
    """How often the image can be halved in each direction by the decoder."""


def start_of(stream: bytes, codec: Codec) -> int | None:
    """Return where the codestream begins, for some stand in a file format's boxes; None when there is none."""
    if codec in {Codec.JPEG_2000, Codec.HTJ2K}:
        start = stream.find(_JPEG_2000_START, 0, 4096)
        return start if start >= 0 else None
    return 0 if stream[:2] == b"\xff\xd8" else None


def read_header(stream: bytes, codec: Codec) -> StreamHeader | None:
    """Return the header of a codestream that :func:`start_of` found at its first byte; None when it has none."""
    if codec in {Codec.JPEG_2000, Codec.HTJ2K}:
        return _jpeg_2000_header(stream)
    return _jpeg_header(stream)


def has_end(stream: bytes) -> bool:
    """Say whether a codestream ends with its end marker, but for padding."""
    return END_MARKER in stream[-_LONGEST_PADDING - len(END_MARKER) :]


def _jpeg_header(stream: bytes) -> StreamHeader | None:
    position = 2
    while position + 4 <= len(stream):
        if stream[position] != 0xFF:
            position += 1
            continue
        marker = stream[position + 1]
        if marker == 0xFF:
            position += 1
            continue
        if marker in {0x00, 0x01} or 0xD0 <= marker <= 0xD9:
            position += 2
            continue
        if marker == _START_OF_SCAN:
            return None
        (length,) = struct.unpack_from(">H", stream, position + 2)
        if marker in _FRAME_MARKERS:
            if len(stream) < position + 10:
                return None
            precision, rows, columns, components = struct.unpack_from(">BHHB", stream, position + 4)
            halvings = 3 if marker == _BASELINE and components == 1 else 0
            return StreamHeader(rows, columns, components, precision, halvings=halvings)
        position += 2 + max(2, length)
    return None


def _jpeg_2000_header(stream: bytes) -> StreamHeader | None:
    if len(stream) < _SIZE_FIELDS.size + 1:
        return None
    length, _, right, bottom, left, top, *tiles, components = _SIZE_FIELDS.unpack_from(stream)
    depth = stream[_SIZE_FIELDS.size]
    aligned = left == 0 == top and tiles[2:] == [0, 0]
    halvings = _decompositions(stream, 4 + length) if aligned else 0
    return StreamHeader(bottom - top, right - left, components, (depth & 0x7F) + 1, depth > 0x7F, halvings)


def _decompositions(stream: bytes, position: int) -> int:
    """Return the number of decomposition levels that the main header's COD says (ISO 15444-1 A.6.1)."""
    while position + 10 <= len(stream) and stream[position] == 0xFF and stream[position + 1] != _START_OF_TILE:
        if stream[position + 1] == _CODING_STYLE:
            return min(stream[position + 9], 32)
        (length,) = struct.unpack_from(">H", stream, position + 2)
        position += 2 + length
    return 0
