"""What the receiver refused, and the setting that would change it."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from console.site import READ_PAGE, Site
from tracking import refusals

REFUSALS = 200


def routes(site: Site) -> APIRouter:
    """Return the route of the refusals."""

    def show_refusals(request: Request) -> HTMLResponse:
        with site.database.reading() as read:
            entries = refusals.latest(read, limit=REFUSALS)
        return site.show(request, "refusals.html", entries=entries, most=REFUSALS)

    router = APIRouter()
    router.api_route("/refusals", **READ_PAGE)(show_refusals)
    return router
