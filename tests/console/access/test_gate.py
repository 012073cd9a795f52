"""The gate: sessions, forms, API tokens, and what is said to those who are not let in."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update
from starlette.responses import JSONResponse, Response
from starlette.testclient import TestClient
from starlette.types import Receive, Send
from starlette.types import Scope as AsgiScope

from config.console_settings import ConsoleSettings
from config.settings import Settings
from console.access import csrf
from console.access.cookies import SessionCookie
from console.access.gate import Gate, return_address
from console.access.roles import Rule
from console.access.sessions import Sessions
from tests.console.visitors import SAME_SITE, begin_session
from tracking.engine.database import Database
from tracking.people import api_tokens, user_sessions, users
from tracking.people.roles import Role, Scope
from tracking.people.users import Actor
from tracking.tables.user_models import UserSession

OTHER_SITE = {"Origin": "http://evil.example"}


@pytest.mark.parametrize("page", ["/", "/study/1.9", "/audit?study=1.9", "/analyse", "/nothing"])
def test_without_a_login_there_is_only_the_login(browse: Callable[..., TestClient], page: str) -> None:
    browser = browse(role=None)
    answer = browser.get(page, follow_redirects=False)
    assert answer.status_code == 303
    assert answer.headers["Location"].startswith("/login")
    shown = browser.get(page)
    assert "<h1>Log in</h1>" in shown.text
    assert shown.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("cookie", ["", "x", "\x00", "a" * 4000, "../..", '"', "Ā".encode("latin1", "ignore").decode()])
def test_a_cookie_that_is_no_session_is_no_login(browse: Callable[..., TestClient], cookie: str) -> None:
    answer = browse(role=None).get("/", headers={"Cookie": f"cxrnode={cookie}"}, follow_redirects=False)
    assert answer.status_code == 303


def test_the_name_of_the_host_opens_nothing(browse: Callable[..., TestClient]) -> None:
    """DNS rebinding: a page elsewhere points its name at this machine, but brings no cookie of ours."""
    answer = browse("http://evil.example:8480", role=None).get("/", follow_redirects=False)
    assert answer.status_code == 303


@pytest.mark.parametrize(
    "headers",
    [
        {},
        OTHER_SITE,
        {"Origin": "null"},
        {**SAME_SITE, "Sec-Fetch-Site": "cross-site"},
        {**SAME_SITE, "Sec-Fetch-Site": "same-site"},
    ],
)
@pytest.mark.parametrize("page", ["/login", "/logout", "/password", "/analyse"])
def test_a_form_of_another_site_is_refused(
    browse: Callable[..., TestClient], page: str, headers: dict[str, str]
) -> None:
    answer = browse().post(page, data={"user": "x"}, headers=headers)
    assert answer.status_code == 403
    assert "not sent from these pages" in answer.text


@pytest.mark.parametrize("token", ["", "0" * 64, csrf.token_of("another session")])
@pytest.mark.parametrize("page", ["/logout", "/password", "/analyse"])
def test_a_form_without_the_token_of_its_login_is_refused(
    browse: Callable[..., TestClient], page: str, token: str
) -> None:
    browser = browse()
    browser.headers[csrf.HEADER] = token
    assert browser.post(page, data={"csrf": token}, headers=SAME_SITE).status_code == 403
    assert browser.get("/").status_code == 200


def test_a_login_that_ended_ends_forms_too(browse: Callable[..., TestClient], database: Database) -> None:
    browser = browse()
    with database.transaction() as tx:
        users.disable(tx, "dr.administrator", by=Actor("root"))
    answer = browser.post("/logout", headers=SAME_SITE)
    assert answer.status_code == 401
    assert "The login has ended" in answer.text
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_session_in_use_lives_on_and_is_written_at_most_once_a_minute(
    browse: Callable[..., TestClient], database: Database
) -> None:
    browser = browse(session_idle_minutes=30)

    def seen() -> int:
        with database.reading() as read:
            return read.scalars(select(UserSession.seen_at)).one()

    first = seen()
    browser.get("/")
    assert seen() == first
    with database.transaction() as tx:
        tx.execute(update(UserSession).values(seen_at=UserSession.seen_at - 29 * 60_000))
    assert browser.get("/").status_code == 200
    assert seen() >= first
    with database.transaction() as tx:
        tx.execute(update(UserSession).values(seen_at=UserSession.seen_at - 30 * 60_000))
    assert browser.get("/", follow_redirects=False).status_code == 303


@given(st.text(max_size=40) | st.from_regex(r"[/\\:\t\n a-z.]{0,12}", fullmatch=True))
def test_after_the_login_nobody_is_sent_elsewhere(text: str) -> None:
    address = return_address(text)
    assert address == "/" or (address == text and text[0] == "/")
    assert not address.startswith(("//", "/\\"))
    assert "\\" not in address
    assert address.isprintable()


@pytest.mark.parametrize(
    ("encrypted", "flags"),
    [
        (True, "__Host-cxrnode=secret; HttpOnly; Path=/; SameSite=strict; Secure"),
        (False, "cxrnode=secret; HttpOnly; Path=/; SameSite=strict"),
    ],
)
def test_the_cookie_has_every_flag_there_is(encrypted: bool, flags: str) -> None:
    answer = Response()
    cookie = SessionCookie(encrypted)
    cookie.put(answer, "secret")
    assert answer.headers["set-cookie"] == flags
    assert cookie.read("a=b; cxrnode=old; __Host-cxrnode=new") == ("new" if encrypted else "old")


# --- API tokens: no page takes one yet, so they are tried on a route of the test's own ---------------------------


async def program(scope: AsgiScope, receive: Receive, send: Send) -> None:
    """Answer who asks."""
    identity = scope["state"]["identity"]
    await JSONResponse({"name": identity.name, "role": identity.role})(scope, receive, send)


@pytest.fixture
def api(database: Database) -> TestClient:
    """A gate before a route for radiologists whose tokens have the scope *read*, and one without a scope."""
    table = {
        ("GET", "/api/v1/studies"): Rule(Role.RADIOLOGIST, Scope.READ),
        ("POST", "/api/v1/studies"): Rule(Role.RADIOLOGIST, Scope.ACT),
        ("GET", "/"): Rule(Role.VIEWER),
    }

    def show(_: Any, kind: str, code: int) -> Response:
        return Response(kind, code)

    gate = Gate(program, Sessions(ConsoleSettings(), database), show, table)
    return TestClient(gate, base_url="http://127.0.0.1")


def token_for(database: Database, role: Role, *scopes: Scope) -> dict[str, str]:
    begin_session(database, role)
    with database.transaction() as tx:
        token = api_tokens.add(tx, f"dr.{role.value}", set(scopes), by=Actor("root"))
    return {"Authorization": f"Bearer {token}"}


def test_a_token_lets_a_program_in_where_its_scope_and_its_user_s_role_do(api: TestClient, database: Database) -> None:
    doctor = token_for(database, Role.RADIOLOGIST, Scope.READ)
    assert api.get("/api/v1/studies", headers=doctor).json() == {"name": "dr.radiologist", "role": "radiologist"}
    assert api.post("/api/v1/studies", headers=doctor).status_code == 403
    assert api.get("/", headers=doctor).status_code == 403
    assert api.get("/nothing", headers=doctor).status_code == 403
    viewer = token_for(database, Role.VIEWER, *Scope)
    assert api.get("/api/v1/studies", headers=viewer).status_code == 403
    writer = token_for(database, Role.ADMINISTRATOR, Scope.ACT)
    assert api.post("/api/v1/studies", headers=writer | OTHER_SITE).status_code == 200


@pytest.mark.parametrize("value", ["Bearer", "Bearer ", "Bearer x", "bearer cxrnode_x", "Bearer \x7f"])
def test_a_token_that_is_none_is_refused_even_beside_a_session(api: TestClient, database: Database, value: str) -> None:
    api.cookies.set("cxrnode", begin_session(database, Role.ADMINISTRATOR))
    answer = api.get("/api/v1/studies", headers={"Authorization": value})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="cxrnode"'


def test_a_person_may_ask_the_same_with_a_session(api: TestClient, database: Database) -> None:
    api.cookies.set("cxrnode", begin_session(database, Role.RADIOLOGIST))
    assert api.get("/api/v1/studies").json()["name"] == "dr.radiologist"
    assert api.post("/api/v1/studies", headers=SAME_SITE).status_code == 403, "the token of the form is missing"


def test_basic_authentication_is_gone(browse: Callable[..., TestClient], settings: Settings) -> None:
    answer = browse(role=None).get("/", auth=("admin", "word"), follow_redirects=False)
    assert answer.status_code == 303


def test_no_session_is_known_by_what_the_database_holds(database: Database, browse: Callable[..., TestClient]) -> None:
    token = begin_session(database, Role.VIEWER)
    browser = browse(role=None)
    browser.cookies.set("cxrnode", user_sessions.digest(token))
    assert browser.get("/", follow_redirects=False).status_code == 303
    assert json.dumps(token) not in browser.get("/login").text
