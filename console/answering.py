"""What a study's page offers to answer: each finding and region of the model, and what readers have answered to them.

Nothing here talks to the database or to a browser.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from config.errors import ActionRefused
from config.language.numbers import percentage
from config.language.translation import gettext as _
from config.logs import get_logger
from console.words import printable
from inference.findings import Box, Finding, Level, ModelIdentity, finding_from_json
from reporting.claims import ClaimedFinding, claims_of, percent, region_claim, region_number, regions_of
from reporting.identity import derived_uid, tracking_uid
from reporting.words import claim_words
from tracking.answers.feedback import (
    LONGEST_NAME,
    Answer,
    AnsweredModel,
    DrawnBox,
    GivenAnswer,
    RecordedAnswer,
    Subject,
    SubjectKind,
    current_answers,
)
from tracking.results.analyses import FindingRecord, OutcomeRecord, StoredAnalysis

log = get_logger(__name__)

Size = tuple[int, int]
"""Rows and columns of a stored image."""
_SIDES = ("x", "y", "width", "height")
EDGE_PIXELS = 1.0
"""How far rounding may push a box over the edge of its image; what is farther out is refused."""


@dataclass(frozen=True, slots=True)
class AnswerRow:
    """A finding or a region with what the model says of it and what readers answered."""

    subject: Subject
    said: str
    """What the model says, such as ``present 91 %``."""
    box: DrawnBox | None
    """The model's region."""
    mine: RecordedAnswer | None
    """The answer of who is asking."""
    given: tuple[RecordedAnswer, ...]
    """The answers of all, that of who is asking included."""
    scored_only: bool = False


@dataclass(frozen=True, slots=True)
class Panel:
    """What can be answered about one image."""

    instance_uid: str
    number: int
    """As the page counts its images."""
    size: Size | None
    """None where the image cannot be read: no box can be drawn then."""
    rows: tuple[AnswerRow, ...]
    image: Subject
    """What "nothing missed" is about."""
    comment: Subject
    """What a comment is about."""
    added: tuple[RecordedAnswer, ...]
    nothing_missed: tuple[RecordedAnswer, ...]
    comments: tuple[RecordedAnswer, ...]
    earlier: tuple[RecordedAnswer, ...]
    """Answers that later ones of the same person superseded, and what was taken back."""
    others: tuple[RecordedAnswer, ...]
    """Answers that hold about findings of another model or version."""
    labels: tuple[tuple[str, str], ...]
    """Keys and names of the package's findings, for one that the model missed."""

    def comment_of(self, user: str) -> str:
        """Return what a person wrote about the image."""
        return next((answer.comment for answer in self.comments if answer.user == user), "")

    def says_nothing_missed(self, user: str) -> bool:
        """Say whether a person said that nothing was missed."""
        return any(answer.user == user for answer in self.nothing_missed)


@dataclass(frozen=True, slots=True)
class AnswerForm:
    """What a form of the page sends, as texts."""

    answer: str
    subject: str = ""
    image: str = ""
    label: str = ""
    word: str = ""
    comment: str = ""
    box: Mapping[str, str] | None = None
    """The fields ``x``, ``y``, ``width`` and ``height``, in pixels of the source image."""


def panels_of(
    analysis: StoredAnalysis | None,
    answers: Sequence[RecordedAnswer],
    sizes: Mapping[str, Size],
    numbers: Mapping[str, int],
    user: str,
) -> tuple[Panel, ...]:
    """Return what can be answered about each analysed image, in the page's order.

    Parameters
    ----------
    analysis
        The analysis that holds; None gives no panel.
    answers
        All answers about the study in the order in which they were given.
    sizes
        Rows and columns of the images that can be read, by SOP Instance UID.
    numbers
        The number of each image on the page, by SOP Instance UID.
    user
        Who is asking.
    """
    if analysis is None:
        return ()
    panels = [
        _panel(analysis, outcome, answers, sizes.get(outcome.instance_uid), numbers[outcome.instance_uid], user)
        for outcome in analysis.outcomes
        if outcome.findings and outcome.instance_uid in numbers
    ]
    return tuple(sorted((panel for panel in panels if panel.rows), key=lambda panel: panel.number))


