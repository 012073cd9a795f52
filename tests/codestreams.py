"""Compressing test images into every accepted transfer syntax, with the encoders at hand."""

import struct
from typing import Any

import imagecodecs
import numpy as np
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

LOSSY = {JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLSNearLossless, JPEG2000, HTJ2K}


def compress(dataset: Dataset, syntax: str, precision: int | None = None) -> Dataset:
    """Encode the native pixels of a data set; ``precision`` of the codestream where it is not Bits Stored's."""
    shape = (dataset.Rows, dataset.Columns, dataset.SamplesPerPixel)
    kind = f"<{'i' if dataset.PixelRepresentation else 'u'}{dataset.BitsAllocated // 8}"
    samples = np.frombuffer(dataset.PixelData, kind).reshape(shape)
    precision = dataset.BitsStored if precision is None else precision
    encapsulated(dataset, encode(samples if shape[2] > 1 else samples[:, :, 0], syntax, precision), syntax)
    return dataset


def encapsulated(dataset: Dataset, stream: bytes, syntax: str) -> Dataset:
    """Put a codestream in a data set."""
    dataset.PixelData = encapsulate([stream])
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = syntax
    if syntax in LOSSY:
        dataset.LossyImageCompression = "01"
    return dataset


def encode(samples: np.ndarray[Any, Any], syntax: str, precision: int) -> bytes:
    """Return the codestream of (rows, columns) or (rows, columns, 3) samples, those of lossy ones nearly the same."""
    samples = np.ascontiguousarray(samples)
    unsigned = samples.view(f"u{samples.dtype.itemsize}")
    bits = unsigned & ((1 << precision) - 1)
    if syntax == RLELossless:
        return encode_rle(unsigned)
    if precision <= 8 and syntax not in {JPEGLSLossless, JPEGLSNearLossless}:
        bits, samples = bits.astype(np.uint8), samples.astype(f"{samples.dtype.kind}1")
    if syntax in {JPEGBaseline8Bit, JPEGExtended12Bit}:
        return imagecodecs.jpeg8_encode(bits, level=100, bitspersample=precision)
    if syntax in {JPEGLossless, JPEGLosslessSV1}:
        predictor = 1 if syntax == JPEGLosslessSV1 else 6
        return imagecodecs.jpeg8_encode(bits, lossless=True, predictor=predictor, bitspersample=precision)
    if syntax in {JPEGLSLossless, JPEGLSNearLossless}:
        return imagecodecs.jpegls_encode(bits, level=0 if syntax == JPEGLSLossless else 2)
    if syntax in {JPEG2000Lossless, JPEG2000}:
        level = 0 if syntax == JPEG2000Lossless else 70
        reversible = syntax == JPEG2000Lossless
        return imagecodecs.jpeg2k_encode(
            samples, level=level, codecformat="j2k", reversible=reversible, bitspersample=precision
        )
    if syntax in {HTJ2KLossless, HTJ2KLosslessRPCL, HTJ2K}:
        return imagecodecs.htj2k_encode(samples, reversible=syntax != HTJ2K)
    msg = f"no encoder for {syntax}: test images are made in JPEG, JPEG-LS, JPEG 2000, HTJ2K and RLE syntaxes"
    raise ValueError(msg)


def encode_rle(samples: np.ndarray[Any, Any]) -> bytes:
    """Return an RLE frame (PS3.5 Annex G) of literal runs and repeats, one segment for each byte of a sample."""
    planes = np.moveaxis(samples, 2, 0) if samples.ndim == 3 else samples[None]
    size = samples.dtype.itemsize
    segments = []
    for plane in planes:
        rows = np.ascontiguousarray(plane).view(np.uint8).reshape(*plane.shape, size)
        for byte in reversed(range(size)):
            segment = b"".join(_pack(row.tobytes()) for row in rows[:, :, byte])
            segments.append(segment + b"\0" * (len(segment) % 2))
    offsets = [64]
    for segment in segments[:-1]:
        offsets.append(offsets[-1] + len(segment))
    return struct.pack("<16I", len(segments), *offsets, *[0] * (15 - len(offsets))) + b"".join(segments)


def _pack(row: bytes) -> bytes:
    packed, position = bytearray(), 0
    while position < len(row):
        run = 1
        while run < 128 and position + run < len(row) and row[position + run] == row[position]:
            run += 1
        if run > 2:
            packed += bytes([257 - run, row[position]])
        else:
            run = min(128, len(row) - position)
            packed += bytes([run - 1]) + row[position : position + run]
        position += run
    return bytes(packed)
