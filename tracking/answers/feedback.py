"""What radiologists answer to the findings of a model: recorded with its audit line, read for pages and for export.

Nothing is ever overwritten. An answer is *current* while the same person has given no later one about the same subject;
a later ``withdrawn`` takes an answer back and leaves none.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Select, and_, exists, func, select
from sqlalchemy.orm import Session, aliased

from config.errors import ActionRefused
from tracking.audit_log import audit
from tracking.audit_log.audit import AuditEventType
from tracking.engine.clock import to_datetime
from tracking.people.users import Actor
from tracking.results.analyses import load_study
from tracking.studies import conflicts
from tracking.studies.instances import StudyHeader
from tracking.tables.feedback_models import Feedback
from tracking.tables.models import Analysis, Finding, Instance, Study

LONGEST_COMMENT = 1000
LONGEST_NAME = 64
_BELOW_BOTH_POINTS = "absent"
"""The level of a finding whose score is below its sensitive point (:class:`inference.findings.Level`)."""


class SubjectKind(StrEnum):
    """What an answer is about."""

    FINDING = "finding"
    REGION = "region"
    ADDED = "added"
    """A finding, or a region of one, that the model missed."""
    IMAGE = "image"
    """All that the model says of an image."""


class Answer(StrEnum):
    """What somebody answers."""

    AGREE = "agree"
    DISAGREE = "disagree"
    UNSURE = "unsure"
    CORRECTED = "corrected"
    """Of a region: it is there, in the box that comes with the answer."""
    ADDED = "added"
    NOTHING_MISSED = "nothing-missed"
    """Of an image: it shows no finding that the model put below its sensitive point."""
    COMMENT = "comment"
    WITHDRAWN = "withdrawn"
    """The person's earlier answer about the subject does not hold any more."""


ANSWERS = {
    SubjectKind.FINDING: frozenset({Answer.AGREE, Answer.DISAGREE, Answer.UNSURE, Answer.WITHDRAWN}),
    SubjectKind.REGION: frozenset(
        {Answer.AGREE, Answer.DISAGREE, Answer.UNSURE, Answer.CORRECTED, Answer.WITHDRAWN}
    ),
    SubjectKind.ADDED: frozenset({Answer.ADDED, Answer.WITHDRAWN}),
    SubjectKind.IMAGE: frozenset({Answer.NOTHING_MISSED, Answer.COMMENT, Answer.WITHDRAWN}),
}  # fmt: skip
"""Which answers each kind of subject takes."""


@dataclass(frozen=True, slots=True)
class DrawnBox:
    """A rectangle in pixels of the source image: x is the column, y the row, as of :class:`inference.findings.Box`."""

    x0: float
    y0: float
    x1: float
    y1: float


@dataclass(frozen=True, slots=True)
class Subject:
    """What an answer is about; ``label``, ``name``, ``position`` and ``claimed`` as :class:`Feedback` has them."""

    uid: str
    kind: SubjectKind
    instance_uid: str
    label: str = ""
    name: str = ""
    position: int = 0
    claimed: bool | None = None


@dataclass(frozen=True, slots=True)
class AnsweredModel:
    """Whose findings are answered."""

    name: str
    version: str
    digest: str
    """SHA-256 over the package's manifest, hexadecimal."""


@dataclass(frozen=True, slots=True)
class GivenAnswer:
    """One answer as somebody gives it.

    Raises
    ------
    ActionRefused
        The subject takes no such answer, the box is none, or a text is too long.
    """

    study_uid: str
    revision: int
    subject: Subject
    model: AnsweredModel
    answer: Answer
    box: DrawnBox | None = None
    comment: str = ""

    def __post_init__(self) -> None:
        if self.answer not in ANSWERS[self.subject.kind]:
            raise ActionRefused(f"{self.answer.value} is no answer about this: choose one that the page offers")
        if self.answer is Answer.CORRECTED and self.box is None:
            raise ActionRefused("a corrected region needs its box: draw it or give its four numbers")
        if self.box is not None and not (self.box.x0 < self.box.x1 and self.box.y0 < self.box.y1):
            raise ActionRefused("the box has no area: draw it again or give a width and a height above 0")
        if self.answer is Answer.COMMENT and not self.comment:
            raise ActionRefused("the comment is empty: write one")
        if self.answer is Answer.ADDED and not self.subject.name:
            raise ActionRefused("the added finding has no name: choose one of the list or write a word")
        if len(self.comment) > LONGEST_COMMENT or len(self.subject.name) > LONGEST_NAME:
            raise ActionRefused(
                f"the text is too long: a comment has at most {LONGEST_COMMENT} characters, a name {LONGEST_NAME}"
            )


