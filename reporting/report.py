"""The structured report: TID 1500 "Measurement Report" in the shape of IHE AI Results, one a study revision."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

import highdicom as hd
import numpy as np
from highdicom import sr
from pydicom import Dataset
from pydicom.sr.codedict import codes as known
from pydicom.sr.coding import Code

from inference.findings import Box, Finding, ModelIdentity
from reporting import codes
from reporting.account import MANUFACTURER, Account, AnalysedImage, summarise
from reporting.charset import quiet
from reporting.encode import encode
from reporting.identity import device_uid, document_uid, tracking_uid
from reporting.reading import Read, box_claim, read


class ReportClass(StrEnum):
    """The SR storage classes that a TID 1500 report may take (PS3.4 B.5); viewers differ in which they draw."""

    ENHANCED = "1.2.840.10008.5.1.4.1.1.88.22"
    COMPREHENSIVE = "1.2.840.10008.5.1.4.1.1.88.33"
    COMPREHENSIVE_3D = "1.2.840.10008.5.1.4.1.1.88.34"


_CONSTRUCTORS = {
    ReportClass.ENHANCED: sr.EnhancedSR,
    ReportClass.COMPREHENSIVE: sr.ComprehensiveSR,
    ReportClass.COMPREHENSIVE_3D: sr.Comprehensive3DSR,
}


@dataclass(frozen=True, slots=True)
class BuiltObject:
    """One DICOM document, encoded as a Part 10 file."""

    sop_instance_uid: str
    series_uid: str
    sop_class_uid: str
    content: bytes


def report_uids(source_uids: tuple[str, ...], model: ModelIdentity, revision: int) -> tuple[str, str]:
    """Return (Series Instance UID, SOP Instance UID) of an analysis's report, which has its series to itself."""
    return (
        document_uid("sr-series", source_uids, model, revision),
        document_uid("sr", source_uids, model, revision),
    )


def build_report(
    account: Account, series_number: int, report_class: ReportClass = ReportClass.COMPREHENSIVE_3D
) -> BuiltObject:
    """Return the structured report of an account.

    Every finding is one measurement group on the whole picture with its probability; each of its boxes is one
    more group with the region; both in the order and with the claims of :mod:`reporting.reading`. The impression
    follows in words. Pictures that were not analysed are named with the reason. The report is complete,
    unverified and preliminary: no person has seen it.

    Parameters
    ----------
    account
        What to say; at least one analysed image.
    series_number
        Series Number (0020,0011) of the report's own series.
    report_class
        The storage class to write.
    """
    series_uid, instance_uid = report_uids(account.source_uids, account.model, account.revision)
    when = account.local_time()
    fit = account.lead.character_set.fit
    with quiet():
        document = _CONSTRUCTORS[report_class](
            evidence=[image.source.evidence() for image in account.analysed],
            content=_content(account)[0],
            series_instance_uid=series_uid,
            series_number=series_number,
            sop_instance_uid=instance_uid,
            instance_number=1,
            manufacturer=MANUFACTURER,
            manufacturer_model_name=fit(account.model.name, 64),
            software_versions=fit(account.model.version, 64),
            device_serial_number=account.model.digest[:16] or "0",
            institution_name=fit(account.institution, 64) or None,
            is_complete=True,
            is_final=False,
            is_verified=False,
            series_description="AI findings (not verified)",
            contributing_equipment=[equipment(account)],
            content_date=when.date(),
            content_time=when.time(),
            series_date=when.date(),
            series_time=when.time(),
        )
        document.InstanceCreationDate = when.strftime("%Y%m%d")
        document.InstanceCreationTime = when.strftime("%H%M%S.%f")
        document.ContributingEquipmentSequence = document.ContributingEquipmentSequence[:1]
        _mention_predecessor(document, account)
        for item in walk(document):
            if item.ValueType == "CONTAINER":
                item.ContinuityOfContent = "SEPARATE"
        content = encode(document, account.lead.identity(), account.lead.character_set)
    return BuiltObject(instance_uid, series_uid, report_class.value, content)


def walk(item: Dataset) -> Iterator[Dataset]:
    """Yield an SR content item and all beneath it, in document order."""
    if "ValueType" in item:
        yield item
    for child in item.get("ContentSequence", ()):
        yield from walk(child)


def equipment(account: Account) -> hd.ContributingEquipment:
    """Return the model as contributing equipment (0018,A001), with the Device UID that IHE AIR asks for."""
    fit = account.lead.character_set.fit
    item = hd.ContributingEquipment(
        manufacturer=MANUFACTURER,
        purpose_of_reference=codes.PROCESSING_EQUIPMENT,
        manufacturer_model_name=fit(account.model.name, 64),
        software_versions=fit(account.model.version, 64),
        institution_name=fit(account.institution, 64) or None,
        contribution_description="Automated analysis of chest radiographs",
    )
    item.DeviceUID = device_uid(account.model)
    return item


