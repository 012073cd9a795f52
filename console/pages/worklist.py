"""The worklist: studies by filter, search and order, a page after the other by the last study shown."""

from dataclasses import fields
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from config.language.translation import gettext as _
from console import words
from console.live.worklist_rows import find_rows, row_values
from console.site import READ_PAGE, Site, visitor
from console.worklist_view import LONGEST_VALUE, WorklistView, read_view
from tracking.audit_log import audit
from tracking.audit_log.audit import AuditEventType
from tracking.lists import saved_filters
from tracking.lists.study_filter import STATUSES, Need, StudyFilter
from tracking.lists.worklist import Worklist

Word = Annotated[str, Query(max_length=LONGEST_VALUE)]


def routes(site: Site) -> APIRouter:
    """Return the route of the worklist."""

    def show_worklist(
        request: Request, q: Word = "", status: Word = "", finding: Word = "", caller: Word = "", urgent: Word = "",
        first: Word = "", last: Word = "", order: Word = "", after: Word = "", before: Word = "",
        needs: Word = "",
    ) -> HTMLResponse:  # fmt: skip
        view = read_view({
            "q": q, "status": status, "finding": finding, "caller": caller, "urgent": urgent, "first": first,
            "last": last, "order": order, "after": after, "before": before, "needs": needs,
        })  # fmt: skip
        with site.database.reading() as read:
            studies = find_rows(read, view)
            saved = saved_filters.saved_filters(read, request.state.identity.name)
        _note_look(site, request, view, len(studies.rows))
        return site.show(
            request, "worklist.html", which=view.which, order=view.order, choices=_choices(studies, view.which),
            own_address=view.own_address, saved=saved, present_query=view.address(), **row_values(studies, view),
        )  # fmt: skip

    router = APIRouter()
    router.api_route("/", **READ_PAGE)(show_worklist)
    return router


def _note_look(site: Site, request: Request, view: WorklistView, rows: int) -> None:
    """Write who looked at how many studies, and by which filters they were looked for; never for what."""
    which = view.which
    filters = [field.name for field in fields(which) if getattr(which, field.name) not in {"", None, False}]
    with site.database.transaction() as tx:
        detail: audit.Detail = {"what": "worklist", "rows": rows, "filters": " ".join(filters)}
        audit.append(tx, AuditEventType.STUDIES_LISTED, detail=detail | visitor(request))


def _choices(studies: Worklist, which: StudyFilter) -> dict[str, list[tuple[str, str]]]:
    """Return values and words to choose from, what is chosen already among them."""
    findings = dict.fromkeys((*studies.findings, *filter(None, [which.finding])))
    callers = dict.fromkeys((*studies.callers, *filter(None, [which.calling_ae])))
    return {
        "needs": [(need.value, _(words.NEEDS[need])) for need in Need],
        "status": [(status, _(words.STATUS_WORDS[status])) for status in STATUSES],
        "finding": [(label, label.replace("_", " ")) for label in findings],
        "caller": [(caller, caller) for caller in callers],
    }
