"""The flow: what came in, what came of it, and where studies stay behind, by day, hour and calling system."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from config.language.translation import marked
from console import charts, spans
from console.site import READ_PAGE, Site
from tracking.lists.flow import Flow, FlowCell, Span, count_flow, reasons_not_analysed, total

Word = Annotated[str, Query(max_length=64)]
GAPS = (
    ("received", marked("wait for their analysis")), ("not-analysed", marked("not analysed")),
    ("conflict", marked("with two patients")), ("waiting", marked("wait for a decision")),
    ("rejected", marked("rejected")), ("attention", marked("stopped, need a person")),
    ("withdrawn", marked("withdrawn")), ("analysed", marked("wait for their report")),
    ("reported", marked("being delivered")),
)  # fmt: skip
"""Statuses in which a study has not arrived, in the order of its way."""


@dataclass(frozen=True, slots=True)
class FlowRow:
    """One row of the table: its words, its studies, and the query of the worklist that shows them, but for a status."""

    words: str
    flow: Flow
    query: str
    details: str = ""
    """Address of the same page that shows the row in its parts; empty where there is none."""


def routes(site: Site) -> APIRouter:
    """Return the route of the flow."""

    def show_flow(request: Request, days: Word = "", day: Word = "") -> HTMLResponse:
        chosen = _day(day)
        count = int(days) if re.fullmatch("[0-9]{1,2}", days) and int(days) in spans.DAYS else spans.DAYS[0]
        dates = [chosen] if chosen else spans.days_back(count, datetime.now().astimezone().date())
        whole = Span(spans.span_of_day(dates[0]).start, spans.span_of_day(dates[-1]).end)
        parts = spans.hours_of(chosen) if chosen else [spans.span_of_day(entry) for entry in dates]
        with site.database.reading() as read:
            cells = count_flow(read, parts)
            reasons = reasons_not_analysed(read, whole)
        rows = _by_hour(parts, cells, chosen) if chosen else _by_day(dates, cells)
        return site.show(
            request, "flow.html", rows=rows, callers=_by_caller(dates, cells), all=total(cells), reasons=reasons,
            gaps=GAPS, day=chosen, count=count, choices=spans.DAYS, whole=_query(dates), chart=_chart(rows),
        )  # fmt: skip

    router = APIRouter()
    router.api_route("/flow", **READ_PAGE)(show_flow)
    return router


def _by_day(dates: Sequence[date], cells: Sequence[FlowCell]) -> list[FlowRow]:
    return [
        FlowRow(f"{day:%Y-%m-%d}", _part(cells, number), _query([day]), f"?day={day}")
        for number, day in enumerate(dates)
    ]


def _by_hour(parts: Sequence[Span], cells: Sequence[FlowCell], day: date) -> list[FlowRow]:
    return [
        FlowRow(f"{part.start.astimezone():%H:%M}", _part(cells, number), _query([day]))
        for number, part in enumerate(parts)
    ]


def _by_caller(dates: Sequence[date], cells: Sequence[FlowCell]) -> list[FlowRow]:
    callers = sorted({cell.calling_ae for cell in cells})
    return [
        FlowRow(caller or "–", total([cell for cell in cells if cell.calling_ae == caller]), _query(dates, caller))
        for caller in callers
    ]


def _part(cells: Sequence[FlowCell], number: int) -> Flow:
    return total([cell for cell in cells if cell.span == number])


def _query(dates: Sequence[date], caller: str = "") -> str:
    asked = {"first": dates[0].isoformat(), "last": dates[-1].isoformat(), "caller": caller}
    return urlencode({name: value for name, value in asked.items() if value})


def _chart(rows: Sequence[FlowRow]) -> charts.Chart:
    names = [row.words[-5:] for row in rows]
    return charts.stacked_bars(
        names,
        {
            "delivered": [row.flow.delivered for row in rows],
            "on-their-way": [row.flow.of("received", "analysed", "reported") for row in rows],
            "not-analysed": [row.flow.of("not-analysed", "rejected", "withdrawn") for row in rows],
            "need-a-person": [row.flow.of("attention", "conflict", "waiting") for row in rows],
        },
    )


def _day(text: str) -> date | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if 1970 < day.year < 2200 else None
