"""Logging in and out, and changing one's own password."""

import asyncio
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from config.errors import ActionRefused, PeerUnavailable, RefusedByPeer
from config.language.translation import gettext as _
from config.language.translation import marked, ngettext
from config.logs import get_logger
from console.access.gate import CHALLENGE, LOGIN_PAGE, PASSWORD_PAGE, return_address
from console.access.visitor import address_of
from console.forms import read_fields
from console.refusal_log import refusal_log
from console.site import POST_PAGE, READ_PAGE, Site
from tracking.people import logins, passwords, users
from tracking.people.logins import LoggedIn, LoginRefused
from tracking.people.users import Identity

log = get_logger(__name__)
_COMPARED_AT_ONCE = 2
"""Each comparison of a password needs 64 MiB and a processor."""
_MOST_WAITING = 16
_RETRY_SECONDS = 5
_WRONG = marked("User or password is wrong.")
_KEPT_ELSEWHERE = marked("You log in with an OpenID provider, which keeps your password: change it there.")


def routes(site: Site) -> APIRouter:
    """Return the routes of logging in and out and of the own password."""
    pages = LoginPages(site)
    router = APIRouter()
    router.api_route(LOGIN_PAGE, **READ_PAGE)(pages.login_form)
    router.api_route(LOGIN_PAGE, **POST_PAGE)(pages.log_in)
    router.api_route("/logout", **POST_PAGE)(pages.log_out)
    router.api_route(PASSWORD_PAGE, **READ_PAGE)(pages.password_form)
    router.api_route(PASSWORD_PAGE, **POST_PAGE)(pages.change_password)
    return router


class Busy(Exception):
    """As many logins as can be held wait for their turn already."""


