"""How values read on a page: pure functions from records to words and drawings."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from pydicom.uid import UID

from reporting.claims import Claim, ClaimedFinding, claims_of, listed, percent, percentages, study_claims
from reporting.words import DISCLAIMER, NOTHING_STATED, SCORED_ONLY, claim_words, right_calls
from reporting.words import gist as _gist
from tracking import conflicts
from tracking.corrections import BY_HAND, OTHER_PATIENT
from tracking.document_kinds import IMAGES
from tracking.study_filter import Need
from tracking.study_page import FindingDetail
from tracking.summaries import DeliverySummary, FindingSummary, StudySummary, way_to_accept, way_to_decline

__all__ = [
    "DISCLAIMER", "IMAGES", "NOTHING_STATED", "SCORED_ONLY", "listed", "percent", "study_claims", "way_to_accept",
    "way_to_decline",
]  # fmt: skip

Summary = TypeVar("Summary", FindingSummary, FindingDetail)
STATUS_WORDS = {
    "conflict": "two patients", "waiting": "waits for a decision", "attention": "needs attention",
    "received": "received", "analysed": "analysed", "reported": "being delivered", "delivered": "delivered",
    "not-analysed": "not analysed", "withdrawn": "withdrawn", "rejected": "rejected",
}  # fmt: skip
NEEDS = {
    Need.DECISION: "a corrected file waits", Need.WORK: "analysis or report stopped",
    Need.DOCUMENT: "document quarantined", Need.DELIVERY: "delivery stopped",
}  # fmt: skip
REFUSED = {
    "association": "Association", "context": "Presentation context", "instance": "Image",
    "spare-context": "Presentation context (beside others)",
}  # fmt: skip
KINDS = {"sr": "Structured report", "sc": "Secondary capture", "sc-grey": "Secondary capture in greyscale",
         "map": "Score map", "pr": "Presentation state", "hl7": "HL7 result",
         "note": "Rejection note", "hl7-note": "HL7 withdrawal"}  # fmt: skip
REJECTED = {BY_HAND: "rejected by hand", OTHER_PATIENT: "rejected: of another patient"}
_SEXES = {"F": "female", "M": "male", "O": "other"}
_SHOWN_OF_A_HASH = 12


@dataclass(frozen=True, slots=True)
class Bar:
    """A score with its two operating points, all in percent of the bar; points are None where none are recorded.

    ``shown`` holds the same as people read them, the score first.
    """

    score: float
    sensitive: float | None
    specific: float | None
    shown: tuple[str, ...]


def moment(time: datetime | None) -> str:
    """Return a time as local date and time, to the second."""
    return time.astimezone().strftime("%Y-%m-%d %H:%M:%S") if time is not None else "–"


def person(name: str) -> str:
    """Return a DICOM person name (PS3.5 6.2.1) as people write it: ``Doe, Jane``; further scripts after a dot."""
    groups = [_group(group) for group in name.split("=")]
    return " · ".join(group for group in groups if group) or "–"


def _group(group: str) -> str:
    family, given, middle, prefix, suffix = (*group.split("^"), "", "", "", "", "")[:5]
    rest = " ".join(part.strip() for part in (prefix, given, middle, suffix) if part.strip())
    return ", ".join(part for part in (family.strip(), rest) if part)


def date(value: str) -> str:
    """Return a DICOM date (``20260105``) as ``2026-01-05``; anything else as it is."""
    return f"{value[:4]}-{value[4:6]}-{value[6:]}" if re.fullmatch(r"[0-9]{8}", value) else value or "–"


def sex(value: str) -> str:
    """Return a DICOM sex in words."""
    return _SEXES.get(value, value or "–")


def uid_name(uid: str) -> str:
    """Return what a UID of the Standard is called (PS3.6 Annex A), another one as it is."""
    return UID(uid).name


def size(count: int) -> str:
    """Return a number of bytes in a unit that suits it."""
    if count < 1000:
        return f"{count} B"
    return f"{count / 1000:.0f} kB" if count < 1_000_000 else f"{count / 1e6:.1f} MB"


def image_claims(findings: Iterable[FindingDetail], instance_uid: str) -> list[ClaimedFinding[FindingDetail]]:
    """Return the findings of one image with what is claimed of them beside one another."""
    return claims_of([finding for finding in findings if finding.instance_uid == instance_uid])


def gist(claims: Sequence[ClaimedFinding[Summary]]) -> str:
    """Return what is stated in one phrase, as every headline has it."""
    return _gist(claims, [name(entry.finding) for entry in claims])


def name(finding: FindingSummary | FindingDetail) -> str:
    """Return what a finding is called: as in every document, else its label in words."""
    return finding.meaning or finding.label.replace("_", " ")


def claim(entry: ClaimedFinding[Summary]) -> str:
    """Return what is claimed of a finding, in a word."""
    return claim_words(entry.claim, abnormal=entry.finding.abnormal)


def tone(entry: ClaimedFinding[Summary]) -> str:
    """Return the name of a claim's colour: good news is never shown in the colour of bad news."""
    if not entry.claimed:
        return "absent"
    if not entry.finding.abnormal:
        return "good" if entry.claim is Claim.PRESENT else "mild"
    return entry.claim.value


