"""From pixel data to stored samples, with codestreams decoded in the process that may die.

A decoder allocates what a codestream claims, so the codestream's own header has to agree with the data set, whose
size the caller has bounded.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.encaps import get_frame
from pydicom.uid import UID, ExplicitVRBigEndian

from config.errors import UndecodablePixels
from inference.attributes import integer_of
from inference.codec.process import DECODER, DecoderRefused
from inference.codec.stream import CODECS, END_MARKER, Codec, StreamHeader, has_end, read_header, start_of
from inference.codec.task import Task
from inference.findings import Remark, RemarkKind
from inference.pixels.layout import PixelLayout, pixel_data, transfer_syntax

_MOST_MISSING = 0.01
"""The largest share of an image that may be missing at its end; with more it is refused."""
_JUNK = b"\x55" * 64
"""Entropy-coded data that no JPEG image ends with, see :func:`_decode_unended_jpeg`."""
_JPEG_BLOCK = 8


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Decoded pixel data."""

    array: NDArray[Any]
    """(rows, columns) or (rows, columns, samples), integers of 8 or 16 bits in native order, still with the bits
    beyond Bits Stored."""
    precision: int
    """How many bits of a sample its encoding can hold."""
    halvings: int = 0
    """How often the image was halved in each direction while it was decoded."""
    missing: int = 0
    """Pixels missing at the end, in the order of storage."""
    remarks: tuple[Remark, ...] = ()


@dataclass(frozen=True, slots=True)
class Codestream:
    """The codestream of an image's only frame, with its header where it has one."""

    data: bytes
    header: StreamHeader | None


def read_codestream(dataset: Dataset) -> Codestream | None:
    """Return the codestream of a data set's only frame; None where the pixel data are native.

    Raises :class:`UndecodablePixels` when no decoder here reads the transfer syntax, and when there is no codestream
    of that kind or one whose size is not the data set's.
    """
    syntax = UID(transfer_syntax(dataset))
    codec = CODECS.get(syntax)
    if codec is None:
        if not syntax.is_private and syntax.is_transfer_syntax and not syntax.is_encapsulated:
            return None
        # A value of the file is repeated only where it is what it should be: anything may stand in a broken header.
        named = f"transfer syntax {syntax}" if syntax.is_valid else "its transfer syntax, which is no UID"
        msg = f"no decoder here reads {named}; `cxrnode doctor` lists those that are read"
        raise UndecodablePixels(msg)
    encapsulated = pixel_data(dataset)
    try:
        data = get_frame(encapsulated, 0, number_of_frames=1)
    except (ValueError, AttributeError, KeyError, TypeError, struct.error, EOFError) as error:
        msg = f"the {syntax.name} pixel data are not encapsulated as PS3.5 A.4 asks"
        raise UndecodablePixels(msg) from error
    if codec is Codec.RLE:
        return Codestream(data, None)
    start = start_of(data, codec)
    header = None if start is None else read_header(data[start:], codec)
    if start is None or header is None:
        msg = f"the {syntax.name} pixel data hold no frame header"
        raise UndecodablePixels(msg)
    expected = integer_of(dataset, "Rows", 0), integer_of(dataset, "Columns", 0)
    if (header.rows, header.columns) != expected:
        msg = (
            f"the {syntax.name} pixel data are {header.rows} x {header.columns}, "
            f"the header says {expected[0]} x {expected[1]}"
        )
        raise UndecodablePixels(msg)
    return Codestream(data[start:], header)


def decode_samples(
    dataset: Dataset, layout: PixelLayout, stream: Codestream | None, at_least: int | None = None
) -> Samples:
    """Return the samples of the only frame.

    Parameters
    ----------
    dataset, layout, stream
        The data set, what it says about its pixels, and its codestream as :func:`read_codestream` returned it.
    at_least
        Decode at a reduced resolution where the decoder can and the longest side keeps at least this many pixels;
        None for all pixels.

    Raises :class:`UndecodablePixels`.
    """
    if stream is None:
        return _native(dataset, layout)
    if stream.header is None:
        return Samples(_decoded(layout, stream, layout.bits_allocated, 0), layout.bits_allocated)
    header = stream.header
    if header.components != layout.samples:
        msg = f"the codestream has {header.components} components, Samples per Pixel is {layout.samples}"
        raise UndecodablePixels(msg)
    if not 2 <= header.precision <= 16:
        msg = f"the codestream's samples are {header.precision} bits deep; 2 to 16 can be read"
        raise UndecodablePixels(msg)
    if not has_end(stream.data):
        return _unended(layout, stream, header)
    halvings = _halvings(layout, header, at_least)
    if halvings:
        try:
            return Samples(_decoded(layout, stream, header.precision, halvings), header.precision, halvings)
        except DecoderRefused:  # such as Pillow with some images of odd sizes
            pass
    return Samples(_decoded(layout, stream, header.precision, 0), header.precision)


