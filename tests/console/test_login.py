"""Logging in and out on the pages, as a browser does."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from starlette.testclient import TestClient

from console.access import csrf
from console.pages import login
from tests.console.visitors import PASSWORD, SAME_SITE, begin_session
from tests.logins import noted, pass_time
from tracking.audit_log.audit import AuditEventType
from tracking.engine.database import Database
from tracking.people import users
from tracking.people.roles import Role


@pytest.fixture
def jane(database: Database) -> str:
    """A radiologist who may log in."""
    begin_session(database, Role.RADIOLOGIST)
    return "dr.radiologist"


@pytest.fixture
def visitor(browse: Callable[..., TestClient]) -> TestClient:
    """The browser of somebody who has not logged in, which sends forms as our pages do."""
    browser = browse(role=None)
    browser.headers.update(SAME_SITE)
    return browser


def log_in(browser: TestClient, user: str, password: str = PASSWORD, **fields: str):  # type: ignore[no-untyped-def]
    form = {"user": user, "password": password, **fields}
    return browser.post("/login", data=form, follow_redirects=False)


def form_token(browser: TestClient, page: str) -> str:
    found = re.search(r'name="csrf" value="([0-9a-f]{64})"', browser.get(page).text)
    assert found is not None
    return found[1]


def test_a_login_leads_to_the_page_that_was_asked_for(visitor: TestClient, jane: str) -> None:
    shown = visitor.get("/study/1.9?x=1")
    found = re.search(r'name="next" value="([^"]*)"', shown.text)
    assert found is not None
    answer = log_in(visitor, jane, next=found[1])
    assert (answer.status_code, answer.headers["Location"]) == (303, "/study/1.9?x=1")
    assert "HttpOnly" in answer.headers["Set-Cookie"]
    page = visitor.get("/").text
    assert jane in page
    assert "radiologist" in page
    assert visitor.get("/login", follow_redirects=False).headers["Location"] == "/"


def test_a_login_never_leads_to_another_site(visitor: TestClient, jane: str) -> None:
    for elsewhere in ("https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"):
        assert log_in(visitor, jane, next=elsewhere).headers["Location"] == "/"
        visitor.cookies.clear()
        assert "evil" not in visitor.get("/login", params={"next": elsewhere}).text


def test_a_wrong_login_says_the_same_whatever_is_wrong(visitor: TestClient, jane: str, database: Database) -> None:
    begin_session(database, Role.VIEWER)
    with database.transaction() as tx:
        users.disable(tx, "dr.viewer", by=users.Actor("root"))
    answers = [log_in(visitor, name, word) for name, word in
               ((jane, "wrong"), ("nobody", PASSWORD), ("dr.viewer", PASSWORD), ("", ""))]  # fmt: skip
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.text for answer in answers}) == 1
    assert "User or password is wrong" in answers[0].text
    assert all("set-cookie" not in answer.headers for answer in answers)


def test_guessing_costs_time(visitor: TestClient, jane: str, database: Database) -> None:
    assert [log_in(visitor, jane, "wrong").status_code for _ in range(4)] == [401, 401, 401, 429]
    answer = log_in(visitor, jane)
    assert answer.status_code == 429
    assert answer.headers["Retry-After"] == "1"
    assert "try again in 1 second." in answer.text
    pass_time(database, 2)
    assert log_in(visitor, jane).status_code == 303


def test_guesses_at_the_same_moment_are_no_way_round(
    browse: Callable[..., TestClient], jane: str, database: Database
) -> None:
    browser = browse(role=None)
    browser.headers.update(SAME_SITE)
    with browser, ThreadPoolExecutor(8) as pool:
        codes = [answer.status_code for answer in pool.map(lambda _: log_in(browser, jane, "wrong"), range(12))]
    assert codes.count(401) <= 3
    assert set(codes) <= {401, 429}
    assert [line["failures"] for line in noted(database, AuditEventType.LOGIN_FAILED)] == [1]


def test_a_flood_of_logins_is_sent_away(visitor: TestClient, jane: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login, "_MOST_WAITING", 0)
    answer = log_in(visitor, jane)
    assert answer.status_code == 503
    assert "Retry-After" in answer.headers


def test_a_session_that_was_planted_is_not_the_one_of_the_login(visitor: TestClient, jane: str) -> None:
    visitor.cookies.set("cxrnode", "planted")
    answer = log_in(visitor, jane)
    token = answer.headers["Set-Cookie"].partition("=")[2].partition(";")[0]
    assert token != "planted"
    assert len(token) == 43
    visitor.cookies.clear()
    again = log_in(visitor, jane)
    assert token not in again.headers["Set-Cookie"]


def test_logging_out_ends_the_session_on_both_sides(visitor: TestClient, jane: str, database: Database) -> None:
    cookie = log_in(visitor, jane).headers["Set-Cookie"].partition(";")[0]
    form = {"csrf": form_token(visitor, "/")}
    answer = visitor.post("/logout", data=form, follow_redirects=False)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/login")
    assert "Max-Age=0" in answer.headers["Set-Cookie"]
    assert visitor.get("/", headers={"Cookie": cookie}, follow_redirects=False).status_code == 303
    assert noted(database, AuditEventType.USER_LOGOUT) == [{"user": jane, "address": "192.0.2.55"}]


def test_the_first_administrator_chooses_a_password_before_anything_else(
    visitor: TestClient, database: Database
) -> None:
    assert "There is no user yet" in visitor.get("/login").text
    one_time = users.add_first_administrator(database)
    assert one_time is not None
    assert log_in(visitor, "admin", one_time).headers["Location"] == "/password"
    assert '<nav aria-label="Pages"' not in visitor.get("/").text
    form = {"csrf": form_token(visitor, "/password"), "old": one_time, "new": PASSWORD, "again": PASSWORD}
    for change, words in (
        ({"again": "other"}, "The two new passwords differ"),
        ({"old": "wrong"}, "The present password is wrong"),
        ({"new": "short", "again": "short"}, "shorter than 12"),
        ({"new": one_time, "again": one_time}, "is the old one"),
    ):
        assert words in visitor.post("/password", data=form | change).text
    before = visitor.cookies["cxrnode"]
    answer = visitor.post("/password", data=form, follow_redirects=False)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    assert visitor.cookies["cxrnode"] != before
    assert "<nav" in visitor.get("/").text
    visitor.cookies.clear()
    assert log_in(visitor, "admin", one_time).status_code == 401
    assert log_in(visitor, "admin").headers["Location"] == "/"


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({"Content-Type": "application/x-www-form-urlencoded"}, b"user=" + b"x" * 9000, 413),
        ({"Content-Type": "application/x-www-form-urlencoded"}, b"user=" + b"x" * 4000, 400),
        ({"Content-Type": "application/x-www-form-urlencoded"}, b"&".join(b"a%d=1" % n for n in range(20)), 400),
        ({"Content-Type": "multipart/form-data; boundary=x"}, b"rubbish", 400),
        ({"Content-Type": "application/json"}, b"{}", 401),
    ],
)
def test_a_login_that_is_no_form_of_ours_is_bounded(
    visitor: TestClient, headers: dict[str, str], body: bytes, status: int
) -> None:
    assert visitor.post("/login", content=body, headers=headers).status_code == status


def test_a_login_of_unknown_size_is_not_read(visitor: TestClient) -> None:
    assert visitor.post("/login", content=iter([b"user=x"])).status_code == 411


def test_pages_of_the_login_run_no_script_and_remember_nothing(visitor: TestClient, jane: str) -> None:
    answer = visitor.get("/login")
    assert "<script" not in answer.text
    assert "script-src 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["Cache-Control"] == "no-store"
    log_in(visitor, jane)
    page = visitor.get("/password")
    assert "<script" not in page.text
    assert csrf.FIELD in page.text