def note(entry: ClaimedFinding[Summary]) -> str:
    """Return what has to stand beside a finding that is claimed."""
    finding = entry.finding
    text = finding.note if isinstance(finding, FindingSummary) else finding.detail.get("note")
    return text if isinstance(text, str) and entry.claimed else ""


def right(entry: ClaimedFinding[FindingDetail]) -> str:
    """Return how often such calls were right, of a finding that is present."""
    evidence = entry.finding.detail.get("evidence")
    if entry.claim is not Claim.PRESENT or not isinstance(evidence, dict):
        return ""
    return right_calls(int(evidence["right"]), int(evidence["calls"]))


def remarks(study: StudySummary, instance_uid: str) -> list[str]:
    """Return what a reader must know about how an image was read."""
    return [remark.text for remark in study.remarks if remark.instance_uid == instance_uid]


def reasons(study: StudySummary) -> list[str]:
    """Return why images of a study were not analysed, each reason once."""
    return sorted({outcome.because for outcome in study.not_analysed})


def bar(finding: FindingDetail) -> Bar:
    """Return a finding's score and operating points for its bar."""
    sensitive, specific = (*finding.marks, None, None)[:2]
    return Bar(round(100 * finding.score, 2), _percent(sensitive), _percent(specific), percentages(finding))


def _percent(value: float | None) -> float | None:
    return None if value is None else round(100 * value, 2)


def boxes(entry: ClaimedFinding[FindingDetail]) -> int:
    """Return the number of regions that a finding marks: those at or above a point, of a finding that is claimed."""
    regions = entry.finding.detail.get("boxes")
    if not isinstance(regions, list) or not entry.claimed:
        return 0
    return sum(not isinstance(box, dict) or box.get("level") != "absent" for box in regions)


def layer_alt(layer: Any) -> str:
    """Return what an image of a page shows, for those who do not see it: a score map, or the capture where None."""
    if layer is None:
        return "Radiograph with the findings of the model drawn on it"
    return f"Radiograph with the score map of {layer.name} over it"


def ways_out(study: StudySummary) -> list[str]:
    """Return the commands that end a conflict."""
    return conflicts.ways_out(study.study_uid, study.patients)


def deliveries_of(study: StudySummary, document_uid: str) -> list[DeliverySummary]:
    """Return where a document went."""
    return [delivery for delivery in study.deliveries if delivery.document_uid == document_uid]


def delivered(study: StudySummary) -> int:
    """Return how many deliveries are confirmed."""
    return sum(delivery.state == "delivered" for delivery in study.deliveries)


def printable(text: str) -> str:
    """Return a text that somebody typed or named without what no page and no identifier holds, such as NUL."""
    return "".join(character for character in text.strip() if character.isprintable())


def detail(values: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the detail of an audit line as names and texts; hashes are shortened, what is empty is left out."""
    return [(name.replace("_", " "), _text(value)) for name, value in values.items() if value not in {None, ""}]


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{str(value)[:_SHOWN_OF_A_HASH]}…" if _is_hash(value) else str(value)


def _is_hash(value: object) -> bool:
    return isinstance(value, str) and len(value) == 64 and set(value) <= set("0123456789abcdef")
