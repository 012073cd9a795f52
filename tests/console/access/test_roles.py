"""Who may ask for which route, cell by cell."""

import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from httpx import Response
from starlette.routing import BaseRoute
from starlette.testclient import TestClient

from config.settings import Settings
from console.access import csrf, roles
from console.access.gate import Gate
from console.access.roles import ROUTES, Rule
from console.app import make_app
from tests.console.visitors import SAME_SITE, begin_session
from tracking.engine.database import Database
from tracking.people.roles import Role

NOBODY, VIEWER, RADIOLOGIST, ADMINISTRATOR = None, Role.VIEWER, Role.RADIOLOGIST, Role.ADMINISTRATOR
LEAST = {
    ("GET", "/health"): NOBODY,
    ("GET", "/static/{name}"): NOBODY,
    ("GET", "/language"): NOBODY,
    ("GET", "/login"): NOBODY,
    ("POST", "/login"): NOBODY,
    ("GET", "/login/openid"): NOBODY,
    ("GET", "/login/openid/done"): NOBODY,
    ("POST", "/logout"): VIEWER,
    ("GET", "/password"): VIEWER,
    ("POST", "/password"): VIEWER,
    ("GET", "/"): VIEWER,
    ("GET", "/live"): VIEWER,
    ("POST", "/filters"): VIEWER,
    ("POST", "/filters/delete"): VIEWER,
    ("GET", "/study/{uid}"): VIEWER,
    ("GET", "/study/{uid}/captures/{document}.png"): VIEWER,
    ("GET", "/study/{uid}/maps/{instance}/{label}.png"): VIEWER,
    ("GET", "/study/{uid}/images/{instance}.png"): VIEWER,
    ("GET", "/study/{uid}/images/{instance}/maps/{label}.png"): VIEWER,
    ("GET", "/study/{uid}/captures/{document}.dcm"): VIEWER,
    ("GET", "/study/{uid}/documents/{document}"): RADIOLOGIST,
    ("GET", "/study/{uid}/documents/{document}/file"): RADIOLOGIST,
    ("POST", "/study/{uid}/answers"): RADIOLOGIST,
    ("GET", "/analyse"): VIEWER,
    ("POST", "/analyse"): VIEWER,
    ("GET", "/models"): VIEWER,
    ("GET", "/models/points"): ADMINISTRATOR,
    ("GET", "/models/points/{label}"): ADMINISTRATOR,
    ("POST", "/models/points/{label}"): ADMINISTRATOR,
    ("GET", "/models/points/{label}/effect"): ADMINISTRATOR,
    ("POST", "/models/points/{label}/reset"): ADMINISTRATOR,
    ("GET", "/flow"): RADIOLOGIST,
    ("GET", "/plots"): RADIOLOGIST,
    ("GET", "/destinations"): RADIOLOGIST,
    ("POST", "/destinations/echo"): ADMINISTRATOR,
    ("GET", "/refusals"): ADMINISTRATOR,
    ("GET", "/audit"): ADMINISTRATOR,
    ("GET", "/users"): ADMINISTRATOR,
    ("POST", "/users"): ADMINISTRATOR,
    ("POST", "/users/change"): ADMINISTRATOR,
    ("POST", "/users/revoke"): ADMINISTRATOR,
    ("GET", "/metrics"): VIEWER,
    ("GET", "/api/v1/openapi.json"): VIEWER,
    ("GET", "/api/v1/studies"): VIEWER,
    ("GET", "/api/v1/studies/{uid}"): VIEWER,
    ("GET", "/api/v1/studies/{uid}/documents"): VIEWER,
    ("GET", "/api/v1/documents/{uid}"): VIEWER,
    ("GET", "/api/v1/documents/{uid}/content"): RADIOLOGIST,
    ("GET", "/api/v1/models"): VIEWER,
    ("POST", "/api/v1/analyse"): VIEWER,
    ("POST", "/api/v1/uploads"): VIEWER,
    ("POST", "/api/v1/studies/{uid}/send"): VIEWER,
    ("POST", "/api/v1/studies/{uid}/discard"): VIEWER,
    ("GET", "/api/v1/points"): ADMINISTRATOR,
    ("GET", "/api/v1/points/{label}/effect"): ADMINISTRATOR,
    ("POST", "/api/v1/points/{label}"): ADMINISTRATOR,
    ("POST", "/api/v1/points/{label}/reset"): ADMINISTRATOR,
    ("GET", "/api/v1/destinations"): RADIOLOGIST,
    ("GET", "/api/v1/refusals"): ADMINISTRATOR,
    ("GET", "/api/v1/audit"): ADMINISTRATOR,
    ("GET", "/api/v1/studies/{uid}/answers"): VIEWER,
    ("POST", "/api/v1/studies/{uid}/answers"): RADIOLOGIST,
    ("POST", "/api/v1/studies/{uid}/resend"): RADIOLOGIST,
    ("POST", "/api/v1/studies/{uid}/withdraw"): RADIOLOGIST,
    ("POST", "/api/v1/studies/{uid}/reanalyse"): RADIOLOGIST,
    ("POST", "/api/v1/studies/{uid}/urgent"): RADIOLOGIST,
    ("POST", "/api/v1/studies/{uid}/retry"): RADIOLOGIST,
    ("POST", "/api/v1/studies/{uid}/resolve"): ADMINISTRATOR,
    ("POST", "/api/v1/studies/{uid}/reject"): ADMINISTRATOR,
    ("POST", "/api/v1/studies/{uid}/accept"): ADMINISTRATOR,
    ("POST", "/api/v1/studies/{uid}/decline"): ADMINISTRATOR,
    ("POST", "/api/v1/studies/{uid}/delete"): ADMINISTRATOR,
    ("POST", "/api/v1/destinations/{name}/pause"): ADMINISTRATOR,
    ("POST", "/api/v1/destinations/{name}/resume"): ADMINISTRATOR,
    ("POST", "/api/v1/destinations/{name}/retry"): ADMINISTRATOR,
    ("POST", "/dicom-web/studies"): RADIOLOGIST,
    ("POST", "/dicom-web/studies/{study}"): RADIOLOGIST,
    ("GET", "/dicom-web/studies"): VIEWER,
    ("GET", "/dicom-web/studies/{study}"): VIEWER,
    ("GET", "/dicom-web/studies/{study}/metadata"): VIEWER,
    ("GET", "/dicom-web/studies/{study}/series"): VIEWER,
    ("GET", "/dicom-web/studies/{study}/instances"): VIEWER,
    ("GET", "/dicom-web/studies/{study}/series/{series}"): VIEWER,
    ("GET", "/dicom-web/studies/{study}/series/{series}/metadata"): VIEWER,
    ("GET", "/dicom-web/studies/{study}/series/{series}/instances"): VIEWER,
    ("GET", "/dicom-web/studies/{study}/series/{series}/instances/{instance}"): VIEWER,
    ("GET", "/dicom-web/studies/{study}/series/{series}/instances/{instance}/metadata"): VIEWER,
    ("GET", "/dicom-web/studies/{study}/series/{series}/instances/{instance}/frames/{frames}"): VIEWER,
    ("GET", "/dicom-web/studies/{study}/series/{series}/instances/{instance}/bulkdata/{tag}"): VIEWER,
    ("GET", "/dicom-web/studies/{study}/series/{series}/instances/{instance}/rendered"): VIEWER,
    ("GET", "/study/{uid}/send"): VIEWER,
    ("POST", "/study/{uid}/send"): VIEWER,
    ("GET", "/study/{uid}/discard"): VIEWER,
    ("POST", "/study/{uid}/discard"): VIEWER,
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
    ("GET", "/study/{uid}/decline"): ADMINISTRATOR,
    ("POST", "/study/{uid}/decline"): ADMINISTRATOR,
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
PROGRAMS = ("/api/", "/dicom-web/", "/metrics")
"""What begins so is for programs: they get no redirects, and API tokens with a scope open it."""


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
    for (_, path), rule in ROUTES.items():
        assert (rule.scope is not None) is path.startswith(PROGRAMS), "programs alone take API tokens"


def place(path: str) -> str:
    for name, value in (
        ("{uid}", "1.9"),
        ("{document}", "2.25.77"),
        ("{instance}", "1.1"),
        ("{label}", "x"),
        ("{study}", "1.9"),
        ("{series}", "1.8"),
        ("{frames}", "1"),
        ("{tag}", "00420011"),
    ):
        path = path.replace(name, value)
    return path.replace("{name}", "style.css")


def ask(browser: TestClient, method: str, path: str) -> Response:
    return browser.request(method, place(path), headers=SAME_SITE, follow_redirects=False)


def log_in(browser: TestClient, database: Database, role: Role, *, must_change: bool = False) -> None:
    token = begin_session(database, role, must_change=must_change)
    browser.cookies.set("cxrnode", token)
    browser.headers[csrf.HEADER] = csrf.token_of(token)


@pytest.mark.parametrize("role", [None, *Role])
def test_each_cell_of_roles_and_routes(
    browse: Callable[..., TestClient], database: Database, role: Role | None
) -> None:
    browser = browse(role=None)
    wrong = []
    for (method, path), least in LEAST.items():
        if role is not None:
            log_in(browser, database, role)
        status = ask(browser, method, path).status_code
        if least is None:
            right = status not in {403, 405}
        elif role is None:
            right = status == (303 if method == "GET" and not path.startswith(PROGRAMS) else 401)
        elif role.includes(least):
            right = status not in {401, 403, 405}
        else:
            right = status == 403
        if not right:
            wrong.append((method, path, status))
    assert wrong == []


def test_who_has_to_change_the_password_may_do_nothing_else(
    browse: Callable[..., TestClient], database: Database
) -> None:
    browser = browse(role=None)
    for (method, path), least in LEAST.items():
        log_in(browser, database, ADMINISTRATOR, must_change=True)
        answer = ask(browser, method, path)
        if least is not None and (method, path) not in ONE_TIME:
            assert answer.status_code == (303 if method == "GET" and not path.startswith(PROGRAMS) else 403), path
            assert answer.headers.get("Location", "/password") == "/password"
        else:
            assert answer.status_code not in {403, 405}, path


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
