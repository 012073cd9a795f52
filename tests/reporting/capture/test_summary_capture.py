"""The summary page: one for a study of several images, of all of them, and only where somebody takes it."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from typing import Any

import numpy as np
import pydicom
import pytest

from config.destinations import DicomDestination
from config.errors import DocumentRejected, UndecodablePixels
from config.settings import Settings
from inference.findings import Finding
from inference.pixels import Picture
from reporting.account import Account, AnalysedImage
from reporting.capture.capture_gate import check_capture_alone, check_summary_capture
from reporting.capture.radiograph import Radiograph
from reporting.capture.secondary_capture import study_caption
from reporting.capture.summary_capture import build_summary_capture, summary_uids
from reporting.capture.summary_page import draw_summary
from tests.accounts import CHESTS, account, chest, good_header, lateral, picture
from tests.archive import named_by
from tests.reporting.way import USER, Way, open_way
from tracking.results.reanalysis import reanalyse_study

RADIOGRAPH = Radiograph.of(picture(), 512)


def radiograph_of(_: AnalysedImage) -> Radiograph:
    return RADIOGRAPH


def made(count: int, *findings: tuple[Finding, ...]) -> Account:
    """An account of images with these findings in turn."""
    plain = account(*(good_header(number) for number in range(1, count + 1)))
    said = findings or (chest(),)
    images = tuple(
        replace(image, findings=said[number % len(said)], to_left=1) for number, image in enumerate(plain.analysed)
    )
    return replace(plain, analysed=images)


def test_it_is_a_capture_of_the_study_that_refers_to_every_image() -> None:
    ours = made(3)
    built = build_summary_capture(ours, radiograph_of, 800, 9006)
    check_summary_capture(built, ours)
    check_capture_alone(built.content)
    document = pydicom.dcmread(BytesIO(built.content))
    assert [str(each.ReferencedSOPInstanceUID) for each in document.SourceImageSequence] == [
        f"1.2.3.4.{number}" for number in (1, 2, 3)
    ]
    assert (document.Columns, document.Rows, document.SeriesNumber) == (800, 600, 9006)
    assert document.SeriesDescription == "AI summary of the study (not verified)"
    assert not document.PatientOrientation
    assert str(document.PatientName) == "Müller^Jörg^^Dr^Jr"
    assert build_summary_capture(ours, radiograph_of, 800, 9006) == built
    assert summary_uids(replace(ours, revision=2)) != summary_uids(ours)


def test_the_gate_lets_no_page_of_other_images_or_of_one_pass() -> None:
    ours = made(2)
    built = build_summary_capture(ours, radiograph_of, 512, 9006)
    with pytest.raises(DocumentRejected, match="source image"):
        check_summary_capture(built, replace(ours, analysed=ours.analysed[::-1]))
    with pytest.raises(DocumentRejected, match="several"):
        check_summary_capture(built, replace(ours, analysed=ours.analysed[:1]))


def test_an_image_of_another_size_than_its_header_says_stops_the_page() -> None:
    small = Radiograph.of(Picture(np.zeros((8, 8), np.float32)), 512)
    with pytest.raises(UndecodablePixels):
        build_summary_capture(made(2), lambda _: small, 512, 9006)


@pytest.mark.parametrize("findings", CHESTS.values(), ids=CHESTS)
@pytest.mark.parametrize("count", [2, 13])
def test_any_findings_of_many_images_have_a_page(findings: tuple[Finding, ...], count: int) -> None:
    ours = replace(made(count, findings, chest()), skipped=(lateral(),))
    pixels = draw_summary(ours.analysed, radiograph_of, study_caption(ours), 512)
    assert pixels.shape == (384, 512, 3)


@pytest.fixture
def way(studies: Any, settings: Settings) -> Iterator[Way]:
    """A node whose archive takes summary pages, too."""
    with open_way(studies, settings) as opened:
        pacs, ris = opened.settings.destinations
        assert isinstance(pacs, DicomDestination)
        taking = pacs.model_copy(update={"documents": ("sr", "sc", "summary")})
        opened.settings = opened.settings.model_copy(update={"destinations": (taking, ris)})
        yield opened


@pytest.mark.long
def test_a_page_stays_while_it_holds_and_is_taken_back_when_it_does_not(
    way: Way, opacity_findings: tuple[Finding, ...]
) -> None:
    def pages() -> list[str]:
        return [str(shown.SOPInstanceUID) for shown in way.archive.shown("OT") if len(shown.SourceImageSequence) > 1]

    way.receive(1, opacity_findings)
    way.work()
    assert pages() == []
    way.receive(2, opacity_findings)
    way.work()
    (first,) = pages()
    way.receive(3, "it is a lateral view")
    way.work()
    (second,) = pages()
    assert first != second
    assert first in {uid for note in way.archive.notes for uid in named_by(note)}
    with way.database.transaction() as tx:
        reanalyse_study(tx, way.study, user=USER)
    way.work()
    assert pages() == [second]
    assert Counter(way.archive.arrivals)[second] == 1