@dataclass(frozen=True, slots=True)
class RecordedAnswer:
    """An answer on record."""

    id: int
    study_uid: str
    revision: int
    subject: Subject
    model: AnsweredModel
    answer: Answer
    box: DrawnBox | None
    comment: str
    user: str
    at: datetime


@dataclass(frozen=True, slots=True)
class AnsweredFinding:
    """What an answered model said of one finding on an image; ``claimed`` as :class:`Subject` has it."""

    label: str
    name: str
    claimed: bool
    abnormal: bool
    regions: int = 0
    """How many regions it marks: those at or above a point, of a finding that is stated and claimed."""
    score: float | None = None


@dataclass(frozen=True, slots=True)
class AnsweredImage:
    """An image with the answers about it that hold, for export; ``path`` is relative to the instance store."""

    study: StudyHeader
    instance_uid: str
    path: str
    answers: tuple[RecordedAnswer, ...]
    findings: tuple[AnsweredFinding, ...]
    """Of the last answered result, in the package's order."""


@dataclass(frozen=True, slots=True)
class FeedbackFilter:
    """Which answers are listed or exported; what is None filters nothing.

    ``first`` and ``before`` bound the time of the answer, the second one exclusive; ``model`` is a package's name, or
    its name and version with a space between.
    """

    first: datetime | None = None
    before: datetime | None = None
    model: str | None = None


def record_answer(tx: Session, given: GivenAnswer, *, by: Actor) -> int | None:
    """Record an answer with its audit line; return its number, or None where it stands already.

    The audit line names the person, and holds no free text.

    Raises
    ------
    ActionRefused
        The study is in conflict or its images changed, or its result was withdrawn: what is answered does not
        hold any more.
    """
    if not conflicts.may_speak(tx, given.study_uid, given.revision):
        msg = "the result does not hold any more, as the study's images changed or its result was withdrawn: "
        msg += "open the study again"
        raise ActionRefused(msg)
    subject, box = given.subject, given.box
    if _stands(tx, given, by.name):
        return None
    row = Feedback(
        study_uid=given.study_uid, revision=given.revision, instance_uid=subject.instance_uid, subject_uid=subject.uid,
        kind=subject.kind.value, label=subject.label, name=subject.name, position=subject.position,
        claimed=subject.claimed, answer=given.answer.value, x0=box and box.x0, y0=box and box.y0, x1=box and box.x1,
        y1=box and box.y1, comment=given.comment, model_name=given.model.name, model_version=given.model.version,
        model_digest=given.model.digest, user_name=by.name,
    )  # fmt: skip
    tx.add(row)
    tx.flush()
    detail: audit.Detail = {
        "feedback": row.id, "subject_uid": subject.uid, "instance_uid": subject.instance_uid,
        "kind": subject.kind.value, "finding": subject.label, "region": subject.position or None,
        "answer": given.answer.value, "box": box is not None, "comment": bool(given.comment),
        "revision": given.revision, "model": f"{given.model.name} {given.model.version}",
    }  # fmt: skip
    audit.append(tx, AuditEventType.FEEDBACK_GIVEN, study_uid=given.study_uid, detail=detail | by.detail())
    return row.id


def answers_of(read: Session, study_uid: str) -> list[RecordedAnswer]:
    """Return all answers about a study in the order in which they were given, superseded ones, too."""
    rows = read.scalars(select(Feedback).where(Feedback.study_uid == study_uid).order_by(Feedback.id))
    return [_recorded(row) for row in rows]


def current_answers(answers: Iterable[RecordedAnswer]) -> list[RecordedAnswer]:
    """Return of each person and subject the last answer, unless that took it back; in the order they were given.

    ``answers`` are in the order of their numbers.
    """
    last = {_key(answer): answer for answer in answers}
    return sorted((answer for answer in last.values() if answer.answer is not Answer.WITHDRAWN), key=lambda a: a.id)


def list_answers(read: Session, which: FeedbackFilter, *, limit: int) -> list[RecordedAnswer]:
    """Return the newest current answers, the newest first."""
    rows = read.scalars(_current(which).order_by(Feedback.id.desc()).limit(limit))
    return [_recorded(row) for row in rows]


def count_answers(read: Session, which: FeedbackFilter) -> int:
    """Return how many answers are current."""
    return read.scalar(select(func.count()).select_from(_current(which).subquery())) or 0


