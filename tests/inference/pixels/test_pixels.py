"""Files become pictures, within bounds, and pictures become model input."""

import contextlib
import time
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pydicom import dcmwrite
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
)

from config.errors import UndecodablePixels, UnreadableInstance
from inference.not_analysed import Reason
from inference.pixels import Picture, implausible, read, read_dataset, read_picture, render, to_model_input
from tests.codestreams import compress

LIMIT = 1 << 24


def smooth(rows: int = 160, columns: int = 200, top: int = 4095) -> np.ndarray[Any, Any]:
    y, x = np.mgrid[0:rows, 0:columns]
    return ((np.sin(x / 17) * np.cos(y / 23) + 1) / 2 * top).astype(np.uint16)


def saved(dataset: Dataset, path: Path, **how: Any) -> Path:
    dcmwrite(path, dataset, enforce_file_format=True, **how)
    return path


@pytest.mark.parametrize("syntax", [JPEG2000Lossless, JPEGLSLossless, RLELossless])
def test_lossless_compression_changes_nothing(radiograph: Any, syntax: str, tmp_path: Path) -> None:
    plain = radiograph(smooth(), BitsStored=12)
    expected = render(plain, LIMIT).gray
    compressed = radiograph(smooth(), BitsStored=12)
    compress(compressed, syntax)
    np.testing.assert_array_equal(read_picture(saved(compressed, tmp_path / "a.dcm"), LIMIT).gray, expected)


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian])
def test_every_way_of_writing_the_header_reads_the_same(radiograph: Any, syntax: str, tmp_path: Path) -> None:
    dataset = radiograph(smooth(), BitsStored=12)
    expected = render(dataset, LIMIT).gray
    dataset.file_meta.TransferSyntaxUID = syntax
    np.testing.assert_array_equal(read_picture(saved(dataset, tmp_path / "a.dcm"), LIMIT).gray, expected)


def test_big_endian_pixels_are_read(radiograph: Any) -> None:
    dataset = radiograph(smooth(), BitsStored=12)
    expected = render(dataset, LIMIT).gray
    dataset.PixelData = smooth().astype(">u2").tobytes()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    np.testing.assert_array_equal(render(dataset, LIMIT).gray, expected)


def test_signed_jpeg2000_keeps_its_sign(radiograph: Any) -> None:
    stored = smooth().astype(np.int16) - 2048
    window = {"BitsStored": 12, "WindowCenter": "0", "WindowWidth": "4096"}
    expected = render(radiograph(stored, **window), LIMIT).gray
    dataset = radiograph(stored, **window)
    compress(dataset, JPEG2000Lossless)
    np.testing.assert_array_equal(render(dataset, LIMIT).gray, expected)


def jpeg(radiograph: Any, rows: int, columns: int) -> Dataset:
    buffer = BytesIO()
    Image.fromarray((smooth(rows, columns) >> 4).astype(np.uint8)).save(buffer, "JPEG", quality=95)
    dataset = radiograph((smooth() >> 4).astype(np.uint8))
    dataset.PixelData = encapsulate([buffer.getvalue()])
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    return dataset


def test_baseline_jpeg_is_read(radiograph: Any) -> None:
    gray = render(jpeg(radiograph, 160, 200), LIMIT).gray
    np.testing.assert_allclose(gray, (smooth() >> 4) / 255, atol=0.03)


def test_a_stream_larger_than_its_header_says_is_refused_before_decoding(radiograph: Any) -> None:
    dataset = jpeg(radiograph, 3000, 3000)
    with pytest.raises(UndecodablePixels, match="3000 x 3000, the header says 160 x 200"):
        render(dataset, LIMIT)
    dataset = radiograph(smooth(), BitsStored=12)
    compress(dataset, JPEG2000Lossless)
    dataset.Rows = 80
    with pytest.raises(UndecodablePixels, match="160 x 200, the header says 80 x 200"):
        render(dataset, LIMIT)


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({"Rows": 0}, "Rows or Columns are absent"),
        ({"Rows": 60000, "Columns": 60000}, "more than"),
        ({"NumberOfFrames": 3}, "several frames"),
        ({"SamplesPerPixel": 3}, "Samples per Pixel"),
        ({"BitsAllocated": 32}, "32 bits"),
        ({"Rows": 170}, "cut short: at the end, 2000 of 34000 pixels"),
    ],
)
def test_what_makes_no_radiograph_is_refused_with_words(
    radiograph: Any, attributes: dict[str, Any], words: str
) -> None:
    dataset = radiograph(smooth())
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    with pytest.raises(UndecodablePixels, match=words):
        render(dataset, LIMIT)


