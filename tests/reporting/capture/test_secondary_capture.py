"""The capture is a plain secondary capture of the same patient and study, and shows what it should where it should."""

from collections.abc import Callable
from io import BytesIO

import numpy as np
import pydicom
import pytest
from pydicom import Dataset
from pydicom.uid import SecondaryCaptureImageStorage

from config.errors import UndecodablePixels
from inference.findings import Box, Finding, Level
from inference.pixels import Picture
from reporting.capture.capture_gate import check_capture
from reporting.capture.drawing import GOOD, Caption, marks_of
from reporting.capture.fonts import font, shorten, wrap
from reporting.capture.layout import SMALLEST_LONG_SIDE, Area, Layout, place_label
from reporting.capture.overlay import draw_capture
from reporting.capture.radiograph import Radiograph
from reporting.capture.secondary_capture import build_capture
from reporting.claims import claims_of
from tests.accounts import (
    CHESTS,
    COLUMNS,
    FILED_WRONG,
    ROWS,
    SLOPPY,
    account,
    finding,
    findings,
    good_header,
    lateral,
    picture,
)

CAPTION = Caption("opacity 1.0.0", "2026-01-02 03:04:05 UTC", ("Package SHA-256 0123",))


def build(made: object = None, **changes: object) -> Dataset:
    ours = made if made is not None else account(**changes)
    built = build_capture(ours, ours.analysed[0], Radiograph.of(picture(), 1024), 9002)  # type: ignore[attr-defined]
    check_capture(built, ours, ours.analysed[0])  # type: ignore[attr-defined, arg-type]
    return pydicom.dcmread(BytesIO(built.content))


def test_it_is_a_colour_picture_without_window_rescale_or_geometry() -> None:
    document = build()
    assert document.SOPClassUID == SecondaryCaptureImageStorage
    assert document.pixel_array.shape == (document.Rows, document.Columns, 3)
    assert (document.BurnedInAnnotation, document.RecognizableVisualFeatures) == ("YES", "NO")
    assert document.ImageType == ["DERIVED", "SECONDARY", "OTHER"]
    for keyword in ("WindowCenter", "RescaleSlope", "FrameOfReferenceUID", "PixelSpacing", "ViewPosition"):
        assert keyword not in document


def test_it_points_to_its_source_and_names_the_model() -> None:
    document = build()
    (source,) = document.SourceImageSequence
    assert source.ReferencedSOPInstanceUID == "1.2.3.4.1"
    assert source.PurposeOfReferenceCodeSequence[0].CodeValue == "121322"
    assert "opacity 1.0.0" in document.DerivationDescription
    assert document.ContributingEquipmentSequence[0].DeviceUID.startswith("2.25.")
    assert document.SeriesNumber == 9002


def test_patient_and_study_are_the_sources() -> None:
    document = build()
    assert str(document.PatientName) == "Müller^Jörg^^Dr^Jr"
    assert (document.PatientID, document.IssuerOfPatientID) == ("PID-1", "HOSP")
    assert (document.StudyInstanceUID, document.AccessionNumber) == ("1.2.3", "ACC-1")
    assert document.StudyDescription == "Thorax für Müller"
    assert document.SpecificCharacterSet == "ISO_IR 100"


@pytest.mark.parametrize(
    ("name", "flag", "ratio", "method"),
    [
        ("lossy with method", "01", 10, "ISO_10918_1"),
        ("lossy, ratio no number", "01", None, None),
        ("sex U", "00", None, None),
    ],
)
def test_what_was_lossy_stays_lossy(name: str, flag: str, ratio: int | None, method: str | None) -> None:
    document = build(account(SLOPPY[name]()))
    assert document.LossyImageCompression == flag
    assert document.get("LossyImageCompressionRatio") == ratio
    assert document.get("LossyImageCompressionMethod") == method


@pytest.mark.parametrize("make", [*SLOPPY.values(), *FILED_WRONG.values()], ids=[*SLOPPY, *FILED_WRONG])
def test_a_sloppy_source_gives_a_capture_that_files_with_it(make: Callable[[], Dataset]) -> None:
    made = account(make())
    built = build_capture(made, made.analysed[0], Radiograph.of(picture(), 600), 9002)
    check_capture(built, made, made.analysed[0])


@pytest.mark.parametrize(
    ("name", "orientation"), [("orientation oblique", ["LH", "FR"]), ("sex U", ["L", "F"]), ("orientation of one", "")]
)
def test_its_orientation_is_the_sources_or_unknown(name: str, orientation: list[str] | str) -> None:
    assert build(account(SLOPPY[name]())).PatientOrientation == orientation