def answered_images(read: Session, which: FeedbackFilter) -> list[AnsweredImage]:
    """Return the images with current answers that hold, ordered by their SOP Instance UID.

    Answers do not hold about an image that was rejected, went to another study, or was replaced since, or whose study
    names two patients.
    """
    holds = (
        _current(which)
        .join(Study, Study.study_uid == Feedback.study_uid)
        .join(Instance, and_(Instance.instance_uid == Feedback.instance_uid, Instance.study_uid == Feedback.study_uid))
        .where(Study.conflict_since.is_(None), Feedback.revision >= Study.valid_from, Instance.rejected.is_(None))
        .add_columns(Instance.path)
        .order_by(Feedback.instance_uid, Feedback.id)
    )
    answers: dict[str, list[RecordedAnswer]] = {}
    paths: dict[str, str] = {}
    for row, path in read.execute(holds):
        answers.setdefault(row.instance_uid, []).append(_recorded(row))
        paths[row.instance_uid] = path
    return [
        AnsweredImage(load_study(read, given[0].study_uid), uid, paths[uid], tuple(given), _findings(read, given[-1]))
        for uid, given in answers.items()
    ]


def _findings(read: Session, answer: RecordedAnswer) -> tuple[AnsweredFinding, ...]:
    """Return the findings of the result that an answer is about, on its image."""
    rows = read.execute(
        select(Finding.label, Finding.code_meaning, Finding.level, Finding.abnormal, Finding.detail, Finding.score)
        .join(Analysis, Finding.analysis_id == Analysis.id)
        .where(
            Analysis.study_uid == answer.study_uid,
            Analysis.revision == answer.revision,
            Analysis.model_digest == answer.model.digest,
            Finding.instance_uid == answer.subject.instance_uid,
        )
        .order_by(Finding.id)
    )
    findings = []
    for label, name, level, abnormal, detail, score in rows:
        claimed = level != _BELOW_BOTH_POINTS
        boxes = detail.get("boxes", ()) if claimed and detail.get("stated") is True else ()
        regions = sum(box.get("level") != _BELOW_BOTH_POINTS for box in boxes)
        findings.append(AnsweredFinding(label, name, claimed, abnormal, regions, score))
    return tuple(findings)


def note_export(tx: Session, *, images: int, answers: int, by: Actor) -> None:
    """Write into the audit log that answers and images left the node."""
    detail: audit.Detail = {"images": images, "answers": answers}
    audit.append(tx, AuditEventType.FEEDBACK_EXPORTED, detail=detail | by.detail())


def _stands(tx: Session, given: GivenAnswer, user: str) -> bool:
    """Say whether the person's last answer about the subject is this one; nothing is taken back where none is."""
    if given.answer is Answer.ADDED:
        mine: Sequence[RecordedAnswer] = [
            answer
            for answer in current_answers(answers_of(tx, given.study_uid))
            if answer.user == user and answer.answer is Answer.ADDED
        ]
        what = (given.subject.instance_uid, given.subject.label, given.subject.name, given.box, given.comment)
        return any(
            (answer.subject.instance_uid, answer.subject.label, answer.subject.name, answer.box, answer.comment) == what
            for answer in mine
        )
    last = tx.scalar(
        select(Feedback)
        .where(Feedback.subject_uid == given.subject.uid, Feedback.user_name == user)
        .order_by(Feedback.id.desc())
        .limit(1)
    )
    if last is None:
        return given.answer is Answer.WITHDRAWN
    answer = _recorded(last)
    return (answer.answer, answer.box, answer.comment) == (given.answer, given.box, given.comment)


def _current(which: FeedbackFilter) -> Select[Feedback]:
    later = aliased(Feedback)
    superseded = exists().where(
        later.subject_uid == Feedback.subject_uid, later.user_name == Feedback.user_name, later.id > Feedback.id
    )
    query = select(Feedback).where(~superseded, Feedback.answer != Answer.WITHDRAWN.value)
    if which.first is not None:
        query = query.where(Feedback.at >= int(which.first.timestamp() * 1000))
    if which.before is not None:
        query = query.where(Feedback.at < int(which.before.timestamp() * 1000))
    if which.model is not None:
        name, _, version = which.model.partition(" ")
        query = query.where(Feedback.model_name == name)
        query = query.where(Feedback.model_version == version) if version else query
    return query


def _key(answer: RecordedAnswer) -> tuple[str, str]:
    return answer.user, answer.subject.uid


def _recorded(row: Feedback) -> RecordedAnswer:
    sides = (row.x0, row.y0, row.x1, row.y1)
    return RecordedAnswer(
        id=row.id,
        study_uid=row.study_uid,
        revision=row.revision,
        subject=Subject(
            row.subject_uid, SubjectKind(row.kind), row.instance_uid, row.label, row.name, row.position, row.claimed
        ),
        model=AnsweredModel(row.model_name, row.model_version, row.model_digest),
        answer=Answer(row.answer),
        box=None if None in sides else DrawnBox(*(float(side or 0) for side in sides)),
        comment=row.comment,
        user=row.user_name,
        at=to_datetime(row.at),
    )
