"""The worklist: studies by filter, search and order, a page after the other by the last study shown."""

import re
from datetime import date
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from console import words
from console.site import READ_PAGE, Site
from tracking import worklist
from tracking.study_filter import STATUSES, Order, StudyFilter
from tracking.worklist import Key, Worklist

ROWS = 25
_YEARS = range(1900, 2200)
_UID_LENGTH = 64
_LATEST = 2**62

Word = Annotated[str, Query(max_length=128)]


def routes(site: Site) -> APIRouter:
    """Return the route of the worklist."""

    def show_worklist(
        request: Request, q: Word = "", status: Word = "", finding: Word = "", caller: Word = "", urgent: Word = "",
        first: Word = "", last: Word = "", order: Word = "", after: Word = "", before: Word = "",
    ) -> HTMLResponse:  # fmt: skip
        which = StudyFilter(
            search=words.printable(q),
            status=status if status in STATUSES else "",
            finding=words.printable(finding),
            calling_ae=words.printable(caller),
            urgent=bool(urgent),
            first=_day(first),
            last=_day(last),
        )
        by = Order.STUDY_DATE if order == Order.STUDY_DATE else Order.ARRIVAL
        with site.database.reading() as read:
            studies = worklist.find_studies(
                read, which, order=by, after=_key(after, by), before=_key(before, by), limit=ROWS
            )
        return site.show(
            request, "worklist.html", studies=studies, which=which, order=by, choices=_choices(studies, which),
            most=worklist.COUNTED_UP_TO, filtered=which != StudyFilter(), first_page=not (after or before),
            newer=_address(which, by, "before", studies.newer), older=_address(which, by, "after", studies.older),
        )  # fmt: skip

    router = APIRouter()
    router.api_route("/", **READ_PAGE)(show_worklist)
    return router


def _choices(studies: Worklist, which: StudyFilter) -> dict[str, list[tuple[str, str]]]:
    """Return values and words to choose from, what is chosen already among them."""
    findings = dict.fromkeys((*studies.findings, *filter(None, [which.finding])))
    callers = dict.fromkeys((*studies.callers, *filter(None, [which.calling_ae])))
    return {
        "status": [(status, words.STATUS_WORDS[status]) for status in STATUSES],
        "finding": [(label, label.replace("_", " ")) for label in findings],
        "caller": [(caller, caller) for caller in callers],
    }


def _day(text: str) -> date | None:
    """Read a day as a form sends it; None for anything else."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if day.year in _YEARS else None


def _key(text: str, order: Order) -> Key | None:
    """Read where a page begins from its address; None, which is the first page, for what no page wrote."""
    at, _, uid = words.printable(text).partition("~")
    if not uid or len(uid) > _UID_LENGTH:
        return None
    if order is Order.STUDY_DATE:
        return at[:8], uid
    return (int(at), uid) if re.fullmatch(r"[0-9]{1,19}", at) and int(at) < _LATEST else None


def _address(which: StudyFilter, order: Order, name: str, key: Key | None) -> str:
    """Return the address of the page beside this one; empty where there is none."""
    if key is None:
        return ""
    asked = {
        "q": which.search, "status": which.status, "finding": which.finding, "caller": which.calling_ae,
        "urgent": "1" if which.urgent else "", "first": which.first, "last": which.last,
        "order": order if order is not Order.ARRIVAL else "", name: f"{key[0]}~{key[1]}",
    }  # fmt: skip
    return "?" + urlencode({name: str(value) for name, value in asked.items() if value})
