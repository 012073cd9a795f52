"""What a structured report says: the tree of TID 1500 "Measurement Report" (PS3.16) in the shape of IHE AI Results.

A measurement group is what a viewer draws and lists: a region of a finding that is claimed, or the whole image where it
has none. The impression follows in words, and after it every finding that no single group says. All stand in the order
and with the claims of :mod:`reporting.claims`.
"""

from collections.abc import Iterator

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
from reporting.source import SourceImage
from reporting.sr.content import Coded, Container, Image, Item, Number, Polyline, Reference, Relationship, Text
from reporting.words import claim_words, finding_name

_CONTAINS = Relationship.CONTAINS
_CONTEXT = Relationship.HAS_OBSERVATION_CONTEXT
_ACQUIRED = Relationship.HAS_ACQUISITION_CONTEXT
_MODIFIER = Relationship.HAS_CONCEPT_MODIFIER
_PROPERTIES = Relationship.HAS_PROPERTIES
_SCORED_ONLY = marked("Scored only: such calls were not shown to be right")


def report_items(account: Account) -> tuple[Item, ...]:
    """Return the content items under the root of an account's report."""
    groups = tuple(group for image in account.analysed for group in _groups(account, image))
    return (
        Coded(_MODIFIER, codes.LANGUAGE, codes.language_of(language())),
        *_observer(account),
        Coded(_MODIFIER, codes.PROCEDURE_REPORTED, codes.IMAGING_PROCEDURE),
        _library(account),
        *([Container(_CONTAINS, codes.IMAGING_MEASUREMENTS, groups)] if groups else []),
        _evaluated(account),
    )


def _observer(account: Account) -> Iterator[Item]:
    """TID 1004: the model as the device that observed."""
    fit = account.lead.character_set.fit
    yield Coded(_CONTEXT, known.DCM.ObserverType, known.DCM.Device)
    yield Reference(_CONTEXT, known.DCM.DeviceObserverUID, device_uid(account.model))
    yield Text(_CONTEXT, known.DCM.DeviceObserverName, fit(account.model.name, 64))
    yield Text(_CONTEXT, known.DCM.DeviceObserverManufacturer, MANUFACTURER)
    yield Text(_CONTEXT, known.DCM.DeviceObserverModelName, fit(account.model.name, 64))
    yield Text(_CONTEXT, known.DCM.DeviceObserverSerialNumber, account.model.digest[:16] or "0")


def _library(account: Account) -> Container:
    """TID 1600: what the analysed pictures are, a group for each kind of them."""
    sources = [image.source for image in account.analysed]
    kinds = dict.fromkeys(source.projection for source in sources)
    groups = tuple(
        Container(
            _CONTAINS,
            known.DCM.ImageLibraryGroup,
            tuple(_entry(source) for source in sources if source.projection == kind),
        )
        for kind in kinds
    )
    return Container(_CONTAINS, codes.IMAGE_LIBRARY, groups)


def _entry(source: SourceImage) -> Image:
    described = tuple(_described(source))
    return Image(_CONTAINS, codes.SOURCE, source.sop_class_uid, source.sop_instance_uid, described)


def _described(source: SourceImage) -> Iterator[Item]:
    """TID 1602 and, of a radiograph that says how it lies and how large it is, TID 1603.

    A radiograph that was sent as a secondary capture is a CR or DX all the same: "other" is in no context group here.
    """
    modality = codes.radiography(source.projection or source.modality)
    yield Coded(_ACQUIRED, codes.MODALITY, modality)
    yield Number(_ACQUIRED, known.DCM.PixelDataRows, source.rows, codes.PIXELS)
    yield Number(_ACQUIRED, known.DCM.PixelDataColumns, source.columns, codes.PIXELS)
    if source.projection and source.orientation and source.spacing:
        yield Text(_ACQUIRED, known.DCM.PatientOrientationRow, source.orientation[0])
        yield Text(_ACQUIRED, known.DCM.PatientOrientationColumn, source.orientation[1])
        yield Number(_ACQUIRED, known.DCM.HorizontalPixelSpacing, source.spacing[1], known.UCUM.Millimeter)
        yield Number(_ACQUIRED, known.DCM.VerticalPixelSpacing, source.spacing[0], known.UCUM.Millimeter)


def _groups(account: Account, image: AnalysedImage) -> Iterator[Container]:
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
) -> Container:
    """TID 1410: one outline with its score.

    ``position`` counts a finding's regions from 1; 0 is the finding itself, whose number the group then has. The
    outline stands twice, in the group and beneath its number: dwv and OHIF look for it there. OHIF lists a group by
    its comment.
    """
    source, finding = image.source, entry.finding
    claim = region_claim(entry, box) if position else entry.claim
    value = region_number(entry, box) if position else number(finding)
    outline = _kept_on_picture(box, source.rows, source.columns)
    beneath = Polyline(Relationship.INFERRED_FROM, codes.SOURCE_OF_MEASUREMENT, outline, _selected(source))
    children = (
        *_subject(account, image, finding, position),
        Number(_CONTAINS, codes.PROBABILITY, value, codes.PERCENT, beneath),
        *_presence(claim, _CONTAINS),
        Polyline(_CONTAINS, codes.IMAGE_REGION, outline, _selected(source)),
        Text(_CONTAINS, codes.COMMENT, _comment(account, image, finding, position, claim)),
    )
    return Container(_CONTAINS, codes.MEASUREMENT_GROUP, children, template="1410")


