"""Whether pages can be served, for whoever watches the service."""

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from config.logs import get_logger
from console.site import READ, Site

log = get_logger(__name__)


def routes(site: Site) -> APIRouter:
    """Return the route of the health check: 200, or 503 when the database cannot be reached."""

    def health() -> JSONResponse:
        try:
            with site.database.reading() as read:
                read.execute(select(1))
        except SQLAlchemyError as error:
            log.error("console-database-failed", error=type(error).__name__)
            return JSONResponse({"status": "unavailable", "database": "unreachable"}, 503)
        return JSONResponse({"status": "ok", "database": "reachable"})

    router = APIRouter()
    router.api_route("/health", **READ)(health)
    return router
