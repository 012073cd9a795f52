"""The gate of structured reports: TID 1500 in the shape that viewers draw, claiming what the reading claims."""

from collections.abc import Iterable

from pydicom import Dataset
from pydicom.uid import UID

from config.errors import DocumentRejected
from reporting import codes
from reporting.account import Account
from reporting.charset import quiet
from reporting.claims import Claim, claims_of, region_claim, regions_of
from reporting.dicom_object import BuiltObject
from reporting.gate import check_identity, demand, read_back
from reporting.source import SourceImage
from reporting.sr.content_tree import ContentItem
from reporting.sr.report import report_uids
from reporting.sr.report_classes import ReportClass

_SR_REQUIRED = {
    "Modality": "SR",
    "VerificationFlag": "UNVERIFIED",
    "CompletionFlag": "COMPLETE",
    "PreliminaryFlag": "PRELIMINARY",
}

_GROUP_NEEDS = (codes.TRACKING_IDENTIFIER, codes.TRACKING_UNIQUE_IDENTIFIER, codes.FINDING, codes.PROBABILITY)


@quiet()
def check_report(built: BuiltObject, account: Account) -> None:
    """Check a structured report against its account. Raises DocumentRejected with the first thing wrong."""
    document = read_back(built.content)
    nodes = _content_of(document)
    uids = report_uids(account.source_uids, account.model, account.revision, ReportClass(document.SOPClassUID))
    check_identity(document, built, account.lead, uids)
    sources = {source.sop_instance_uid: source for source in account.sources}
    for node in nodes:
        _check_references(node, sources)
    _check_claims(nodes, account)
    demand(_says_not_analysed(nodes) is not bool(account.analysed), "it is wrong whether an image was analysed")
    _check_evidence(document, sources)


def _content_of(document: Dataset) -> list[ContentItem]:
    """Check a report without its account; return its content items in document order."""
    demand(document.SOPClassUID in {kind.value for kind in ReportClass}, "the SOP class is no SR class")
    for keyword, expected in _SR_REQUIRED.items():
        demand(document.get(keyword) == expected, f"{keyword} is not {expected}")
    nodes = list(ContentItem.of(document).walk())
    demand(nodes[0].concept == codes.IMAGING_MEASUREMENT_REPORT.value, "the root is not 126000 DCM")
    template = document.get("ContentTemplateSequence")
    demand(bool(template) and template[0].get("TemplateIdentifier") == "1500", "the template is not TID 1500")
    for node in nodes:
        _check_item(node)
    groups = _groups(nodes)
    said = bool(groups) or bool(_evaluations(nodes))
    demand(said is not _says_not_analysed(nodes), "there is no measurement group and no evaluation")
    seen: set[str] = set()
    for group in groups:
        children = {child.concept: child.item for child in group.children}
        for code in _GROUP_NEEDS:
            demand(code.value in children, f"a measurement group has no {code.meaning}")
        tracking = str(children[codes.TRACKING_UNIQUE_IDENTIFIER.value].UID)
        demand(UID(tracking).is_valid and tracking not in seen, "a tracking UID is invalid or used twice")
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
    demand(len(region) == 1 and region == beneath, "a measurement group has no outline of its own and its number's")
    demand(any(child.concept == codes.COMMENT.value for child in group.children), "a measurement group has no Comment")


def _check_item(node: ContentItem) -> None:
    item = node.item
    if node.kind == "CONTAINER":
        demand(item.get("ContinuityOfContent") == "SEPARATE", "a container is not SEPARATE")
    elif node.kind == "SCOORD":
        data = [float(value) for value in item.get("GraphicData") or ()]
        demand(item.GraphicType == "POLYLINE" and len(data) == 10, "a region is no rectangle")
        demand(data[:2] == data[-2:], "a region is not closed")
    elif node.kind == "NUM" and node.concept == codes.PROBABILITY.value:
        measured = item.MeasuredValueSequence[0]
        demand(0 <= float(measured.NumericValue) <= 100, "a probability is not within 0 and 100 %")


def _check_references(node: ContentItem, sources: dict[str, SourceImage]) -> None:
    if node.kind == "SCOORD":
        source = _referenced(node.item.ContentSequence[0], sources)
        data = [float(value) for value in node.item.GraphicData]
        inside = all(
            0 <= x <= source.columns and 0 <= y <= source.rows for x, y in zip(data[::2], data[1::2], strict=True)
        )
        demand(inside, "a region lies outside its picture")
    elif node.kind == "IMAGE":
        _referenced(node.item, sources)


def _referenced(item: Dataset, sources: dict[str, SourceImage]) -> SourceImage:
    reference = item.ReferencedSOPSequence[0]
    source = sources.get(str(reference.ReferencedSOPInstanceUID))
    if source is None or source.sop_class_uid != reference.ReferencedSOPClassUID:
        msg = "an image is referenced that is not reported on"
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


def _says_not_analysed(nodes: Iterable[ContentItem]) -> bool:
    """Tell whether a report says that no image was analysed."""
    return any(node.kind == "CODE" and node.concept == codes.PROCESSING_SUMMARY.value for node in nodes)


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
        demand(len(found) == len(expected), f"there are not {len(expected)} of: {what}")
        presence = [code.value if (code := codes.presence(claim)) else None for claim in expected]
        demand([_claimed(node) for node in found] == presence, f"a finding ({what}) claims what the reading does not")


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
    demand(listed == set(sources), "the evidence is not the images that are reported on")


@quiet()
def check_report_alone(content: bytes) -> None:
    """Check a structured report without its account. Raises DocumentRejected with the first thing wrong."""
    _content_of(read_back(content))