def _halvings(layout: PixelLayout, header: StreamHeader, at_least: int | None) -> int:
    """Return how often an image may be halved; never where neighbours' bits beyond Bits Stored would mix."""
    whole = header.precision == layout.bits_stored == layout.high_bit + 1 and header.signed == layout.signed
    if at_least is None or not layout.monochrome or not whole:
        return 0
    longest = max(layout.rows, layout.columns)
    return next((count for count in range(header.halvings, 0, -1) if longest >> count >= at_least), 0)


def _decoded(layout: PixelLayout, stream: Codestream, precision: int, halvings: int) -> NDArray[Any]:
    if layout.codec is None:
        msg = "native pixel data need no decoder"
        raise ValueError(msg)
    task = Task(
        codec=layout.codec,
        rows=layout.rows,
        columns=layout.columns,
        samples=layout.samples,
        bits_allocated=layout.bits_allocated,
        precision=precision,
        signed=stream.header is not None and stream.header.signed,
        halvings=halvings,
    )
    return DECODER.decode(task, stream.data)


def _unended(layout: PixelLayout, stream: Codestream, header: StreamHeader) -> Samples:
    """Decode a codestream without its end marker: whole but for the marker, or JPEG that lacks a little."""
    data = stream.data.rstrip(b"\xff")

    def attempt(rest: bytes) -> NDArray[Any]:
        return _decoded(layout, Codestream(data + rest, header), header.precision, 0)

    if layout.codec is Codec.JPEG:
        return _decode_unended_jpeg(attempt, header)
    if layout.codec is Codec.HTJ2K:  # OpenJPH would fill in what is missing without a word
        msg = "the codestream ends early: its end marker is missing"
        raise UndecodablePixels(msg)
    return Samples(attempt(END_MARKER), header.precision)


def _decode_unended_jpeg(attempt: Callable[[bytes], NDArray[Any]], header: StreamHeader) -> Samples:
    """Find what is missing: pixels that depend on what one puts behind the end were not in the codestream.

    libjpeg-turbo fills them in without saying so. The rows from the first such pixel on count as missing.
    """
    array, other = attempt(END_MARKER), attempt(_JUNK + END_MARKER)
    differing = np.flatnonzero((array != other).reshape(header.rows, -1).any(axis=1))
    if not differing.size:
        return Samples(array, header.precision)
    first = int(differing[0]) // _JPEG_BLOCK * _JPEG_BLOCK
    missing = (header.rows - first) * header.columns
    return Samples(array, header.precision, missing=missing, remarks=(_missing(missing, header.rows, header.columns),))


def _native(dataset: Dataset, layout: PixelLayout) -> Samples:
    """Read native pixel data (PS3.5 8.1, 8.2); at most a little may be missing at the end."""
    big_endian = layout.syntax == ExplicitVRBigEndian
    size = layout.bits_allocated // 8
    pixels = layout.rows * layout.columns
    halved = layout.photometric == "YBR_FULL_422"  # two luminances, then one of each chrominance
    count = pixels * 2 if halved else pixels * layout.samples
    data = pixel_data(dataset)
    lacking = count * size - len(data)
    missing = 0
    remarks: tuple[Remark, ...] = ()
    if lacking > 0:
        missing = pixels - max(0, len(data)) * pixels // (count * size)
        remarks = (_missing(missing, layout.rows, layout.columns, lacking),)
        data = data + bytes(lacking)
    if big_endian and size == 1 and dataset["PixelData"].VR == "OW":
        data = np.frombuffer(data, ">u2", len(data) // 2).astype("<u2").tobytes() + data[len(data) // 2 * 2 :]
    flat = np.frombuffer(data, f"{'>' if big_endian else '<'}u{size}", count)
    if not flat.dtype.isnative:
        flat = flat.astype(flat.dtype.newbyteorder("="))
    return Samples(_arranged(flat, layout, halved=halved), layout.bits_allocated, missing=missing, remarks=remarks)


def _arranged(flat: NDArray[Any], layout: PixelLayout, *, halved: bool) -> NDArray[Any]:
    rows, columns = layout.rows, layout.columns
    if layout.samples == 1:
        return flat.reshape(rows, columns)
    if halved:
        groups = flat[: flat.size // 4 * 4].reshape(-1, 4)
        chroma = np.repeat(groups[:, 2:], 2, axis=0)
        return np.concatenate([groups[:, :2].reshape(-1, 1), chroma], axis=1).reshape(rows, columns, 3)
    if layout.planar:
        return np.moveaxis(flat.reshape(layout.samples, rows, columns), 0, 2)
    return flat.reshape(rows, columns, layout.samples)


def _missing(pixels: int, rows: int, columns: int, lacking: int | None = None) -> Remark:
    """Return the remark on pixels that are missing; raise when they are too many."""
    what = f"{pixels} of {rows * columns} pixels" + (f" ({lacking} bytes)" if lacking else "")
    if pixels > _MOST_MISSING * rows * columns:
        msg = f"the pixel data are cut short: at the end, {what} are missing; ask the sender for the image again"
        raise UndecodablePixels(msg)
    return Remark(RemarkKind.PIXELS_MISSING, f"At the end of the image, {what} are missing and shown black")
