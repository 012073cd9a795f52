"""Problem details (RFC 9457): how the interfaces for programs say in words what is wrong."""

from collections.abc import Mapping
from http import HTTPStatus

from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict

MEDIA_TYPE = "application/problem+json"
_PROGRAM_PATHS = ("/api/", "/dicom-web/", "/metrics")
DETAILS: Mapping[str, str] = {
    "login": "Nobody has logged in: send an API token as `Authorization: Bearer …` (`cxrnode token add` makes one).",
    "role": "The role of this user does not allow it; an administrator changes roles with `cxrnode user role`.",
    "password": "This user has to choose a new password on the console's pages first.",
    "origin": "With a session's cookie this needs the header X-CSRF-Token and a request from the console's own pages; "
    "a program sends an API token instead.",
    "missing": "There is nothing of this address on record.",
    "refused": "The request cannot be served as it is: compare its method and its values with the documentation.",
    "gone": "It is on record, but its file cannot be read any more: restore it from the backup.",
    "database": "The database cannot be reached: try again later; `cxrnode doctor` says more.",
    "broken": "The request failed for a reason that nobody foresaw; the log of the console names it.",
}
"""By the kinds of refusals that pages have, too."""


class Problem(BaseModel):
    """What is wrong with a request."""

    model_config = ConfigDict(frozen=True)

    type: str = "about:blank"
    title: str
    status: int
    detail: str


def is_for_programs(path: str) -> bool:
    """Say whether a path belongs to an interface for programs, which get no pages and no redirects."""
    return path.startswith(_PROGRAM_PATHS)


def problem(status: int, detail: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """Return an answer that says what is wrong, and what to do."""
    document = Problem(title=HTTPStatus(status).phrase, status=status, detail=detail)
    return JSONResponse(document.model_dump(), status, headers, MEDIA_TYPE)
