"""The phantom is an honest stand-in: labelled, repeatable, valid DICOM, and drawn where it says."""

import hashlib
import subprocess
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom.uid import (
    JPEG2000,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from cxrnode import phantom
from cxrnode.phantom import Opacity, View, choose_opacities, draw, phantom_dataset
from inference.pixels.decode import decode_samples, read_codestream
from inference.pixels.layout import read_layout

SMALL = 512


def _written(dataset: pydicom.FileDataset) -> bytes:
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def drawn() -> NDArray[np.uint16]:
    """One drawing for all tests of how a drawing is stored: to draw is what takes the time."""
    return draw(9, size=SMALL)


@pytest.fixture
def stores_drawn(drawn: NDArray[np.uint16], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let phantoms hold that drawing, whatever is asked for."""
    monkeypatch.setattr(phantom, "draw", lambda *_what, **_how: drawn)


def test_same_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    files = [_written(phantom_dataset(seed, size=SMALL, opacity=True)) for seed in (5, 5, 6)]
    assert files[0] == files[1]
    assert hashlib.sha256(files[0]).digest() != hashlib.sha256(files[2]).digest()


@pytest.mark.usefixtures("stores_drawn")
def test_uids_differ_between_all_variants_of_one_seed() -> None:
    variants = [
        phantom_dataset(1, size=SMALL),
        phantom_dataset(1, size=SMALL, opacity=True),
        phantom_dataset(1, size=SMALL, view=View.AP),
        phantom_dataset(1, size=SMALL, photometric="MONOCHROME1"),
        phantom_dataset(1, size=SMALL, sop_class="CR"),
        phantom_dataset(1, size=SMALL, instance_number=2),
    ]
    assert len({dataset.SOPInstanceUID for dataset in variants}) == len(variants)
    assert len({dataset.StudyInstanceUID for dataset in variants}) == 1


def test_picture_uses_twelve_bits_with_air_dark_and_abdomen_bright() -> None:
    picture = draw(3, size=SMALL)
    assert picture.dtype == np.uint16
    assert picture.max() <= 4095
    assert np.median(picture[20:40, 60:100]) < 300, "the air beside the neck"
    assert np.median(picture[480:, 200:300]) > 3000, "the abdomen"


def test_heart_lies_on_the_pictures_right_and_lungs_are_the_darkest_part_of_the_body() -> None:
    picture = draw(3, size=SMALL).astype(float)
    beside_the_spine = slice(int(0.60 * SMALL), int(0.66 * SMALL))
    rows = slice(int(0.55 * SMALL), int(0.62 * SMALL))
    heart, mirrored = picture[rows, beside_the_spine], picture[:, ::-1][rows, beside_the_spine]
    assert heart.mean() > mirrored.mean() + 600


def test_every_phantom_says_in_the_picture_and_in_the_header_that_it_is_none() -> None:
    for view in View:
        dataset = phantom_dataset(2, size=1024, view=view)
        corner = dataset.pixel_array[10:32, 760:1000]
        assert (corner > 1500).mean() > 0.03, "lead letters"
        assert str(dataset.PatientName).startswith("PHANTOM")
        assert dataset.PatientID.startswith("PHANTOM")


def test_an_opacity_brightens_its_own_box_and_nothing_else() -> None:
    opacity = Opacity(x=0.27, y=0.55, width=0.08, height=0.09)
    difference = draw(4, size=SMALL, opacity=[opacity]).astype(int) - draw(4, size=SMALL).astype(int)
    x0, y0, x1, y1 = (round(edge) for edge in opacity.box(SMALL, SMALL))
    inside = difference[y0:y1, x0:x1]
    assert inside.mean() > 300
    assert difference[y0:y1, x0:x1].sum() > 0.85 * difference.clip(0).sum()


def test_chosen_opacities_lie_in_the_picture_and_repeat() -> None:
    for seed in range(30):
        chosen = choose_opacities(seed)
        assert chosen == choose_opacities(seed)
        assert 1 <= len(chosen) <= 2
        for opacity in chosen:
            x0, y0, x1, y1 = opacity.box(100, 100)
            assert 0 < x0 < x1 < 100
            assert 0 < y0 < y1 < 100


def test_monochrome1_stores_the_same_picture_inverted() -> None:
    bright, dark = (phantom_dataset(8, size=SMALL, photometric=p) for p in ("MONOCHROME2", "MONOCHROME1"))
    assert np.array_equal(4095 - dark.pixel_array, bright.pixel_array)


@pytest.mark.parametrize(
    "syntax",
    [
        ExplicitVRLittleEndian,
        ImplicitVRLittleEndian,
        ExplicitVRBigEndian,
        JPEG2000Lossless,
        HTJ2KLossless,
        JPEGLosslessSV1,
        JPEGLSLossless,
        RLELossless,
    ],
    ids=lambda syntax: syntax.keyword,
)
@pytest.mark.usefixtures("stores_drawn")
def test_pixels_survive_every_transfer_syntax(syntax: pydicom.uid.UID, drawn: NDArray[np.uint16]) -> None:
    dataset = phantom_dataset(9, size=SMALL, transfer_syntax=syntax)
    read = pydicom.dcmread(BytesIO(_written(dataset)))
    assert read.file_meta.TransferSyntaxUID == syntax
    stream = read_codestream(read)
    layout = read_layout(read, None if stream is None else stream.header)
    assert np.array_equal(decode_samples(read, layout, stream).array, drawn)


@pytest.mark.parametrize("syntax", [JPEG2000, "1.2.3", "1.2.840.10008.1.1"])
def test_a_transfer_syntax_that_phantoms_are_not_made_in_is_named_with_those_that_they_are(syntax: str) -> None:
    with pytest.raises(ValueError, match=r"not made in .*but in: Explicit VR Little Endian; .*RLE Lossless"):
        phantom_dataset(9, size=SMALL, transfer_syntax=syntax)


@pytest.mark.usefixtures("stores_drawn")
def test_views_that_must_not_be_analysed_say_so_in_their_headers() -> None:
    lateral, hand = (phantom_dataset(1, size=SMALL, view=view) for view in (View.LATERAL, View.HAND))
    assert lateral.ViewPosition == "LL"
    assert lateral.ViewCodeSequence[0].CodeMeaning == "left lateral"
    assert hand.BodyPartExamined == "HAND"
    assert hand.AnatomicRegionSequence[0].CodeMeaning == "Hand"


@pytest.mark.peers
@pytest.mark.usefixtures("stores_drawn")
@pytest.mark.parametrize(
    ("sop_class", "photometric", "view"),
    [(sop_class, "MONOCHROME2", view) for sop_class in ("CR", "DX") for view in View]
    + [(sop_class, "MONOCHROME1", View.PA) for sop_class in ("CR", "DX")],
)
def test_dciodvfy_finds_no_error(
    program: Callable[[str], str], tmp_path: Path, sop_class: str, photometric: str, view: View
) -> None:
    file = tmp_path / "phantom.dcm"
    dataset = phantom_dataset(1, size=SMALL, view=view, sop_class=sop_class, photometric=photometric)  # type: ignore[arg-type]
    dataset.save_as(file, enforce_file_format=True)
    checked = subprocess.run([program("dciodvfy"), "-new", file], capture_output=True, text=True, check=False)
    lines = (checked.stdout + checked.stderr).splitlines()
    assert [line for line in lines if line.startswith(("Error", "Warning"))] == []
