"""The gate before a document leaves: our own check of the finished bytes, by reading them back.

A document that fails is quarantined with the reason and not sent; the rest of its analysis goes on. Reasons name
attributes, codes and UIDs, never a patient's values.
"""

from collections.abc import Iterable
from io import BytesIO
from pathlib import Path

import pydicom
from hl7apy.exceptions import HL7apyException
from pydicom import Dataset
from pydicom.datadict import keyword_for_tag
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.uid import UID, ExplicitVRLittleEndian, SecondaryCaptureImageStorage

from config.errors import DocumentRejected
from reporting import codes
from reporting.account import Account, AnalysedImage
from reporting.capture.map_capture import map_uids
from reporting.capture.secondary_capture import capture_uids
from reporting.charset import quiet
from reporting.claims import Claim, claims_of, mapped_of, region_claim, regions_of
from reporting.hl7.er7 import FIELD, SEGMENT_END
from reporting.hl7.message import CODECS, BuiltMessage
from reporting.hl7.verdict import judge
from reporting.identity import CONTROL_ID_LENGTH
from reporting.source import SourceImage
from reporting.sr.content_tree import ContentItem
from reporting.sr.report import BuiltObject, ReportClass, report_uids
from tracking.rejections import NOTES

_SR_REQUIRED = {
    "Modality": "SR",
    "VerificationFlag": "UNVERIFIED",
    "CompletionFlag": "COMPLETE",
    "PreliminaryFlag": "PRELIMINARY",
}
_SC_REQUIRED = {
    "PhotometricInterpretation": "RGB",
    "SamplesPerPixel": 3,
    "BitsAllocated": 8,
    "BitsStored": 8,
    "HighBit": 7,
    "PlanarConfiguration": 0,
    "PixelRepresentation": 0,
    "BurnedInAnnotation": "YES",
}
_SC_FORBIDDEN = (
    "WindowCenter", "WindowWidth", "RescaleSlope", "RescaleIntercept", "FrameOfReferenceUID", "ViewPosition"
)  # fmt: skip
_PRESENT = (
    "StudyInstanceUID", "SeriesInstanceUID", "SeriesDescription", "SeriesNumber", "InstanceNumber", "Manufacturer",
    "SoftwareVersions", "ContentDate", "ContentTime",
)  # fmt: skip
_BEFORE_OBSERVATIONS = ("MSH", "PID", "PV1", "ORC", "OBR")
_GROUP_NEEDS = (codes.TRACKING_IDENTIFIER, codes.TRACKING_UNIQUE_IDENTIFIER, codes.FINDING, codes.PROBABILITY)


@quiet()
def check_report(built: BuiltObject, account: Account) -> None:
    """Check a structured report against its account. Raises DocumentRejected with the first thing wrong."""
    document = _read_back(built.content)
    nodes = _check_report_alone(document)
    uids = report_uids(account.source_uids, account.model, account.revision, ReportClass(document.SOPClassUID))
    _check_identity(document, built, account.lead, uids)
    sources = {image.source.sop_instance_uid: image.source for image in account.analysed}
    for node in nodes:
        _check_references(node, sources)
    _check_claims(nodes, account)
    _check_evidence(document, sources)


@quiet()
def check_capture(built: BuiltObject, account: Account, image: AnalysedImage) -> None:
    """Check a secondary capture against its account. Raises DocumentRejected with the first thing wrong."""
    _check_secondary_capture(built, account, image, capture_uids(account, image))


@quiet()
def check_map_capture(built: BuiltObject, account: Account, image: AnalysedImage, label: str) -> None:
    """Check a finding's score map capture against its account. Raises DocumentRejected with the first thing wrong."""
    _demand(
        label in {entry.finding.label for entry in mapped_of(image.findings)}, "the finding has no score map to show"
    )
    _check_secondary_capture(built, account, image, map_uids(account, image, label))


def _check_secondary_capture(built: BuiltObject, account: Account, image: AnalysedImage, uids: tuple[str, str]) -> None:
    document = _read_back(built.content)
    _check_identity(document, built, account.lead, uids)
    _check_capture_alone(document)
    _demand(
        document.SourceImageSequence[0].ReferencedSOPInstanceUID == image.source.sop_instance_uid,
        "the source image is not referenced",
    )


