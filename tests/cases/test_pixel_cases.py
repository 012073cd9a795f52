"""Files whose pixels once were read wrongly, each with what is right; DCMTK shows the pixels."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from config.errors import UndecodablePixels
from inference.findings import RemarkKind
from inference.pixels import Picture, read_picture

LIMIT = 1 << 24


def picture(cases: Path, number: str) -> Picture:
    (path,) = (cases / "dicom").glob(f"{number}_*.dcm")
    return read_picture(path, LIMIT)


def kinds(picture: Picture) -> set[RemarkKind]:
    return {remark.kind for remark in picture.remarks}


@pytest.mark.peers
@pytest.mark.parametrize(
    ("number", "program_name", "options"),
    [
        ("D63", "dcm2pnm", ["+Wi", "1"]),
        ("D64", "dcm2pnm", ["+Wi", "1"]),
        ("D66", "dcm2pnm", ["+Wi", "1"]),
        ("D67", "dcm2pnm", ["+Wi", "1", "-O"]),
        ("D69", "dcm2pnm", []),
        ("D70", "dcm2pnm", ["+Wi", "1"]),
        ("D72", "dcmj2pnm", ["+Wi", "1"]),
    ],
)
def test_the_pixels_are_those_that_dcmtk_shows(
    cxr_cases: Path, tmp_path: Path, program: Callable[[str], str], number: str, program_name: str, options: list[str]
) -> None:
    (path,) = (cxr_cases / "dicom").glob(f"{number}_*.dcm")
    image = tmp_path / "image.pnm"
    subprocess.run([program(program_name), *options, str(path), str(image)], check=True, capture_output=True)
    reference = np.asarray(Image.open(image).convert("L"), np.float64)
    gray = picture(cxr_cases, number).gray
    assert np.corrcoef(gray.ravel(), reference.ravel())[0, 1] >= 0.999


def test_the_same_image_in_every_disguise_is_the_same(cxr_cases: Path) -> None:
    plain = picture(cxr_cases, "D64").gray
    for number in ("D63", "D66", "D67", "D72"):
        np.testing.assert_allclose(picture(cxr_cases, number).gray, plain, atol=1e-3)


@pytest.mark.parametrize("number", ["D63", "D64"])
def test_an_evident_default_is_noted(cxr_cases: Path, number: str) -> None:
    assert kinds(picture(cxr_cases, number)) == {RemarkKind.ATTRIBUTE_DEFAULTED}


@pytest.mark.parametrize("number", ["D65", "D84"])
def test_a_window_many_times_too_wide_gives_way_to_an_automatic_one(cxr_cases: Path, number: str) -> None:
    shown = picture(cxr_cases, number)
    assert kinds(shown) == {RemarkKind.AUTOMATIC_WINDOW}
    assert np.percentile(shown.gray, 99) > 0.9


def test_a_missing_pixel_is_black_and_noted(cxr_cases: Path) -> None:
    shown = picture(cxr_cases, "D70")
    assert shown.gray[-1, -1] == 0.0
    assert [remark.kind for remark in shown.remarks] == [RemarkKind.PIXELS_MISSING]
    assert "1 of 57200 pixels (2 bytes)" in shown.remarks[0].text


def test_without_photometric_interpretation_the_reason_names_it(cxr_cases: Path) -> None:
    with pytest.raises(UndecodablePixels, match=r"Photometric Interpretation \(0028,0004\) is absent"):
        picture(cxr_cases, "D71")


def test_a_grey_image_in_colour_is_read(cxr_cases: Path) -> None:
    assert picture(cxr_cases, "D69").gray.std() > 0.1
