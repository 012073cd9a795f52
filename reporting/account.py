"""What one analysis has to say, as the builders of every kind of document take it: pure values, no clock."""

from dataclasses import dataclass
from datetime import datetime

from inference.findings import Finding, Level, ModelIdentity
from reporting.source import SourceImage

MANUFACTURER = "cxrnode"
NOT_VERIFIED = "AI result, not verified by a radiologist"
RESEARCH_USE = "research use only, not a medical device"
LEVEL_WORDS = {Level.PRESENT: "present", Level.POSSIBLE: "possible", Level.ABSENT: "not found"}


@dataclass(frozen=True, slots=True)
class AnalysedImage:
    """One picture and what the model found on it."""

    source: SourceImage
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class SkippedImage:
    """A picture of the study that was not analysed. ``because`` completes "not analysed because …"."""

    sop_instance_uid: str
    sop_class_uid: str
    because: str


@dataclass(frozen=True, slots=True)
class Predecessor:
    """The structured report that this analysis replaces."""

    series_uid: str
    sop_class_uid: str
    sop_instance_uid: str


@dataclass(frozen=True, slots=True)
class Account:
    """One analysis of one revision of a study, ready to be written down.

    ``source_uids`` are the SOP Instance UIDs of every instance of the revision, analysed or not: the identity of
    every document derives from them. ``completed_at`` is aware; all times in documents come from it.
    """

    model: ModelIdentity
    revision: int
    completed_at: datetime
    analysed: tuple[AnalysedImage, ...]
    skipped: tuple[SkippedImage, ...]
    source_uids: tuple[str, ...]
    institution: str = ""
    corrects: bool = False
    """Whether an earlier revision of the study was already reported."""
    predecessor: Predecessor | None = None

    @property
    def lead(self) -> SourceImage:
        """Return the source whose patient and study attributes all documents of this analysis carry."""
        return self.analysed[0].source

    def local_time(self) -> datetime:
        """Return when the analysis was completed: at the source's stated offset, else in this node's own zone."""
        return self.completed_at.astimezone(self.lead.timezone())


def summarise(account: Account) -> list[str]:
    """Return the impression, one sentence a picture and finding, abnormal and likely first."""
    lines = []
    several = len(account.analysed) > 1
    for number, image in enumerate(account.analysed, 1):
        prefix = f"Image {number}: " if several else ""
        lines += [f"{prefix}{sentence(finding)}" for finding in ranked(image.findings)]
    return lines


def sentence(finding: Finding) -> str:
    """Return one finding in words, such as ``Lung opacity: present (91 %), 2 regions marked``."""
    regions = len(finding.boxes)
    marked = f", {regions} region{'s' if regions > 1 else ''} marked" if regions else ""
    return f"{finding.code.meaning}: {LEVEL_WORDS[finding.level]} ({percent(finding.score)} %){marked}"


def ranked(findings: tuple[Finding, ...]) -> list[Finding]:
    """Order findings for a reader: abnormal before normal, then by level, then by score."""
    order = {Level.PRESENT: 0, Level.POSSIBLE: 1, Level.ABSENT: 2}
    return sorted(findings, key=lambda f: (not f.abnormal, order[f.level], -f.score, f.label))


def percent(score: float) -> str:
    """Return a probability as a percentage for people, never rounded up to certainty."""
    value = round(score * 100)
    return f"{min(max(value, 1), 99)}" if 0 < score < 1 else f"{value}"
