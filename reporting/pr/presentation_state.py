"""Building a presentation state of one image: each region that is claimed as an outline with its words beside it.

Weasis and commercial viewers apply it to the radiograph. It says what the structured report says of the regions, and
in a corner of the display what it is.
"""

from collections.abc import Iterable, Iterator

import highdicom as hd
from highdicom.pr import AnnotationUnitsValues, GraphicAnnotation, GraphicLayer, GraphicObject, TextObject
from pydicom import Dataset
from pydicom.uid import GrayscaleSoftcopyPresentationStateStorage
from pydicom.valuerep import DA, TM

from inference.findings import Box, Finding, ModelIdentity
from reporting.account import MANUFACTURER, Account, AnalysedImage
from reporting.charset import quiet
from reporting.claims import ClaimedFinding, claims_of, region_claim, regions_of
from reporting.dicom_object import BuiltObject, equipment
from reporting.identity import document_uid, tracking_uid
from reporting.outline import outline
from reporting.part10 import encode
from reporting.pr.presentation import Presentation
from reporting.words import DISCLAIMER, claim_words

LABEL = "AI FINDINGS"
"""Content Label (0070,0080): what viewers list it by."""
_BANNER = (0.0, 0.0, 1.0, 0.04)
"""Where the disclaimer stands: left, top, right and bottom as fractions of the displayed area."""


def presentation_uids(account: Account, image: AnalysedImage) -> tuple[str, str]:
    """Return (Series Instance UID, SOP Instance UID) of an image's presentation state; a study's share a series."""
    return (
        document_uid("pr-series", account.source_uids, account.model, account.revision),
        presentation_uid(account.source_uids, account.model, account.revision, image.source.sop_instance_uid),
    )


def presentation_uid(source_uids: Iterable[str], model: ModelIdentity, revision: int, instance_uid: str) -> str:
    """Return the SOP Instance UID of the presentation state of one image."""
    return document_uid("pr", source_uids, model, revision, instance_uid)


def marked_regions(image: AnalysedImage) -> list[tuple[ClaimedFinding[Finding], Box, int]]:
    """Return the regions of an image that are claimed, each with its finding and its number in the structured report.

    The number is 0 for the only region of a finding.
    """
    return [
        (entry, box, position if len(regions_of(entry)) > 1 else 0)
        for entry in claims_of(image.findings)
        for position, box in enumerate(regions_of(entry), 1)
    ]


def build_presentation_state(
    account: Account, image: AnalysedImage, presentation: Presentation, series_number: int
) -> BuiltObject:
    """Return the presentation state of one analysed image that has a region.

    Parameters
    ----------
    account
        What to say.
    image
        Which of its images.
    presentation
        How that image is shown.
    series_number
        Series Number (0020,0011) of the presentation states' own series.
    """
    series_uid, instance_uid = presentation_uids(account, image)
    when = account.local_time()
    fit = account.lead.character_set.fit
    referenced = _referenced(image)
    layer = GraphicLayer("AI_FINDINGS", order=1, description=fit(DISCLAIMER, 64))
    shape = "INVERSE" if presentation.inverted else "IDENTITY"
    with quiet():
        state = hd.pr.GrayscaleSoftcopyPresentationState(
            referenced_images=[referenced],
            series_instance_uid=series_uid,
            series_number=account.series_number(series_number),
            sop_instance_uid=instance_uid,
            instance_number=account.analysed.index(image) + 1,
            manufacturer=MANUFACTURER,
            manufacturer_model_name=fit(account.model.name, 64),
            software_versions=fit(account.model.version, 64),
            device_serial_number=account.model.digest[:16] or "0",
            content_label=LABEL,
            content_description=fit(DISCLAIMER, 64),
            graphic_layers=[layer],
            graphic_annotations=[
                GraphicAnnotation(
                    referenced_images=[referenced],
                    graphic_layer=layer,
                    graphic_objects=list(_outlines(account, image)),
                    text_objects=list(_texts(account, image)),
                )
            ],
            institution_name=fit(account.institution, 64) or None,
            modality_lut_transformation=presentation.modality,
            voi_lut_transformations=None if presentation.voi is None else [presentation.voi],
            presentation_lut_transformation=hd.PresentationLUTTransformation(presentation_lut_shape=shape),
            contributing_equipment=[equipment(account)],
            series_description=account.series_description("AI regions on the image (not verified)"),
            series_date=when.date(),
            series_time=when.time(),
        )
        state.BodyPartExamined = image.source.body_part  # else validators ask for Laterality
        state.InstanceCreationDate = state.PresentationCreationDate = DA(when.date())
        state.InstanceCreationTime = state.PresentationCreationTime = TM(when.time())
        state.ContributingEquipmentSequence = state.ContributingEquipmentSequence[:1]
        content = encode(state, account.lead.identity(), account.lead.character_set)
    return BuiltObject(instance_uid, series_uid, str(GrayscaleSoftcopyPresentationStateStorage), content)


def _referenced(image: AnalysedImage) -> Dataset:
    """Return a stand-in for the image, with what highdicom asks of one that a presentation state refers to."""
    stand_in = image.source.evidence()
    stand_in.Rows, stand_in.Columns = image.source.rows, image.source.columns
    stand_in.SamplesPerPixel = 1
    return stand_in


def _outlines(account: Account, image: AnalysedImage) -> Iterator[GraphicObject]:
    source = image.source
    for entry, box, position in marked_regions(image):
        yield GraphicObject(
            hd.pr.GraphicTypeValues.POLYLINE,
            outline(box, source.rows, source.columns),
            AnnotationUnitsValues.PIXEL,
            tracking_id=account.lead.character_set.fit(_name(entry, position).replace(",", ""), 64),
            tracking_uid=tracking_uid(account.model, source.sop_instance_uid, entry.finding.label, position),
        )


def _texts(account: Account, image: AnalysedImage) -> Iterator[TextObject]:
    """Yield the disclaimer, then the words of each region, anchored at its upper left corner."""
    fit = account.lead.character_set.fit
    source = image.source
    yield TextObject(fit(DISCLAIMER, 1024), AnnotationUnitsValues.DISPLAY, bounding_box=_BANNER)
    for entry, box, position in marked_regions(image):
        words = claim_words(region_claim(entry, box), abnormal=entry.finding.abnormal)
        left, top = outline(box, source.rows, source.columns)[0].tolist()
        yield TextObject(
            fit(f"{_name(entry, position)}: {words}", 1024), AnnotationUnitsValues.PIXEL, anchor_point=(left, top),
            anchor_point_visible=False,
        )  # fmt: skip


def _name(entry: ClaimedFinding[Finding], position: int) -> str:
    """Return what a region is called, such as ``Lung opacity, region 1``."""
    return f"{entry.finding.code.meaning}, region {position}" if position else entry.finding.code.meaning
