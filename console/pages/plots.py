"""The plots: volume, turnaround, refusals, and what the model says, by finding and calling system."""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from console import charts, spans, words
from console.charts import Chart
from console.site import READ_PAGE, Site
from tracking.lists.flow import Flow, Span, count_flow, reasons_not_analysed, total
from tracking.lists.trends import (
    BINS,
    NEWEST,
    ScoreDistribution,
    Turnaround,
    quantiles,
    refusals_by_reason,
    score_distributions,
    turnarounds,
)

Word = Annotated[str, Query(max_length=64)]
_LONG_MINUTES = 10.0


@dataclass(frozen=True, slots=True)
class Distribution:
    """The scores of one finding: the chart, and the share of images on which it is present by source."""

    name: str
    chart: Chart
    sources: tuple[ScoreDistribution, ...]
    bins: tuple[int, ...]


def routes(site: Site) -> APIRouter:
    """Return the route of the plots."""

    def show_plots(request: Request, days: Word = "", source: Word = "") -> HTMLResponse:
        count = int(days) if re.fullmatch("[0-9]{1,2}", days) and int(days) in spans.DAYS else spans.DAYS[1]
        dates = spans.days_back(count, datetime.now().astimezone().date())
        parts = [spans.span_of_day(day) for day in dates]
        whole = Span(parts[0].start, parts[-1].end)
        with site.database.reading() as read:
            cells = count_flow(read, parts)
            times = turnarounds(read, whole)
            refused = refusals_by_reason(read, count)
            not_analysed = reasons_not_analysed(read, whole)
            scores = score_distributions(read, whole)
        flows = [total([cell for cell in cells if cell.span == number]) for number in range(len(parts))]
        sources = sorted({_source(entry) for entry in scores})
        chosen = words.printable(source)
        return site.show(
            request, "plots.html", dates=dates, flows=flows, volume=_volume(dates, flows),
            turnaround=_turnaround(dates, times), refused=refused, not_analysed=not_analysed, sources=sources,
            source=chosen, findings=_distributions(scores, chosen), count=count, choices=spans.DAYS, newest=NEWEST,
            bins=BINS,
        )  # fmt: skip

    router = APIRouter()
    router.api_route("/plots", **READ_PAGE)(show_plots)
    return router


def _volume(dates: Sequence[date], flows: Sequence[Flow]) -> Chart:
    return charts.stacked_bars(
        [f"{day:%m-%d}" for day in dates],
        {
            "with-a-result": [flow.analysed for flow in flows],
            "without-a-result": [flow.received - flow.analysed for flow in flows],
        },
    )


@dataclass(frozen=True, slots=True)
class TurnaroundTable:
    """The turnaround of each day: how many studies, median and 95th percentile until analysed and until delivered."""

    chart: Chart
    unit: str
    rows: tuple[tuple[str, int, tuple[float, ...], tuple[float, ...]], ...]


def _turnaround(dates: Sequence[date], times: Sequence[Turnaround]) -> TurnaroundTable:
    by_day: dict[date, list[Turnaround]] = defaultdict(list)
    for entry in times:
        by_day[entry.received_at.astimezone().date()].append(entry)
    analysed = [quantiles([entry.to_analysis for entry in by_day[day]]) for day in dates]
    delivered = [
        quantiles([entry.to_delivery for entry in by_day[day] if entry.to_delivery is not None]) for day in dates
    ]
    longest = max((value for pair in (*analysed, *delivered) for value in pair), default=0.0)
    factor, unit = (60.0, "minutes") if longest > 60 * _LONG_MINUTES else (1.0, "seconds")

    def series(pairs: Sequence[tuple[float, ...]], place: int) -> list[float | None]:
        return [pair[place] / factor if pair else None for pair in pairs]

    chart = charts.lines(
        [f"{day:%m-%d}" for day in dates],
        {
            "delivered-95-%": series(delivered, 1), "delivered-median": series(delivered, 0),
            "analysed-95-%": series(analysed, 1), "analysed-median": series(analysed, 0),
        },
    )  # fmt: skip
    rows = tuple(
        (f"{day}", len(by_day[day]), _scaled(analysed[number], factor), _scaled(delivered[number], factor))
        for number, day in enumerate(dates)
    )
    return TurnaroundTable(chart, unit, rows)


def _scaled(values: Sequence[float], factor: float) -> tuple[float, ...]:
    return tuple(value / factor for value in values)


def _source(entry: ScoreDistribution) -> str:
    return f"{entry.calling_ae} · {entry.modality}"


def _distributions(scores: Sequence[ScoreDistribution], source: str) -> list[Distribution]:
    by_label: dict[str, list[ScoreDistribution]] = defaultdict(list)
    for entry in scores:
        if source in {"", _source(entry)}:
            by_label[entry.label].append(entry)
    found = []
    for label, entries in sorted(by_label.items()):
        bins = tuple(sum(entry.bins[number] for entry in entries) for number in range(BINS))
        columns = [f"{100 * number // BINS}" for number in range(BINS)]
        chart = charts.stacked_bars(columns, {"images": bins})
        found.append(Distribution(entries[0].meaning or label.replace("_", " "), chart, tuple(entries), bins))
    return found
