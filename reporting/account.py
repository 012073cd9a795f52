"""What one analysis has to say, as the builders of every kind of document take it: pure values, no clock."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from config.language.translation import gettext as _
from inference.findings import Code, Finding, ModelIdentity, Remark
from inference.not_analysed import reason_words
from reporting.source import SourceImage

MANUFACTURER = "cxrnode"
CHEST_VIEWS = Code("30745-4", "LN", "XR Chest Views")
"""What is reported on where neither the order nor the settings say it."""
_NUMBERS_APART = 10
"""Series numbers between those of two revisions, so that their kinds do not meet."""
_LARGEST_NUMBER = 2**31 - 1
"""Of an IS (PS3.5 6.2)."""


@dataclass(frozen=True, slots=True)
class Lungs:
    """How far each lung reaches, in stored pixels: left, top, right and bottom of a rectangle around it."""

    left: tuple[float, float, float, float]
    """The patient's left lung."""
    right: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class AnalysedImage:
    """One image, what the model found on it, and what a reader must know about how it was read."""

    source: SourceImage
    findings: tuple[Finding, ...]
    remarks: tuple[Remark, ...] = ()
    to_left: Literal[1, -1] | None = None
    """Whether the patient's left is towards greater columns (1) or smaller ones (-1); None where it is not sure."""
    lungs: Lungs | None = None
    """How far the lungs reach, where they were outlined and both are wholly on the image."""


@dataclass(frozen=True, slots=True)
class SkippedImage:
    """An image of the study that was not analysed: ``words`` complete "not analysed because …"."""

    sop_instance_uid: str
    sop_class_uid: str
    because: str
    """In English, as it is on record."""
    code: str | None = None
    values: dict[str, Any] | None = None
    source: SourceImage | None = None
    """Its header, where no image of the study was analysed; None where it cannot be read."""

    @property
    def words(self) -> str:
        """Return the reason in the language in force."""
        return reason_words(self.because, self.code, self.values)


@dataclass(frozen=True, slots=True)
class Predecessor:
    """The structured report that this analysis replaces where it is: no report that was never sent."""

    series_uid: str
    sop_class_uid: str
    sop_instance_uid: str


@dataclass(frozen=True, slots=True)
class Account:
    """One analysis of one revision of a study, ready to be written down.

    Where no image was analysed it says why, and at least one skipped image has its ``source``.

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
    procedure: Code = CHEST_VIEWS
    """What was ordered or done: the same in every revision, so that receivers find the result again."""
    corrects: bool = False
    """Whether a destination has, or may have, documents of an earlier revision of the study."""
    predecessor: Predecessor | None = None

    @property
    def sources(self) -> tuple[SourceImage, ...]:
        """Return the images that documents refer to: those analysed, or where none was, those that were not."""
        if self.analysed:
            return tuple(image.source for image in self.analysed)
        return tuple(image.source for image in self.skipped if image.source is not None)

    @property
    def lead(self) -> SourceImage:
        """Return the source whose patient and study attributes all documents of this analysis carry."""
        return self.sources[0]

    def series_number(self, base: int) -> int:
        """Return the Series Number of a document: that of the settings, ten more for each revision replaced."""
        return min(base + _NUMBERS_APART * (self.revision - 1 if self.corrects else 0), _LARGEST_NUMBER)

    def series_description(self, words: str) -> str:
        """Return the Series Description of a document, with the revision where it replaces an earlier one."""
        if not self.corrects:
            return words
        return _("%(description)s, revision %(number)s") % {"description": words, "number": self.revision}

    def local_time(self) -> datetime:
        """Return when the analysis was completed: at the source's stated offset, else in this node's own zone."""
        return self.completed_at.astimezone(self.lead.timezone())
