"""The same image in two transfer syntaxes, and what only looks like it."""

import io
from collections.abc import Callable

import numpy as np
import pytest
from pydicom import dcmread, dcmwrite
from pydicom.dataset import Dataset
from pydicom.uid import (
    JPEG2000,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGExtended12Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from inference.same_image import compare
from tests.codestreams import compress
from tests.phantoms import phantom_dataset
from tracking.studies.comparisons import Likeness

MAX_PIXELS = 1_000_000


def radiograph(seed: int = 1) -> Dataset:
    """Return a phantom with what implicit VR reads in another way: ambiguous, private and decimal values."""
    dataset = dcmread(io.BytesIO(encoded(phantom_dataset(seed, size=256))))
    dataset.add_new("SmallestImagePixelValue", "US", 0)
    dataset.add_new("PixelPaddingValue", "US", 0)
    dataset.WindowCenter, dataset.WindowWidth = "2048.0", "4096"
    dataset.add_new(0x00091001, "LO", "private")
    return dataset


def encoded(dataset: Dataset) -> bytes:
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def native(dataset: Dataset, syntax: str) -> bytes:
    copy = dcmread(io.BytesIO(encoded(dataset)))
    copy.file_meta.TransferSyntaxUID = syntax
    buffer = io.BytesIO()
    copy["PixelData"].VR = "OW"
    if syntax == ExplicitVRBigEndian:
        copy.PixelData = np.frombuffer(copy.PixelData, "<u2").astype(">u2").tobytes()
    dcmwrite(
        buffer, copy, implicit_vr=syntax == ImplicitVRLittleEndian, little_endian=syntax != ExplicitVRBigEndian,
        enforce_file_format=True,
    )  # fmt: skip
    return buffer.getvalue()


def recoded(dataset: Dataset, syntax: str) -> bytes:
    copy = dcmread(io.BytesIO(encoded(dataset)))
    return encoded(compress(copy, syntax))


STANDING = radiograph()


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian])
def test_the_same_image_in_another_native_syntax(syntax: str) -> None:
    assert compare(encoded(STANDING), native(STANDING, syntax), MAX_PIXELS) is Likeness.SAME


@pytest.mark.parametrize("syntax", [JPEGLosslessSV1, JPEGLSLossless, JPEG2000Lossless, HTJ2KLossless, RLELossless])
def test_the_same_image_compressed_or_decompressed_without_loss(syntax: str) -> None:
    first, second = encoded(STANDING), recoded(STANDING, syntax)
    assert compare(first, second, MAX_PIXELS) is Likeness.SAME
    assert compare(second, first, MAX_PIXELS) is Likeness.SAME


@pytest.mark.parametrize("syntax", [JPEG2000, JPEGLSNearLossless, JPEGExtended12Bit])
def test_the_same_image_after_lossy_compression(syntax: str) -> None:
    compressed = dcmread(io.BytesIO(recoded(STANDING, syntax)))
    compressed.ImageType = ["DERIVED", *compressed.ImageType[1:]]
    compressed.LossyImageCompression = "01"
    compressed.DerivationDescription = "compressed"
    found = compare(encoded(STANDING), encoded(compressed), MAX_PIXELS)
    assert found in {Likeness.LOSSY, Likeness.SAME}, "at the highest quality nothing need be lost"
    assert syntax != JPEGLSNearLossless or found is Likeness.LOSSY


def _corrected_side(dataset: Dataset) -> None:
    dataset.ViewPosition = "AP" if dataset.get("ViewPosition") == "PA" else "PA"


def _renamed(dataset: Dataset) -> None:
    dataset.PatientName = "Other^Person"


def _rescaled(dataset: Dataset) -> None:
    dataset.PixelSpacing = ["0.2", "0.2"]
    dataset.ImagerPixelSpacing = ["0.2", "0.2"]


def _inverted(dataset: Dataset) -> None:
    dataset.PhotometricInterpretation = "MONOCHROME1"


def _one_pixel(dataset: Dataset) -> None:
    dataset.PixelData = bytes([dataset.PixelData[0] ^ 1]) + dataset.PixelData[1:]


@pytest.mark.parametrize("change", [_corrected_side, _renamed, _rescaled, _inverted, _one_pixel])
def test_whatever_is_new_beside_the_syntax_makes_another_image(change: Callable[[Dataset], None]) -> None:
    other = dcmread(io.BytesIO(encoded(STANDING)))
    change(other)
    assert compare(encoded(STANDING), native(other, ImplicitVRLittleEndian), MAX_PIXELS) is Likeness.OTHER


def test_lossy_pixels_of_another_image_are_another_image() -> None:
    other = radiograph(2)
    for element in STANDING:
        if element.keyword != "PixelData":
            other[element.tag] = element
    assert compare(encoded(STANDING), recoded(other, JPEG2000), MAX_PIXELS) is Likeness.OTHER


def test_what_cannot_be_read_or_decoded_is_another_image() -> None:
    first = encoded(STANDING)
    assert compare(first, b"no DICOM", MAX_PIXELS) is Likeness.OTHER
    assert compare(first, recoded(STANDING, JPEG2000Lossless)[:-5000], MAX_PIXELS) is Likeness.OTHER
    assert compare(first, first, 100) is Likeness.OTHER, "too large to be decoded"
