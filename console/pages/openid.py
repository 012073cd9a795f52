"""Logging in with the OpenID provider: the way there, and the way back."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from config.errors import ActionRefused, PeerUnavailable, RefusedByPeer, SettingsError
from config.logs import get_logger
from console.access.gate import LOGIN_PAGE, return_address
from console.access.openid.attempt import AttemptCookie, new_attempt
from console.access.openid.person import person_of
from console.access.openid.provider import DONE, Provider
from console.access.visitor import address_of
from console.refusal_log import refusal_log
from console.site import READ_PAGE, Site
from tracking.people import logins
from tracking.people.logins import LoggedIn

log = get_logger(__name__)
BEGIN = f"{LOGIN_PAGE}/openid"
_ASKED_AT_ONCE = 4
"""Each waits for the provider, at most some ten seconds."""
_MOST_WAITING = 16
_RETRY_SECONDS = 5

Answer = TypeVar("Answer")


def routes(site: Site) -> APIRouter:
    """Return the routes to the provider and back; they answer 404 where the settings name none."""
    pages = _Pages(site)
    router = APIRouter()
    router.api_route(BEGIN, **READ_PAGE)(pages.begin)
    router.api_route(DONE, **READ_PAGE)(pages.finish)
    return router


class _Pages:
    def __init__(self, site: Site) -> None:
        self._site = site
        self._cookie = AttemptCookie(site.settings.console.is_encrypted)
        self._turns = asyncio.Semaphore(_ASKED_AT_ONCE)
        self._waiting = 0

    async def begin(self, request: Request, next: str = "/") -> Response:  # noqa: A002 - the name in the address
        """Send somebody to the provider."""
        provider = self._provider()
        attempt = new_attempt(return_address(next))
        try:
            address = await self._in_turn(lambda: provider.begin(attempt))
        except (PeerUnavailable, RefusedByPeer, SettingsError) as error:
            return await self._refused(request, error)
        answer = RedirectResponse(address, 303)
        self._cookie.put(answer, attempt)
        return answer

    async def finish(self, request: Request) -> Response:
        """Take somebody back from the provider; a right login gets a new session, as one with a password does."""
        provider = self._provider()
        attempt = self._cookie.read(request.headers.get("cookie", ""))
        answered = dict(request.query_params)
        try:
            if attempt is None:
                raise RefusedByPeer("this browser has begun no login, or more than ten minutes ago")
            login = await self._in_turn(
                lambda: self._log_in(request, person_of(provider.finish(answered, attempt), provider.settings))
            )
        except (ActionRefused, PeerUnavailable, RefusedByPeer, SettingsError) as error:
            return await self._refused(request, error)
        # The browser sends no SameSite=Strict cookie while it follows redirects from another site: this page is ours,
        # and goes on by itself.
        following = return_address(attempt.following)
        page = self._site.show(request, "openid_done.html", following=following, person=login.identity)
        page.headers["Refresh"] = f"0; url={following}"
        self._site.sessions.cookie.put(page, login.token)
        self._cookie.remove(page)
        return page

    def _log_in(self, request: Request, person: logins.Person) -> LoggedIn:
        sessions = self._site.sessions
        replaces = sessions.cookie.read(request.headers.get("cookie", ""))
        return logins.log_in_person(
            self._site.database, person, address=address_of(request.scope), limits=sessions.limits, replaces=replaces
        )

    def _provider(self) -> Provider:
        if self._site.openid is None:
            raise HTTPException(404)
        return self._site.openid

    async def _in_turn(self, ask: Callable[[], Answer]) -> Answer:
        """Ask the provider in a thread when it is this request's turn, so that a slow one takes not all threads."""
        if self._waiting >= _MOST_WAITING:
            raise PeerUnavailable("many are logging in at this moment")
        self._waiting += 1
        try:
            async with self._turns:
                return await run_in_threadpool(ask)
        finally:
            self._waiting -= 1

    async def _refused(self, request: Request, error: Exception) -> Response:
        """Say why nobody is let in; what :mod:`tracking.people.logins` refused is audited there."""
        words, address = str(error), address_of(request.scope)
        refusal_log.add("a login with the OpenID provider", address)
        if not isinstance(error, ActionRefused):
            log.warning("openid-login-failed", error=words)
            await run_in_threadpool(logins.note_openid_failure, self._site.database, address, words)
        code = 503 if isinstance(error, PeerUnavailable) else 500 if isinstance(error, SettingsError) else 403
        page = self._site.show(request, "openid_refused.html", code, problem=words, retriable=code == 503)
        if code == 503:
            page.headers["Retry-After"] = str(_RETRY_SECONDS)
        self._cookie.remove(page)
        return page
