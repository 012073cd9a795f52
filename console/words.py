"""How values read on a page: pure functions from records to words and drawings."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from pydicom.uid import UID

from config.language.numbers import decimal
from config.language.translation import gettext as _
from config.language.translation import marked
from inference.not_analysed import reason_words
from reporting.claims import Claim, ClaimedFinding, claims_of, listed, percent, percentages, study_claims
from reporting.words import DISCLAIMER, NOTHING_STATED, SCORED_ONLY, claim_words, right_calls
from reporting.words import gist as _gist
from tracking.answers.feedback import Subject
from tracking.lists.study_filter import Need
from tracking.lists.study_page import FindingDetail
from tracking.lists.summaries import (
    DeliverySummary,
    FindingSummary,
    OutcomeSummary,
    StudySummary,
    WhyNot,
    way_to_accept,
    way_to_decline,
)
from tracking.outbox.document_kinds import IMAGES
from tracking.people.roles import Role
from tracking.studies import conflicts
from tracking.studies.corrections import BY_HAND, OTHER_PATIENT

__all__ = [
    "DISCLAIMER", "IMAGES", "NOTHING_STATED", "SCORED_ONLY", "listed", "percent", "study_claims", "way_to_accept",
    "way_to_decline",
]  # fmt: skip

Summary = TypeVar("Summary", FindingSummary, FindingDetail)
STATUS_WORDS = {
    "conflict": marked("two patients"), "waiting": marked("waits for a decision"),
    "attention": marked("needs attention"), "received": marked("received"), "analysed": marked("analysed"),
    "reported": marked("being delivered"), "delivered": marked("delivered"), "not-analysed": marked("not analysed"),
    "withdrawn": marked("withdrawn"), "rejected": marked("rejected"),
}  # fmt: skip
NEEDS = {
    Need.DECISION: marked("a corrected file waits"), Need.WORK: marked("analysis or report stopped"),
    Need.DOCUMENT: marked("document quarantined"), Need.DELIVERY: marked("delivery stopped"),
}  # fmt: skip
REFUSED = {
    "association": marked("Association"), "context": marked("Presentation context"), "instance": marked("Image"),
    "spare-context": marked("Presentation context (beside others)"),
    "commitment": marked("Answer to a storage commitment request"),
}  # fmt: skip
KINDS = {
    "sr": marked("Structured report"), "sc": marked("Secondary capture"),
    "sc-grey": marked("Secondary capture in greyscale"), "map": marked("Score map"), "summary": marked("Summary page"),
    "pr": marked("Presentation state"),
    "hl7": marked("HL7 result"), "fhir": marked("FHIR result"), "note": marked("Rejection note"),
    "hl7-note": marked("HL7 withdrawal"), "fhirnote": marked("FHIR withdrawal"),
}  # fmt: skip
STATES = {
    "waiting": marked("waiting"), "delivered": marked("delivered"), "stopped": marked("stopped"),
    "dropped": marked("dropped"), "not-taken": marked("not taken"),
}  # fmt: skip
"""Of a delivery."""
STEPS = {"analyse": marked("analysis"), "report": marked("report"), "deliver": marked("delivery")}
"""Of a study's way, as jobs are called."""
ROLES = {
    Role.VIEWER: marked("viewer"), Role.RADIOLOGIST: marked("radiologist"),
    Role.ADMINISTRATOR: marked("administrator"),
}  # fmt: skip
SERIES = {
    "delivered": marked("delivered"), "on-their-way": marked("on their way"), "not-analysed": marked("not analysed"),
    "need-a-person": marked("need a person"), "with-a-result": marked("with a result"),
    "without-a-result": marked("without a result"), "analysed-median": marked("analysed, median"),
    "analysed-95-%": marked("analysed, 95th percentile"), "delivered-median": marked("delivered, median"),
    "delivered-95-%": marked("delivered, 95th percentile"), "images": marked("images"),
}  # fmt: skip
"""What the shapes of a chart stand for (:mod:`console.charts`)."""
REASONS = {
    "unreadable": marked("unreadable"), "patient": marked("two patients"), "sop-class": marked("kind of object"),
    "modality": marked("modality"), "subject": marked("no patient"), "body-part": marked("body part"),
    "view": marked("view"), "view-unknown": marked("view unknown"), "age": marked("age"), "pixels": marked("pixels"),
    "implausible": marked("implausible image"), "verdict": marked("no chest radiograph by its image"),
}  # fmt: skip
"""Why images were not analysed (:class:`inference.not_analysed.Reason`)."""
REJECTED = {BY_HAND: marked("rejected by hand"), OTHER_PATIENT: marked("rejected: of another patient")}
_SEXES = {"F": marked("female"), "M": marked("male"), "O": marked("other")}
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
    return _(_SEXES.get(value, value)) or "–"


