"""What a structured report says: the tree of TID 1500 "Measurement Report" (PS3.16) in the shape of IHE AI Results.

Every finding is one measurement group on the whole picture with its probability; each of its boxes is one more
group with the region; both in the order and with the claims of :mod:`reporting.reading`. The impression follows in
words.
"""

from collections.abc import Iterator
from dataclasses import replace

from pydicom.sr.codedict import codes as known
from pydicom.sr.coding import Code

from inference.findings import Box, Finding
from reporting import codes
from reporting.account import MANUFACTURER, Account, AnalysedImage, summarise
from reporting.content import Coded, Container, Image, Item, Number, Polyline, Reference, Relationship, Text
from reporting.identity import device_uid, tracking_uid
from reporting.reading import (
    Claim,
    ClaimedFinding,
    claims_of,
    number,
    percentages,
    region_claim,
    region_number,
    regions_of,
)
from reporting.source import SourceImage

_CONTAINS = Relationship.CONTAINS
_CONTEXT = Relationship.HAS_OBSERVATION_CONTEXT
_ACQUIRED = Relationship.HAS_ACQUISITION_CONTEXT
_MODIFIER = Relationship.HAS_CONCEPT_MODIFIER
_SCORED_ONLY = "Scored only: such calls were not shown to be right"


def report_items(account: Account) -> tuple[Item, ...]:
    """Return the content items under the root of an account's report."""
    groups = tuple(group for image in account.analysed for group in _groups(account, image))
    return (
        Coded(_MODIFIER, codes.LANGUAGE, codes.ENGLISH),
        *_observer(account),
        Coded(_MODIFIER, codes.PROCEDURE_REPORTED, codes.IMAGING_PROCEDURE),
        _library(account),
        Container(_CONTAINS, codes.IMAGING_MEASUREMENTS, groups),
        _in_words(account),
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
    for entry in claims_of(image.findings):
        yield _finding_group(account, image, entry)
        for position, box in enumerate(regions_of(entry), 1):
            yield _region_group(account, image, entry, box, position)


def _finding_group(account: Account, image: AnalysedImage, entry: ClaimedFinding[Finding]) -> Container:
    """Return the finding's own group: where it has a single region it is located by that, else by the picture.

    A report must not hold exactly one region: PixelMed's validator (2022) would then take every group for a region's.
    """
    finding, regions = entry.finding, regions_of(entry)
    if len(regions) == 1:
        return _region_group(account, image, entry, replace(regions[0], score=finding.score, level=finding.level), 0)
    return _whole_image_group(account, image, entry)


def _whole_image_group(account: Account, image: AnalysedImage, entry: ClaimedFinding[Finding]) -> Container:
    """TID 1501: the probability that the finding is on the image at all.

    Of a finding that is scored only no presence is claimed, and a comment says so.
    The number is inferred from the whole image, said as its outline: OHIF (up to 3.11 at least) cannot load a
    report that has a number with neither its own nor its group's coordinates.
    """
    source, finding = image.source, entry.finding
    outline = _outline(0, 0, source.columns, source.rows)
    whole = Polyline(Relationship.INFERRED_FROM, codes.SOURCE_OF_MEASUREMENT, outline, _selected(source))
    pictured = Image(_CONTAINS, codes.SOURCE_OF_MEASUREMENT, source.sop_class_uid, source.sop_instance_uid)
    children = (
        *_subject(account, image, finding, 0),
        Number(_CONTAINS, codes.PROBABILITY, number(finding), codes.PERCENT, whole),
        *_presence(entry.claim),
        *([] if entry.stated else [Text(_CONTAINS, codes.COMMENT, _SCORED_ONLY)]),
        pictured,
    )
    return Container(_CONTAINS, codes.MEASUREMENT_GROUP, children, template="1501")


def _presence(claim: Claim) -> Iterator[Item]:
    """Yield what is claimed, coded; nothing of what is scored only."""
    code = codes.presence(claim)
    if code is not None:
        yield Coded(_CONTAINS, codes.PRESENCE, code)


def _region_group(
    account: Account, image: AnalysedImage, entry: ClaimedFinding[Finding], box: Box, position: int
) -> Container:
    """TID 1410: one box with its own score."""
    source = image.source
    claim = region_claim(entry, box) if position else entry.claim
    value = region_number(entry, box) if position else number(entry.finding)
    outline = _kept_on_picture(box, source.rows, source.columns)
    children = (
        *_subject(account, image, entry.finding, position),
        Number(_CONTAINS, codes.PROBABILITY, value, codes.PERCENT),
        *_presence(claim),
        Polyline(_CONTAINS, codes.IMAGE_REGION, outline, _selected(source)),
    )
    return Container(_CONTAINS, codes.MEASUREMENT_GROUP, children, template="1410")


def _subject(account: Account, image: AnalysedImage, finding: Finding, position: int) -> Iterator[Item]:
    """Yield what a group is about: how it is tracked, the finding and its site, and the algorithm (TID 4019).

    The algorithm's parameters are the two operating points that turn the probability into present, undetermined or
    absent.
    """
    fit = account.lead.character_set.fit
    image_number = account.analysed.index(image) + 1
    _, sensitive, specific = percentages(finding)
    where = f" region {position}" if position else ""
    which = f" image {image_number}" if len(account.analysed) > 1 else ""
    uid = tracking_uid(account.model, account.revision, image.source.sop_instance_uid, finding.label, position)
    yield Text(_CONTEXT, codes.TRACKING_IDENTIFIER, fit(f"{finding.code.meaning}{which}{where}", 64))
    yield Reference(_CONTEXT, codes.TRACKING_UNIQUE_IDENTIFIER, uid)
    yield Coded(_CONTAINS, codes.FINDING, _concept(account, codes.coded(finding.code)))
    yield Coded(_MODIFIER, codes.FINDING_SITE, _concept(account, codes.coded(finding.site)))
    yield Text(_MODIFIER, known.DCM.AlgorithmName, fit(account.model.name, 64))
    yield Text(_MODIFIER, known.DCM.AlgorithmVersion, fit(account.model.version, 64))
    for parameter in (
        f"sensitive operating point {sensitive} %",
        f"specific operating point {specific} %",
        f"package SHA-256 {account.model.digest}",
    ):
        yield Text(_MODIFIER, known.DCM.AlgorithmParameters, parameter)
    yield Coded(_MODIFIER, known.DCM.AlgorithmFamily, codes.ARTIFICIAL_INTELLIGENCE)


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


def _in_words(account: Account) -> Container:
    """Return the container of comments (TID 1500): the impression, a line each."""
    lines = summarise(account)
    fit = account.lead.character_set.fit
    comments = tuple(Text(_CONTAINS, codes.COMMENT, fit(line, 1024)) for line in lines)
    return Container(_CONTAINS, codes.QUALITATIVE_EVALUATIONS, comments)


def _concept(account: Account, code: Code) -> Code:
    return Code(code.value, code.scheme_designator, account.lead.character_set.fit(code.meaning, 64))
