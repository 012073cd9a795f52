"""Readers' answers and what they can be given to."""

from datetime import datetime

from console.api.models.answer import Answer

Box = tuple[float, float, float, float]
"""Left, top, width and height in pixels of the source image."""


class ReaderAnswer(Answer):
    """An answer of a reader that holds."""

    id: int
    subject: str
    answer: str
    """``agree``, ``disagree``, ``unsure``, ``corrected``, ``added``, ``nothing-missed`` or ``comment``."""
    name: str
    box: Box | None
    comment: str
    user: str
    at: datetime


class AnswerableFinding(Answer):
    """A finding or a region of one, and what readers answered."""

    subject: str
    """The tracking UID, as the structured report has it."""
    kind: str
    """``finding`` or ``region``."""
    label: str
    name: str
    region: int | None
    said: str
    """What the model says, such as ``present 91 %``."""
    box: Box | None
    answers: tuple[ReaderAnswer, ...]


class AnswerableImage(Answer):
    """One analysed image, and what can be answered about it."""

    instance_uid: str
    rows: int | None
    """Null where the image cannot be read: no box can be drawn then."""
    columns: int | None
    findings: tuple[AnswerableFinding, ...]
    nothing_missed_subject: str
    comment_subject: str
    nothing_missed: tuple[ReaderAnswer, ...]
    added: tuple[ReaderAnswer, ...]
    comments: tuple[ReaderAnswer, ...]


class StudyAnswers(Answer):
    """What can be answered about a study."""

    analysis: int | None
    """Send it back with an answer; null where no result holds."""
    images: tuple[AnswerableImage, ...]


class AnswerOutcome(Answer):
    """What came of an answer."""

    id: int | None
    """Its number; null where it stood already."""
