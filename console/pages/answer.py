"""Answers of radiologists on a study's page: what a form gives is recorded, and the page shows it."""

from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from config.errors import ActionRefused
from console import answering, radiographs, words
from console.access import roles
from console.access.visitor import address_of
from console.answering import AnswerForm, Panel
from console.forms import read_fields
from console.refusal_log import refusal_log
from console.site import POST_PAGE, Site, actor_of
from tracking.answers import feedback
from tracking.lists import queries, study_page
from tracking.lists.summaries import InstanceSummary
from tracking.people.users import Actor, Identity
from tracking.results.analyses import StoredAnalysis

ANSWERS = "/study/{uid}/answers"
_FIELDS = 14
_BYTES = 16 * 1024
_BOX = ("x", "y", "width", "height")


@dataclass(frozen=True, slots=True)
class StudyAnswers:
    """What a study's page shows of answers."""

    panels: tuple[Panel, ...]
    analysis_id: int | None
    """The analysis that is answered; a form brings it back, so that nobody answers what they have not seen."""
    user: str
    may_answer: bool


def routes(site: Site) -> APIRouter:
    """Return the route that takes answers."""
    router = APIRouter()
    router.api_route(ANSWERS, **POST_PAGE)(AnswerPage(site).answer)
    return router


def study_answers(
    site: Site, request: Request, uid: str, analysis: StoredAnalysis | None, images: Sequence[InstanceSummary]
) -> StudyAnswers:
    """Return what readers answered about a study, and what they can answer; its ``images`` as its page counts them."""
    identity: Identity = request.state.identity
    with site.database.reading() as read:
        given = feedback.answers_of(read, uid)
    numbers = {image.instance_uid: number for number, image in enumerate(images, 1)}
    sizes = radiographs.sizes_of(site.settings, analysis)
    return StudyAnswers(
        panels=answering.panels_of(analysis, given, sizes, numbers, identity.name),
        analysis_id=analysis.id if analysis is not None else None,
        user=identity.name,
        may_answer=roles.allows(roles.ROUTES["POST", ANSWERS], identity.role),
    )


def answered_analysis(site: Site, uid: str) -> StoredAnalysis:
    """Return the analysis of a study that holds; without one there is nothing to answer, which is 404."""
    if uid != words.printable(uid):
        raise HTTPException(404)
    with site.database.reading() as read:
        analysis = study_page.standing_analysis(read, uid)
    if analysis is None:
        raise HTTPException(404)
    return analysis


def record(site: Site, analysis: StoredAnalysis, form: AnswerForm, analysis_id: str, by: Actor) -> int | None:
    """Record an answer; return its number, or None where it stands already.

    Raises
    ------
    ActionRefused
        It is to another analysis than the one that holds, or is no answer to what that says.
    """
    if analysis_id != str(analysis.id):
        raise ActionRefused("the study was analysed again since this page was shown: open it again")
    given = answering.given_answer(analysis, form, radiographs.sizes_of(site.settings, analysis))
    with site.database.transaction() as tx:
        return feedback.record_answer(tx, given, by=by)


class AnswerPage:
    """Takes an answer."""

    def __init__(self, site: Site) -> None:
        self._site = site

    async def answer(self, request: Request, uid: str) -> Response:
        """Record an answer and show the study again; a script asks for the answers alone."""
        fields = await read_fields(request, most_fields=_FIELDS, most_bytes=_BYTES)
        part = fields.get("part") == "1"
        form = AnswerForm(
            answer=fields.get("answer", ""),
            subject=fields.get("subject", ""),
            image=fields.get("image", ""),
            label=fields.get("label", ""),
            word=fields.get("word", ""),
            comment=fields.get("comment", ""),
            box={side: fields.get(side, "") for side in _BOX},
        )
        return await run_in_threadpool(self._record, request, uid, form, fields.get("analysis", ""), part)

    def _record(self, request: Request, uid: str, form: AnswerForm, analysis_id: str, part: bool) -> Response:
        analysis = answered_analysis(self._site, uid)
        try:
            record(self._site, analysis, form, analysis_id, actor_of(request))
        except ActionRefused as error:
            return self._refused(request, uid, str(error), part)
        if part:
            with self._site.database.reading() as read:
                images = queries.instances(read, uid)
            answers = study_answers(self._site, request, uid, analysis, images)
            return self._site.show(request, "answer_part.html", study_uid=uid, answers=answers)
        return RedirectResponse(f"{request.url.path.removesuffix('/answers')}#answers", 303)

    def _refused(self, request: Request, uid: str, problem: str, part: bool) -> Response:
        refusal_log.add("an answer to a finding that cannot be recorded", address_of(request.scope))
        if part:
            return PlainTextResponse(problem, 409)
        page: HTMLResponse = self._site.show(request, "answer_refused.html", 409, problem=problem, study_uid=uid)
        return page
