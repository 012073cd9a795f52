"""The audit log: its newest lines, and on demand the check of all of it. Who reads is noted in it."""

import threading
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from console import words
from console.site import READ_PAGE, Site, visitor
from tracking.audit_log import audit
from tracking.audit_log.audit import AuditEventType
from tracking.engine.database import Database

AUDIT_LINES = 100
_HIGHEST_LINE = 2**62

Word = Annotated[str, Query(max_length=128)]


def routes(site: Site) -> APIRouter:
    """Return the route of the audit log."""
    walk = Walk(site.database)

    def show_audit_log(request: Request, study: Word = "", before: int = 0, verify: bool = False) -> HTMLResponse:
        uid = words.printable(study)
        limit = min(before, _HIGHEST_LINE) if before > 0 else None
        with site.database.reading() as read:
            lines = audit.last_lines(read, AUDIT_LINES, study_uid=uid or None, before=limit)
        verdict, busy = walk.verify() if verify else (None, False)
        with site.database.transaction() as tx:
            detail: audit.Detail = {"how": "console", "lines": len(lines), "verified": verdict is not None}
            about = uid if uid and lines else None  # what was typed and is no study on record is in no line
            audit.append(tx, AuditEventType.AUDIT_READ, study_uid=about, detail=detail | visitor(request))
        return site.show(
            request, "audit.html", lines=lines[::-1], study_uid=uid, verdict=verdict, busy=busy, before=limit,
            full=len(lines) == AUDIT_LINES,
        )  # fmt: skip

    router = APIRouter()
    router.api_route("/audit", **READ_PAGE)(show_audit_log)
    return router


class Walk:
    """Checks the whole log, one walk at a time: it reads all of it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._walking = threading.Lock()

    def verify(self) -> tuple[audit.Verdict | None, bool]:
        """Return the verdict, or None and True while another walk goes on."""
        if not self._walking.acquire(blocking=False):
            return None, True
        try:
            with self._database.reading() as read:
                return audit.verify(read), False
        finally:
            self._walking.release()
