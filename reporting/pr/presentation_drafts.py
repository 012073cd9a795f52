"""The presentation states of an analysis: one for each grey image with a region, where a destination takes them."""

from collections.abc import Iterator

from pydicom.uid import GrayscaleSoftcopyPresentationStateStorage

from reporting.account import AnalysedImage
from reporting.drafts import Batch, Composition, Draft, Room
from reporting.pr.presentation import Presentation, read_presentation
from reporting.pr.presentation_gate import check_presentation_state, check_presentation_state_alone
from reporting.pr.presentation_state import build_presentation_state, marked_regions, presentation_uids
from tracking.document_kinds import PRESENTATION_STATE


def presentation_drafts(composition: Composition) -> Iterator[Batch]:
    """Yield the presentation states; none of an image without a region, nor of a colour image."""
    if not composition.takers(PRESENTATION_STATE):
        return
    marked = [image for image in composition.account.analysed if marked_regions(image)]
    shown = [(image, read_presentation(composition.path_of(image))) for image in marked]
    batch = [_draft(composition, image, presentation) for image, presentation in shown if presentation is not None]
    if batch:
        yield batch


def _draft(composition: Composition, image: AnalysedImage, presentation: Presentation) -> Draft:
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
