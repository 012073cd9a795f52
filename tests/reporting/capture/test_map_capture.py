"""The score map capture is a secondary capture in a series of its own, and shows the map where the image is."""

from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset
from pydicom.uid import SecondaryCaptureImageStorage

from config.errors import UndecodablePixels
from inference.explanation.rendering import render_map
from inference.explanation.score_map import score_map
from inference.findings import MapKind, ScoreMap
from inference.pixels import Picture
from inference.placement import Placement
from reporting.account import Account
from reporting.capture.capture_gate import check_map_capture
from reporting.capture.drawing import Caption
from reporting.capture.fonts import font, wrap
from reporting.capture.layout import Layout
from reporting.capture.map_capture import build_map_capture
from reporting.capture.map_overlay import draw_map
from reporting.capture.overlay import draw_capture
from reporting.capture.radiograph import Radiograph
from reporting.capture.secondary_capture import build_capture
from reporting.claims import mapped_of
from reporting.dicom_object import BuiltObject
from reporting.words import map_words
from tests.accounts import (
    COLUMNS,
    FILED_WRONG,
    ROWS,
    SLOPPY,
    finding,
    good_header,
    hot_map,
    lateral,
    mapped_account,
    mapped_findings,
    picture,
)

CAPTION = Caption("opacity 1.0.0", "2026-01-02 03:04:05 UTC", ("Package SHA-256 0123",))


def built(made: Account, image: int = 0, longest: int = 1024) -> BuiltObject:
    chosen = made.analysed[image]
    (entry,) = mapped_of(chosen.findings)
    capture = build_map_capture(made, chosen, entry, Radiograph.of(picture(), longest), 9003)
    check_map_capture(capture, made, chosen, entry.finding.label)
    return capture


def read(capture: BuiltObject) -> Dataset:
    return pydicom.dcmread(BytesIO(capture.content))


def drawn_map(image: Picture, drawn: ScoreMap, longest: int = 1024) -> np.ndarray[Any, Any]:
    (entry,) = mapped_of((finding("lung_opacity", 0.9, map=drawn),))
    return draw_map(Radiograph.of(image, longest), entry, CAPTION)


def test_it_stands_beside_the_capture_in_a_series_of_its_own() -> None:
    made = mapped_account()
    document, capture = (
        read(built(made)),
        read(build_capture(made, made.analysed[0], Radiograph.of(picture(), 1024), 9002)),
    )
    assert document.SOPClassUID == SecondaryCaptureImageStorage
    assert (document.SeriesNumber, document.SeriesDescription) == (9003, "AI score maps (not verified)")
    assert document.SeriesInstanceUID != capture.SeriesInstanceUID
    assert document.SOPInstanceUID != capture.SOPInstanceUID
    assert document.pixel_array.shape == capture.pixel_array.shape
    for keyword in ("PatientName", "PatientID", "StudyInstanceUID", "AccessionNumber", "SpecificCharacterSet"):
        assert document[keyword].value == capture[keyword].value
    assert document.BurnedInAnnotation == "YES"
    assert document.SourceImageSequence[0].ReferencedSOPInstanceUID == "1.2.3.4.1"
    assert document.DerivationDescription == (
        "Radiograph in 8 bits with the score map of Lung opacity drawn by opacity 1.0.0, not verified by a radiologist"
    )


@pytest.mark.parametrize("make", [*SLOPPY.values(), *FILED_WRONG.values()], ids=[*SLOPPY, *FILED_WRONG])
def test_a_sloppy_source_gives_a_score_map_that_files_with_it(make: Callable[[], Dataset]) -> None:
    built(mapped_account(make()), longest=600)


def test_only_the_analysis_changes_the_bytes_and_the_maps_are_numbered() -> None:
    made = mapped_account(good_header(1), good_header(2), skipped=(lateral(),), corrects=True, revision=2)
    assert built(made, 1) == built(made, 1)
    first, second = built(made, 0), built(made, 1)
    assert first.series_uid == second.series_uid
    assert first.sop_instance_uid != second.sop_instance_uid
    assert [read(capture).InstanceNumber for capture in (first, second)] == [1, 2]
    assert built(mapped_account(good_header(1), good_header(2))).series_uid != first.series_uid


def test_an_image_that_is_not_what_the_header_says_has_no_score_map() -> None:
    made = mapped_account()
    (entry,) = mapped_of(made.analysed[0].findings)
    with pytest.raises(UndecodablePixels, match="400 x 320"):
        build_map_capture(made, made.analysed[0], entry, Radiograph.of(picture(ROWS, COLUMNS - 1), 1024), 9003)


def test_only_a_claimed_finding_shows_its_map() -> None:
    assert [entry.finding.label for entry in mapped_of(mapped_findings())] == ["lung_opacity"]
    assert mapped_of(mapped_findings(0.1)) == []
    assert mapped_of((finding("lung_opacity", 0.9, map=hot_map(), stated=False),)) == []
    assert mapped_of((finding("lung_opacity", 0.9),)) == []


