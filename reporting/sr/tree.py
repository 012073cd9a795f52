"""What a structured report says: the tree of TID 1500 "Measurement Report" (PS3.16) in the shape of IHE AI Results.

A measurement group is what a viewer draws and lists: a region of a finding that is claimed, or the whole image where it
has none. The impression follows in words, and after it every finding that no single group says. All stand in the order
and with the claims of :mod:`reporting.claims`.

It is built of highdicom's templates and content items. highdicom's ``MeasurementReport`` cannot say a report without a
measurement group, nor evaluations beside the groups; its ``ImageLibrary`` takes no radiograph without Patient
Orientation or Imager Pixel Spacing, nor one that was sent as a secondary capture. These containers are put together
here, of the same items.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import cast

from highdicom import sr
from highdicom.sr import RelationshipTypeValues as Relationship
from pydicom.sr.codedict import codes as known
from pydicom.sr.coding import Code

from config.language.translation import gettext as _
from config.language.translation import language, marked
from inference.findings import Box, Finding
from reporting import codes
from reporting.account import MANUFACTURER, Account, AnalysedImage
from reporting.claims import (
    Claim,
    ClaimedFinding,
    claims_of,
    number,
    percentages,
    region_claim,
    region_number,
    regions_of,
)
from reporting.identity import device_uid, tracking_uid
from reporting.impression import summarise
from reporting.outline import outline
from reporting.source import SourceImage
from reporting.words import claim_words, finding_name
from reporting.zones import finding_place, region_place

_CONTAINS = Relationship.CONTAINS
_ACQUIRED = Relationship.HAS_ACQ_CONTEXT
_MODIFIER = Relationship.HAS_CONCEPT_MOD
_PROPERTIES = Relationship.HAS_PROPERTIES
_SCORED_ONLY = marked("Scored only: such calls were not shown to be right")
_ALGORITHM_PARAMETERS = Code("111002", "DCM", "Algorithm Parameters")


def report_root() -> sr.ContainerContentItem:
    """Return the root of a report without what is under it (TID 1500)."""
    return _container(codes.IMAGING_MEASUREMENT_REPORT, [], template_id="1500")


def report_items(account: Account) -> sr.ContentSequence:
    """Return the content items under the root of an account's report."""
    groups = [group for image in account.analysed for group in _groups(account, image)]
    return sr.ContentSequence(
        [
            *sr.LanguageOfContentItemAndDescendants(sr.CodedConcept.from_code(codes.language_of(language()))),
            *_observer(account),
            _coded(codes.PROCEDURE_REPORTED, codes.IMAGING_PROCEDURE, _MODIFIER),
            *_library(account),
            *([_container(codes.IMAGING_MEASUREMENTS, groups, _CONTAINS)] if groups else []),
            _evaluated(account),
        ]
    )


def _observer(account: Account) -> sr.ObservationContext:
    """TID 1001 and 1004: the model as the device that observed."""
    fit = account.lead.character_set.fit
    return sr.ObservationContext(
        observer_device_context=sr.ObserverContext(
            observer_type=known.DCM.Device,
            observer_identifying_attributes=sr.DeviceObserverIdentifyingAttributes(
                uid=device_uid(account.model),
                name=fit(account.model.name, 64),
                manufacturer_name=MANUFACTURER,
                model_name=fit(account.model.name, 64),
                serial_number=account.model.digest[:16] or "0",
            ),
        )
    )


def _library(account: Account) -> Iterator[sr.ContainerContentItem]:
    """TID 1600: what the images are, a group for each kind of them; none of a study without images.

    Only images that were not analysed may be of another kind than radiographs.
    """
    sources = [source for source in account.sources if account.analysed or (source.rows and source.columns)]
    kinds = dict.fromkeys(source.projection for source in sources)
    groups = [
        _container(
            known.DCM.ImageLibraryGroup,
            [_entry(source, analysed=bool(account.analysed)) for source in sources if source.projection == kind],
            _CONTAINS,
        )
        for kind in kinds
    ]
    if groups:
        yield _container(codes.IMAGE_LIBRARY, groups, _CONTAINS)


def _entry(source: SourceImage, *, analysed: bool) -> sr.ImageContentItem:
    return _image(codes.SOURCE, source, _CONTAINS, _described(source, analysed=analysed))


