"""Attacks on the pages that no other file tries; `docs/security.md` lists all of them."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.console.visitors import SAME_SITE, begin_session
from tracking.engine.database import Database
from tracking.people import api_tokens
from tracking.people.roles import Role, Scope
from tracking.people.users import Actor

Record = Callable[..., None]
NO_FILES = (
    "/static/..%2fapp.py", "/static/%2e%2e/app.py", "/static/../app.py", "/static/style.css%00", "/static/..%5capp.py",
    "/static/%252e%252e%252fapp.py", "/study/..%2f..%2fcxrnode.db", "/study/1.9/captures/..%2f..%2fx.png",
    "/study/1.9/images/..%2f..%2fx.png", "/study/1.9/documents/..%2f..%2fcxrnode.db/file",
    "/api/v1/documents/..%2f..%2fcxrnode.db/content", "/dicom-web/studies/..%2f../metadata", "//etc/passwd",
)  # fmt: skip


@pytest.fixture
def database_url(tmp_path: Path, sqlite_template: Path) -> str:
    """The URL of an empty SQLite database: attacks are the same on both kinds."""
    path = tmp_path / "cxrnode.db"
    shutil.copyfile(sqlite_template, path)
    return f"sqlite:///{path}"


def test_a_path_leads_to_no_file(browser: TestClient, receive: Record) -> None:
    receive("1.1")
    for path in NO_FILES:
        answer = browser.get(path)
        assert answer.status_code in {400, 404, 410, 422}, path
        assert "import" not in answer.text
        assert "SQLite" not in answer.text


def test_no_header_is_written_through_an_address(browse: Callable[..., TestClient]) -> None:
    stranger = browse(role=None)
    for path in (
        "/study/1.9%0d%0aSet-Cookie:%20cxrnode=planted",
        "/?x=%0d%0aSet-Cookie:%20cxrnode=planted",
        "/login?next=/%0d%0aSet-Cookie:%20cxrnode=planted",
        "/login?next=%2F%250d%250aRefresh:%200",
    ):
        answer = stranger.get(path, follow_redirects=False)
        assert not {"set-cookie", "refresh"} & set(answer.headers), path
        assert not {"\r", "\n"} & set(answer.headers.get("Location", "")), path


def test_a_host_header_goes_into_no_answer(browse: Callable[..., TestClient]) -> None:
    forged = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"}
    for browser in (browse(), browse(role=None)):
        for page in ("/", "/login", "/nothing", "/api/v1/studies", "/dicom-web/studies"):
            answer = browser.get(page, headers=forged, follow_redirects=False)
            assert "evil" not in answer.text + str(answer.headers), page


def test_a_token_in_an_address_or_a_form_opens_nothing(browse: Callable[..., TestClient], database: Database) -> None:
    session = begin_session(database, Role.ADMINISTRATOR)
    with database.transaction() as tx:
        token = api_tokens.add(tx, "dr.administrator", set(Scope), by=Actor("root"))
    stranger = browse(role=None)
    for name, value in (("access_token", token), ("token", token), ("cxrnode", session), ("session", session)):
        assert stranger.get("/", params={name: value}, follow_redirects=False).status_code == 303
        assert stranger.get("/api/v1/studies", params={name: value}).status_code == 401
        answer = stranger.post("/api/v1/studies/1.9/urgent", data={name: value}, headers=SAME_SITE)
        assert answer.status_code == 401


# Starlette leaves the file of a part without end to the garbage collector, which closes it at once.
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_parts_that_do_not_end_or_are_too_many_are_refused_and_the_page_goes_on(browser: TestClient) -> None:
    part = b'--x\r\nContent-Disposition: form-data; name="csrf"\r\n\r\n1\r\n'
    file = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'
    for content in (
        file + b"no end",
        part * 1000 + b"--x--\r\n",
        (file + b"\r\n") * 200 + b"--x--\r\n",
        b'--x\r\nContent-Disposition: form-data; name="' + b"n" * 100_000,
        b"--x\r\n" + b"A: b\r\n" * 5000,
        b"--x" * 50_000,
    ):
        headers = {"Content-Type": "multipart/form-data; boundary=x", **SAME_SITE}
        answer = browser.post("/analyse", content=content, headers=headers)
        assert answer.status_code in {400, 413}, content[:80]
    assert browser.get("/analyse").status_code == 200


def test_nobody_s_page_is_kept_framed_or_read_by_another_site(browser: TestClient, receive: Record) -> None:
    receive("1.1")
    for page in ("/", "/study/1.9", "/login", "/users", "/analyse", "/nothing", "/api/v1/studies", "/static/style.css"):
        headers = browser.get(page).headers
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Frame-Options"] == "DENY"
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert not {"access-control-allow-origin", "server"} & set(headers)
