"""Who may see the pages, and the headers that every answer carries. Decisions are pure; :class:`Gate` applies them."""

import base64
import binascii
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from config.errors import SettingsError
from config.settings import ConsoleSettings
from console.refusal_log import refusal_log

OPEN_PATHS = frozenset({"/health"})
POST_PATHS = frozenset({"/analyse"})
"""Pages that take more than a question: they may run a script of ours and show images that came with the answer."""
NOBODY = "not logged in"
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": "default-src 'self'; script-src 'none'; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_POST_HEADERS: Mapping[str, str] = {
    **HEADERS,
    "Content-Security-Policy": HEADERS["Content-Security-Policy"].replace(
        "script-src 'none'", "script-src 'self'; img-src 'self' data:"
    ),
    "Referrer-Policy": "same-origin",  # with "no-referrer" a browser sends "Origin: null" with our own form
}
_LOCAL_NAMES = frozenset({"localhost", "[::1]"})


def headers_of(path: str) -> Mapping[str, str]:
    """Return the headers of an answer under a path."""
    return _POST_HEADERS if path in POST_PATHS or path.startswith("/study/") else HEADERS


class Verdict(StrEnum):
    """What to do with a request."""

    LET_IN = "let in"
    ASK = "ask for the login"
    WRONG = "wrong login"
    WRONG_HOST = "another host's name"
    WRONG_ORIGIN = "a form of another origin"


@dataclass(frozen=True, slots=True)
class Login:
    """The one login of the pages, as UTF-8 bytes."""

    user: bytes
    password: bytes


def read_login(settings: ConsoleSettings) -> Login | None:
    """Return the login that the settings ask for, or None when only this machine can reach the pages.

    Raises
    ------
    SettingsError
        The password file cannot be read, or is empty.
    """
    file = settings.password_file
    if file is None:
        return None
    try:
        password = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        msg = f"console.password_file: {file} cannot be read: {reason}; give it to the user the node runs as"
        raise SettingsError(msg) from None
    if not password:
        msg = f"console.password_file: {file} is empty; write the password into it"
        raise SettingsError(msg)
    return Login(settings.user.encode(), password.encode())


def decide(login: Login | None, authorization: str, host: str) -> Verdict:
    """Judge a request by its Authorization and Host headers (RFC 7617 Basic).

    Without a login, only names of this machine are served: another name that leads here is a web page elsewhere that
    points its own name at this machine to read the answers in a visitor's browser (DNS rebinding).
    """
    if login is None:
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
        return Verdict.LET_IN if name.lower() in _LOCAL_NAMES or _is_loopback(name) else Verdict.WRONG_HOST
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return Verdict.ASK
    try:
        user, _, password = base64.b64decode(encoded.strip(), validate=True).partition(b":")
    except (binascii.Error, ValueError):
        return Verdict.WRONG
    # Both are compared in any case, so that the time says nothing about which was wrong.
    same = secrets.compare_digest(user, login.user) & secrets.compare_digest(password, login.password)
    return Verdict.LET_IN if same else Verdict.WRONG


def is_same_origin(host: str, origin: str, fetch_site: str) -> bool:
    """Say whether a form was sent from these pages, and by no page elsewhere in a visitor's browser (CSRF).

    Parameters
    ----------
    host, origin, fetch_site
        The headers Host, Origin (RFC 6454) and Sec-Fetch-Site (Fetch Metadata); empty where absent. A page cannot set
        any of them. Sec-Fetch-Site decides where there is one; the scheme is not compared, as a proxy may speak TLS.
    """
    if fetch_site:
        return fetch_site == "same-origin"
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return bool(host) and parts.scheme in {"http", "https"} and parts.netloc.lower() == host.lower()


def _is_loopback(name: str) -> bool:
    try:
        return IPv4Address(name).is_loopback
    except ValueError:
        return False


class Gate:
    """Stands before the pages: asks for the login, refuses forms of others, puts the headers on every answer."""

    def __init__(self, app: ASGIApp, login: Login | None) -> None:
        self._app = app
        self._login = login
        self._user = login.user.decode() if login is not None else NOBODY

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or hand it on with ``scope["state"]["user"]`` set."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return  # no page speaks WebSocket

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in headers_of(scope["path"]).items():
                    headers[name] = value
            await send(message)

        refusal = self._refuse(scope)
        if refusal is not None:
            await refusal(scope, receive, send_with_headers)
            return
        scope.setdefault("state", {})["user"] = self._user
        await self._app(scope, receive, send_with_headers)

    def _refuse(self, scope: Scope) -> PlainTextResponse | None:
        posted = scope["method"] == "POST" and scope["path"] in POST_PATHS
        if not posted and scope["method"] not in {"GET", "HEAD"}:
            refusal_log.add("a method that the page does not take", address_of(scope))
            return PlainTextResponse("This page only shows.\n", 405, {"Allow": "GET, HEAD"})
        if scope["path"] in OPEN_PATHS:
            return None
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        verdict = decide(self._login, headers.get("authorization", ""), host)
        if verdict is Verdict.LET_IN and posted:
            same = is_same_origin(host, headers.get("origin", ""), headers.get("sec-fetch-site", ""))
            verdict = Verdict.LET_IN if same else Verdict.WRONG_ORIGIN
        if verdict is Verdict.LET_IN:
            return None
        if verdict is not Verdict.ASK:  # how every visit of a browser begins
            refusal_log.add(verdict.value, address_of(scope))
        return _answer(verdict)


def _answer(verdict: Verdict) -> PlainTextResponse:
    """Return what somebody is told who is not let in."""
    if verdict is Verdict.WRONG_ORIGIN:
        return PlainTextResponse(
            "This form was not sent from these pages. Open the page Analyse and send it there; a proxy before these "
            "pages must hand on the Host header.\n",
            403,
        )
    if verdict is Verdict.WRONG_HOST:
        return PlainTextResponse(
            "Open these pages as http://127.0.0.1 or http://localhost; to serve them under another name, "
            "set console.password_file.\n",
            421,
        )
    challenge = {"WWW-Authenticate": 'Basic realm="cxrnode", charset="UTF-8"'}
    return PlainTextResponse("A login is needed.\n", 401, challenge)


def address_of(scope: Scope) -> str:
    """Return the address a request came from, as the network says it (no header can claim another)."""
    client = scope.get("client")
    return str(client[0]) if client else ""
