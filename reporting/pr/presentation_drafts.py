"""The presentation states of an analysis: one for each grey image with a region, where a destination takes them."""

import functools
from collections.abc import Iterator, Mapping

from pydicom.uid import GrayscaleSoftcopyPresentationStateStorage

from reporting.account import AnalysedImage
from reporting.carried import Names, carried_documents
from reporting.drafts import Batch, CarriedDraft, Composition, Draft, Room
from reporting.pr.presentation import read_presentation
from reporting.pr.presentation_gate import check_presentation_state, check_presentation_state_alone
from reporting.pr.presentation_state import (
    build_presentation_state,
    marked_regions,
    presentation_uid,
    presentation_uids,
)
from tracking.outbox.document_kinds import PRESENTATION_STATE
from tracking.results.analyses import OutcomeRecord


def presentation_drafts(composition: Composition) -> Iterator[Batch]:
    """Yield the presentation states; none of an image without a region, nor of a colour image."""
    if not composition.takers(PRESENTATION_STATE):
        return
    with composition.database.reading() as read:
        carried = carried_documents(read, composition.subject, _names)
    batch = [
        draft
        for image in composition.account.analysed
        if marked_regions(image)
        and (draft := _carried(composition, carried, image) or _draft(composition, image)) is not None
    ]
    if batch:
        yield batch


def _names(outcome: OutcomeRecord) -> Names[str]:
    image = outcome.instance_uid
    return {image: functools.partial(presentation_uid, instance_uid=image)}


def _carried(composition: Composition, carried: Mapping[str, str], image: AnalysedImage) -> CarriedDraft | None:
    """Return the earlier presentation state that stands for this analysis, due where it is not yet, or None."""
    shown = image.source.sop_instance_uid
    uid = carried.get(shown)
    return None if uid is None else CarriedDraft(uid, shown, composition.takers(PRESENTATION_STATE))


def _draft(composition: Composition, image: AnalysedImage) -> Draft | None:
    """Return the draft of an image's presentation state; None for a colour image."""
    presentation = read_presentation(composition.path_of(image))
    if presentation is None:
        return None

    def build() -> bytes:
        series_number = composition.settings.report.presentation_series_number
        built = build_presentation_state(composition.account, image, presentation, series_number)
        check_presentation_state(built, composition.account, image)
        return built.content

    series_uid, uid = presentation_uids(composition.account, image)
    takers = composition.takers(PRESENTATION_STATE)
    sop_class = str(GrayscaleSoftcopyPresentationStateStorage)
    return Draft(PRESENTATION_STATE, uid, build, takers, series_uid, sop_class)


PRESENTATION_STATES = Room(presentation_drafts, {PRESENTATION_STATE: check_presentation_state_alone})
