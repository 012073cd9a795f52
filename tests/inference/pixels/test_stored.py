"""Stored values as native bytes: the same whatever the transfer syntax, for who cannot decode it."""

import pytest
from pydicom.uid import (
    UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from config.errors import UndecodablePixels
from inference.pixels.stored import native_frame
from tests.pixel_matrix import derivatives

LOSSLESS = (JPEGLosslessSV1, JPEGLSLossless, JPEG2000Lossless, HTJ2KLossless, RLELossless, ExplicitVRBigEndian)
MOST = 1_000_000


@pytest.fixture(scope="module")
def truth() -> dict[str, bytes]:
    """The native values of each grey variant by its name."""
    native = [entry for entry in derivatives(ExplicitVRLittleEndian) if entry.dataset.SamplesPerPixel == 1]
    return {entry.name: bytes(entry.dataset.PixelData) for entry in native}


@pytest.mark.parametrize("syntax", LOSSLESS)
def test_every_lossless_syntax_holds_the_same_values(syntax: UID, truth: dict[str, bytes]) -> None:
    compared = 0
    for entry in list(derivatives(syntax))[::4]:
        if entry.name not in truth or entry.dataset.SamplesPerPixel != 1:
            continue
        image, expected = entry.dataset, truth[entry.name]
        size = image.Rows * image.Columns * image.BitsAllocated // 8
        assert native_frame(image, MOST) == expected[:size], entry.name
        compared += 1
    assert compared


def test_colours_and_what_is_too_large_are_refused() -> None:
    coloured = next(entry for entry in derivatives(ExplicitVRLittleEndian) if entry.dataset.SamplesPerPixel == 3)
    with pytest.raises(UndecodablePixels, match="colours"):
        native_frame(coloured.dataset, MOST)
    with pytest.raises(UndecodablePixels, match="max_pixels"):
        native_frame(coloured.dataset, 10)
