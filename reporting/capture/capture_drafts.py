"""The secondary captures of an analysis, an image at a time: it is drawn once for its capture and its score maps.

Last comes the summary page of a study of several images, for destinations that take one.
"""

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from pydicom.uid import SecondaryCaptureImageStorage

from inference.findings import Finding
from reporting.account import AnalysedImage
from reporting.capture.capture_gate import (
    check_capture,
    check_capture_alone,
    check_grey_capture_alone,
    check_map_capture,
    check_summary_capture,
)
from reporting.capture.map_capture import build_map_capture, map_uid_of, map_uids
from reporting.capture.radiograph import Radiograph
from reporting.capture.secondary_capture import build_capture, capture_uids, grey_capture_uid
from reporting.capture.summary_capture import build_summary_capture, summary_uid, summary_uids
from reporting.carried import Names, carried_documents, carried_study_document
from reporting.claims import ClaimedFinding, mapped_of
from reporting.drafts import Batch, CarriedDraft, Composition, Draft, Room
from reporting.identity import capture_uid
from tracking.outbox.document_kinds import CAPTURE, GREY_CAPTURE, SCORE_MAP, SUMMARY_PAGE, DocumentKind
from tracking.results.analyses import OutcomeRecord

_SECONDARY_CAPTURE = str(SecondaryCaptureImageStorage)


@dataclass(frozen=True, slots=True)
class CaptureKey:
    """What one capture shows: an image, and the finding whose score map it is; empty for the capture of all."""

    instance_uid: str
    label: str = ""
    grey: bool = False


def capture_drafts(composition: Composition) -> Iterator[Batch]:
    """Yield each image's capture, and in greyscale and its score maps where a destination takes those.

    What an earlier capture says already is not built again: that one stands for it, and is due where it is not yet.
    """
    with composition.database.reading() as read:
        carried = carried_documents(read, composition.subject, _names)
    for image in composition.account.analysed:
        yield list(_of_image(composition, image, carried))
    if len(composition.account.analysed) > 1 and composition.takers(SUMMARY_PAGE):
        yield [_summary(composition)]


def _summary(composition: Composition) -> Draft | CarriedDraft:
    account, report = composition.account, composition.settings.report
    with composition.database.reading() as read:
        carried = carried_study_document(read, composition.subject, summary_uid)
    if carried is not None:
        return CarriedDraft(carried, account.lead.sop_instance_uid, composition.takers(SUMMARY_PAGE))
    series_uid, uid = summary_uids(account)

    def build() -> bytes:
        built = build_summary_capture(
            account, composition.radiograph_of, report.capture_longest_side, report.summary_series_number
        )
        check_summary_capture(built, account)
        return built.content

    return Draft(SUMMARY_PAGE, uid, build, composition.takers(SUMMARY_PAGE), series_uid, _SECONDARY_CAPTURE)


def _names(outcome: OutcomeRecord) -> Names[CaptureKey]:
    """Return which captures there may be of an image, each with the function that names it."""
    image = outcome.instance_uid
    return {
        CaptureKey(image): functools.partial(capture_uid, sop_instance_uid=image),
        CaptureKey(image, grey=True): functools.partial(grey_capture_uid, instance_uid=image),
        **{
            CaptureKey(image, finding.label): functools.partial(map_uid_of, instance_uid=image, label=finding.label)
            for finding in outcome.findings
        },
    }


def _of_image(
    composition: Composition, image: AnalysedImage, carried: Mapping[CaptureKey, str]
) -> Iterator[Draft | CarriedDraft]:
    @functools.cache
    def radiograph() -> Radiograph:
        return composition.radiograph_of(image)

    shown = image.source.sop_instance_uid
    yield _carried(composition, CAPTURE, carried, CaptureKey(shown)) or _capture(composition, image, radiograph)
    if composition.takers(GREY_CAPTURE):
        yield _carried(composition, GREY_CAPTURE, carried, CaptureKey(shown, grey=True)) or _capture(
            composition, image, radiograph, grey=True
        )
    if composition.takers(SCORE_MAP):
        for entry in mapped_of(image.findings):
            key = CaptureKey(shown, entry.finding.label)
            yield _carried(composition, SCORE_MAP, carried, key) or _score_map(composition, image, entry, radiograph)


def _capture(
    composition: Composition, image: AnalysedImage, radiograph: Callable[[], Radiograph], *, grey: bool = False
) -> Draft:
    kind = GREY_CAPTURE if grey else CAPTURE
    series_uid, uid = capture_uids(composition.account, image, grey=grey)

    def build() -> bytes:
        series_number = composition.settings.report.capture_series_number
        built = build_capture(composition.account, image, radiograph(), series_number, grey=grey)
        check_capture(built, composition.account, image, grey=grey)
        return built.content

    return Draft(kind, uid, build, composition.takers(kind), series_uid, _SECONDARY_CAPTURE)


def _score_map(
    composition: Composition,
    image: AnalysedImage,
    entry: ClaimedFinding[Finding],
    radiograph: Callable[[], Radiograph],
) -> Draft:
    label = entry.finding.label
    series_uid, uid = map_uids(composition.account, image, label)

    def build() -> bytes:
        series_number = composition.settings.report.map_series_number
        built = build_map_capture(composition.account, image, entry, radiograph(), series_number)
        check_map_capture(built, composition.account, image, label)
        return built.content

    return Draft(SCORE_MAP, uid, build, composition.takers(SCORE_MAP), series_uid, _SECONDARY_CAPTURE)


def _carried(
    composition: Composition, kind: DocumentKind, carried: Mapping[CaptureKey, str], key: CaptureKey
) -> CarriedDraft | None:
    uid = carried.get(key)
    return None if uid is None else CarriedDraft(uid, key.instance_uid, composition.takers(kind))


_GATES = {
    CAPTURE: check_capture_alone, GREY_CAPTURE: check_grey_capture_alone, SCORE_MAP: check_capture_alone,
    SUMMARY_PAGE: check_capture_alone,
}  # fmt: skip
CAPTURES = Room(capture_drafts, _GATES)
