"""Stored values of a compressed image as native bytes, for whoever cannot decode them."""

import numpy as np
from pydicom.dataset import Dataset

from config.errors import UndecodablePixels
from inference.pixels.decode import decode_samples, read_codestream
from inference.pixels.layout import check_size, read_layout


def native_frame(dataset: Dataset, max_pixels: int) -> bytes:
    """Return the only frame of a grey image as Explicit VR Little Endian has it (PS3.5 8.2), decoded where it must be.

    Raises :class:`UndecodablePixels` where the image has more than ``max_pixels`` or colours, or cannot be decoded.
    """
    check_size(dataset, max_pixels)
    stream = read_codestream(dataset)
    layout = read_layout(dataset, None if stream is None else stream.header)
    if not layout.monochrome:
        msg = "an image in colours is answered in the transfer syntax in which it is stored only"
        raise UndecodablePixels(msg)
    samples = decode_samples(dataset, layout, stream)
    size = layout.bits_allocated // 8
    if samples.array.dtype.itemsize > size:
        msg = "the codestream's samples are deeper than Bits Allocated"
        raise UndecodablePixels(msg)
    values = samples.array.astype(np.dtype(f"<i{size}" if layout.signed else f"<u{size}"))
    spare = layout.bits_allocated - layout.bits_stored
    if stream is not None and layout.signed and layout.high_bit == layout.bits_stored - 1 and spare:
        values = (values << spare) >> spare  # a codestream of 12 bits knows no sign beyond them; readers of 16 do
    return values.astype(values.dtype.newbyteorder("<")).tobytes()