def test_pixel_data_that_are_absent_or_in_an_unknown_syntax_are_refused(radiograph: Any) -> None:
    dataset = radiograph(smooth())
    dataset.file_meta.TransferSyntaxUID = "1.2.3.4"
    with pytest.raises(UndecodablePixels, match="no decoder"):
        render(dataset, LIMIT)
    del dataset.PixelData
    with pytest.raises(UndecodablePixels, match="no pixel data"):
        render(dataset, LIMIT)


@given(where=st.integers(0, 3000), what=st.binary(min_size=1, max_size=40), syntax=st.sampled_from(
    [JPEG2000Lossless, JPEGLSLossless, RLELossless]))  # fmt: skip
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_damaged_stream_is_a_picture_or_one_clear_error(
    radiograph: Any, where: int, what: bytes, syntax: str
) -> None:
    dataset = radiograph(smooth(40, 50), BitsStored=12)
    compress(dataset, syntax)
    data = bytearray(dataset.PixelData)
    where %= len(data)
    data[where : where + len(what)] = what
    dataset.PixelData = bytes(data)
    try:
        gray = render(dataset, LIMIT).gray
    except UndecodablePixels:
        return
    assert gray.shape == (40, 50)
    assert np.isfinite(gray).all()


@given(cut=st.floats(0, 1), damage=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=20))
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_damaged_file_is_a_picture_or_one_of_two_errors(
    radiograph: Any, tmp_path_factory: Any, cut: float, damage: list[tuple[float, int]]
) -> None:
    path = saved(radiograph(smooth(12, 14)), tmp_path_factory.mktemp("damage") / "a.dcm")
    data = bytearray(path.read_bytes())
    for where, value in damage:
        data[int(where * (len(data) - 1))] = value
    path.write_bytes(data[: int(cut * len(data))] if cut < 0.5 else data)
    with contextlib.suppress(UnreadableInstance, UndecodablePixels):
        read_picture(path, LIMIT)


def test_a_missing_file_is_not_taken_for_a_bad_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_dataset(tmp_path / "gone.dcm")


def test_a_file_that_is_no_dicom_is_unreadable(tmp_path: Path) -> None:
    (tmp_path / "a.dcm").write_bytes(b"no DICOM here" * 100)
    with pytest.raises(UnreadableInstance, match="cannot be parsed"):
        read_dataset(tmp_path / "a.dcm")


