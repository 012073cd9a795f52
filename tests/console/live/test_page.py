"""The events that a page hears over a real connection."""

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from starlette.testclient import TestClient

from config.settings import Settings
from console import connections
from console.access.cookies import SessionCookie
from console.live import reader as live
from console.pages import live as page
from console.server import Console
from tests.console.visitors import begin_session
from tracking.engine.database import Database
from tracking.people.roles import Role

Record = Callable[..., None]
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def console(
    settings: Settings, database: Database, free_port: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Console]:
    monkeypatch.setattr(live, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(page, "BEAT_SECONDS", 0.2)
    served = settings.model_copy(update={"console": settings.console.model_copy(update={"port": free_port()})})
    running = Console(served, database)
    running.start()
    yield running
    running.stop()


def follow(console: Console, token: str, query: str = "?rows=1") -> socket.socket:
    """Return a connection over which a page's events come."""
    connection = socket.create_connection(("127.0.0.1", console.port), timeout=20)
    cookie = f"{SessionCookie(encrypted=False).name}={token}"
    head = f"GET /live{query} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\nCookie: {cookie}\r\n\r\n"
    connection.sendall(head.encode())
    return connection


def read_until(connection: socket.socket, text: bytes) -> bytes:
    content = b""
    while text not in content:
        part = connection.recv(65536)
        assert part, content
        content += part
    return content


def test_an_open_page_hears_of_a_new_study(console: Console, database: Database, receive: Record) -> None:
    with follow(console, begin_session(database, Role.VIEWER)) as connection:
        head = read_until(connection, b"event: rows")
        assert head.startswith(b"HTTP/1.1 200 OK")
        assert b"content-type: text/event-stream" in head.lower()
        receive("1.1", study="1.77")
        read_until(connection, b"/study/1.77")


def test_an_answer_without_end_stays_open_while_it_is_taken(
    console: Console, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "ANSWER_SECONDS", 0.6)
    with follow(console, begin_session(database, Role.VIEWER), "") as connection:
        for _ in range(6):
            read_until(connection, b"event: beat")


def test_open_pages_leave_connections_for_others(
    console: Console, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "MOST_STREAMS", 4)
    with ExitStack() as opened:
        answers = [
            opened.enter_context(follow(console, begin_session(database, Role.VIEWER), "")).recv(12) for _ in range(6)
        ]
        assert answers == [b"HTTP/1.1 200"] * 4 + [b"HTTP/1.1 503"] * 2


def test_the_console_stops_at_once_though_pages_are_open(console: Console, database: Database) -> None:
    with follow(console, begin_session(database, Role.VIEWER), "") as connection:
        read_until(connection, b"event: state")
        console.stop()
        read_until(connection, b"0\r\n\r\n")


def test_without_a_login_there_are_no_events_and_no_page_asks_for_them_by_mistake(
    browse: Callable[..., TestClient],
) -> None:
    nobody = browse(role=None).get("/live", headers={"Accept": page.EVENT_STREAM}, follow_redirects=False)
    assert nobody.status_code == 303
    assert browse(role=Role.VIEWER).get("/live").status_code == 406
