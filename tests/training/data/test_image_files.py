"""Pictures of any kind as grey levels, and what is no picture."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from config.errors import DataError
from inference.pixels import to_model_input
from tests.phantoms import phantom_dataset
from training.data.examples import Example, TruthBox
from training.data.image_files import read_grey, read_picture, require_readable, size
from training.data.model_boxes import to_model_box


@pytest.fixture
def dicom(tmp_path: Path) -> Path:
    """A phantom stored as MONOCHROME1."""
    path = tmp_path / "phantom.dcm"
    phantom_dataset(1, photometric="MONOCHROME1", size=256).save_as(path, enforce_file_format=True)
    return path


def test_eight_and_sixteen_bits_span_zero_to_one(tmp_path: Path) -> None:
    ramp = np.linspace(0, 1, 256).reshape(16, 16)
    Image.fromarray((ramp * 255).round().astype(np.uint8)).save(tmp_path / "8.png")
    Image.fromarray((ramp * 65535).round().astype(np.uint16)).save(tmp_path / "16.png")
    for name in ("8.png", "16.png"):
        grey = read_grey(tmp_path / name)
        assert grey.dtype == np.float32
        assert np.abs(grey - ramp).max() < 1 / 500


def test_a_dicom_file_goes_through_the_nodes_own_pipeline(dicom: Path) -> None:
    picture = read_picture(dicom)
    assert (picture.rows, picture.columns) == size(dicom)
    assert 0 <= picture.gray.min() < picture.gray.max() <= 1
    corner, middle = picture.gray[:20, :20].mean(), picture.gray[100:156, 120:136].mean()
    assert corner < middle  # air dark, spine bright, although stored the other way round


def test_a_box_follows_its_picture_into_the_letterbox(tmp_path: Path, draw: Callable[..., Path]) -> None:
    grey = read_grey(draw(tmp_path / "a.png", rows=100, columns=200))
    _input, placement = to_model_input(grey, 64, 64)
    box = to_model_box(TruthBox("x", 0.25, 0.0, 0.5, 1.0), placement)
    assert (box.cx, box.cy, box.w, box.h) == pytest.approx((0.5, 0.5, 0.5, 0.5))


def test_a_jpeg_that_breaks_off_text_and_a_missing_file_are_refused(tmp_path: Path, draw: Callable[..., Path]) -> None:
    path = draw(tmp_path / "a.jpg", rows=200, columns=200)
    path.write_bytes(path.read_bytes()[:2000])
    (tmp_path / "b.jpg").write_text("no picture")
    for name in ("a.jpg", "b.jpg"):
        with pytest.raises(DataError, match=rf"{name} cannot be read as a picture.*; replace or remove the file"):
            require_readable([Example(name, tmp_path / name, "p")])
    with pytest.raises(DataError, match=r"the picture c\.jpg is not in .*: put it there"):
        read_grey(tmp_path / "c.jpg")
    with pytest.raises(DataError, match=r"b\.jpg cannot be read"):
        size(tmp_path / "b.jpg")


def test_a_dicom_file_without_a_picture_is_refused(dicom: Path) -> None:
    dicom.write_bytes(dicom.read_bytes()[:3000])
    with pytest.raises(DataError, match=r"phantom\.dcm cannot be read.*replace or remove"):
        read_grey(dicom)
