"""Answers of readers to findings, for programs: what can be answered, what was, and giving one."""

from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from config.errors import ActionRefused
from console.answering import AnswerForm, AnswerRow, Panel
from console.api.bodies import Body, described, read_body
from console.api.models import reader_models
from console.api.prefix import PREFIX
from console.api.studies import Uid
from console.pages.answer import answered_analysis, record, study_answers
from console.site import Site, actor_of
from tracking.answers.feedback import LONGEST_COMMENT, LONGEST_NAME, Answer, DrawnBox, RecordedAnswer
from tracking.lists import queries, study_page

_SIDES = ("x", "y", "width", "height")
_Number = Annotated[float, Field(ge=-100_000, le=100_000)]


class GivenAnswer(Body):
    """One answer, as the study's page gives it."""

    analysis: int
    """The analysis that is answered: nobody answers what they have not seen."""
    answer: Annotated[str, Field(json_schema_extra={"enum": [answer.value for answer in Answer]}, max_length=20)]
    subject: Annotated[str, Field(max_length=64)] = ""
    """UID of the finding, region, image or earlier answer; left out for a finding that is added."""
    image: Annotated[str, Field(max_length=64)] = ""
    """SOP Instance UID, where a finding is added or taken back."""
    label: Annotated[str, Field(max_length=64)] = ""
    """An added finding of the package, by its key."""
    word: Annotated[str, Field(max_length=LONGEST_NAME)] = ""
    """An added finding that the package does not have."""
    comment: Annotated[str, Field(max_length=LONGEST_COMMENT)] = ""
    box: tuple[_Number, _Number, _Number, _Number] | None = None
    """Left, top, width and height in pixels of the source image."""


def routes(site: Site) -> APIRouter:
    """Return the routes of the answers."""
    pages = _Answers(site)
    router = APIRouter(prefix=PREFIX, tags=["feedback"])
    router.get("/studies/{uid}/answers", response_model=reader_models.StudyAnswers)(pages.show)
    extra: dict[str, Any] = described(GivenAnswer)
    router.post("/studies/{uid}/answers", response_model=reader_models.AnswerOutcome, openapi_extra=extra)(pages.give)
    return router


class _Answers:
    def __init__(self, site: Site) -> None:
        self._site = site

    def show(self, request: Request, uid: Uid) -> reader_models.StudyAnswers:
        """Return what can be answered about the analysis that holds, and what readers have answered."""
        self._site.note_view(request, uid, {"what": "answers", "how": "api"})
        with self._site.database.reading() as read:
            analysis = study_page.standing_analysis(read, uid)
            images = queries.instances(read, uid)
        found = study_answers(self._site, request, uid, analysis, images)
        return reader_models.StudyAnswers(analysis=found.analysis_id, images=tuple(map(_image, found.panels)))

    async def give(self, request: Request, uid: Uid) -> reader_models.AnswerOutcome:
        """Give an answer to a finding, a region or an image; a later one of the same user takes its place."""
        sent = await read_body(request, GivenAnswer)
        return await run_in_threadpool(self._give, request, uid, sent)

    def _give(self, request: Request, uid: str, sent: GivenAnswer) -> reader_models.AnswerOutcome:
        box = None if sent.box is None else dict(zip(_SIDES, map(str, sent.box), strict=True))
        form = AnswerForm(sent.answer, sent.subject, sent.image, sent.label, sent.word, sent.comment, box)
        analysis = answered_analysis(self._site, uid)
        try:
            return reader_models.AnswerOutcome(
                id=record(self._site, analysis, form, str(sent.analysis), actor_of(request))
            )
        except ActionRefused as refused:
            problem = str(refused)
            raise HTTPException(409, f"{problem[0].upper()}{problem[1:]}.") from None


def _image(panel: Panel) -> reader_models.AnswerableImage:
    return reader_models.AnswerableImage(
        instance_uid=panel.instance_uid,
        rows=panel.size[0] if panel.size is not None else None,
        columns=panel.size[1] if panel.size is not None else None,
        findings=tuple(map(_subject, panel.rows)),
        nothing_missed_subject=panel.image.uid,
        comment_subject=panel.comment.uid,
        nothing_missed=tuple(map(_answer, panel.nothing_missed)),
        added=tuple(map(_answer, panel.added)),
        comments=tuple(map(_answer, panel.comments)),
    )


def _subject(row: AnswerRow) -> reader_models.AnswerableFinding:
    about = row.subject
    return reader_models.AnswerableFinding(
        subject=about.uid, kind=about.kind.value, label=about.label, name=about.name, region=about.position or None,
        said=row.said.replace("\N{NO-BREAK SPACE}", " "), box=_box(row.box), answers=tuple(map(_answer, row.given)),
    )  # fmt: skip


def _answer(answer: RecordedAnswer) -> reader_models.ReaderAnswer:
    return reader_models.ReaderAnswer(
        id=answer.id, subject=answer.subject.uid, answer=answer.answer.value, name=answer.subject.name,
        box=_box(answer.box), comment=answer.comment, user=answer.user, at=answer.at,
    )  # fmt: skip


def _box(box: DrawnBox | None) -> tuple[float, float, float, float] | None:
    return None if box is None else (box.x0, box.y0, box.x1 - box.x0, box.y1 - box.y0)