def check_message(built: BuiltMessage, account: Account, character_set: str) -> None:
    """Check an HL7 message against its account. Raises DocumentRejected with the first thing wrong."""
    lines = _check_message_alone(built.content, character_set)
    _demand(lines[0].split(FIELD)[9] == built.control_id, "MSH-10 is not the derived control ID")
    _demand(lines[4].split(FIELD)[25] == ("C" if account.corrects else "P"), "OBR-25 has the wrong status")


@quiet()
def check_file(path: Path, kind: str) -> str | None:
    """Check a document on disk without its analysis: what is wrong with it, or None.

    Parameters
    ----------
    path
        The file.
    kind
        ``sr``, ``sc``, ``map`` or ``hl7``; of a note that takes others back only whether it is there.
    """
    try:
        content = path.read_bytes()
        if kind == "hl7":
            header = content[:4096].split(SEGMENT_END.encode())[0].decode("latin-1").split(FIELD)
            _demand(len(header) > 17 and header[17] in CODECS, "MSH-18 names no known character set")
            _check_message_alone(content, header[17])
        elif kind == "sr":
            _check_report_alone(_read_back(content))
        elif kind in NOTES:  # checked against what it takes back when it was built
            return None
        else:
            _check_capture_alone(_read_back(content))
    except DocumentRejected as error:
        return str(error)
    except OSError as error:
        return f"it cannot be read: {error.strerror}"
    return None


def _demand(condition: bool, wrong: str) -> None:
    if not condition:
        raise DocumentRejected(wrong)


def _read_back(content: bytes) -> Dataset:
    with quiet():
        try:
            document = pydicom.dcmread(BytesIO(content))
        except Exception as error:  # noqa: BLE001 - whatever a parser makes of it, it must not be sent
            msg = f"it cannot be read back ({type(error).__name__})"
            raise DocumentRejected(msg) from None
    meta = document.file_meta
    _demand(meta.TransferSyntaxUID == ExplicitVRLittleEndian, "the transfer syntax is not Explicit VR Little Endian")
    _demand(meta.MediaStorageSOPClassUID == document.get("SOPClassUID"), "the file meta SOP class differs")
    _demand(meta.MediaStorageSOPInstanceUID == document.get("SOPInstanceUID"), "the file meta SOP instance differs")
    for keyword in _PRESENT:
        _demand(document.get(keyword) not in {None, ""}, f"{keyword} is missing")
    for keyword in ("SOPInstanceUID", "SeriesInstanceUID"):
        _demand(UID(document[keyword].value).is_valid, f"{keyword} is no valid UID")
    equipment = document.get("ContributingEquipmentSequence") or [Dataset()]
    _demand("DeviceUID" in equipment[0], "the model is not named as contributing equipment")
    return document


def _check_identity(document: Dataset, built: BuiltObject, lead: SourceImage, uids: tuple[str, str]) -> None:
    """Compare with the source: patient and study to the byte, and the UIDs that follow from it."""
    series_uid, instance_uid = uids
    _demand(document.SOPClassUID == built.sop_class_uid, "the SOP class differs")
    _demand(document.SOPInstanceUID == instance_uid == built.sop_instance_uid, "the SOP Instance UID differs")
    _demand(document.SeriesInstanceUID == series_uid == built.series_uid, "the Series Instance UID differs")
    with quiet():
        untouched = pydicom.dcmread(BytesIO(built.content), stop_before_pixels=True)
    for tag, expected in lead.identity().items():
        element: DataElement | RawDataElement | None = untouched.get_item(tag) if tag in untouched else None
        if isinstance(element, RawDataElement):
            same = (element.value or b"") == expected.value
        else:  # pydicom parses the character set while it reads
            same = (
                element is not None and "\\".join(_listed(element.value)).encode() == (expected.value or b"").rstrip()
            )
        _demand(same, f"{keyword_for_tag(tag)} is not the source's")


def _listed(value: object) -> list[str]:
    if value is None or isinstance(value, str):
        return [value or ""]
    return [str(part) for part in value] if isinstance(value, Iterable) else [str(value)]


