"""Who may ask for which route, cell by cell."""

import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from starlette.routing import BaseRoute
from starlette.testclient import TestClient

from config.settings import Settings
from console.access import csrf, roles
from console.access.gate import Gate
from console.access.roles import ROUTES, Rule
from console.app import make_app
from tests.console.visitors import SAME_SITE, begin_session
from tracking.database import Database
from tracking.roles import Role

NOBODY, VIEWER, RADIOLOGIST, ADMINISTRATOR = None, Role.VIEWER, Role.RADIOLOGIST, Role.ADMINISTRATOR
LEAST = {
    ("GET", "/health"): NOBODY,
    ("GET", "/static/{name}"): NOBODY,
    ("GET", "/login"): NOBODY,
    ("POST", "/login"): NOBODY,
    ("POST", "/logout"): VIEWER,
    ("GET", "/password"): VIEWER,
    ("POST", "/password"): VIEWER,
    ("GET", "/"): VIEWER,
    ("GET", "/study/{uid}"): VIEWER,
    ("GET", "/study/{uid}/captures/{document}.png"): VIEWER,
    ("GET", "/study/{uid}/maps/{instance}/{label}.png"): VIEWER,
    ("GET", "/study/{uid}/images/{instance}.png"): VIEWER,
    ("GET", "/study/{uid}/images/{instance}/maps/{label}.png"): VIEWER,
    ("GET", "/analyse"): VIEWER,
    ("POST", "/analyse"): VIEWER,
    ("GET", "/destinations"): RADIOLOGIST,
    ("GET", "/refusals"): ADMINISTRATOR,
    ("GET", "/audit"): ADMINISTRATOR,
    ("GET", "/study/{uid}/resend"): RADIOLOGIST,
    ("POST", "/study/{uid}/resend"): RADIOLOGIST,
    ("GET", "/study/{uid}/withdraw"): RADIOLOGIST,
    ("POST", "/study/{uid}/withdraw"): RADIOLOGIST,
    ("GET", "/study/{uid}/reanalyse"): RADIOLOGIST,
    ("POST", "/study/{uid}/reanalyse"): RADIOLOGIST,
    ("GET", "/study/{uid}/urgent"): RADIOLOGIST,
    ("POST", "/study/{uid}/urgent"): RADIOLOGIST,
    ("GET", "/study/{uid}/retry"): RADIOLOGIST,
    ("POST", "/study/{uid}/retry"): RADIOLOGIST,
    ("GET", "/study/{uid}/resolve"): ADMINISTRATOR,
    ("POST", "/study/{uid}/resolve"): ADMINISTRATOR,
    ("GET", "/study/{uid}/reject"): ADMINISTRATOR,
    ("POST", "/study/{uid}/reject"): ADMINISTRATOR,
    ("GET", "/study/{uid}/accept"): ADMINISTRATOR,
    ("POST", "/study/{uid}/accept"): ADMINISTRATOR,
    ("GET", "/study/{uid}/delete"): ADMINISTRATOR,
    ("POST", "/study/{uid}/delete"): ADMINISTRATOR,
    ("GET", "/destinations/{name}/pause"): ADMINISTRATOR,
    ("POST", "/destinations/{name}/pause"): ADMINISTRATOR,
    ("GET", "/destinations/{name}/resume"): ADMINISTRATOR,
    ("POST", "/destinations/{name}/resume"): ADMINISTRATOR,
    ("GET", "/destinations/{name}/retry"): ADMINISTRATOR,
    ("POST", "/destinations/{name}/retry"): ADMINISTRATOR,
}
"""Written down here once more, so that a change of the table is a change of a test."""
ONE_TIME = {("POST", "/logout"), ("GET", "/password"), ("POST", "/password")}
"""What a user may do who has to change the password first."""
CELLS = [(*route, role) for route in LEAST for role in (None, *Role)]


@pytest.fixture
def database_url(tmp_path: Path, sqlite_template: Path) -> str:
    """The URL of an empty SQLite database: who may do what is the same on both kinds."""
    path = tmp_path / "cxrnode.db"
    shutil.copyfile(sqlite_template, path)
    return f"sqlite:///{path}"


