"""Reading a stored DICOM file into a data set."""

import struct
import zlib
from io import BytesIO
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset

from config.errors import UnreadableInstance

_LARGEST_INFLATED = 256 << 20
"""Bytes: 128 megapixels of 16 bits."""
_DEFLATED = b"1.2.840.10008.1.2.1.99"
_GROUP_LENGTH_END = 144
"""Where a file's meta information begins to be counted: preamble, "DICM" and (0002,0000) (PS3.10 7.1)."""


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