def _check_report_alone(document: Dataset) -> list[ContentItem]:
    """Check a report without its account; return its content items in document order."""
    _demand(document.SOPClassUID in {kind.value for kind in ReportClass}, "the SOP class is no SR class")
    for keyword, expected in _SR_REQUIRED.items():
        _demand(document.get(keyword) == expected, f"{keyword} is not {expected}")
    nodes = list(ContentItem.of(document).walk())
    _demand(nodes[0].concept == codes.IMAGING_MEASUREMENT_REPORT.value, "the root is not 126000 DCM")
    template = document.get("ContentTemplateSequence")
    _demand(bool(template) and template[0].get("TemplateIdentifier") == "1500", "the template is not TID 1500")
    for node in nodes:
        _check_item(node)
    groups = _groups(nodes)
    _demand(bool(groups) or bool(_evaluations(nodes)), "there is no measurement group and no evaluation")
    seen: set[str] = set()
    for group in groups:
        children = {child.concept: child.item for child in group.children}
        for code in _GROUP_NEEDS:
            _demand(code.value in children, f"a measurement group has no {code.meaning}")
        tracking = str(children[codes.TRACKING_UNIQUE_IDENTIFIER.value].UID)
        _demand(UID(tracking).is_valid and tracking not in seen, "a tracking UID is invalid or used twice")
        seen.add(tracking)
        _check_outlines(group)
    return nodes


def _check_outlines(group: ContentItem) -> None:
    """Viewers draw a group by its region, or by the one beneath its number: both have to be there and the same."""
    region = [list(child.item.GraphicData) for child in group.children if child.kind == "SCOORD"]
    beneath = [
        list(below.item.GraphicData)
        for child in group.children
        if child.kind == "NUM"
        for below in child.children
        if below.kind == "SCOORD"
    ]
    _demand(len(region) == 1 and region == beneath, "a measurement group has no outline of its own and its number's")
    _demand(any(child.concept == codes.COMMENT.value for child in group.children), "a measurement group has no Comment")


def _check_item(node: ContentItem) -> None:
    item = node.item
    if node.kind == "CONTAINER":
        _demand(item.get("ContinuityOfContent") == "SEPARATE", "a container is not SEPARATE")
    elif node.kind == "SCOORD":
        data = [float(value) for value in item.get("GraphicData") or ()]
        _demand(item.GraphicType == "POLYLINE" and len(data) == 10, "a region is no rectangle")
        _demand(data[:2] == data[-2:], "a region is not closed")
    elif node.kind == "NUM" and node.concept == codes.PROBABILITY.value:
        measured = item.MeasuredValueSequence[0]
        _demand(0 <= float(measured.NumericValue) <= 100, "a probability is not within 0 and 100 %")


def _check_references(node: ContentItem, sources: dict[str, SourceImage]) -> None:
    if node.kind == "SCOORD":
        source = _referenced(node.item.ContentSequence[0], sources)
        data = [float(value) for value in node.item.GraphicData]
        inside = all(
            0 <= x <= source.columns and 0 <= y <= source.rows for x, y in zip(data[::2], data[1::2], strict=True)
        )
        _demand(inside, "a region lies outside its picture")
    elif node.kind == "IMAGE":
        _referenced(node.item, sources)


def _referenced(item: Dataset, sources: dict[str, SourceImage]) -> SourceImage:
    reference = item.ReferencedSOPSequence[0]
    source = sources.get(str(reference.ReferencedSOPInstanceUID))
    if source is None or source.sop_class_uid != reference.ReferencedSOPClassUID:
        msg = "an image is referenced that was not analysed"
        raise DocumentRejected(msg)
    return source


def _groups(nodes: Iterable[ContentItem]) -> list[ContentItem]:
    return [node for node in nodes if node.kind == "CONTAINER" and node.concept == codes.MEASUREMENT_GROUP.value]


def _evaluations(nodes: Iterable[ContentItem]) -> list[ContentItem]:
    """Return the findings that stand beside the impression, without a group."""
    return [
        child
        for node in nodes
        if node.concept == codes.QUALITATIVE_EVALUATIONS.value
        for child in node.children
        if child.kind == "CODE" and child.concept == codes.FINDING.value
    ]


