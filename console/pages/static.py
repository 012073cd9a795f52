"""The few files that the pages use, chosen by name from a list."""

from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse
from starlette.exceptions import HTTPException

from console.site import READ, Site

_FOLDER = Path(__file__).parents[1] / "static"
_FILES = {
    "style.css": "text/css", "icon.svg": "image/svg+xml", "analyse.js": "text/javascript",
    "answer.js": "text/javascript", "viewer.js": "text/javascript", "live.js": "text/javascript",
    "openseadragon.js": "text/javascript", "points.js": "text/javascript",
}  # fmt: skip
_VENDORED = {"openseadragon.js": "vendor/openseadragon.min.js"}


def routes(_: Site) -> APIRouter:
    """Return the route of the files."""
    router = APIRouter()
    router.api_route("/static/{name}", **READ)(_file)
    return router


def _file(name: str) -> FileResponse:
    if name not in _FILES:
        raise HTTPException(404)
    return FileResponse(_FOLDER / _VENDORED.get(name, name), media_type=_FILES[name])