@given(
    shape=st.tuples(st.integers(80, 500), st.integers(80, 500)),
    aspect=st.floats(0.5, 2.0),
    spot=st.tuples(st.floats(0.1, 0.9), st.floats(0.1, 0.9)),
    reduction=st.sampled_from((1, 2, 4)),
    wavelet=st.booleans(),
)
@settings(max_examples=40)
def test_a_hot_place_of_the_network_comes_out_at_its_place_of_the_stored_image(
    shape: tuple[int, int], aspect: float, spot: tuple[float, float], reduction: int, wavelet: bool
) -> None:
    """Through pad, aspect, reduced decoding and the canvas: stored image to network, back, and to the capture."""
    rows, columns = shape
    cells = 24
    place = Placement.fit(shape, (384, 384), aspect)
    across, down = place.to_model(spot[0] * columns, spot[1] * rows)
    row, column = int(down / 384 * cells), int(across / 384 * cells)
    heat = np.zeros((cells, cells))
    heat[row, column] = 1.0
    x, y = place.to_stored((column + 0.5) / cells * 384, (row + 0.5) / cells * 384)
    gray = np.full((-(-rows // reduction), -(-columns // reduction)), 0.4, np.float32)
    image = Picture(gray, aspect, (), reduction, (1 - 1 / reduction) / 2 if wavelet else 0.0, shape)
    over_image = score_map(MapKind.HEAT, [(heat, place)])
    area = Layout.of(rows, columns, aspect, 1024).picture
    seen = drawn_map(image, over_image)[area.top : area.bottom, area.left : area.right].astype(float)
    amber = np.clip(seen[:, :, 0] - seen[:, :, 2], 0, None)
    for axis, expected, whole, shown, count in (
        (0, x / columns, area.width, place.width, over_image.columns),
        (1, y / rows, area.height, place.height, over_image.rows),
    ):
        along = amber.sum(axis=axis)
        found = (along * (np.arange(whole) + 0.5)).sum() / along.sum() / whole
        assert abs(found - np.clip(expected, 0, 1)) <= 0.75 * 384 / cells / shown + 1 / count


def test_away_from_the_map_the_radiograph_is_the_captures() -> None:
    (entry,) = mapped_of((finding("lung_opacity", 0.9, map=hot_map(2, 2, 8, 8)),))
    capture = draw_capture(Radiograph.of(picture(), 1024), (finding("lung_opacity", 0.9),), CAPTION)
    mapped = draw_map(Radiograph.of(picture(), 1024), entry, CAPTION)
    area = Layout.of(ROWS, COLUMNS, 1.0, 1024).picture
    assert mapped.shape == capture.shape
    lower = slice((area.top + area.bottom) // 2, area.bottom), slice(area.left, area.right)
    assert np.array_equal(mapped[lower], capture[lower])
    assert np.array_equal(mapped[: area.top], capture[: area.top])
    assert not np.array_equal(mapped[area.top : area.bottom], capture[area.top : area.bottom])


def test_the_ring_is_around_the_greatest_cell() -> None:
    area = Layout.of(ROWS, COLUMNS, 1.0, 1024).picture
    drawn = drawn_map(Picture(np.zeros((ROWS, COLUMNS), np.float32)), hot_map(3, 9, 10, 10))
    white = np.argwhere((drawn[area.top : area.bottom, area.left : area.right] > 230).all(axis=2))
    middle = white.mean(axis=0) / (area.height, area.width)
    np.testing.assert_allclose(middle, (0.35, 0.95), atol=0.01)


@pytest.mark.parametrize("longest", [512, 1024, 3000])
@pytest.mark.parametrize("shape", [(3000, 2500), (2500, 3000), (3000, 3000), (1000, 3000), (3000, 1000)])
def test_what_it_is_is_said_in_full_at_every_size(longest: int, shape: tuple[int, int], written: list[str]) -> None:
    gray = np.zeros((ROWS, ROWS * shape[1] // shape[0]), np.float32)
    drawn = drawn_map(Picture(gray), hot_map(), longest)
    assert max(drawn.shape) <= longest
    assert {"AI RESULT", "NOT VERIFIED BY A RADIOLOGIST", "Present (90 %)"} <= set(written)
    words = " ".join(written)
    for sentence in map_words(hot_map()):
        assert sentence in words
    assert "Score map: Lung opacity" in words
    assert "…" not in words


def test_how_well_it_points_is_said_where_it_was_measured() -> None:
    (what, measured) = map_words(hot_map())
    assert measured.replace("\xa0", " ") == (
        "The strongest place lay inside a radiologist's box on 93 % of 138 images, the best constant point on 57 %"
    )
    assert map_words(ScoreMap(MapKind.HEAT, 1, 1, (9,))) == (what,)


def test_a_number_stays_with_its_unit() -> None:
    face = font("Regular", 20)
    width = face.getlength("the best constant point on 57")
    assert wrap("the best constant point on 57\xa0%", face, width)[-1] == "57\xa0%"


def test_the_scale_is_the_colour_of_the_map() -> None:
    gray = np.full((ROWS, COLUMNS), 0.45, np.float32)
    strongest = render_map(gray, ScoreMap(MapKind.HEAT, 1, 1, (255,)))[0, 0]
    layout = Layout.of(ROWS, COLUMNS, 1.0, 1024)
    drawn = drawn_map(Picture(gray), hot_map())
    panel = drawn[layout.panel.top : layout.panel.bottom, layout.panel.left : layout.panel.right].astype(int)
    assert (np.abs(panel - strongest).max(axis=2) <= 8).sum() > layout.text


def test_a_finding_without_a_map_cannot_be_drawn() -> None:
    (entry,) = mapped_of(mapped_findings())
    without = type(entry)(finding("lung_opacity", 0.9), entry.claim, 0)
    with pytest.raises(ValueError, match="no score map"):
        draw_map(Radiograph.of(picture(), 1024), without, CAPTION)