def _content(account: Account) -> sr.MeasurementReport:
    groups: list[sr.MeasurementsAndQualitativeEvaluations | sr.PlanarROIMeasurementsAndQualitativeEvaluations] = []
    for image in account.analysed:
        for one in read(image.findings):
            groups.append(_finding_group(account, image, one))
            groups += [
                _region_group(account, image, one, box, position) for position, box in enumerate(one.finding.boxes, 1)
            ]
    report = sr.MeasurementReport(
        observation_context=_observer(account),
        procedure_reported=[codes.IMAGING_PROCEDURE],
        imaging_measurements=groups,
        title=codes.IMAGING_MEASUREMENT_REPORT,
        language_of_content_item_and_descendants=sr.LanguageOfContentItemAndDescendants(
            sr.CodedConcept.from_code(codes.ENGLISH)
        ),
        referenced_images=[image.source.evidence() for image in account.analysed],
    )
    _state_modality(report[0], account)
    report[0].ContentSequence.append(_in_words(account))
    return report


def _state_modality(root: Dataset, account: Account) -> None:
    """Say CR or DX of a radiograph that was sent as a secondary capture: "other" is in no context group here."""
    stated = {image.source.sop_instance_uid: image.source.modality for image in account.analysed}
    for item in walk(root):
        if item.ValueType == "IMAGE" and item.RelationshipType == "CONTAINS":
            for child in item.get("ContentSequence", ()):
                concept = child.ConceptNameCodeSequence[0].CodeValue
                if concept == codes.MODALITY.value and child.ConceptCodeSequence[0].CodeValue == "OT":
                    modality = stated[item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID]
                    child.ConceptCodeSequence = [sr.CodedConcept.from_code(codes.radiography(modality))]


def _observer(account: Account) -> sr.ObservationContext:
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


def _finding_group(
    account: Account, image: AnalysedImage, one: Read[Finding]
) -> sr.MeasurementsAndQualitativeEvaluations | sr.PlanarROIMeasurementsAndQualitativeEvaluations:
    """Return the finding's own group: where it has a single region it is located by that, else by the picture.

    A report must not hold exactly one region: PixelMed's validator (2022) would then take every group for a region's.
    """
    finding = one.finding
    if len(finding.boxes) == 1:
        as_a_whole = replace(finding.boxes[0], score=finding.score, level=finding.level)
        return _region_group(account, image, one, as_a_whole, 0)
    return _whole_picture_group(account, image, one)


def _whole_picture_group(
    account: Account, image: AnalysedImage, one: Read[Finding]
) -> sr.MeasurementsAndQualitativeEvaluations:
    """TID 1501: the probability that the finding is on the picture at all.

    The number is inferred from the whole picture, said as its outline: OHIF (up to 3.11 at least) cannot load a
    report that has a number with neither its own nor its group's coordinates.
    """
    source, finding = image.source, one.finding
    whole = sr.CoordinatesForMeasurement(
        sr.GraphicTypeValues.POLYLINE,
        _outline(0, 0, source.columns, source.rows),
        sr.SourceImageForRegion(source.sop_class_uid, source.sop_instance_uid),
        purpose=known.DCM.SourceOfMeasurement,
    )
    _name_source(whole)
    return sr.MeasurementsAndQualitativeEvaluations(
        source_images=[sr.SourceImageForMeasurementGroup(source.sop_class_uid, source.sop_instance_uid)],
        tracking_identifier=_tracking(account, image, finding, 0),
        finding_type=_concept(account, codes.coded(finding.code)),
        finding_sites=[sr.FindingSite(_concept(account, codes.coded(finding.site)))],
        algorithm_id=_algorithm(account, finding),
        measurements=[
            sr.Measurement(codes.PROBABILITY, _percentage(finding.score), codes.PERCENT, referenced_coordinates=[whole])
        ],
        qualitative_evaluations=[sr.QualitativeEvaluation(codes.PRESENCE, codes.presence(one.claim))],
    )


