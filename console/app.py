"""The application: all pages behind the gate, and what is answered when one of them fails."""

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse
from fastapi.telemetry import TelemetryConfig
from sqlalchemy.exc import DBAPIError
from starlette.exceptions import HTTPException

from config.logs import get_logger
from config.settings import Settings
from console.access.gate import Gate
from console.access.visitor import address_of
from console.pages import act, analyse, audit_log, destinations, health, login, refusals, static, study, worklist
from console.refusal_log import refusal_log
from console.site import Site
from tracking.database import Database

log = get_logger(__name__)
PAGES = (worklist, study, act, analyse, destinations, refusals, audit_log, health, static, login)
# FastAPI would report addresses of pages and texts of exceptions to a collector that the machine's environment names:
# both can hold patient data.
_NO_TELEMETRY: TelemetryConfig = {
    "tracing": False, "metrics": False, "logs": False, "operation_spans": False, "auto_configure": False,
}  # fmt: skip


def make_app(settings: Settings, database: Database) -> Gate:
    """Return the application: pages behind the gate, no schema and no documentation pages of the framework."""
    site = Site(settings, database)
    app = FastAPI(title="cxrnode", docs_url=None, redoc_url=None, openapi_url=None, telemetry=_NO_TELEMETRY)
    for page in PAGES:
        app.include_router(page.routes(site))
    _answer_failures(app, site)
    return Gate(app, site.sessions, site.show_refusal)


def _answer_failures(app: FastAPI, site: Site) -> None:
    """Answer each failure with a page that says what to do; its text goes to the log alone."""

    def refused(request: Request, error: Exception) -> HTMLResponse:
        status = error.status_code if isinstance(error, HTTPException) else 404
        refusal_log.add(f"answered {status}", address_of(request.scope))
        return site.show_refusal(request, _kind(status), status)

    def unreachable(request: Request, error: Exception) -> HTMLResponse:
        log.error("console-database-failed", error=type(error).__name__)
        return site.show_refusal(request, "database", 503)

    def broken(request: Request, error: Exception) -> HTMLResponse:
        log.error("console-page-failed", error=type(error).__name__)
        return site.show_refusal(request, "broken", 500)

    app.add_exception_handler(HTTPException, refused)
    app.add_exception_handler(RequestValidationError, refused)
    app.add_exception_handler(DBAPIError, unreachable)
    app.add_exception_handler(Exception, broken)


def _kind(status: int) -> str:
    return {404: "missing", 410: "gone"}.get(status, "refused")
