"""The gate before all pages: asks for the login, keeps to the table of roles, refuses forms of other sites."""

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from config.language.translation import Language, speaking
from config.logs import get_logger
from console.access import csrf, roles
from console.access.cookies import language_cookie
from console.access.headers import headers_of
from console.access.roles import ROUTES, Routes, Rule
from console.access.sessions import Sessions
from console.access.visitor import address_of, is_from_here
from console.problems import is_for_programs, problem
from console.refusal_log import refusal_log
from tracking.people.users import Identity

log = get_logger(__name__)
LOGIN_PAGE = "/login"
PASSWORD_PAGE = "/password"  # noqa: S105 - a path
CHALLENGE = {"WWW-Authenticate": 'Bearer realm="cxrnode"'}
"""What an answer 401 has to name (RFC 9110 11.6.1); no browser asks for a password at it."""
UNATTENDED = frozenset({"/live"})
"""Asked for by an open page, with nobody before it: a session that does nothing else comes to its end."""
_LONGEST_RETURN = 512
_TOKEN_ENDED = "The token is not valid: it was revoked, has expired, or its user is disabled."  # noqa: S105 - words
_NO_SCOPE = "The token lacks the scope for this; `cxrnode token add` makes one that has it."
_NO_ROLE = "The role of the token's user does not allow this; `cxrnode user role` changes it."

ShowRefusal = Callable[[Request, str, int], Response]
"""Makes the page for somebody who is not let in: request, what is the matter, HTTP status."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is not handed on, and what is answered."""

    reason: str
    """A fixed text for the log; empty for what happens every day."""
    answer: Response


