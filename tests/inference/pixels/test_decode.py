"""What the receiver accepts, the worker decodes."""

from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
from pydicom import dcmwrite
from pydicom.encaps import encapsulate, get_frame
from pydicom.uid import (
    UID,
    HTJ2KLossless,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from config.errors import UndecodablePixels, UnreadableInstance
from dicom_node.format.probe_frames import SIDE, probe_frame, probe_value
from dicom_node.format.syntaxes import decodable_syntaxes
from inference.codec.stream import CODECS
from inference.findings import RemarkKind
from inference.pixels import read_picture, render
from inference.pixels.decode import decode_samples, read_codestream
from inference.pixels.layout import read_layout
from tests.codestreams import compress, encapsulated

COMPRESSED = [uid for uid in decodable_syntaxes() if UID(uid).is_encapsulated]


def decode_frame(dataset: Any) -> np.ndarray[Any, Any]:
    stream = read_codestream(dataset)
    return decode_samples(dataset, read_layout(dataset, None if stream is None else stream.header), stream).array


def encoded(radiograph: Any, uid: str) -> tuple[Any, int]:
    frame = probe_frame(uid)
    assert frame is not None
    dataset = radiograph(np.zeros((SIDE, SIDE), np.uint8 if frame.bits_stored <= 8 else np.uint16))
    dataset.BitsStored, dataset.HighBit = frame.bits_stored, frame.bits_stored - 1
    dataset.PixelData = encapsulate([frame.codestream])
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = uid
    return dataset, frame.bits_stored


@pytest.mark.parametrize("uid", COMPRESSED)
def test_every_accepted_compression_is_decoded(radiograph: Any, uid: str) -> None:
    dataset, bits = encoded(radiograph, uid)
    truth = [[probe_value(row, column, bits) for column in range(SIDE)] for row in range(SIDE)]
    np.testing.assert_allclose(decode_frame(dataset), truth, atol=(1 << bits) / 32)


@pytest.mark.parametrize("uid", COMPRESSED)
@pytest.mark.parametrize("keep", [2, 3, 20])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_stream_cut_short_is_refused_or_decoded_to_the_right_size(radiograph: Any, uid: str, keep: int) -> None:
    dataset, _ = encoded(radiograph, uid)
    frame = probe_frame(uid)
    assert frame is not None
    dataset.PixelData = encapsulate([frame.codestream[:keep]])
    try:
        decoded = decode_frame(dataset)
    except UndecodablePixels:
        return
    assert decoded.shape == (SIDE, SIDE)


def test_what_the_receiver_accepts_is_what_the_analysis_decodes() -> None:
    assert set(COMPRESSED) == set(CODECS)


def test_pixel_data_that_pydicom_cannot_convert_are_a_reason(radiograph: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    dcmwrite(path, radiograph(), enforce_file_format=True)
    path.write_bytes(path.read_bytes().replace(b"\xe0\x7f\x10\x00OW", b"\xe0\x7f\x10\x00O\xff"))
    with pytest.raises((UndecodablePixels, UnreadableInstance)):
        read_picture(path, 1 << 20)


@pytest.mark.parametrize("lacking", [2, 40])
def test_a_jpeg_image_that_lacks_a_little_shows_the_rest(radiograph: Any, lacking: int) -> None:
    dataset = compress(radiograph(scene(2000), BitsStored=8), JPEGBaseline8Bit)
    whole = render(dataset, 1 << 20)
    stream = get_frame(dataset.PixelData, 0, number_of_frames=1).rstrip(b"\0")
    encapsulated(dataset, stream[:-lacking], JPEGBaseline8Bit)
    shown = render(dataset, 1 << 20)
    missing = [remark for remark in shown.remarks if remark.kind is RemarkKind.PIXELS_MISSING]
    assert bool(missing) is (lacking > 2)
    rows = len(shown.gray) - 8 * len(missing)
    np.testing.assert_array_equal(shown.gray[:rows], whole.gray[:rows])
    assert (shown.gray[rows:] == 0).all()


@pytest.mark.parametrize("syntax", [JPEGBaseline8Bit, HTJ2KLossless, JPEG2000Lossless, JPEGLSLossless, RLELossless])
def test_half_a_codestream_is_a_reason(radiograph: Any, syntax: str) -> None:
    dataset = compress(radiograph(scene(400), BitsStored=8), syntax)
    stream = get_frame(dataset.PixelData, 0, number_of_frames=1)
    encapsulated(dataset, stream[: len(stream) // 2], syntax)
    with pytest.raises(UndecodablePixels):
        render(dataset, 1 << 20)


@pytest.mark.parametrize(
    ("stored", "high_bit", "precision"),
    [(12, 15, 12), (16, 15, 12), (12, 11, 16)],
)
def test_bits_that_the_codestream_cannot_hold_count_from_its_own_uppermost(
    radiograph: Any, stored: int, high_bit: int, precision: int
) -> None:
    """DCMTK reads JPEG so: a header of more bits than the codestream's is the header's error."""
    values = scene(300).astype(np.uint16) << 4
    window = {"WindowCenter": "2048", "WindowWidth": "4096"}
    expected = render(radiograph(values, BitsStored=12, **window), 1 << 20).gray
    dataset = compress(radiograph(values, BitsStored=12, **window), JPEGLosslessSV1, precision)
    dataset.BitsStored, dataset.HighBit = stored, high_bit
    np.testing.assert_allclose(render(dataset, 1 << 20).gray, expected, atol=1e-6)


def scene(rows: int) -> np.ndarray[Any, Any]:
    y, x = np.mgrid[0:rows, 0:300]
    return np.rint((np.sin(x / 17) * np.cos(y / 23) + 1) * 120 + (x * 7 + y * 3) % 11).astype(np.uint8)


def test_real_colour_is_refused(radiograph: Any) -> None:
    grey = scene(200)
    dataset = radiograph(grey, SamplesPerPixel=3, PhotometricInterpretation="RGB", PlanarConfiguration=0)
    dataset.PixelData = np.dstack([grey, grey, np.roll(grey, 40)]).tobytes()
    with pytest.raises(UndecodablePixels, match="colour channels differ"):
        render(dataset, 1 << 20)
    dataset.PixelData = np.dstack([grey, grey, grey ^ 3]).tobytes()
    assert render(dataset, 1 << 20).gray.std() > 0.1


@pytest.mark.parametrize(
    ("keyword", "named"),
    [("BitsStored", "Bits Stored"), ("HighBit", "High Bit"), ("PixelRepresentation", "Pixel Representation"),
     ("SamplesPerPixel", "Samples per Pixel"), ("BitsAllocated", "Bits Allocated")],
)  # fmt: skip
def test_an_absent_attribute_takes_its_evident_value_and_a_remark(radiograph: Any, keyword: str, named: str) -> None:
    dataset = radiograph(scene(200))
    expected = render(dataset, 1 << 20)
    assert expected.remarks == ()
    del dataset[keyword]
    shown = render(dataset, 1 << 20)
    np.testing.assert_array_equal(shown.gray, expected.gray)
    assert [(remark.kind, named in remark.text) for remark in shown.remarks] == [(RemarkKind.ATTRIBUTE_DEFAULTED, True)]


def test_presentation_lut_shape_stands_in_for_photometric_interpretation(radiograph: Any) -> None:
    expected = render(radiograph(scene(200), PhotometricInterpretation="MONOCHROME1"), 1 << 20)
    shown = render(radiograph(scene(200), PhotometricInterpretation=None, PresentationLUTShape="INVERSE"), 1 << 20)
    np.testing.assert_array_equal(shown.gray, expected.gray)
    assert [remark.kind for remark in shown.remarks] == [RemarkKind.ATTRIBUTE_DEFAULTED]


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
def test_a_transfer_syntax_that_is_no_uid_is_not_repeated(radiograph: Any) -> None:
    dataset = radiograph()
    dataset.file_meta.TransferSyntaxUID = "SECRET^NAME"
    with pytest.raises(UndecodablePixels, match="which is no UID") as caught:
        render(dataset, 10**7)
    assert "SECRET" not in str(caught.value)


def test_a_palette_image_whose_codestream_is_signed_is_read_by_its_bits(radiograph: Any) -> None:
    indices = np.arange(256, dtype=np.int16).repeat(256).reshape(256, 256)
    dataset = radiograph(indices.astype(np.uint16))
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 1
    dataset.PhotometricInterpretation = "PALETTE COLOR"
    curve = (np.arange(256) * 257).astype("<u2").tobytes()
    for name in ("Red", "Green", "Blue"):
        dataset.add_new(f"{name}PaletteColorLookupTableDescriptor", "US", [256, 0, 16])
        dataset.add_new(f"{name}PaletteColorLookupTableData", "OW", curve)
    stream = imagecodecs.jpeg2k_encode(indices, level=0, reversible=True, codecformat="j2k")
    gray = render(encapsulated(dataset, stream, JPEG2000Lossless), 10**7).gray
    assert np.allclose(gray * 255, indices)
