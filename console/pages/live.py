"""What open pages follow: server-sent events of everything that they show and that changes."""

from collections.abc import AsyncIterator

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse, StreamingResponse
from starlette.responses import Response

from console.connections import KEEP_OPEN
from console.live.stream import Stream, encode
from console.site import Site
from console.worklist_view import read_view

BEAT_SECONDS = 10.0
"""A page that hears nothing for more than twice as long says that it is not live any more."""
EVENT_STREAM = "text/event-stream"
_TAKEN_BY_NGINX: dict[str, str] = {"X-Accel-Buffering": "no"}
"""nginx hands the events on at once instead of collecting them."""


def routes(site: Site) -> APIRouter:
    """Return the route of the events."""

    async def follow(request: Request) -> Response:
        if EVENT_STREAM not in request.headers.get("accept", ""):
            return PlainTextResponse("This address is for open pages of the console.\n", 406)
        view = read_view(request.query_params) if "rows" in request.query_params else None
        identity = request.state.identity
        token = site.sessions.cookie.read(request.headers.get("cookie", ""))
        stream = site.live.open(identity.name, identity.role, token, view)
        if stream is None:
            return PlainTextResponse("Too many pages are open.\n", 503)
        return StreamingResponse(_events(site, request, stream), media_type=EVENT_STREAM, headers=_TAKEN_BY_NGINX)

    router = APIRouter()
    router.api_route("/live", methods=["GET"], response_model=None)(follow)
    return router


async def _events(site: Site, request: Request, stream: Stream) -> AsyncIterator[str]:
    """Yield what waits for a page until it is closed, here or there."""
    keep_open = request.scope.get(KEEP_OPEN)
    try:
        while True:
            news = await stream.take(BEAT_SECONDS)
            if stream.ended:
                yield news  # the last words
                return
            yield news or encode("beat", {})
            if keep_open is not None:
                keep_open()
    finally:
        site.live.leave(stream)