class Gate:
    """Stands before the pages: what it hands on has ``identity``, ``csrf`` and ``token`` in ``request.state``.

    Pages are made in the language that the browser has a cookie of, else in that of the site; interfaces for programs
    answer in English.
    """

    def __init__(
        self, app: ASGIApp, sessions: Sessions, show: ShowRefusal, routes: Routes = ROUTES,
        language: Language = Language.ENGLISH,
    ) -> None:  # fmt: skip
        self._app = app
        self._sessions = sessions
        self._show = show
        self._routes = routes
        self._language = language

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or hand it on."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return  # no page speaks WebSocket
        with speaking(self._language_of(scope)):
            await self._answer(scope, receive, send)

    def _language_of(self, scope: Scope) -> Language:
        if is_for_programs(scope["path"]):
            return Language.ENGLISH
        return language_cookie.read(Headers(scope=scope).get("cookie", "")) or self._language

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in headers_of(scope["path"]).items():
                    headers[name] = value
            await send(message)

        form = _Form(receive)
        request = Request(scope)
        try:
            refusal = await self._refuse(request, form)
        except SQLAlchemyError as error:
            log.error("console-database-failed", error=type(error).__name__)
            refusal = Refusal("", self._show(request, "database", 503))
        if refusal is None:
            await self._app(scope, form.receive, send_with_headers)
            return
        if refusal.reason:
            refusal_log.add(refusal.reason, address_of(scope))
        await refusal.answer(scope, form.receive, send_with_headers)

    async def _refuse(self, request: Request, form: "_Form") -> Refusal | None:
        """Return why a request goes no further, or None; who asks is then known."""
        path = request.scope["path"]
        rules = roles.rules_of(self._routes, path)
        method = "GET" if request.method == "HEAD" else request.method
        rule = rules.get(method)
        if rule is not None and rule.role is None:
            return self._refuse_foreign_form(request) if method == "POST" else None
        if rule is not None and rule.from_here and is_from_here(request):
            return None
        bearer = _bearer_token(request.headers)
        if bearer is not None:
            return await self._refuse_token(request, rule, bearer)
        token = self._sessions.cookie.read(request.headers.get("cookie", ""))
        in_use = path not in UNATTENDED
        identity = await run_in_threadpool(self._sessions.identity_of, token, in_use=in_use) if token else None
        if identity is None:
            return self._ask_for_login(request)
        _introduce(request, identity, csrf.token_of(token))
        if identity.must_change and not (rule is not None and rule.before_change):
            return self._ask_for_new_password(request)
        if rule is None:
            return self._refuse_route(request, rules)
        if not roles.allows(rule, identity.role):
            return Refusal("a page that the role does not open", self._show(request, "role", 403))
        if method == "POST":
            return self._refuse_foreign_form(request) or await self._refuse_unknown_form(request, token, form)
        return None

    async def _refuse_token(self, request: Request, rule: Rule | None, token: str) -> Refusal | None:
        """Judge a request of a program; it brings no cookie, so no other site can have sent it."""
        holder = await run_in_threadpool(self._sessions.holder_of, token)
        if holder is None:
            return Refusal("an API token that is not valid", _say(_TOKEN_ENDED, 401))
        if rule is None or rule.scope is None or rule.scope not in holder.scopes:
            return Refusal("an API token without the scope", _say(_NO_SCOPE, 403))
        if not roles.allows(rule, holder.identity.role):
            return Refusal("an API token without the role", _say(_NO_ROLE, 403))
        _introduce(request, holder.identity, "", holder.token)
        return None

    def _ask_for_login(self, request: Request) -> Refusal:
        by_program = is_for_programs(request.scope["path"])
        if request.method in {"GET", "HEAD"} and not by_program:
            query = {"next": _address(request)} if request.scope["path"] != "/" else {}
            return Refusal("", _redirect(LOGIN_PAGE + (f"?{urlencode(query)}" if query else "")))
        answer = self._show(request, "login", 401)
        answer.headers.update(CHALLENGE)
        return Refusal("a program without a token" if by_program else "a form without a login", answer)

    def _ask_for_new_password(self, request: Request) -> Refusal:
        if is_for_programs(request.scope["path"]):
            return Refusal("a program before the password was changed", self._show(request, "password", 403))
        if request.method in {"GET", "HEAD"}:
            return Refusal("", _redirect(PASSWORD_PAGE))
        return Refusal("a form before the password was changed", self._show(request, "role", 403))

    def _refuse_route(self, request: Request, rules: dict[str, Rule]) -> Refusal:
        if not rules:
            return Refusal("answered 404", self._show(request, "missing", 404))
        answer = self._show(request, "refused", 405)
        answer.headers["Allow"] = ", ".join(sorted(rules))
        return Refusal("a method that the page does not take", answer)

    def _refuse_foreign_form(self, request: Request) -> Refusal | None:
        sent = request.headers
        if csrf.is_same_origin(sent.get("host", ""), sent.get("origin", ""), sent.get("sec-fetch-site", "")):
            return None
        return Refusal("a form of another origin", self._show(request, "origin", 403))

    async def _refuse_unknown_form(self, request: Request, token: str, form: "_Form") -> Refusal | None:
        sent = request.headers.get(csrf.HEADER, "")
        if not sent:
            sent = csrf.sent_token(request.headers.get("content-type", ""), await form.prefix(csrf.LONGEST_PREFIX))
        if csrf.is_right(token, sent):
            return None
        return Refusal("a form without this login's token", self._show(request, "origin", 403))


class _Form:
    """The body of a request, of which the gate reads the first bytes before the page reads all of it."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._read: list[Message] = []

    async def prefix(self, length: int) -> bytes:
        """Return the first bytes: at least ``length``, unless there are fewer."""
        body = b""
        more = True
        while more and len(body) < length:
            message = await self._receive()
            self._read.append(message)
            body += message.get("body", b"")
            more = message["type"] == "http.request" and message.get("more_body", False)
        return body

    async def receive(self) -> Message:
        """Return the next message, beginning with those that were read already."""
        return self._read.pop(0) if self._read else await self._receive()


def return_address(text: str) -> str:
    """Return where to go after the login: an address of these pages, never one of another site."""
    local = text.startswith("/") and not text.startswith(("//", "/\\")) and "\\" not in text
    return text if local and text.isascii() and text.isprintable() and len(text) <= _LONGEST_RETURN else "/"


def _address(request: Request) -> str:
    query = request.scope["query_string"].decode("ascii", "replace")
    return return_address(quote(request.scope["path"]) + (f"?{query}" if query else ""))


def _bearer_token(headers: Headers) -> str | None:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _introduce(request: Request, identity: Identity, form_token: str, api_token: str = "") -> None:
    request.state.identity, request.state.csrf, request.state.token = identity, form_token, api_token


def _redirect(address: str) -> Response:
    return RedirectResponse(address, 303)


def _say(words: str, status: int) -> Response:
    return problem(status, words, CHALLENGE if status == 401 else None)
