"""The destinations: what waits for each of them, and why."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from sqlalchemy import select

from console.site import READ_PAGE, Site
from tracking import pauses, queries, queue
from tracking.clock import now_ms, to_datetime
from tracking.taken_classes import report_words, taken_classes


def routes(site: Site) -> APIRouter:
    """Return the route of the destinations."""
    configured = {entry.name: entry for entry in site.settings.destinations}

    def show_destinations(request: Request) -> HTMLResponse:
        with site.database.reading() as read:
            summaries = {summary.name: summary for summary in queries.destinations(read)}
            taken = taken_classes(read)
            errors = queries.last_errors(read)
            stopped = queries.stopped_deliveries(read)
            depth = queue.depth(read)
            held = pauses.paused_destinations(read)
            now = to_datetime(read.scalar(select(now_ms())) or 0)
        return site.show(
            request, "destinations.html", summaries=summaries, configured=configured,
            names=sorted({*summaries, *configured}), errors=errors,
            stopped=stopped, depth=depth, held=held, now=now, most=queries.COUNTED_UP_TO,
            reports={entry.name: report_words(entry, taken) for entry in configured.values()},
        )  # fmt: skip

    router = APIRouter()
    router.api_route("/destinations", **READ_PAGE)(show_destinations)
    return router
