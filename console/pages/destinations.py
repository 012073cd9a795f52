"""The destinations: what waits for each of them since when and why, what they answered, and asking them."""

import threading
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from sqlalchemy import select
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from config.certificates import expiries
from config.destinations import Destination
from config.errors import CxrnodeError
from config.language.translation import gettext as _
from console.forms import read_fields
from console.site import POST_PAGE, READ_PAGE, Site, actor_of
from reporting.delivery import destination_echo
from tracking.audit_log import audit
from tracking.audit_log.audit import AuditEventType
from tracking.engine.clock import now_ms, to_datetime
from tracking.jobs import queue
from tracking.lists import queries
from tracking.outbox import pauses
from tracking.outbox.destination_answers import destination_answers
from tracking.outbox.taken_classes import report_words, taken_classes

AT_ONCE = 2
"""Destinations that are asked at the same time: each may let its visitor wait for 20 seconds."""


def routes(site: Site) -> APIRouter:
    """Return the routes of the destinations."""
    pages = _Pages(site)
    router = APIRouter()
    router.api_route("/destinations", **READ_PAGE)(pages.show)
    router.api_route("/destinations/echo", **POST_PAGE)(pages.echo)
    return router


class _Pages:
    def __init__(self, site: Site) -> None:
        self._site = site
        self._configured = {entry.name: entry for entry in site.settings.destinations}
        self._turns = threading.BoundedSemaphore(AT_ONCE)

    def show(self, request: Request) -> HTMLResponse:
        return self._page(request)

    async def echo(self, request: Request) -> HTMLResponse:
        fields = await read_fields(request)
        return await run_in_threadpool(self._echo, request, fields.get("name", ""))

    def _echo(self, request: Request, name: str) -> HTMLResponse:
        destination = self._configured.get(name)
        if destination is None:
            raise HTTPException(404)
        if not self._turns.acquire(blocking=False):
            return self._page(request, 503, asked=name, failed=True, answer=_("others are being asked: try again"))
        try:
            answer, failed = _ask(destination, self._site.settings.node.ae_title)
        finally:
            self._turns.release()
        with self._site.database.transaction() as tx:
            detail: audit.Detail = {"destination": name, "answer": answer, **actor_of(request).detail()}
            outcome = "minor-failure" if failed else "success"
            audit.append(tx, AuditEventType.DESTINATION_ASKED, outcome=outcome, detail=detail)
        return self._page(request, asked=name, failed=failed, answer=answer)

    def _page(
        self, request: Request, code: int = 200, *, asked: str = "", answer: str = "", failed: bool = False
    ) -> HTMLResponse:
        return self._site.show(
            request, "destinations.html", code, configured=self._configured, most=queries.COUNTED_UP_TO, asked=asked,
            answer=answer, failed=failed, **self._values(),
        )  # fmt: skip

    def _values(self) -> dict[str, Any]:
        with self._site.database.reading() as read:
            summaries = {summary.name: summary for summary in queries.destinations(read)}
            names = sorted({*summaries, *self._configured})
            taken = taken_classes(read)
            return {
                "summaries": summaries,
                "names": names,
                "errors": queries.last_errors(read),
                "answers": {name: destination_answers(read, name) for name in names},
                "stopped": queries.stopped_deliveries(read),
                "depth": queue.depth(read),
                "held": pauses.paused_destinations(read),
                "now": to_datetime(read.scalar(select(now_ms())) or 0),
                "certificates": list(expiries(self._site.settings)),
                "reports": {entry.name: report_words(entry, taken) for entry in self._configured.values()},
            }


def _ask(destination: Destination, own_ae_title: str) -> tuple[str, bool]:
    """Return what a destination answered, and whether that is a failure."""
    try:
        answer = destination_echo.ask(destination, own_ae_title)
    except CxrnodeError as error:
        return str(error), True
    return f"{answer.words} in {1000 * answer.seconds:.0f} ms", False
