"""PNG and JPEG files as grey levels, and what is refused before it is decoded."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from config.errors import UndecodablePixels
from inference.findings import RemarkKind
from inference.pixels.image_file import FileKind, file_kind, read_image_file

RAMP = np.linspace(0, 1, 256).reshape(16, 16)


def encoded(pixels: np.ndarray, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def bomb(side: int) -> bytes:
    """Return the beginning of a PNG file that claims so many pixels a side."""

    def chunk(name: bytes, content: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(name + content))
        return struct.pack(">I", len(content)) + name + content + crc

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(10_000)))


def test_the_kind_of_a_file_is_told_by_its_content() -> None:
    grey = (RAMP * 255).astype(np.uint8)
    assert file_kind(encoded(grey)) is FileKind.PNG
    assert file_kind(encoded(grey, "JPEG")) is FileKind.JPEG
    assert file_kind(bytes(128) + b"DICM") is FileKind.DICOM
    assert file_kind(encoded(grey, "GIF")) is None
    assert file_kind(b"") is None


@given(st.binary(max_size=200))
def test_no_bytes_break_the_question_for_the_kind(head: bytes) -> None:
    assert file_kind(head) in {None, *FileKind}


@pytest.mark.parametrize("depth", [8, 16])
def test_both_depths_span_zero_to_one(depth: int) -> None:
    stored = (RAMP * (2**depth - 1)).round().astype(np.uint8 if depth == 8 else np.uint16)
    image = read_image_file(io.BytesIO(encoded(stored)), 1000)
    assert image.gray.dtype == np.float32
    assert np.abs(image.gray - RAMP).max() < 1 / 500


def test_colours_and_transparency_become_grey_levels() -> None:
    rgba = np.dstack([np.full((4, 6), 90, np.uint8)] * 3 + [np.full((4, 6), 40, np.uint8)])
    image = read_image_file(io.BytesIO(encoded(rgba)), 1000)
    assert np.allclose(image.gray, 90 / 255)
    assert (image.rows, image.columns) == (4, 6)


@pytest.mark.parametrize("side", [40, 9_600, 40_000])
@pytest.mark.fault(
    "rows and columns ask for more memory than there is",
    promise="refused before anything is decoded",
    area="content",
)
def test_too_many_pixels_are_refused_before_they_are_decoded(side: int) -> None:
    with pytest.raises(UndecodablePixels, match=r"more than 1,000 pixels; export it smaller"):
        read_image_file(io.BytesIO(bomb(side)), 1000)


def test_no_other_format_is_tried_than_those_named() -> None:
    gif = io.BytesIO(encoded((RAMP * 255).astype(np.uint8), "GIF"))
    with pytest.raises(UndecodablePixels, match="damaged or cut short"):
        read_image_file(gif, 1000, (FileKind.PNG, FileKind.JPEG))


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_file_that_breaks_off_is_refused(kind: str, tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (64, 64), np.uint8)
    path = tmp_path / "a"
    path.write_bytes(encoded(noise, kind)[:900])
    with pytest.raises(UndecodablePixels, match=r"damaged or cut short, .*; export it again"):
        read_image_file(path, 10_000)


@given(st.data())
def test_damage_never_raises_anything_else(data: st.DataObject) -> None:
    content = bytearray(encoded(np.random.default_rng(2).integers(0, 255, (24, 24), np.uint8), "PNG"))
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        image = read_image_file(io.BytesIO(bytes(content)), 10_000)
    except UndecodablePixels:
        return
    assert 0 <= image.gray.min() <= image.gray.max() <= 1


def saved(image: Image.Image, kind: str = "PNG", **options: object) -> io.BytesIO:
    file = io.BytesIO()
    image.save(file, kind, **options)
    file.seek(0)
    return file


GREY = Image.fromarray(np.tile(np.arange(0, 250, 5, dtype=np.uint8), (40, 1)))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_in_exif_data_is_applied_and_said(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    upright = np.asarray(GREY)
    stored = {
        1: upright, 2: upright[:, ::-1], 3: upright[::-1, ::-1], 4: upright[::-1], 5: upright.T,
        6: np.rot90(upright), 7: upright[::-1, ::-1].T, 8: np.rot90(upright, -1),
    }[orientation]  # fmt: skip
    image = read_image_file(saved(Image.fromarray(np.ascontiguousarray(stored)), exif=exif), 10_000)
    assert np.array_equal(np.round(image.gray * 255).astype(np.uint8), upright)
    assert [remark.kind for remark in image.remarks] == [RemarkKind.ORIENTATION_MENDED] * (orientation > 1)


@pytest.mark.parametrize(("mode", "kind"), [("P", "PNG"), ("RGB", "PNG"), ("RGBA", "PNG"), ("LA", "PNG"),
                                            ("RGB", "JPEG"), ("CMYK", "JPEG")])  # fmt: skip
def test_a_grey_image_is_read_in_every_mode_it_is_stored_in(mode: str, kind: str) -> None:
    image = read_image_file(saved(GREY.convert(mode), kind), 10_000)
    assert np.abs(image.gray * 255 - np.asarray(GREY)).max() <= 4


@pytest.mark.parametrize(("mode", "kind"), [("P", "PNG"), ("RGB", "PNG"), ("RGBA", "PNG"), ("RGB", "JPEG"),
                                            ("CMYK", "JPEG")])  # fmt: skip
def test_a_colour_image_is_refused_in_every_mode_and_read_where_a_data_set_asks_for_it(mode: str, kind: str) -> None:
    colours = Image.merge("RGB", (GREY, GREY.transpose(Image.Transpose.FLIP_LEFT_RIGHT), GREY))
    stored = colours.quantize(64) if mode == "P" else colours.convert(mode)
    with pytest.raises(UndecodablePixels, match=r"colour image, for its colour channels differ; export it in grey"):
        read_image_file(saved(stored, kind), 10_000)
    assert read_image_file(saved(stored, kind), 10_000, colour_as_grey=True).gray.shape == (40, 50)


def test_a_coloured_mark_of_a_few_pixels_makes_no_colour_image() -> None:
    marked = np.asarray(GREY.convert("RGB")).copy()
    marked[0, :2] = (255, 0, 0)
    assert read_image_file(saved(Image.fromarray(marked)), 10_000).gray.shape == (40, 50)


def test_an_image_that_is_transparent_in_parts_is_refused() -> None:
    alpha = np.full((40, 50), 255, np.uint8)
    alpha[:, 25:] = 0
    with pytest.raises(UndecodablePixels, match=r"transparent, .*; export it without transparency"):
        read_image_file(saved(Image.merge("LA", (GREY, Image.fromarray(alpha)))), 10_000)