def _described(source: SourceImage, *, analysed: bool) -> Iterator[sr.ContentItem]:
    """TID 1602 and, of a radiograph that says how it lies and how large it is, TID 1603.

    A radiograph that was sent as a secondary capture is a CR or DX all the same: "other" is in no context group here.
    """
    modality = source.projection or source.modality
    code = codes.radiography(modality) if analysed else codes.modality(modality)
    if code is not None:
        yield _coded(codes.MODALITY, code, _ACQUIRED)
    yield _number(known.DCM.PixelDataRows, source.rows, codes.PIXELS, _ACQUIRED)
    yield _number(known.DCM.PixelDataColumns, source.columns, codes.PIXELS, _ACQUIRED)
    if source.projection and source.orientation and source.spacing:
        yield _text(known.DCM.PatientOrientationRow, source.orientation[0], _ACQUIRED)
        yield _text(known.DCM.PatientOrientationColumn, source.orientation[1], _ACQUIRED)
        yield _number(known.DCM.HorizontalPixelSpacing, source.spacing[1], known.UCUM.Millimeter, _ACQUIRED)
        yield _number(known.DCM.VerticalPixelSpacing, source.spacing[0], known.UCUM.Millimeter, _ACQUIRED)


def _groups(account: Account, image: AnalysedImage) -> Iterator[sr.ContainerContentItem]:
    """Yield a measurement group for each region of a claimed finding, and one for a claimed finding without regions.

    Viewers draw what a group outlines, and OHIF (3.12) cannot load a report that has a group without coordinates. So
    what is not claimed has no group: it is evaluated (:func:`_evaluations`).
    """
    for entry in claims_of(image.findings):
        regions = regions_of(entry)
        if is_one_group(entry):
            source = image.source
            box = regions[0] if regions else Box(0, 0, source.columns, source.rows, 0, entry.finding.level)
            yield _group(account, image, entry, box, 0)
        else:
            for position, box in enumerate(regions, 1):
                yield _group(account, image, entry, box, position)


def is_one_group(entry: ClaimedFinding[Finding]) -> bool:
    """Tell whether a single measurement group says all of a finding: claimed, with at most one region."""
    return entry.claimed and len(regions_of(entry)) < 2


def _group(
    account: Account, image: AnalysedImage, entry: ClaimedFinding[Finding], box: Box, position: int
) -> sr.ContainerContentItem:
    """TID 1410: one outline with its score.

    ``position`` counts a finding's regions from 1; 0 is the finding itself, whose number the group then has, and whose
    operating points: a region is read against the same. The outline stands twice, in the group and beneath its number:
    dwv and OHIF look for it there. OHIF lists a group by its comment. highdicom has no place for either.
    """
    source, finding = image.source, entry.finding
    fit = account.lead.character_set.fit
    claim = region_claim(entry, box) if position else entry.claim
    presence = codes.presence(claim)
    polyline = outline(box, source.rows, source.columns)
    measurement = sr.Measurement(
        name=codes.PROBABILITY,
        value=region_number(entry, box) if position else number(finding),
        unit=codes.PERCENT,
    )
    (item,) = sr.PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=_tracked(account, image, finding, position),
        referenced_region=sr.ImageRegion(sr.GraphicTypeValues.POLYLINE, polyline, _selected(source)),
        finding_type=_concept(account, codes.coded(finding.code)),
        finding_sites=[sr.FindingSite(_concept(account, codes.coded(finding.site)))],
        algorithm_id=sr.AlgorithmIdentification(
            name=fit(account.model.name, 64),
            version=fit(account.model.version, 64),
            parameters=None if position else _operating_points(finding),
            family=codes.ARTIFICIAL_INTELLIGENCE,
        ),
        measurements=[measurement],
        qualitative_evaluations=[] if presence is None else [sr.QualitativeEvaluation(codes.PRESENCE, presence)],
    )
    group = cast("sr.ContainerContentItem", item)
    group.ContinuityOfContent = "SEPARATE"
    measurement[0].ContentSequence = [
        sr.CoordinatesForMeasurement(
            sr.GraphicTypeValues.POLYLINE, polyline, _selected(source), purpose=codes.SOURCE_OF_MEASUREMENT
        )
    ]
    group.ContentSequence.append(_text(codes.COMMENT, _comment(account, image, entry, position, claim), _CONTAINS))
    return group


def _tracked(account: Account, image: AnalysedImage, finding: Finding, position: int) -> sr.TrackingIdentifier:
    """TID 4108: how a group is called, and its UID, the same in every revision."""
    where = f" region {position}" if position else ""
    which = f" image {account.analysed.index(image) + 1}" if len(account.analysed) > 1 else ""
    return sr.TrackingIdentifier(
        uid=tracking_uid(account.model, image.source.sop_instance_uid, finding.label, position),
        identifier=account.lead.character_set.fit(f"{finding.code.meaning}{which}{where}", 64),
    )


