"""What every answer has in common: headers, methods, health, and what is said when something fails."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from config.settings import Settings
from console.access.headers import HEADERS, headers_of
from tracking.engine.database import Database

Record = Callable[..., None]
PAGES = ("/", "/study/1.9", "/audit", "/destinations", "/health", "/static/style.css", "/nothing")


@pytest.mark.parametrize("page", PAGES)
def test_every_answer_carries_the_strict_headers(browser: TestClient, receive: Record, page: str) -> None:
    receive("1.1")
    headers = browser.get(page).headers
    assert {name: headers.get(name) for name in HEADERS} == headers_of(page)
    assert headers["content-security-policy"].startswith("default-src 'self'")
    assert headers["cache-control"] == "no-store"


def test_pages_need_nothing_that_the_headers_forbid(
    browser: TestClient, receive: Record, analyse: Record, build: Record
) -> None:
    receive("1.1")
    analyse("1.9", 1, "1.1")
    build(1, "pacs")
    for page in ("/", "/study/1.9", "/audit", "/destinations"):
        shown = browser.get(page).text
        scripts = re.findall(r"<script.*?</script>", shown, re.DOTALL)
        one = r'<script src="/static/[a-z]+\.js" defer( data-[a-z]+="[^"<]*")*></script>'
        assert all(re.fullmatch(one, script) for script in scripts)
        for forbidden in ("style=", "<style", "http://", "https://", "onclick", "<iframe"):
            assert forbidden not in shown, (page, forbidden)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_pages_only_show(browser: TestClient, receive: Record, method: str) -> None:
    receive("1.1")
    for page in PAGES:
        expected = 404 if page == "/nothing" else 405
        assert browser.request(method, page).status_code == expected, page


@pytest.mark.parametrize("page", PAGES)
def test_whoever_asks_for_the_headers_alone_gets_them(browser: TestClient, receive: Record, page: str) -> None:
    receive("1.1")
    assert browser.head(page).status_code == browser.get(page).status_code


def test_health_needs_no_login_and_names_no_patient(browse: Callable[..., TestClient], receive: Record) -> None:
    receive("1.1")
    answer = browse("http://node.example", role=None).get("/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok", "database": "reachable"})


def test_without_its_database_health_is_503_and_pages_say_so(settings: Settings, tmp_path: Path) -> None:
    from console.app import make_app

    (tmp_path / "broken.db").write_bytes(b"this is no database, and long enough to be read as one" * 40)
    database = Database.open(f"sqlite:///{tmp_path / 'broken.db'}")
    with TestClient(make_app(settings, database), base_url="http://127.0.0.1") as browser:
        assert browser.get("/health").status_code == 503
        answers = [browser.get("/login"), browser.get("/", headers={"Cookie": "cxrnode=x"})]
        form = {"user": "jane", "password": "word"}
        answers.append(browser.post("/login", data=form, headers={"Origin": "http://127.0.0.1"}))
    database.close()
    for answer in answers:
        assert answer.status_code == 503
        assert "The database cannot be reached" in answer.text


def test_a_fault_of_ours_is_a_page_too_and_says_nothing_of_the_patient(
    browse: Callable[..., TestClient], receive: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    receive("1.1")

    def fail(*_: object, **__: object) -> None:
        msg = "Doe^Jane"
        raise RuntimeError(msg)

    monkeypatch.setattr("tracking.lists.worklist.find_studies", fail)
    answer = browse(raising=False).get("/")
    assert answer.status_code == 500
    assert "Something went wrong here" in answer.text
    assert "Jane" not in answer.text
    assert answer.headers["cache-control"] == "no-store"


def test_nothing_is_reported_to_a_collector_of_telemetry(
    browse: Callable[..., TestClient], receive: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    receive("1.1")
    monkeypatch.setenv("FASTAPI_OTEL_AUTO_CONFIGURE", "true")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    asked: list[str] = []
    monkeypatch.setattr("opentelemetry.trace.get_tracer_provider", lambda: asked.append("tracer"))
    assert browse().get("/?q=PAT1.9").status_code == 200
    assert asked == [], "nobody looks for a collector"