def uid_name(uid: str) -> str:
    """Return what a UID of the Standard is called (PS3.6 Annex A), another one as it is."""
    return UID(uid).name


def size(count: int) -> str:
    """Return a number of bytes in a unit that suits it."""
    if count < 1000:
        return f"{count} B"
    return f"{count / 1000:.0f} kB" if count < 1_000_000 else f"{decimal(f'{count / 1e6:.1f}')} MB"


def image_claims(findings: Iterable[FindingDetail], instance_uid: str) -> list[ClaimedFinding[FindingDetail]]:
    """Return the findings of one image with what is claimed of them beside one another."""
    return claims_of([finding for finding in findings if finding.instance_uid == instance_uid])


def gist(claims: Sequence[ClaimedFinding[Summary]]) -> str:
    """Return what is stated in one phrase, as every headline has it."""
    return _gist(claims, [name(entry.finding) for entry in claims])


def name(finding: FindingSummary | FindingDetail) -> str:
    """Return what a finding is called: as in every document, else its label in words."""
    return _(finding.meaning or finding.label.replace("_", " "))


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
    return _(text) if isinstance(text, str) and entry.claimed else ""


def right(entry: ClaimedFinding[FindingDetail]) -> str:
    """Return how often such calls were right, of a finding that is present."""
    evidence = entry.finding.detail.get("evidence")
    if entry.claim is not Claim.PRESENT or not isinstance(evidence, dict):
        return ""
    return right_calls(int(evidence["right"]), int(evidence["calls"]))


def remarks(study: StudySummary, instance_uid: str) -> list[str]:
    """Return what a reader must know about how an image was read."""
    return [remark.text for remark in study.remarks if remark.instance_uid == instance_uid]


def why_not(reason: WhyNot | OutcomeSummary) -> str:
    """Return why an image was not analysed, in the language in force."""
    return reason_words(reason.because, reason.code, reason.values)


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
        return _("Radiograph with the findings of the model drawn on it")
    return _("Radiograph with the score map of %(finding)s over it") % {"finding": _(layer.name)}


def series(kind: str) -> str:
    """Return what a shape of a chart stands for."""
    return _(SERIES.get(kind, kind.replace("-", " ")))


def subject_name(subject: Subject) -> str:
    """Return what an answer is about: a finding, or one of its regions; a reader's own words as they are."""
    name = _(subject.name) if subject.label else subject.name
    return (
        _("%(finding)s, region %(number)s") % {"finding": name, "number": subject.position}
        if subject.position
        else name
    )


def ways_out(study: StudySummary) -> list[str]:
    """Return the commands that end a conflict."""
    return conflicts.ways_out(study.study_uid, study.patients)


def deliveries_of(study: StudySummary, document_uid: str) -> list[DeliverySummary]:
    """Return where a document went."""
    return [delivery for delivery in study.deliveries if delivery.document_uid == document_uid]


def delivered(study: StudySummary) -> int:
    """Return how many deliveries are confirmed."""
    return sum(delivery.state == "delivered" for delivery in study.deliveries)


def capitalised(phrase: str) -> str:
    """Return a phrase as the beginning of a sentence."""
    return f"{phrase[:1].upper()}{phrase[1:]}"


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