def _comment(
    account: Account, image: AnalysedImage, entry: ClaimedFinding[Finding], position: int, claim: Claim
) -> str:
    """Return what a viewer lists a group by, such as ``Lung opacity, region 1: present, left lower zone``."""
    finding = entry.finding
    place = region_place(finding, regions_of(entry)[position - 1], image) if position else finding_place(entry, image)
    parts = [finding_name(finding)]
    if len(account.analysed) > 1:
        parts.append(_("image %(number)s") % {"number": account.analysed.index(image) + 1})
    parts += [_("region %(number)s") % {"number": position}] if position else []
    words = ", ".join(filter(None, (claim_words(claim, abnormal=finding.abnormal), place)))
    said = _("%(finding)s: %(words)s") % {"finding": ", ".join(parts), "words": words}
    return account.lead.character_set.fit(said, 1024)


def _evaluated(account: Account) -> sr.ContainerContentItem:
    """Return the container of evaluations (TID 1500): the impression, a line each, then findings without a group.

    Where no image was analysed a code says so, too.
    """
    fit = account.lead.character_set.fit
    comments = [_text(codes.COMMENT, fit(line, 1024), _CONTAINS) for line in summarise(account)]
    findings = [item for image in account.analysed for item in _evaluations(account, image)]
    if not account.analysed:
        findings.append(_coded(codes.PROCESSING_SUMMARY, codes.NOT_ANALYSED, _CONTAINS))
    return _container(codes.QUALITATIVE_EVALUATIONS, [*comments, *findings], _CONTAINS)


def _evaluations(account: Account, image: AnalysedImage) -> Iterator[sr.CodeContentItem]:
    """Yield every finding that no single group says: what is not claimed, and what has several regions.

    Of a finding that is scored only no presence is claimed, and a comment says so.
    """
    scored_only = account.lead.character_set.fit(_(_SCORED_ONLY), 1024)
    for entry in claims_of(image.findings):
        if is_one_group(entry):
            continue
        finding = entry.finding
        presence = codes.presence(entry.claim)
        item = _coded(codes.FINDING, _concept(account, codes.coded(finding.code)), _CONTAINS)
        item.ContentSequence = sr.ContentSequence(
            [
                sr.FindingSite(_concept(account, codes.coded(finding.site))),
                _number(codes.PROBABILITY, number(finding), codes.PERCENT, _PROPERTIES),
                *([] if presence is None else [_coded(codes.PRESENCE, presence, _PROPERTIES)]),
                *([] if entry.stated else [_text(codes.COMMENT, scored_only, _PROPERTIES)]),
                *(_text(_ALGORITHM_PARAMETERS, point, _PROPERTIES) for point in _operating_points(finding)),
                _image(codes.SOURCE, image.source, Relationship.INFERRED_FROM),
            ]
        )
        yield item


def _operating_points(finding: Finding) -> list[str]:
    """Return the two operating points that turn a probability into present, undetermined or absent."""
    _, sensitive, specific = percentages(finding)
    return [f"sensitive operating point {sensitive} %", f"specific operating point {specific} %"]


def _selected(source: SourceImage) -> sr.SourceImageForRegion:
    """Name the image under a region "Original Source": Orthanc's viewer draws graphics only then."""
    image = sr.SourceImageForRegion(source.sop_class_uid, source.sop_instance_uid)
    image.ConceptNameCodeSequence = [sr.CodedConcept.from_code(codes.ORIGINAL_SOURCE)]
    return image


def _concept(account: Account, code: Code) -> Code:
    return Code(code.value, code.scheme_designator, account.lead.character_set.fit(code.meaning, 64))


def _container(
    name: Code,
    items: Sequence[sr.ContentItem],
    relationship: Relationship | None = None,
    template_id: str | None = None,
) -> sr.ContainerContentItem:
    """Return items under a heading, each standing for itself: Weasis and dsr2html drop names of CONTINUOUS ones."""
    container = sr.ContainerContentItem(
        name, is_content_continuous=False, template_id=template_id, relationship_type=relationship
    )
    container.ContentSequence = sr.ContentSequence(items)
    return container


def _image(
    name: Code, source: SourceImage, relationship: Relationship, items: Iterable[sr.ContentItem] = ()
) -> sr.ImageContentItem:
    image = sr.ImageContentItem(name, source.sop_class_uid, source.sop_instance_uid, relationship_type=relationship)
    beneath = list(items)
    if beneath:
        image.ContentSequence = sr.ContentSequence(beneath)
    return image


def _coded(name: Code, value: Code, relationship: Relationship) -> sr.CodeContentItem:
    return sr.CodeContentItem(name, value, relationship_type=relationship)


def _text(name: Code, value: str, relationship: Relationship) -> sr.TextContentItem:
    return sr.TextContentItem(name, value, relationship_type=relationship)


def _number(name: Code, value: float, unit: Code, relationship: Relationship) -> sr.NumContentItem:
    return sr.NumContentItem(name, value, unit, relationship_type=relationship)
