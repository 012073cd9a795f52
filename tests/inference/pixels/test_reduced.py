"""Decoding at a reduced resolution shows the model what the whole image shows it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.uid import HTJ2K, JPEG2000, HTJ2KLossless, JPEG2000Lossless, JPEGBaseline8Bit, JPEGLSLossless

from inference.codec.process import DECODER, DecoderRefused
from inference.codec.task import Task
from inference.pixels import read_picture, render, to_model_input
from tests.codestreams import compress

LIMIT = 1 << 24


def scene(rows: int, columns: int, bits: int) -> np.ndarray[Any, Any]:
    y, x = np.mgrid[0:rows, 0:columns]
    wave = (np.sin(x / 31) * np.cos(y / 37) + 1) / 2 * 0.7 + x / columns * 0.2
    return np.rint(wave * ((1 << bits) - 1)).astype(np.uint8 if bits <= 8 else np.uint16)


def dataset(radiograph: Any, syntax: str, bits: int, rows: int = 600, columns: int = 500) -> Any:
    return compress(radiograph(scene(rows, columns, bits), BitsStored=bits), syntax)


CASES = [
    (JPEG2000Lossless, 12),
    (JPEG2000Lossless, 16),
    (JPEG2000, 12),
    (HTJ2KLossless, 16),
    (HTJ2K, 16),
    (HTJ2KLossless, 8),
    (JPEGBaseline8Bit, 8),
]


@pytest.mark.parametrize(("syntax", "bits"), CASES)
def test_the_models_input_is_nearly_that_of_the_whole_image(radiograph: Any, syntax: str, bits: int) -> None:
    compressed = dataset(radiograph, syntax, bits, 603, 501)
    whole, reduced = render(compressed, LIMIT), render(compressed, LIMIT, at_least=150)
    assert (reduced.reduction, reduced.gray.shape) == (4, (151, 126))
    assert (reduced.rows, reduced.columns) == (whole.rows, whole.columns) == (603, 501)
    (expected, placement), (seen, same_placement) = (to_model_input(picture, 64, 64) for picture in (whole, reduced))
    assert placement == same_placement
    np.testing.assert_allclose(seen, expected, atol=0.02)
    assert np.abs(seen - expected).mean() < 0.002


@given(rows=st.integers(160, 260), columns=st.integers(160, 260), at_least=st.integers(20, 300))
@settings(max_examples=15, deadline=None)
def test_any_size_keeps_at_least_what_is_asked_for(radiograph: Any, rows: int, columns: int, at_least: int) -> None:
    compressed = dataset(radiograph, JPEG2000Lossless, 12, rows, columns)
    picture = render(compressed, LIMIT, at_least)
    assert max(picture.gray.shape) >= min(at_least, rows, columns)
    assert picture.gray.shape == (-(-rows // picture.reduction), -(-columns // picture.reduction))
    whole = render(compressed, LIMIT)
    np.testing.assert_allclose(to_model_input(picture, 32, 32)[0], to_model_input(whole, 32, 32)[0], atol=0.06)


@pytest.mark.parametrize(
    "attributes", [{"BitsStored": 10}, {"BitsStored": 12, "HighBit": 15}, {"BitsStored": 12, "PixelRepresentation": 1}]
)
def test_bits_beyond_bits_stored_are_never_mixed(radiograph: Any, attributes: dict[str, int]) -> None:
    compressed = dataset(radiograph, JPEG2000Lossless, 12)
    for keyword, value in attributes.items():
        setattr(compressed, keyword, value)
    assert render(compressed, LIMIT, at_least=100).reduction == 1


def test_a_codec_that_cannot_reduce_decodes_all(radiograph: Any) -> None:
    assert render(dataset(radiograph, JPEGLSLossless, 12), LIMIT, at_least=100).reduction == 1


def test_where_the_decoder_refuses_to_reduce_all_is_decoded(radiograph: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    compressed, decode = dataset(radiograph, JPEG2000Lossless, 12), DECODER.decode

    def refuse(task: Task, stream: bytes) -> np.ndarray[Any, Any]:
        if task.halvings:
            raise DecoderRefused
        return decode(task, stream)

    monkeypatch.setattr(DECODER, "decode", refuse)
    assert render(compressed, LIMIT, at_least=100).reduction == 1


@pytest.mark.data
def test_a_real_image_of_odd_size_can_be_reduced(cxr_data: Path) -> None:
    """By itself, Pillow refuses this irreversible image of 15 bits at a quarter of its resolution."""
    picture = read_picture(cxr_data / "dicom" / "chest" / "RG1_J2KI.dcm", 1 << 24, at_least=400)
    assert picture.reduction == 4


@pytest.mark.data
@pytest.mark.parametrize("name", ["RG1_J2KI.dcm", "966_fixed.dcm"])
def test_real_images_reach_the_model_unchanged(cxr_data: Path, name: str) -> None:
    path = cxr_data / "dicom" / "chest" / name
    whole, reduced = (read_picture(path, 1 << 24, at_least) for at_least in (None, 768))
    assert reduced.reduction == 2
    inputs = [to_model_input(picture, 384, 384, "stretched")[0] for picture in (whole, reduced)]
    assert np.abs(inputs[0] - inputs[1]).mean() < 0.001
