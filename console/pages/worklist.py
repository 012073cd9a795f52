"""The worklist: the studies in which something arrived last."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse
from sqlalchemy import select

from console import words
from console.site import READ_PAGE, Site
from tracking import worklist
from tracking.clock import now_ms, to_datetime

ROWS = 25
_LAST_PAGE = 100_000

Word = Annotated[str, Query(max_length=128)]


def routes(site: Site) -> APIRouter:
    """Return the route of the worklist."""

    def show_worklist(request: Request, q: Word = "", status: Word = "", page: int = 1) -> HTMLResponse:
        search, page = words.printable(q), max(1, min(page, _LAST_PAGE))
        status = status if status in worklist.STATUSES else ""
        with site.database.reading() as read:
            found = worklist.find_studies(read, status=status, search=search, offset=(page - 1) * ROWS, limit=ROWS)
            now = to_datetime(read.scalar(select(now_ms())) or 0)
        return site.show(
            request, "worklist.html", found=found, search=search, status=status, page=page, rows=ROWS, now=now,
            most=worklist.COUNTED_UP_TO,
        )  # fmt: skip

    router = APIRouter()
    router.api_route("/", **READ_PAGE)(show_worklist)
    return router