def test_only_the_analysis_changes_the_bytes() -> None:
    made = account(good_header(1), good_header(2), skipped=(lateral(),), corrects=True, revision=2)
    first, again = (build_capture(made, made.analysed[1], Radiograph.of(picture(), 1024), 9002) for _ in range(2))
    assert first == again
    other = build_capture(made, made.analysed[0], Radiograph.of(picture(), 1024), 9002)
    assert other.sop_instance_uid != first.sop_instance_uid
    assert other.series_uid == first.series_uid


def test_a_picture_that_is_not_what_the_header_says_is_no_capture() -> None:
    made = account()
    with pytest.raises(UndecodablePixels, match="400 x 320"):
        build_capture(made, made.analysed[0], Radiograph.of(picture(ROWS, COLUMNS - 1), 1024), 9002)


@pytest.mark.parametrize(("rows", "columns"), [(2000, 1600), (1000, 1000), (700, 1000), (4000, 1000), (300, 3000)])
@pytest.mark.parametrize("aspect", [1.0, 0.5, 2.0])
def test_the_areas_never_overlap_and_never_pass_the_limit(rows: int, columns: int, aspect: float) -> None:
    layout = Layout.of(rows, columns, aspect, 2048)
    assert max(layout.width, layout.height) <= 2049
    for one, other in ((layout.header, layout.picture), (layout.picture, layout.panel), (layout.header, layout.panel)):
        assert not one.overlaps(other)
    drawn = layout.picture.height / layout.picture.width
    assert drawn == pytest.approx(rows * aspect / columns, rel=0.02)
    whole = layout.place(Box(0, 0, columns, rows, 0.9, Level.PRESENT))
    assert whole == layout.picture


def test_a_small_picture_is_enlarged_so_that_text_is_readable() -> None:
    layout = Layout.of(200, 160, 1.0, 2048)
    assert max(layout.width, layout.height) == SMALLEST_LONG_SIDE


def test_the_picture_is_the_radiograph_wherever_no_box_is() -> None:
    gray = np.full((ROWS, COLUMNS), 0.5, dtype=np.float32)
    drawn = draw_capture(Radiograph.of(Picture(gray), 1024), findings(), CAPTION)
    layout = Layout.of(ROWS, COLUMNS, 1.0, 1024)
    corner = drawn[layout.picture.bottom - 40 : layout.picture.bottom, :40]
    assert (corner == 128).all()


def test_a_solid_box_is_closed_and_a_dashed_one_has_gaps() -> None:
    gray = np.zeros((ROWS, COLUMNS), dtype=np.float32)
    layout = Layout.of(ROWS, COLUMNS, 1.0, 1024)
    for score, closed in ((0.9, True), (0.4, False)):
        box = (100.0, 150.0, 250.0, 300.0, score)
        drawn = draw_capture(Radiograph.of(Picture(gray), 1024), (finding("lung_opacity", score, box),), CAPTION)
        area = layout.place(Box(*box[:4], score, Level.PRESENT))
        edge = drawn[area.top : area.bottom, area.left].max(axis=1) > 100
        assert edge.all() == closed
        assert edge.any()


def test_a_box_below_both_points_is_not_drawn() -> None:
    gray = np.zeros((ROWS, COLUMNS), dtype=np.float32)
    drawn = draw_capture(
        Radiograph.of(Picture(gray), 1024), (finding("x", 0.1, (100.0, 150.0, 250.0, 300.0, 0.1)),), CAPTION
    )
    picture_area = Layout.of(ROWS, COLUMNS, 1.0, 1024).picture
    assert (drawn[picture_area.top : picture_area.bottom, : picture_area.right] == 0).all()


def test_labels_do_not_cover_one_another() -> None:
    within = Area(0, 0, 1000, 1000)
    taken: list[Area] = []
    for offset in range(30):
        area, _ = place_label(200, 30, Area(300, 300 + 5 * offset, 600, 600), within, taken)
        assert area.inside(within)
        assert not any(area.overlaps(other) for other in taken)
        taken.append(area)


def test_a_label_keeps_clear_of_other_boxes_and_stands_apart_only_when_it_must() -> None:
    within = Area(0, 0, 1000, 1000)
    box = Area(300, 300, 600, 600)
    assert place_label(200, 30, box, within, []) == (Area(300, 270, 500, 300), True)
    beside = Area(250, 200, 520, 290)
    area, touches = place_label(200, 30, box, within, [], [beside])
    assert touches
    assert not area.overlaps(beside)
    _, touches = place_label(200, 30, box, within, [Area(50, 200, 850, 700)])
    assert not touches