def served(routes: Iterable[BaseRoute]) -> Iterator[tuple[str, str]]:
    """Return every route of an application with each of its methods."""
    for route in routes:
        router = getattr(route, "original_router", None)
        if router is not None:
            yield from served(router.routes)
            continue
        for method in getattr(route, "methods", None) or {"any"}:
            yield method, getattr(route, "path", "?")


def test_every_route_of_the_application_is_in_the_table_and_nothing_else_is(
    settings: Settings, database: Database
) -> None:
    app = make_app(settings, database)._app
    assert {route for route in served(app.routes) if route[0] != "HEAD"} == set(ROUTES)  # type: ignore[attr-defined]


def test_the_table_is_as_it_was_agreed() -> None:
    assert {route: rule.role for route, rule in ROUTES.items()} == LEAST
    assert {route for route, rule in ROUTES.items() if rule.before_change} == ONE_TIME
    assert {rule.scope for rule in ROUTES.values()} == {None}, "no page takes an API token"


def place(path: str) -> str:
    for name, value in (("{uid}", "1.9"), ("{document}", "2.25.77"), ("{instance}", "1.1"), ("{label}", "x")):
        path = path.replace(name, value)
    return path.replace("{name}", "style.css")


def ask(browser: TestClient, method: str, path: str) -> int:
    return browser.request(method, place(path), headers=SAME_SITE, follow_redirects=False).status_code


@pytest.mark.parametrize(("method", "path", "role"), CELLS)
def test_each_cell_of_roles_and_routes(
    browse: Callable[..., TestClient], method: str, path: str, role: Role | None
) -> None:
    status = ask(browse(role=role), method, path)
    least = LEAST[method, path]
    if least is None:
        assert status not in {403, 405}
    elif role is None:
        assert status == (303 if method == "GET" else 401)
    elif role.includes(least):
        assert status not in {401, 403, 405}
    else:
        assert status == 403


@pytest.mark.parametrize(("method", "path"), LEAST)
def test_who_has_to_change_the_password_may_do_nothing_else(
    browse: Callable[..., TestClient], database: Database, method: str, path: str
) -> None:
    browser = browse(role=None)
    token = begin_session(database, ADMINISTRATOR, must_change=True)
    browser.cookies.set("cxrnode", token)
    browser.headers[csrf.HEADER] = csrf.token_of(token)
    answer = browser.request(method, place(path), headers=SAME_SITE, follow_redirects=False)
    if LEAST[method, path] is not None and (method, path) not in ONE_TIME:
        assert answer.status_code == (303 if method == "GET" else 403)
        assert answer.headers.get("Location", "/password") == "/password"
    else:
        assert answer.status_code not in {403, 405}


def test_links_lead_only_where_the_role_may_go(browse: Callable[..., TestClient]) -> None:
    for role in Role:
        page = browse(role=role).get("/").text
        for path in ("/destinations", "/refusals", "/audit"):
            assert (f'href="{path}"' in page) is role.includes(LEAST["GET", path])


def test_a_route_that_is_in_no_table_is_not_served(settings: Settings, database: Database) -> None:
    gate = make_app(settings, database)
    narrowed = {route: rule for route, rule in ROUTES.items() if route != ("GET", "/destinations")}
    bare = Gate(gate._app, gate._sessions, gate._show, narrowed)
    with TestClient(bare, base_url="http://127.0.0.1") as browser:
        browser.cookies.set("cxrnode", begin_session(database, ADMINISTRATOR))
        assert browser.get("/destinations").status_code == 404
        assert browser.get("/refusals").status_code == 200


def test_of_two_rules_for_one_path_the_stricter_counts() -> None:
    table = {("GET", "/study/{uid}"): Rule(VIEWER), ("GET", "/study/secret"): Rule(ADMINISTRATOR)}
    for routes in (table, dict(reversed(table.items()))):
        assert roles.rules_of(routes, "/study/secret")["GET"].role is ADMINISTRATOR
        assert roles.rules_of(routes, "/study/other")["GET"].role is VIEWER
        assert roles.rules_of(routes, "/study/secret/") == {}
