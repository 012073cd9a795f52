"""What one analysis has to say, as the builders of every kind of document take it: pure values, no clock."""

from dataclasses import dataclass
from datetime import datetime

from inference.findings import Finding, ModelIdentity
from reporting.reading import summary
from reporting.source import SourceImage

MANUFACTURER = "cxrnode"
NOT_VERIFIED = "AI result, not verified by a radiologist"
RESEARCH_USE = "research use only, not a medical device"


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
    """Return the impression in lines without full stops: of each picture what is claimed, then what was not found."""
    several = len(account.analysed) > 1
    return [
        f"Image {number}: {line}" if several else line
        for number, image in enumerate(account.analysed, 1)
        for line in summary(image.findings)
    ]
