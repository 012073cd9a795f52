"""What the receiver refused, and the setting that would change it."""

import re
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from console.site import READ_PAGE, Site
from tracking.audit_log import refusals

REFUSALS = 200


def routes(site: Site) -> APIRouter:
    """Return the route of the refusals."""

    def show_refusals(request: Request, days: Annotated[str, Query(max_length=4)] = "") -> HTMLResponse:
        last = int(days) if re.fullmatch(r"[0-9]{1,3}", days) else None
        with site.database.reading() as read:
            entries = refusals.latest(read, limit=REFUSALS, days=last)
        return site.show(request, "refusals.html", entries=entries, most=REFUSALS, days=last)

    router = APIRouter()
    router.api_route("/refusals", **READ_PAGE)(show_refusals)
    return router