class LoginPages:
    """The pages of a login."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._database = site.database
        self._sessions = site.sessions
        self._show = site.show
        self._turns = asyncio.Semaphore(_COMPARED_AT_ONCE)
        self._waiting = 0

    def login_form(self, request: Request, next: str = "/") -> Response:  # noqa: A002 - the name in the address
        """Show the form that asks for user and password; somebody who has logged in goes on."""
        token = self._sessions.cookie.read(request.headers.get("cookie", ""))
        if token and self._sessions.identity_of(token) is not None:
            return RedirectResponse(return_address(next), 303)
        with self._database.reading() as read:
            no_users = not users.there_are_users(read)
        return self._show_login(request, next, no_users=no_users)

    async def log_in(self, request: Request) -> Response:
        """Compare user and password; a right login gets a new session, also in place of one that the browser had."""
        fields = await read_fields(request)
        following = return_address(fields.get("next", "/"))
        try:
            result = await self._in_turn(
                logins.log_in,
                self._database, fields.get("user", ""), fields.get("password", ""),
                address=address_of(request.scope), limits=self._sessions.limits,
                replaces=self._sessions.cookie.read(request.headers.get("cookie", "")),
                administrators_only=self._administrators_only,
            )  # fmt: skip
        except Busy:
            return self._show_login(request, following, problem=_busy(request), code=503)
        if isinstance(result, LoginRefused):
            problem, code = _refused(request, result)
            if result.elsewhere and self._site.openid is not None:
                provider = self._site.openid.settings.name
                problem = _("Passwords are for administrators of this node alone: log in with %(provider)s.") % {
                    "provider": provider
                }
            return self._show_login(request, following, problem=problem, code=code, wait=result.wait_seconds)
        return self._go_on(result, PASSWORD_PAGE if result.identity.must_change else following)

    def log_out(self, request: Request) -> Response:
        """End the session."""
        token = self._sessions.cookie.read(request.headers.get("cookie", ""))
        with self._database.transaction() as tx:
            logins.log_out(tx, token, request.state.identity, address_of(request.scope))
            at_provider = self._is_of_provider(tx, request)
        answer = self._log_out_there(request) if at_provider else None
        answer = answer or RedirectResponse(LOGIN_PAGE, 303)
        self._sessions.cookie.remove(answer)
        return answer

    def _log_out_there(self, request: Request) -> Response | None:
        """Return a page that goes on to the provider's own logout, if it offers one and answers.

        A page and no redirect, as Content-Security-Policy's ``form-action`` binds the redirects of a form, too.
        """
        if self._site.openid is None:
            return None
        try:
            address = self._site.openid.logout_address()
        except (PeerUnavailable, RefusedByPeer) as error:
            log.warning("openid-logout-not-known", error=str(error))
            return None
        if address is None:
            return None
        request.state.identity = None
        page = self._show(request, "openid_logout.html", address=address, provider=self._site.openid.settings.name)
        page.headers["Refresh"] = f"0; url={address}"
        return page

    def _has_no_password(self, request: Request) -> bool:
        with self._database.reading() as read:
            return self._is_of_provider(read, request)

    def _is_of_provider(self, read: Session, request: Request) -> bool:
        user = users.find(read, request.state.identity.name)
        return user is not None and user.issuer is not None

    @property
    def _administrators_only(self) -> bool:
        return self._site.settings.console.local_login == "administrators"

    def password_form(self, request: Request) -> HTMLResponse:
        """Show the form that changes the own password; a person of an OpenID provider has none here."""
        return self._show_password(request, problem=_(_KEPT_ELSEWHERE) if self._has_no_password(request) else "")

    async def change_password(self, request: Request) -> Response:
        """Change the own password; all other sessions of the user end."""
        fields = await read_fields(request)
        if await run_in_threadpool(self._has_no_password, request):
            return self._show_password(request, problem=_(_KEPT_ELSEWHERE), code=422)
        if fields.get("new", "") != fields.get("again", ""):
            return self._show_password(request, problem=_("The two new passwords differ."), code=422)
        identity: Identity = request.state.identity
        try:
            result = await self._in_turn(
                logins.change_password,
                self._database, identity, fields.get("old", ""), fields.get("new", ""),
                address=address_of(request.scope),
            )  # fmt: skip
        except Busy:
            return self._show_password(request, problem=_busy(request), code=503)
        except ActionRefused as refused:
            problem = str(refused)
            return self._show_password(request, problem=f"{problem[0].upper()}{problem[1:]}.", code=422)
        if isinstance(result, LoginRefused):
            problem, code = _refused(request, result, wrong="The present password is wrong.")
            return self._show_password(request, problem=problem, code=code)
        return self._go_on(result, "/")

    async def _in_turn(self, compare: Callable[..., LoggedIn | LoginRefused], *values: Any, **more: Any) -> Any:
        """Compare a password when it is its turn; many guesses at once take neither the memory nor all threads."""
        if self._waiting >= _MOST_WAITING:
            raise Busy
        self._waiting += 1
        try:
            async with self._turns:
                return await run_in_threadpool(compare, *values, **more)
        finally:
            self._waiting -= 1

    def _go_on(self, login: LoggedIn, address: str) -> Response:
        answer = RedirectResponse(address, 303)
        self._sessions.cookie.put(answer, login.token)
        return answer

    def _show_login(
        self, request: Request, following: str, *, problem: str = "", code: int = 200, wait: int = 0,
        no_users: bool = False,
    ) -> Response:  # fmt: skip
        values: dict[str, Any] = {"problem": problem, "next": return_address(following), "no_users": no_users}
        values |= {"openid": self._site.settings.console.openid, "administrators_only": self._administrators_only}
        page = self._show(request, "login.html", code, **values)
        if code == 401:
            page.headers.update(CHALLENGE)
        if code in {429, 503}:
            page.headers["Retry-After"] = str(wait or _RETRY_SECONDS)
        return page

    def _show_password(self, request: Request, *, problem: str = "", code: int = 200) -> HTMLResponse:
        return self._show(request, "password.html", code, problem=problem, shortest=passwords.SHORTEST)


def _busy(request: Request) -> str:
    refusal_log.add("as many logins as can wait", address_of(request.scope))
    return _("Many are logging in at this moment: try again in some seconds.")


def _refused(request: Request, result: LoginRefused, wrong: str = _WRONG) -> tuple[str, int]:
    """Return what somebody is told whose login is refused, and the HTTP status."""
    address = address_of(request.scope)
    if result.wait_seconds:
        refusal_log.add("a login too soon after failed ones", address)
        wait = result.wait_seconds
        words = ngettext(
            "Too many failed logins: try again in %(num)s second.",
            "Too many failed logins: try again in %(num)s seconds.", wait,
        )  # fmt: skip
        return words % {"num": wait}, 429
    refusal_log.add("wrong login", address)
    return _(wrong), 401
