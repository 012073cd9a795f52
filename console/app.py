"""The application: all pages behind the gate, and what is answered when one of them fails."""

from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from fastapi.telemetry import TelemetryConfig
from sqlalchemy.exc import DBAPIError
from starlette.exceptions import HTTPException

from config.logs import get_logger
from config.settings import Settings
from console import api, dicomweb
from console.access.gate import Gate
from console.access.visitor import address_of
from console.pages import (
    act,
    analyse,
    answer,
    audit_log,
    destinations,
    documents,
    filters,
    flow,
    health,
    language,
    live,
    login,
    metrics,
    models,
    openid,
    plots,
    points,
    refusals,
    static,
    study,
    users,
    worklist,
)
from console.problems import DETAILS, is_for_programs, problem
from console.refusal_log import refusal_log
from console.site import Site
from tracking.engine.database import Database

log = get_logger(__name__)
PAGES = (
    worklist, study, documents, answer, act, analyse, destinations, flow, plots, models, points, refusals, audit_log,
    users, health, metrics, static, login, openid, live, filters, language,
)  # fmt: skip
# FastAPI would report addresses of pages and texts of exceptions to a collector that the machine's environment names:
# both can hold patient data.
_NO_TELEMETRY: TelemetryConfig = {
    "tracing": False, "metrics": False, "logs": False, "operation_spans": False, "auto_configure": False,
}  # fmt: skip


def make_app(settings: Settings, database: Database, site: Site | None = None) -> Gate:
    """Return the application: pages behind the gate, no schema and no documentation pages of the framework.

    ``site`` is what the pages have at hand, for a server that has to end what pages have begun.
    """
    site = site or Site(settings, database)
    app = FastAPI(title="cxrnode", docs_url=None, redoc_url=None, openapi_url=None, telemetry=_NO_TELEMETRY)
    for router in (*(page.routes(site) for page in PAGES), *api.routers(site), *dicomweb.routers(site)):
        app.include_router(router)
    _answer_failures(app, site)
    return Gate(app, site.sessions, site.show_refusal, language=settings.node.language)


def _answer_failures(app: FastAPI, site: Site) -> None:
    """Answer each failure with a page that says what to do; its text goes to the log alone."""

    def refused(request: Request, error: Exception) -> Response:
        by_program = is_for_programs(request.scope["path"])
        status = error.status_code if isinstance(error, HTTPException) else 422 if by_program else 404
        refusal_log.add(f"answered {status}", address_of(request.scope))
        if by_program:
            return problem(status, _words(error), getattr(error, "headers", None))
        return site.show_refusal(request, "unbuilt" if status == 409 else _kind(status), status)

    def unreachable(request: Request, error: Exception) -> Response:
        log.error("console-database-failed", error=type(error).__name__)
        return site.show_refusal(request, "database", 503)

    def broken(request: Request, error: Exception) -> Response:
        log.error("console-page-failed", error=type(error).__name__)
        return site.show_refusal(request, "broken", 500)

    app.add_exception_handler(HTTPException, refused)
    app.add_exception_handler(RequestValidationError, refused)
    app.add_exception_handler(DBAPIError, unreachable)
    app.add_exception_handler(Exception, broken)


def _words(error: Exception) -> str:
    """Return what is wrong with a program's request, without the values that it sent."""
    if isinstance(error, RequestValidationError):
        return "; ".join(f"{'.'.join(map(str, entry['loc']))}: {entry['msg']}" for entry in error.errors())
    if isinstance(error, HTTPException) and error.detail != HTTPStatus(error.status_code).phrase:
        return error.detail
    return DETAILS[_kind(getattr(error, "status_code", 400))]


def _kind(status: int) -> str:
    return {404: "missing", 410: "gone"}.get(status, "refused")
