"""Choosing the language of one's pages, at the foot of each of them."""

from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response
from starlette.exceptions import HTTPException

from config.language.translation import Language
from console.access import roles
from console.access.cookies import language_cookie
from console.access.gate import return_address
from console.site import READ, Site


def routes(site: Site) -> APIRouter:
    """Return the route that keeps the choice in a cookie and goes back to the page it was made on."""
    encrypted = site.settings.console.is_encrypted

    def choose(request: Request, to: Annotated[str, Query(max_length=8)] = "") -> Response:
        if to not in set(Language):
            raise HTTPException(404)
        answer = RedirectResponse(_page_before(request), 303)
        language_cookie.put(answer, Language(to), encrypted=encrypted)
        return answer

    router = APIRouter()
    router.api_route("/language", **READ)(choose)
    return router


def _page_before(request: Request) -> str:
    """Return the address of the page that the browser comes from; the first page where it is none that can be read."""
    try:
        before = urlsplit(request.headers.get("referer", ""))
    except ValueError:
        return "/"
    is_ours = before.netloc == request.headers.get("host", "") and "GET" in roles.rules_of(roles.ROUTES, before.path)
    return return_address(before.path + (f"?{before.query}" if before.query else "")) if is_ours else "/"