def given_answer(analysis: StoredAnalysis, form: AnswerForm, sizes: Mapping[str, Size]) -> GivenAnswer:
    """Return the answer that a form gives.

    Raises
    ------
    ActionRefused
        It answers nothing that the analysis says, or its box is none of its image.
    """
    try:
        answer = Answer(form.answer)
    except ValueError:
        raise ActionRefused("this is no answer: choose one that the page offers") from None
    subject, region = _subject_of(analysis, form, answer)
    drawn = answer in {Answer.CORRECTED, Answer.ADDED} and form.box is not None
    box = read_box(form.box or {}, sizes.get(subject.instance_uid)) if drawn else region
    return GivenAnswer(
        study_uid=analysis.study_uid,
        revision=analysis.revision,
        subject=subject,
        model=AnsweredModel(analysis.model_name, analysis.model_version, analysis.model_digest),
        answer=answer,
        box=box,
        comment=form.comment.replace("\r\n", "\n").strip() if answer in {Answer.COMMENT, Answer.ADDED} else "",
    )


def read_box(fields: Mapping[str, str], size: Size | None) -> DrawnBox | None:
    """Return the box of four fields in pixels of the source image; None where all are empty.

    Raises
    ------
    ActionRefused
        A field is no number, or the box is not within the image.
    """
    texts = [fields.get(side, "").strip().replace(",", ".") for side in _SIDES]
    if not any(texts):
        return None
    if size is None:
        raise ActionRefused("the image cannot be read, so that no box can be placed on it: answer without a box")
    try:
        x, y, width, height = (float(text) for text in texts)
    except ValueError:
        raise ActionRefused("a side of the box is no number: give left, top, width and height in pixels") from None
    rows, columns = size
    within = x >= -EDGE_PIXELS and y >= -EDGE_PIXELS
    within = within and x + width <= columns + EDGE_PIXELS and y + height <= rows + EDGE_PIXELS
    if not (within and width > 0 and height > 0):
        raise ActionRefused(f"the box is not within the image of {columns} by {rows} pixels: draw it again")
    return DrawnBox(max(x, 0.0), max(y, 0.0), min(x + width, float(columns)), min(y + height, float(rows)))


def _panel(
    analysis: StoredAnalysis,
    outcome: OutcomeRecord,
    answers: Sequence[RecordedAnswer],
    size: Size | None,
    number: int,
    user: str,
) -> Panel:
    instance_uid = outcome.instance_uid
    about = [answer for answer in answers if answer.subject.instance_uid == instance_uid]
    current = current_answers(about)
    findings = _findings(outcome.findings)
    model = _model(analysis)
    rows = [row for entry in claims_of(findings) for row in _rows(model, instance_uid, entry, current, user)]
    standing = {answer.id for answer in current}
    subjects = {row.subject.uid for row in rows} | {_image_subject(model, instance_uid, "image").uid}
    independent = {Answer.ADDED, Answer.COMMENT}
    return Panel(
        instance_uid=instance_uid,
        number=number,
        size=size,
        rows=tuple(rows),
        image=_image_subject(model, instance_uid, "image"),
        comment=_image_subject(model, instance_uid, "comment"),
        added=tuple(answer for answer in current if answer.answer is Answer.ADDED),
        nothing_missed=tuple(
            answer for answer in current if answer.answer is Answer.NOTHING_MISSED and answer.subject.uid in subjects
        ),
        comments=tuple(answer for answer in current if answer.answer is Answer.COMMENT),
        earlier=tuple(
            answer for answer in about if answer.id not in standing and answer.answer is not Answer.WITHDRAWN
        ),
        others=tuple(a for a in current if a.answer not in independent and a.subject.uid not in subjects),
        labels=tuple((finding.label, finding.code.meaning) for finding in findings if finding.abnormal),
    )


def _rows(
    model: ModelIdentity,
    instance_uid: str,
    entry: ClaimedFinding[Finding],
    current: Sequence[RecordedAnswer],
    user: str,
) -> list[AnswerRow]:
    said = [_said(entry), *(_said_of_region(entry, box) for box in regions_of(entry))]
    rows = []
    for (subject, box), words in zip(_answerable(model, instance_uid, entry), said, strict=True):
        given = tuple(answer for answer in current if answer.subject.uid == subject.uid)
        mine = next((answer for answer in given if answer.user == user), None)
        rows.append(AnswerRow(subject, words, box, mine, given, scored_only=not entry.stated))
    return rows


