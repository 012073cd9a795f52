"""Saved filters: a user names what the worklist shows, and deletes such names."""

from typing import Any
from urllib.parse import parse_qsl

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from config.errors import ActionRefused
from console import words
from console.forms import read_fields
from console.site import POST_PAGE, Site, actor_of
from console.worklist_view import read_view
from tracking.lists import saved_filters


def routes(site: Site) -> APIRouter:
    """Return the routes that save and delete a filter; both lead back to the worklist."""

    def change(work: Any, *values: str, request: Request) -> None:
        with site.database.transaction() as tx:
            work(tx, *values, by=actor_of(request))

    async def save(request: Request) -> Response:
        fields = await read_fields(request)
        query = read_view(dict(parse_qsl(fields.get("query", "").removeprefix("?")))).address()
        name = words.printable(fields.get("name", ""))
        try:
            await run_in_threadpool(change, saved_filters.save, name, query, request=request)
        except ActionRefused as refused:
            return site.show(request, "refused_action.html", 422, problem=str(refused), back=f"/{query}")
        return RedirectResponse(f"/{query}", 303)

    async def delete(request: Request) -> Response:
        fields = await read_fields(request)
        await run_in_threadpool(change, saved_filters.remove, fields.get("name", ""), request=request)
        return RedirectResponse("/", 303)

    router = APIRouter()
    router.api_route("/filters", **POST_PAGE)(save)
    router.api_route("/filters/delete", **POST_PAGE)(delete)
    return router
