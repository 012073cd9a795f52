"""How values read on a page: pure functions from records to words and drawings."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from pydicom.uid import UID

from reporting.reading import Claim, Read, claim_words, headline, of_study, percent, read, telling
from tracking import conflicts
from tracking.queries import DeliverySummary, FindingSummary, StudySummary
from tracking.worklist import FindingDetail

__all__ = ["headline", "percent", "telling"]

Summary = TypeVar("Summary", FindingSummary, FindingDetail)
STATUS_WORDS = {
    "conflict": "two patients", "attention": "needs attention", "received": "received", "analysed": "analysed",
    "reported": "being delivered", "delivered": "delivered", "not-analysed": "not analysed", "rejected": "rejected",
}  # fmt: skip
REFUSED = {
    "association": "Association", "context": "Presentation context", "instance": "Image",
    "spare-context": "Presentation context (beside others)",
}  # fmt: skip
KINDS = {"sr": "Structured report", "sc": "Secondary capture", "hl7": "HL7 result"}
REJECTED = {"by-hand": "rejected by hand", "other-patient": "rejected: of another patient"}
_SEXES = {"F": "female", "M": "male", "O": "other"}
_SHOWN_OF_A_HASH = 12


@dataclass(frozen=True, slots=True)
class Bar:
    """A score with its two operating points, all in percent of the bar; points are None where none are recorded."""

    score: float
    sensitive: float | None
    specific: float | None


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


def read_image(findings: Iterable[FindingDetail], instance_uid: str) -> list[Read[FindingDetail]]:
    """Return the findings of one image as they are read beside one another."""
    return read([finding for finding in findings if finding.instance_uid == instance_uid])


def read_study(findings: Iterable[Summary]) -> list[Read[Summary]]:
    """Return the findings of all images of a study, read as one."""
    return of_study(findings)


def name(finding: FindingSummary | FindingDetail) -> str:
    """Return what a finding is called: as in every document, else its label in words."""
    return finding.meaning or finding.label.replace("_", " ")


def claim(one: Read[Summary]) -> str:
    """Return what is claimed of a finding, in a word."""
    return claim_words(one.claim, abnormal=one.finding.abnormal)


def tone(one: Read[Summary]) -> str:
    """Return the name of a claim's colour: good news is never shown in the colour of bad news."""
    if one.claim in {Claim.ABSENT, Claim.WITHHELD}:
        return "absent"
    if not one.finding.abnormal:
        return "good" if one.claim is Claim.PRESENT else "mild"
    return one.claim.value


def note(one: Read[Summary]) -> str:
    """Return what has to stand beside a finding that is claimed."""
    finding = one.finding
    text = finding.note if isinstance(finding, FindingSummary) else finding.detail.get("note")
    return text if isinstance(text, str) and one.claim in {Claim.PRESENT, Claim.POSSIBLE} else ""


def reasons(study: StudySummary) -> list[str]:
    """Return why images of a study were not analysed, each reason once."""
    return sorted({outcome.because for outcome in study.not_analysed})


def bar(finding: FindingDetail) -> Bar:
    """Return a finding's score and operating points for its bar."""
    points = finding.detail.get("points")
    points = points if isinstance(points, dict) else {}
    return Bar(round(100 * finding.score, 2), _percent(points.get("sensitive")), _percent(points.get("specific")))


def _percent(value: Any) -> float | None:
    return round(100 * value, 2) if isinstance(value, int | float) else None


def boxes(one: Read[FindingDetail]) -> int:
    """Return the number of regions that a finding marks: those at or above a point, of a finding that is claimed."""
    found = one.finding.detail.get("boxes")
    if not isinstance(found, list) or one.claim in {Claim.ABSENT, Claim.WITHHELD}:
        return 0
    return sum(not isinstance(box, dict) or box.get("level") != "absent" for box in found)


def ways_out(study: StudySummary) -> list[str]:
    """Return the commands that end a conflict."""
    return conflicts.ways_out(study.study_uid, study.patients)


def deliveries_of(study: StudySummary, document_uid: str) -> list[DeliverySummary]:
    """Return where a document went."""
    return [delivery for delivery in study.deliveries if delivery.document_uid == document_uid]


def delivered(study: StudySummary) -> int:
    """Return how many deliveries are confirmed."""
    return sum(delivery.state == "delivered" for delivery in study.deliveries)


def detail(values: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the detail of an audit line as names and texts; hashes are shortened, what is empty is left out."""
    return [(name.replace("_", " "), _text(value)) for name, value in values.items() if value not in {None, ""}]


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{str(value)[:_SHOWN_OF_A_HASH]}…" if _is_hash(value) else str(value)


def _is_hash(value: object) -> bool:
    return isinstance(value, str) and len(value) == 64 and set(value) <= set("0123456789abcdef")