def test_a_picture_without_room_for_a_label_still_gets_one_on_it() -> None:
    within = Area(0, 0, 220, 40)
    area, _ = place_label(200, 30, Area(10, 10, 20, 20), within, [within])
    assert area.inside(within)


def test_more_findings_than_fit_are_counted_and_nothing_breaks() -> None:
    many = tuple(finding(f"finding_with_a_long_name_number_{number}", number / 40) for number in range(40))
    gray = np.zeros((700, 1000), dtype=np.float32)
    assert draw_capture(Radiograph.of(Picture(gray), 1024), many, CAPTION).shape[2] == 3


def test_each_finding_with_regions_has_a_letter_and_a_hue_of_its_own() -> None:
    marks = [mark for mark in marks_of(claims_of(CHESTS["eight with boxes"])).values() if mark.letter]
    assert [mark.letter for mark in marks] == list("ABCDEFGH")
    assert len({mark.hue for mark in marks}) == 8
    marks = list(marks_of(claims_of(CHESTS["eleven findings"])).values())
    assert [mark.letter for mark in marks] == ["A"] + [""] * 10


def test_good_news_is_green_only_when_it_is_claimed_for_good() -> None:
    normal = finding("normal", 0.97, abnormal=False)
    for other, green in ((0.1, True), (0.5, False), (0.9, False)):
        marks = marks_of(claims_of((normal, finding("a", other))))
        assert (marks[0].hue == GOOD) == green


@pytest.mark.parametrize("found", CHESTS.values(), ids=CHESTS)
@pytest.mark.parametrize("longest", [512, 1024, 3000])
@pytest.mark.parametrize("shape", [(3000, 2500), (2500, 3000), (3000, 3000)])
def test_every_finding_of_eleven_is_named_on_a_capture_of_any_size(
    found: tuple[Finding, ...], longest: int, shape: tuple[int, int], written: list[str]
) -> None:
    """All that is drawn as text is listened to: each finding, the banner, and nothing off the canvas."""
    gray = np.zeros((ROWS, ROWS * shape[1] // shape[0]), dtype=np.float32)
    drawn = draw_capture(Radiograph.of(Picture(gray), longest), found, CAPTION)
    assert max(drawn.shape) <= longest
    assert {"AI RESULT", "NOT VERIFIED BY A RADIOLOGIST"} <= set(written)
    words = " ".join(written)
    for one in found:
        assert (one.code.meaning in words) == one.stated
    assert "more in the structured report" not in words
    assert "…" not in words


def test_text_is_cut_or_broken_to_its_room() -> None:
    face = font("Regular", 20)
    assert shorten("Lung opacity", face, 1000) == "Lung opacity"
    assert shorten("Lung opacity", face, 60).endswith("…")
    assert all(face.getlength(line) <= 120 for line in wrap("one two three four five extraordinarily", face, 120))


def test_an_image_of_reduced_resolution_makes_the_same_capture() -> None:
    """A box-averaged quarter of the pixels, as a JPEG decoder gives it, beside the whole."""
    ramp = np.add.outer(np.linspace(0, 0.5, 2048), np.linspace(0, 0.5, 2001)).astype(np.float32)
    padded = np.pad(ramp, ((0, 0), (0, 3)), "edge")
    quarter = padded.reshape(512, 4, 501, 4).mean((1, 3))
    whole = draw_capture(Radiograph.of(Picture(ramp), 1024), findings(), CAPTION)
    reduced = draw_capture(
        Radiograph.of(Picture(quarter, reduction=4, stored_size=ramp.shape), 1024), findings(), CAPTION
    )
    assert whole.shape == reduced.shape
    assert np.abs(whole.astype(int) - reduced).max() <= 2


def test_a_capture_says_where_the_regions_of_a_finding_lie() -> None:
    radiograph = Radiograph.of(picture(), 1024)
    found = (finding("lung_opacity", 0.9, (200, 150, 260, 280, 0.9)),)
    silent, placed = (
        draw_capture(radiograph, found, CAPTION, places) for places in ({}, {"lung_opacity": "left mid zone"})
    )
    changed = np.nonzero((silent != placed).any(axis=(0, 2)))[0]
    assert changed.size
    assert changed.min() >= radiograph.layout.panel.left
