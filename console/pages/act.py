"""The pages of an act on a study or a destination: one says what will happen, and its form does it."""

import time

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from config.errors import ActionRefused, ConfirmationNeeded, WorkUnderWay
from config.language.translation import gettext as _
from console import words
from console.acts.act import Act, ActRequest, Fields, perform
from console.acts.destination_acts import DESTINATION_ACTS
from console.acts.study_acts import STUDY_ACTS
from console.forms import read_fields
from console.site import POST_PAGE, READ_PAGE, Site
from tracking.lists import queries
from tracking.outbox.reasons import Reason
from tracking.results.analyses import load_study

PATIENCE_SECONDS = 5.0
"""How long a form waits for work on its study to end."""


def routes(site: Site) -> APIRouter:
    """Return two routes for each act: the page that says what will happen, and the form."""
    router = APIRouter()
    for act in STUDY_ACTS:
        pages = StudyAct(site, act)
        router.api_route(f"/study/{{uid}}/{act.name}", **READ_PAGE)(pages.confirm)
        router.api_route(f"/study/{{uid}}/{act.name}", **POST_PAGE)(pages.do)
    for act in DESTINATION_ACTS:
        steps = DestinationAct(site, act)
        router.api_route(f"/destinations/{{name}}/{act.name}", **READ_PAGE)(steps.confirm)
        router.api_route(f"/destinations/{{name}}/{act.name}", **POST_PAGE)(steps.do)
    return router


class StudyAct:
    """The pages of one act on a study."""

    def __init__(self, site: Site, act: Act) -> None:
        self._site = site
        self._act = act

    def confirm(self, request: Request, uid: str) -> HTMLResponse:
        """Say what will happen, and to whose study; who looks is noted."""
        self._site.note_view(request, uid, {"what": f"asked whether to {self._act.name}"})
        return self._show(request, uid, dict(request.query_params))

    async def do(self, request: Request, uid: str) -> HTMLResponse:
        """Do it; say what came of it, or why not."""
        fields = await read_fields(request)
        return await run_in_threadpool(self._do, request, uid, fields)

    def _do(self, request: Request, uid: str, fields: Fields) -> HTMLResponse:
        if uid != words.printable(uid):
            raise HTTPException(404)
        act_request = ActRequest(self._site, uid, fields, request.state.identity)
        try:
            answer = _perform_when_idle(self._act, act_request)
        except ConfirmationNeeded as needed:
            return self._refuse(request, uid, {**fields, "sha256": needed.sha256, "asks": "yes"}, str(needed))
        except ActionRefused as refused:
            return self._refuse(request, uid, fields, str(refused))
        back = None if self._act.name in {"delete", "discard"} else f"/study/{uid}"
        return _show_done(self._site, request, self._act, _("Study %(uid)s") % {"uid": uid}, answer, back or "/")

    def _refuse(self, request: Request, uid: str, fields: Fields, problem: str) -> HTMLResponse:
        """Say why nothing was changed; the page names the patient, so that who looks is noted."""
        self._site.note_view(request, uid, {"what": f"was refused to {self._act.name}"})
        return self._show(request, uid, fields, problem=problem, code=409)

    def _show(self, request: Request, uid: str, fields: Fields, *, problem: str = "", code: int = 200) -> HTMLResponse:
        with self._site.database.reading() as read:
            summary = queries.find_study(read, uid)
            header = load_study(read, uid) if summary is not None else None
        if summary is None or header is None:
            raise HTTPException(404)
        return self._site.show(
            request, "act.html", code, act=self._act, fields=fields, summary=summary, header=header, problem=problem,
            destinations=sorted(self._site.destination_names), reasons=list(Reason), back=f"/study/{uid}", subject=uid,
        )  # fmt: skip


class DestinationAct:
    """The pages of one act on a destination."""

    def __init__(self, site: Site, act: Act) -> None:
        self._site = site
        self._act = act

    def confirm(self, request: Request, name: str) -> HTMLResponse:
        """Say what will happen to which destination."""
        return self._show(request, name)

    async def do(self, request: Request, name: str) -> HTMLResponse:
        """Do it; say what came of it, or why not."""
        fields = await read_fields(request)
        return await run_in_threadpool(self._do, request, name, fields)

    def _do(self, request: Request, name: str, fields: Fields) -> HTMLResponse:
        act_request = ActRequest(self._site, words.printable(name), fields, request.state.identity)
        try:
            answer = perform(self._act, act_request)
        except ActionRefused as refused:
            return self._show(request, name, problem=str(refused), code=409)
        return _show_done(
            self._site, request, self._act, _("Destination %(name)s") % {"name": name}, answer, "/destinations"
        )

    def _show(self, request: Request, name: str, *, problem: str = "", code: int = 200) -> HTMLResponse:
        with self._site.database.reading() as read:
            known = {summary.name for summary in queries.destinations(read)} | self._site.destination_names
        if name not in known:
            raise HTTPException(404)
        return self._site.show(
            request, "act.html", code, act=self._act, fields={}, summary=None, header=None, problem=problem,
            destinations=(), reasons=(), back="/destinations", subject=name,
        )  # fmt: skip


def _perform_when_idle(act: Act, act_request: ActRequest) -> str:
    """Do it when nothing works on the study; raise WorkUnderWay where something does for too long."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return perform(act, act_request)
        except WorkUnderWay:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def _show_done(site: Site, request: Request, act: Act, subject: str, answer: str, back: str) -> HTMLResponse:
    return site.show(request, "acted.html", act=act, subject=subject, answer=answer, back=back)