def _comment(account: Account, image: AnalysedImage, finding: Finding, position: int, claim: Claim) -> str:
    """Return what a viewer lists a group by, such as ``Lung opacity, region 1: present``."""
    parts = [finding_name(finding)]
    if len(account.analysed) > 1:
        parts.append(_("image %(number)s") % {"number": account.analysed.index(image) + 1})
    parts += [_("region %(number)s") % {"number": position}] if position else []
    words = claim_words(claim, abnormal=finding.abnormal)
    return account.lead.character_set.fit(f"{', '.join(parts)}: {words}", 1024)


def _evaluations(account: Account, image: AnalysedImage) -> Iterator[Coded]:
    """Yield every finding that no single group says: what is not claimed, and what has several regions.

    Of a finding that is scored only no presence is claimed, and a comment says so.
    """
    source = image.source
    scored_only = account.lead.character_set.fit(_(_SCORED_ONLY), 1024)
    for entry in claims_of(image.findings):
        if is_one_group(entry):
            continue
        finding = entry.finding
        children = (
            Coded(_MODIFIER, codes.FINDING_SITE, _concept(account, codes.coded(finding.site))),
            Number(_PROPERTIES, codes.PROBABILITY, number(finding), codes.PERCENT),
            *_presence(entry.claim, _PROPERTIES),
            *([] if entry.stated else [Text(_PROPERTIES, codes.COMMENT, scored_only)]),
            *_parameters(finding, _PROPERTIES),
            Image(Relationship.INFERRED_FROM, codes.SOURCE, source.sop_class_uid, source.sop_instance_uid),
        )
        yield Coded(_CONTAINS, codes.FINDING, _concept(account, codes.coded(finding.code)), children)


def _presence(claim: Claim, relationship: Relationship) -> Iterator[Item]:
    """Yield what is claimed, coded; nothing of what is scored only."""
    code = codes.presence(claim)
    if code is not None:
        yield Coded(relationship, codes.PRESENCE, code)


def _subject(account: Account, image: AnalysedImage, finding: Finding, position: int) -> Iterator[Item]:
    """Yield what a group is about: how it is tracked, the finding and its site, and the algorithm (TID 4019).

    The operating points stand where the finding has its own number: a region is read against the same.
    """
    fit = account.lead.character_set.fit
    image_number = account.analysed.index(image) + 1
    where = f" region {position}" if position else ""
    which = f" image {image_number}" if len(account.analysed) > 1 else ""
    uid = tracking_uid(account.model, image.source.sop_instance_uid, finding.label, position)
    yield Text(_CONTEXT, codes.TRACKING_IDENTIFIER, fit(f"{finding.code.meaning}{which}{where}", 64))
    yield Reference(_CONTEXT, codes.TRACKING_UNIQUE_IDENTIFIER, uid)
    yield Coded(_CONTAINS, codes.FINDING, _concept(account, codes.coded(finding.code)))
    yield Coded(_MODIFIER, codes.FINDING_SITE, _concept(account, codes.coded(finding.site)))
    yield Text(_MODIFIER, known.DCM.AlgorithmName, fit(account.model.name, 64))
    yield Text(_MODIFIER, known.DCM.AlgorithmVersion, fit(account.model.version, 64))
    if not position:
        yield from _parameters(finding, _MODIFIER)
    yield Coded(_MODIFIER, known.DCM.AlgorithmFamily, codes.ARTIFICIAL_INTELLIGENCE)


def _parameters(finding: Finding, relationship: Relationship) -> Iterator[Item]:
    """Yield the two operating points that turn a probability into present, undetermined or absent."""
    _, sensitive, specific = percentages(finding)
    yield Text(relationship, known.DCM.AlgorithmParameters, f"sensitive operating point {sensitive} %")
    yield Text(relationship, known.DCM.AlgorithmParameters, f"specific operating point {specific} %")


def _selected(source: SourceImage) -> Image:
    """Name the picture under a region "Original Source": Orthanc's viewer draws graphics only then."""
    return Image(Relationship.SELECTED_FROM, codes.ORIGINAL_SOURCE, source.sop_class_uid, source.sop_instance_uid)


def _kept_on_picture(box: Box, rows: int, columns: int) -> tuple[tuple[float, float], ...]:
    x0, x1 = (float(min(max(x, 0), columns)) for x in (box.x0, box.x1))
    y0, y1 = (float(min(max(y, 0), rows)) for y in (box.y0, box.y1))
    return _outline(x0, y0, x1, y1)


def _outline(x0: float, y0: float, x1: float, y1: float) -> tuple[tuple[float, float], ...]:
    """Return a rectangle as a closed polyline of (column, row).

    Spatial coordinates count from the upper left corner of the first pixel, as :class:`Box` does.
    """
    return ((x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0))


def _evaluated(account: Account) -> Container:
    """Return the container of evaluations (TID 1500): the impression, a line each, then findings without a group."""
    lines = summarise(account)
    fit = account.lead.character_set.fit
    comments = tuple(Text(_CONTAINS, codes.COMMENT, fit(line, 1024)) for line in lines)
    findings = tuple(item for image in account.analysed for item in _evaluations(account, image))
    return Container(_CONTAINS, codes.QUALITATIVE_EVALUATIONS, (*comments, *findings))


def _concept(account: Account, code: Code) -> Code:
    return Code(code.value, code.scheme_designator, account.lead.character_set.fit(code.meaning, 64))