def _region_group(
    account: Account, image: AnalysedImage, one: Read[Finding], box: Box, position: int
) -> sr.PlanarROIMeasurementsAndQualitativeEvaluations:
    """TID 1410: one box with its own score."""
    source, finding = image.source, one.finding
    claim = box_claim(one, box) if position else one.claim
    region = sr.ImageRegion(
        sr.GraphicTypeValues.POLYLINE,
        _kept_on_picture(box, source.rows, source.columns),
        sr.SourceImageForRegion(source.sop_class_uid, source.sop_instance_uid),
    )
    _name_source(region)
    return sr.PlanarROIMeasurementsAndQualitativeEvaluations(
        referenced_region=region,
        tracking_identifier=_tracking(account, image, finding, position),
        finding_type=_concept(account, codes.coded(finding.code)),
        finding_sites=[sr.FindingSite(_concept(account, codes.coded(finding.site)))],
        algorithm_id=_algorithm(account, finding),
        measurements=[sr.Measurement(codes.PROBABILITY, _percentage(box.score), codes.PERCENT)],
        qualitative_evaluations=[sr.QualitativeEvaluation(codes.PRESENCE, codes.presence(claim))],
    )


def _kept_on_picture(box: Box, rows: int, columns: int) -> np.ndarray:
    x0, x1 = (float(min(max(x, 0), columns)) for x in (box.x0, box.x1))
    y0, y1 = (float(min(max(y, 0), rows)) for y in (box.y0, box.y1))
    return _outline(x0, y0, x1, y1)


def _outline(x0: float, y0: float, x1: float, y1: float) -> np.ndarray:
    """Return a rectangle as a closed polyline of (column, row) (PS3.3 C.18.6.1.1).

    Spatial coordinates count from the upper left corner of the first pixel, as :class:`Box` does.
    """
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1], [x0, y0]], dtype=float)


def _name_source(coordinates: Dataset) -> None:
    """Name the picture under a region "Original Source": Orthanc's viewer draws graphics only then."""
    coordinates.ContentSequence[0].ConceptNameCodeSequence = [sr.CodedConcept.from_code(codes.ORIGINAL_SOURCE)]


def _tracking(account: Account, image: AnalysedImage, finding: Finding, position: int) -> sr.TrackingIdentifier:
    number = account.analysed.index(image) + 1
    where = f" region {position}" if position else ""
    which = f" image {number}" if len(account.analysed) > 1 else ""
    return sr.TrackingIdentifier(
        uid=tracking_uid(account.model, account.revision, image.source.sop_instance_uid, finding.label, position),
        identifier=account.lead.character_set.fit(f"{finding.code.meaning}{which}{where}", 64),
    )


def _algorithm(account: Account, finding: Finding) -> sr.AlgorithmIdentification:
    """TID 4019, with the two operating points that turn the probability into present, undetermined or absent."""
    fit = account.lead.character_set.fit
    points = finding.points
    return sr.AlgorithmIdentification(
        name=fit(account.model.name, 64),
        version=fit(account.model.version, 64),
        family=codes.ARTIFICIAL_INTELLIGENCE,
        parameters=[
            f"sensitive operating point {points.sensitive * 100:.1f} %",
            f"specific operating point {points.specific * 100:.1f} %",
            f"package SHA-256 {account.model.digest}",
        ],
    )


def _in_words(account: Account) -> sr.ContainerContentItem:
    """Return the container of comments (TID 1500): the impression, a line each, and what was not analysed and why.

    What was not found is one line, and a finding's note stands beside it: a viewer shows the whole at a glance.
    """
    contains = sr.RelationshipTypeValues.CONTAINS
    container = sr.ContainerContentItem(name=codes.QUALITATIVE_EVALUATIONS, relationship_type=contains)
    lines = summarise(account)
    lines += [f"Image {image.sop_instance_uid} was not analysed because {image.because}" for image in account.skipped]
    container.ContentSequence = sr.ContentSequence(
        [
            sr.TextContentItem(
                name=codes.COMMENT, value=account.lead.character_set.fit(line, 1024), relationship_type=contains
            )
            for line in lines
        ]
    )
    return container


def _mention_predecessor(document: Dataset, account: Account) -> None:
    """Point to the report that this one replaces (PS3.3 C.17.2, Predecessor Documents Sequence)."""
    before = account.predecessor
    if before is None:
        return
    instance, series, study = Dataset(), Dataset(), Dataset()
    instance.ReferencedSOPClassUID = before.sop_class_uid
    instance.ReferencedSOPInstanceUID = before.sop_instance_uid
    series.SeriesInstanceUID = before.series_uid
    series.ReferencedSOPSequence = [instance]
    study.StudyInstanceUID = account.lead.study_uid
    study.ReferencedSeriesSequence = [series]
    document.PredecessorDocumentsSequence = [study]


def _concept(account: Account, code: Code) -> Code:
    return Code(code.value, code.scheme_designator, account.lead.character_set.fit(code.meaning, 64))


def _percentage(score: float) -> float:
    """Return a probability as 0 to 100 with one decimal, short enough for a decimal string."""
    return round(min(max(score, 0.0), 1.0) * 100, 1)