def _check_claims(nodes: list[ContentItem], account: Account) -> None:
    """Compare what is claimed with the reading: each finding once, by a group or an evaluation, and its regions."""
    groups: list[Claim] = []
    evaluations: list[Claim] = []
    for image in account.analysed:
        for entry in claims_of(image.findings):
            regions = [region_claim(entry, box) for box in regions_of(entry)]
            alone = entry.claimed and len(regions) < 2
            (groups if alone else evaluations).append(entry.claim)
            groups += [] if alone else regions
    for found, expected, what in (
        (_groups(nodes), groups, "measurement group"),
        (_evaluations(nodes), evaluations, "evaluation"),
    ):
        _demand(len(found) == len(expected), f"there are not {len(expected)} of: {what}")
        presence = [code.value if (code := codes.presence(claim)) else None for claim in expected]
        _demand([_claimed(node) for node in found] == presence, f"a finding ({what}) claims what the reading does not")


def _claimed(node: ContentItem) -> str | None:
    """Return the code of the presence that a group or an evaluation claims, or None."""
    presence = (child for child in node.children if child.concept == codes.PRESENCE.value)
    return next((str(child.item.ConceptCodeSequence[0].get("CodeValue")) for child in presence), None)


def _check_evidence(document: Dataset, sources: Iterable[str]) -> None:
    listed = {
        str(instance.ReferencedSOPInstanceUID)
        for study in document.get("CurrentRequestedProcedureEvidenceSequence") or ()
        for series in study.ReferencedSeriesSequence
        for instance in series.ReferencedSOPSequence
    }
    _demand(listed == set(sources), "the evidence is not the analysed images")


def _check_capture_alone(document: Dataset) -> None:
    _demand(document.SOPClassUID == SecondaryCaptureImageStorage, "the SOP class is not Secondary Capture")
    for keyword, expected in _SC_REQUIRED.items():
        _demand(document.get(keyword) == expected, f"{keyword} is not {expected}")
    for keyword in _SC_FORBIDDEN:
        _demand(keyword not in document, f"{keyword} must not be there")
    length = document.Rows * document.Columns * 3
    _demand(len(document.get("PixelData", b"")) == length + length % 2, "the pixel data have the wrong length")
    references = document.get("SourceImageSequence") or [Dataset()]
    _demand("ReferencedSOPInstanceUID" in references[0], "no source image is referenced")


def _check_message_alone(content: bytes, character_set: str) -> list[str]:
    """Check a message strictly with hl7apy, and what that does not see; return its segments."""
    try:
        text = content.decode(CODECS[character_set])
    except UnicodeDecodeError:
        msg = f"the message is not in {character_set}"
        raise DocumentRejected(msg) from None
    _demand(text.endswith(SEGMENT_END) and "\n" not in text, "the segments are not ended by CR alone")
    lines = text.rstrip(SEGMENT_END).split(SEGMENT_END)
    names = [line.split(FIELD, 1)[0] for line in lines]
    observations = lines[len(_BEFORE_OBSERVATIONS) :]
    expected = [*_BEFORE_OBSERVATIONS, *["OBX"] * len(observations)]
    _demand(bool(observations) and names == expected, "the segments are not MSH PID PV1 ORC OBR OBX…")
    for number, observation in enumerate(observations, 1):
        _demand(observation.split(FIELD)[1:2] == [str(number)], "the OBX segments are not numbered as they come")
    header = lines[0].split(FIELD)
    _demand(len(header) > 17 and header[17] == character_set, "MSH-18 is not the character set")
    _demand(0 < len(header[9]) <= CONTROL_ID_LENGTH, f"MSH-10 is not of 1 to {CONTROL_ID_LENGTH} characters")
    try:
        with quiet():
            judge(lines, len(_BEFORE_OBSERVATIONS))
    except (HL7apyException, ValueError) as error:
        msg = f"the message does not validate as HL7 v2.5.1 ({type(error).__name__})"
        raise DocumentRejected(msg) from None
    return lines
