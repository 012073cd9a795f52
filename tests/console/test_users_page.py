"""Users and tokens on their page: what an administrator may do, to whom, and that secrets are shown once."""

import re
from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from tests.console.visitors import SAME_SITE, begin_session
from tracking.audit_log import audit
from tracking.audit_log.audit import AuditEventType
from tracking.engine.database import Database
from tracking.people import api_tokens, logins, users
from tracking.people.logins import LoggedIn
from tracking.people.roles import Role, Scope
from tracking.people.user_sessions import Limits
from tracking.people.users import Actor, UserSummary

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def post(browser: TestClient, place: str, **fields: str) -> tuple[int, str]:
    answer = browser.post(place, data=fields, headers=SAME_SITE, follow_redirects=False)
    return answer.status_code, answer.text


def user(database: Database, name: str) -> UserSummary:
    with database.reading() as read:
        return next(entry for entry in users.every(read) if entry.name == name)


def test_a_new_user_gets_a_one_time_password_that_is_shown_once(browser: TestClient, database: Database) -> None:
    status, page = post(browser, "/users", name="Jane", role="radiologist")
    assert status == 200
    secret = re.search(r'class="secret">(.*?)</code>', page)
    assert secret is not None
    assert secret[1] not in browser.get("/users").text
    assert (user(database, "jane").role, user(database, "jane").must_change) == (Role.RADIOLOGIST, True)
    login = logins.log_in(database, "jane", secret[1], address="192.0.2.1", limits=Limits(60, 60))
    assert isinstance(login, LoggedIn)
    with database.reading() as read:
        lines = list(audit.lines(read, types={AuditEventType.USER_CHANGED}))
    assert [(line.detail["what"], line.detail["user"]) for line in lines] == [("added", "dr.administrator")]
    assert secret[1] not in str(lines)


def test_role_state_and_password_change(browser: TestClient, database: Database) -> None:
    begin_session(database, Role.VIEWER)
    assert post(browser, "/users/change", name="dr.viewer", what="role", role="radiologist")[0] == 303
    assert user(database, "dr.viewer").role is Role.RADIOLOGIST
    assert post(browser, "/users/change", name="dr.viewer", what="disable")[0] == 303
    assert user(database, "dr.viewer").disabled
    assert "disabled" in browser.get("/users").text
    assert post(browser, "/users/change", name="dr.viewer", what="enable")[0] == 303
    assert not user(database, "dr.viewer").disabled
    status, page = post(browser, "/users/change", name="dr.viewer", what="password")
    assert status == 200
    assert 'class="secret"' in page
    assert user(database, "dr.viewer").must_change


@pytest.mark.parametrize("what", ["disable", "role", "password"])
def test_nobody_takes_their_own_rights_away(browser: TestClient, database: Database, what: str) -> None:
    status, page = post(browser, "/users/change", name="DR.Administrator", what=what, role="viewer")
    assert status == 422
    assert "You cannot do this to yourself" in page
    assert user(database, "dr.administrator").role is Role.ADMINISTRATOR
    assert not user(database, "dr.administrator").disabled


@pytest.mark.parametrize(
    ("place", "fields", "status"),
    [
        ("/users", {"name": "<b>"}, 422),
        ("/users", {"name": "dr.administrator"}, 422),
        ("/users/change", {"name": "nobody", "what": "disable"}, 422),
        ("/users/change", {"name": "dr.viewer", "what": "nothing"}, 404),
        ("/users/revoke", {"number": "7"}, 422),
        ("/users/revoke", {"number": "x"}, 404),
    ],
)
def test_what_cannot_be_done_is_said(browser: TestClient, place: str, fields: dict[str, str], status: int) -> None:
    found, page = post(browser, place, **fields)
    assert found == status
    assert "<b></b>" not in page


def test_tokens_are_listed_and_revoked(
    browser: TestClient, browse: Callable[..., TestClient], database: Database
) -> None:
    with database.transaction() as tx:
        token = api_tokens.add(tx, "dr.administrator", {Scope.READ}, by=Actor("root"), purpose="<statistics>")
    page = browser.get("/users").text
    assert "&lt;statistics&gt;" in page
    assert token not in page
    assert post(browser, "/users/revoke", number="1")[0] == 303
    assert "revoked" in browser.get("/users").text
    with database.reading() as read:
        assert api_tokens.find(read, token) is None