def test_a_deflated_bomb_is_not_inflated(radiograph: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = radiograph(smooth(8, 8))
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    path = saved(dataset, tmp_path / "a.dcm")
    encoded = path.read_bytes()
    deflater = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    monkeypatch.setattr(read, "_LARGEST_INFLATED", 1 << 22)
    bomb = deflater.compress(bytes(1 << 23)) + deflater.flush()
    meta = int.from_bytes(encoded[140:144], "little")
    path.write_bytes(encoded[: 144 + meta] + bomb)
    with pytest.raises(UnreadableInstance, match="grows beyond"):
        read_dataset(path)


@pytest.mark.parametrize(
    ("attributes", "aspect"),
    [
        ({}, 1.0),
        ({"PixelSpacing": ["0.2", "0.1"]}, 2.0),
        ({"PixelSpacing": ["0.000", "0.000"], "ImagerPixelSpacing": ["0.1", "0.2"]}, 0.5),
        ({"PixelAspectRatio": ["4", "3"]}, 4 / 3),
        ({"PixelAspectRatio": ["1000", "1"]}, 1.0),
        ({"PixelSpacing": ""}, 1.0),
    ],
)
def test_the_pixel_aspect_is_height_over_width(radiograph: Any, attributes: dict[str, Any], aspect: float) -> None:
    assert render(radiograph(smooth(), **attributes), LIMIT).pixel_aspect == pytest.approx(aspect)


def test_the_shutters_hide_what_lies_outside(radiograph: Any) -> None:
    stored = np.full((100, 120), 200, np.uint8)
    edges = {"ShutterLeftVerticalEdge": 10, "ShutterRightVerticalEdge": 111, "ShutterUpperHorizontalEdge": 5,
             "ShutterLowerHorizontalEdge": 96}  # fmt: skip
    gray = render(radiograph(stored, ShutterShape="RECTANGULAR", **edges), LIMIT).gray
    rows, columns = np.nonzero(gray)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (5, 94, 10, 109)
    circle = {"ShutterShape": "CIRCULAR", "CenterOfCircularShutter": [50, 60], "RadiusOfCircularShutter": 40}
    gray = render(radiograph(stored, **circle), LIMIT).gray
    assert (gray > 0).sum() == pytest.approx(np.pi * 40**2, rel=0.03)
    polygon = {"ShutterShape": "POLYGONAL", "VerticesOfThePolygonalShutter": [1, 1, 1, 120, 100, 1]}
    gray = render(radiograph(stored, **polygon), LIMIT).gray
    assert (gray > 0).mean() == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize(
    "shutter",
    [
        {"ShutterShape": "RECTANGULAR"},
        {"ShutterShape": "CIRCULAR", "CenterOfCircularShutter": [50, 60], "RadiusOfCircularShutter": 3},
        {"ShutterShape": "POLYGONAL", "VerticesOfThePolygonalShutter": [1, 1, 1]},
        {"ShutterShape": "ROUND"},
    ],
)
def test_a_shutter_that_makes_no_sense_is_ignored(radiograph: Any, shutter: dict[str, Any]) -> None:
    assert (render(radiograph(np.full((100, 120), 200, np.uint8), **shutter), LIMIT).gray > 0).all()


def picture(gray: np.ndarray[Any, Any]) -> Picture:
    return Picture(gray.astype(np.float32))


@pytest.mark.parametrize(
    ("gray", "words"),
    [
        (np.tile(np.linspace(0, 1, 100), (100, 1)), "too small"),
        (np.tile(np.linspace(0, 1, 1000), (200, 1)), "strip"),
        (np.full((300, 300), 0.4), "blank"),
        (np.pad(np.tile(np.linspace(0, 1, 40), (40, 1)), 150), "empty"),
    ],
)
def test_an_implausible_picture_is_refused_with_words(gray: np.ndarray[Any, Any], words: str) -> None:
    verdict = implausible(picture(gray))
    assert verdict is not None
    assert verdict.reason is Reason.IMPLAUSIBLE
    assert words in verdict.because


@given(
    rows=st.integers(1, 700),
    columns=st.integers(1, 700),
    model=st.tuples(st.integers(16, 400), st.integers(16, 400)),
    aspect=st.floats(0.25, 4),
    x=st.floats(0, 1),
    y=st.floats(0, 1),
)
def test_a_point_goes_to_the_model_and_comes_back(
    rows: int, columns: int, model: tuple[int, int], aspect: float, x: float, y: float
) -> None:
    gray = np.full((rows, columns), 0.5, np.float32)
    canvas, placement = to_model_input(Picture(gray, aspect), *model)
    assert canvas.shape == (*model, 1)
    assert canvas.dtype == np.float32
    there = placement.to_model(x * columns, y * rows)
    assert -1e-6 <= there[0] <= model[1] + 1e-6
    assert -1e-6 <= there[1] <= model[0] + 1e-6
    np.testing.assert_allclose(placement.to_stored(*there), (x * columns, y * rows), atol=1e-6)
    inside = canvas[placement.top : placement.top + placement.height, placement.left : placement.left + placement.width]
    np.testing.assert_allclose(inside, 0.5, atol=1e-5)
    assert canvas.sum() == pytest.approx(0.5 * placement.height * placement.width, rel=1e-4)


@pytest.mark.parametrize("size", [(3001, 2503), (1024, 1024), (389, 700), (90, 70)])
def test_a_structure_lands_where_its_placement_says(size: tuple[int, int]) -> None:
    rows, columns = size
    y, x = np.mgrid[0:rows, 0:columns]
    at_y, at_x = 0.3 * rows, 0.7 * columns
    blob = np.exp(-(((y + 0.5 - at_y) / (0.05 * rows)) ** 2 + ((x + 0.5 - at_x) / (0.05 * columns)) ** 2))
    canvas, placement = to_model_input(blob.astype(np.float32), 384, 320)
    weights = canvas[:, :, 0].astype(np.float64)
    my, mx = np.mgrid[0:384, 0:320] + 0.5
    found = (weights * mx).sum() / weights.sum(), (weights * my).sum() / weights.sum()
    np.testing.assert_allclose(found, placement.to_model(at_x, at_y), atol=0.1)


def test_shrinking_averages_instead_of_picking() -> None:
    noise = np.random.default_rng(0).random((2000, 2000)).astype(np.float32)
    canvas, _ = to_model_input(noise, 200, 200)
    assert canvas.std() < 0.06
    assert canvas.mean() == pytest.approx(0.5, abs=0.005)


def test_eight_bit_arrays_and_floats_are_the_same_picture() -> None:
    stored = (smooth() >> 4).astype(np.uint8)
    one, _ = to_model_input(stored, 96, 128)
    other, _ = to_model_input(stored.astype(np.float32) / 255, 96, 128)
    np.testing.assert_allclose(one, other, atol=1e-6)


def test_the_same_file_gives_the_same_bytes(radiograph: Any) -> None:
    dataset = radiograph(smooth(500, 600), BitsStored=12)
    first, second = (to_model_input(render(dataset, LIMIT), 384, 384)[0].tobytes() for _ in range(2))
    assert first == second


def test_table_and_resize_are_fast_enough_not_to_matter(radiograph: Any) -> None:
    """Decoding a compressed 9-megapixel picture takes hundreds of milliseconds; the rest must be a fraction."""
    dataset = radiograph(smooth(3000, 3000), BitsStored=12)
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        to_model_input(render(dataset, LIMIT), 384, 384)
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 0.5


@pytest.mark.data
@pytest.mark.parametrize("name", ["966_fixed.dcm", "RG1_J2KI.dcm", "RG1_JLSN.dcm"])
def test_real_chest_radiographs_show_bright_bone_and_dark_air(cxr_data: Path, name: str) -> None:
    picture = read_picture(cxr_data / "dicom" / "chest" / name, 100_000_000)
    assert implausible(picture) is None
    rows, columns = picture.gray.shape
    spine = picture.gray[rows // 2 : 3 * rows // 4, int(0.47 * columns) : int(0.53 * columns)].mean()
    right_lung = picture.gray[rows // 5 : rows // 3, int(0.2 * columns) : int(0.35 * columns)].mean()
    assert spine > right_lung + 0.1
    assert (picture.gray >= 0.999).mean() < 0.02


@pytest.mark.data
def test_all_real_rsna_files_are_plausible(cxr_data: Path) -> None:
    files = sorted((cxr_data / "dicom" / "rsna").glob("*.dcm"))
    assert len(files) == 60
    assert [file for file in files if implausible(read_picture(file, 100_000_000)) is not None] == []


@pytest.mark.data
def test_the_real_broken_stream_is_undecodable(cxr_data: Path) -> None:
    with pytest.raises(UndecodablePixels, match="broken"):
        read_picture(cxr_data / "dicom" / "malformed" / "966.dcm", 100_000_000)


def test_stretched_contrast_gives_the_same_input_for_a_window_stored_twice_as_wide() -> None:
    gray = np.random.default_rng(3).random((200, 180), np.float32)
    plain, _ = to_model_input(gray, 96, 96, "stretched")
    washed_out, _ = to_model_input(0.3 + 0.4 * gray, 96, 96, "stretched")
    assert np.abs(plain - washed_out).max() < 1e-4


def test_stretched_contrast_leaves_a_picture_of_one_tone_as_it_is() -> None:
    flat = np.full((100, 100), 0.4, np.float32)
    stretched, _ = to_model_input(flat, 64, 64, "stretched")
    assert np.allclose(stretched, 0.4)