def _subject_of(analysis: StoredAnalysis, form: AnswerForm, answer: Answer) -> tuple[Subject, DrawnBox | None]:
    """Return what a form is about, and the model's box where that is a region."""
    model = _model(analysis)
    for outcome in analysis.outcomes:
        findings = _findings(outcome.findings)
        if answer is Answer.ADDED and findings and outcome.instance_uid == form.image:
            return _added_subject(outcome.instance_uid, findings, form), None
        for subject, box in _subjects(model, outcome.instance_uid, findings):
            if subject.uid == form.subject:
                return subject, None if answer is Answer.CORRECTED else box
    if answer is Answer.WITHDRAWN and form.subject and any(o.instance_uid == form.image for o in analysis.outcomes):
        return Subject(form.subject, SubjectKind.ADDED, form.image), None
    raise ActionRefused("the result says nothing of the kind any more: open the study again")


def _subjects(
    model: ModelIdentity, instance_uid: str, findings: Sequence[Finding]
) -> list[tuple[Subject, DrawnBox | None]]:
    """Return all that can be answered about what the model says of one image; a region with its box."""
    if not findings:
        return []
    subjects = [(_image_subject(model, instance_uid, about), None) for about in ("image", "comment")]
    return subjects + [about for entry in claims_of(findings) for about in _answerable(model, instance_uid, entry)]


def _answerable(
    model: ModelIdentity, instance_uid: str, entry: ClaimedFinding[Finding]
) -> list[tuple[Subject, DrawnBox | None]]:
    """Return a finding and its regions, these with their boxes."""
    finding = entry.finding
    regions = [
        (_region_subject(model, instance_uid, finding, number), DrawnBox(box.x0, box.y0, box.x1, box.y1))
        for number, box in enumerate(regions_of(entry), 1)
    ]
    return [(_finding_subject(model, instance_uid, finding), None), *regions]


def _image_subject(model: ModelIdentity, instance_uid: str, about: str) -> Subject:
    parts = (model.name, model.version, model.digest, instance_uid)
    return Subject(derived_uid("feedback", about, *parts), SubjectKind.IMAGE, instance_uid)


def _finding_subject(model: ModelIdentity, instance_uid: str, finding: Finding) -> Subject:
    uid = tracking_uid(model, instance_uid, finding.label, 0)
    claimed = finding.level is not Level.ABSENT
    name = finding.code.meaning[:LONGEST_NAME]
    return Subject(uid, SubjectKind.FINDING, instance_uid, finding.label, name, claimed=claimed)


def _region_subject(model: ModelIdentity, instance_uid: str, finding: Finding, number: int) -> Subject:
    uid = tracking_uid(model, instance_uid, finding.label, number)
    name = finding.code.meaning[:LONGEST_NAME]
    return Subject(uid, SubjectKind.REGION, instance_uid, finding.label, name, number, claimed=True)


def _added_subject(instance_uid: str, findings: Sequence[Finding], form: AnswerForm) -> Subject:
    """Return a subject of its own: nobody else's finding has its UID (PS3.5 B.2)."""
    names = {finding.label: finding.code.meaning for finding in findings}
    label = form.label if form.label in names else ""
    name = printable(names[label] if label else form.word)[:LONGEST_NAME]
    return Subject(f"2.25.{uuid.uuid4().int}", SubjectKind.ADDED, instance_uid, label, name)


def _said(entry: ClaimedFinding[Finding]) -> str:
    finding = entry.finding
    if not entry.stated:
        score = percentage(percent(finding), beside_words=True)
        if finding.level is Level.ABSENT:
            return _("scored only, %(score)s, below its point") % {"score": score}
        return _("scored only, %(score)s, above its point") % {"score": score}
    words = claim_words(entry.claim, abnormal=finding.abnormal)
    return f"{words} {percentage(percent(finding), beside_words=True)}" if entry.claimed else words


def _said_of_region(entry: ClaimedFinding[Finding], box: Box) -> str:
    words = claim_words(region_claim(entry, box), abnormal=entry.finding.abnormal)
    return f"{words} {percentage(f'{region_number(entry, box):.0f}', beside_words=True)}"


def _findings(records: Sequence[FindingRecord]) -> list[Finding]:
    """Return the findings on record that can be read; an earlier version did not keep all of them whole."""
    findings = []
    for record in records:
        try:
            findings.append(finding_from_json(dict(record.detail)))
        except (KeyError, TypeError, ValueError) as error:
            log.warning("finding-not-offered", label=record.label, error=type(error).__name__)
    return findings


def _model(analysis: StoredAnalysis) -> ModelIdentity:
    return ModelIdentity(analysis.model_name, analysis.model_version, analysis.model_digest, analysis.engine)
