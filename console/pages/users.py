"""Users and API tokens, for administrators: the same changes as on the command line."""

import re
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from config.errors import ActionRefused
from config.language.translation import gettext as _
from console.forms import read_fields
from console.site import POST_PAGE, READ_PAGE, Site, actor_of
from tracking.people import api_tokens, passwords, users
from tracking.people.roles import Role
from tracking.people.users import Actor

PLACE = "/users"


def routes(site: Site) -> APIRouter:
    """Return the routes of the users."""
    pages = _Pages(site)
    router = APIRouter()
    router.api_route(PLACE, **READ_PAGE)(pages.show)
    router.api_route(PLACE, **POST_PAGE)(pages.add)
    router.api_route(f"{PLACE}/change", **POST_PAGE)(pages.change)
    router.api_route(f"{PLACE}/revoke", **POST_PAGE)(pages.revoke)
    return router


class _Pages:
    def __init__(self, site: Site) -> None:
        self._site = site

    def show(self, request: Request) -> HTMLResponse:
        """Show all users and tokens."""
        return self._page(request)

    async def add(self, request: Request) -> Response:
        """Add a user, whose one-time password is shown in the answer and nowhere else."""
        fields = await read_fields(request)
        return await run_in_threadpool(self._change, request, {**fields, "what": "add"})

    async def change(self, request: Request) -> Response:
        """Change a user."""
        return await run_in_threadpool(self._change, request, dict(await read_fields(request)))

    async def revoke(self, request: Request) -> Response:
        """End a token."""
        number = (await read_fields(request)).get("number", "")
        return await run_in_threadpool(self._revoke, request, number)

    def _change(self, request: Request, fields: Mapping[str, str]) -> Response:
        what, name = fields.get("what", ""), fields.get("name", "")
        one_time = passwords.one_time_password() if what in {"add", "password"} else ""
        try:
            self._apply(what, name, _role(fields.get("role", "")), one_time, actor_of(request))
        except ActionRefused as refused:
            return self._page(request, 422, problem=str(refused))
        if not one_time:
            return RedirectResponse(PLACE, 303)
        return self._page(request, one_time=one_time, one_time_user=users.folded(name))

    def _apply(self, what: str, name: str, role: Role, one_time: str, by: Actor) -> None:
        if what in {"disable", "role", "password"} and users.folded(name) == by.name:
            msg = _("you cannot do this to yourself: another administrator can, or the command line")
            raise ActionRefused(msg)
        hashed = passwords.hash_password(one_time) if one_time else ""
        with self._site.database.transaction() as tx:
            if what == "add":
                users.add(tx, name, role, hashed, by=by, must_change=True)
            elif what == "password":
                users.set_password(tx, name, hashed, by=by, must_change=True)
            elif what == "role":
                users.set_role(tx, name, role, by=by)
            elif what == "disable":
                users.disable(tx, name, by=by)
            elif what == "enable":
                users.enable(tx, name, by=by)
            else:
                raise HTTPException(404)

    def _revoke(self, request: Request, number: str) -> Response:
        if not re.fullmatch("[0-9]{1,15}", number):
            raise HTTPException(404)
        try:
            with self._site.database.transaction() as tx:
                api_tokens.revoke(tx, int(number), by=actor_of(request))
        except ActionRefused as refused:
            return self._page(request, 422, problem=str(refused))
        return RedirectResponse(PLACE, 303)

    def _page(self, request: Request, code: int = 200, **values: Any) -> HTMLResponse:
        with self._site.database.reading() as read:
            everybody = users.every(read)
            tokens = api_tokens.every(read)
        shown = {"problem": "", "one_time": "", "one_time_user": ""} | values
        return self._site.show(request, "users.html", code, users=everybody, tokens=tokens, roles=list(Role), **shown)


def _role(text: str) -> Role:
    return Role(text) if text in set(Role) else Role.VIEWER
