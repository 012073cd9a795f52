"""What the pages refuse leaves a trace, and a flood of it few lines."""

import io
import socket
import time
from collections.abc import Callable, Iterator

import pytest
from starlette.testclient import TestClient
from structlog.testing import capture_logs
from structlog.typing import EventDict

from config.settings import Settings
from console import connections, refusal_log
from console.access import csrf
from console.answers import Answers, Busy
from console.refusal_log import RefusalLog
from console.server import Console
from tests.console.visitors import SAME_SITE, begin_session
from tracking.engine.database import Database
from tracking.people.roles import Role


@pytest.fixture
def lines() -> Iterator[list[EventDict]]:
    """The log lines of the test."""
    refusal_log.refusal_log.close()  # what earlier tests left
    with capture_logs() as logs:
        yield logs


def told(lines: list[EventDict]) -> list[tuple[str, str, int]]:
    return [(line["reason"], line["address"], line["count"]) for line in lines if line["event"] == "console-refused"]


def test_a_flood_costs_a_line_for_each_power_of_ten_and_one_for_the_rest(lines: list[EventDict]) -> None:
    log = RefusalLog()
    for _ in range(1234):
        log.add("wrong login", "192.0.2.1")
    log.add("wrong login", "192.0.2.2")
    log.close()
    assert told(lines) == [
        *(("wrong login", "192.0.2.1", count) for count in (1, 10, 100, 1000)),
        ("wrong login", "192.0.2.2", 1),
        ("wrong login", "192.0.2.1", 1234),
    ]


def test_the_counts_begin_anew_in_each_window(lines: list[EventDict], monkeypatch: pytest.MonkeyPatch) -> None:
    log = RefusalLog()
    log.add("wrong login", "192.0.2.1")
    log.add("wrong login", "192.0.2.1")
    monkeypatch.setattr(refusal_log, "WINDOW_SECONDS", 0.0)
    log.add("wrong login", "192.0.2.1")
    assert [count for _, _, count in told(lines)] == [1, 2, 1]


def test_many_addresses_are_counted_together(lines: list[EventDict]) -> None:
    log = RefusalLog()
    for number in range(refusal_log.MOST_DIFFERENT + 20):
        log.add("wrong login", f"address {number}")
    assert len(told(lines)) == refusal_log.MOST_DIFFERENT + 2
    assert told(lines)[-1] == ("wrong login", "", 10)


def test_who_is_not_let_in_leaves_a_line(browse: Callable[..., TestClient], lines: list[EventDict]) -> None:
    stranger = browse(role=None)
    for _ in range(4):
        stranger.post("/login", data={"user": "DOE", "password": "DOE"}, headers=SAME_SITE)
    browse(role=Role.VIEWER).get("/audit")
    browse().post("/analyse", files=[("files", ("DOE.png", b"x"))], headers={"Origin": "http://evil.example"})
    browse().request("DELETE", "/study/1.9")
    browse().get("/study/DOE-4711")
    assert [reason for reason, _, _ in told(lines)] == [
        "wrong login", "a login too soon after failed ones", "a page that the role does not open",
        "a form of another origin", "a method that the page does not take",
        "answered 404",
    ]  # fmt: skip
    assert {address for _, address, _ in told(lines)} == {"192.0.2.55"}
    assert "DOE" not in str(lines)


def test_a_browser_that_is_asked_for_the_login_leaves_none(
    browse: Callable[..., TestClient], lines: list[EventDict]
) -> None:
    assert browse(role=None).get("/").status_code == 200
    assert told(lines) == []


def test_a_form_that_is_not_taken_leaves_a_line(
    browse: Callable[..., TestClient], lines: list[EventDict], monkeypatch: pytest.MonkeyPatch
) -> None:
    page = browse(upload_files=1)
    files = [("files", (f"DOE{number}.png", b"x")) for number in range(2)]
    assert page.post("/analyse", files=files, headers=SAME_SITE).status_code == 400

    def full(_: Answers) -> None:
        raise Busy

    monkeypatch.setattr(Answers, "admitted", full)
    assert page.post("/analyse", files=files[:1], headers=SAME_SITE).status_code == 503
    assert [reason for reason, _, _ in told(lines)] == [
        "The form is broken or has more than 1 files: send fewer at once.", "as many forms as can wait for the model",
    ]  # fmt: skip
    assert "DOE" not in str(lines)


@pytest.fixture
def console(settings: Settings, database: Database, lines: list[EventDict]) -> Iterator[Console]:
    running = Console(Settings(**settings.model_dump() | {"console": {"port": 0}}), database)
    running.start()
    yield running
    running.stop()


def await_line(lines: list[EventDict]) -> str:
    deadline = time.monotonic() + 10
    while not told(lines) and time.monotonic() < deadline:
        time.sleep(0.02)
    return told(lines)[0][0] if told(lines) else ""


def half_a_form(database: Database) -> bytes:
    """Return the head of a form of somebody who has logged in, whose body does not come."""
    token = begin_session(database, Role.VIEWER)
    return (
        f"POST /analyse HTTP/1.1\r\nHost: 127.0.0.1\r\nSec-Fetch-Site: same-origin\r\nContent-Length: 9\r\n"
        f"Content-Type: multipart/form-data; boundary=x\r\nCookie: cxrnode={token}\r\n"
        f"{csrf.HEADER}: {csrf.token_of(token)}\r\n\r\n"
    ).encode()


@pytest.mark.parametrize(
    ("content", "limit", "reason"),
    [
        (b"rubbish\r\n\r\n", "", "no HTTP request"),
        (b"", "REQUEST_SECONDS", "a connection without a request in time"),
        (b"GET / HT", "REQUEST_SECONDS", "a connection without a request in time"),
        (None, "ANSWER_SECONDS", "an answer that was not taken in time"),
    ],
)
def test_a_connection_that_is_closed_leaves_a_line(
    console: Console, database: Database, lines: list[EventDict], monkeypatch: pytest.MonkeyPatch,
    content: bytes | None, limit: str, reason: str,
) -> None:  # fmt: skip
    content = half_a_form(database) if content is None else content
    if limit:
        monkeypatch.setattr(connections, limit, 0.2)
    with socket.create_connection(("127.0.0.1", console.port), timeout=20) as connection:
        connection.sendall(content)
        assert await_line(lines) == reason


def test_a_form_that_ends_early_leaves_a_line(console: Console, database: Database, lines: list[EventDict]) -> None:
    with socket.create_connection(("127.0.0.1", console.port), timeout=20) as connection:
        connection.sendall(half_a_form(database))
        time.sleep(0.2)
    assert await_line(lines) == "a form that ended before its files"


def test_a_connection_that_makes_room_leaves_a_line_and_one_that_rests_none(
    console: Console, lines: list[EventDict], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "REQUEST_SECONDS", 0.2)
    with socket.create_connection(("127.0.0.1", console.port), timeout=20) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        answer = io.BytesIO()
        while chunk := connection.recv(4096):
            answer.write(chunk)
    assert answer.getvalue().startswith(b"HTTP/1.1 200 OK")
    assert told(lines) == []
    monkeypatch.setattr(connections, "MOST_CONNECTIONS", 0)
    with socket.create_connection(("127.0.0.1", console.port), timeout=20):
        assert await_line(lines) == "a connection beyond the most that are held"
