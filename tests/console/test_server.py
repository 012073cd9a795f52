"""The web server with real sockets: idle, slow and many connections."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from config.settings import Settings
from console import connections
from console.server import Console
from tracking.engine.database import Database

REQUEST = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


@pytest.fixture
def console(settings: Settings, database: Database, free_port: Callable[[], int]) -> Iterator[Console]:
    served = settings.model_copy(update={"console": settings.console.model_copy(update={"port": free_port()})})
    running = Console(served, database)
    running.start()
    yield running
    running.stop()


def connect(console: Console) -> socket.socket:
    return socket.create_connection(("127.0.0.1", console.port), timeout=20)


def health(console: Console) -> bytes:
    with connect(console) as connection:
        connection.sendall(REQUEST)
        return connection.recv(4096).split(b"\r\n", 1)[0]


@pytest.mark.parametrize("said", [b"", b"GET / HT", REQUEST])
@pytest.mark.fault(
    "hundreds of connections to the web pages idle",
    promise="others get their page",
    area="stranger",
)
def test_idle_connections_keep_nobody_out(console: Console, said: bytes) -> None:
    with ExitStack() as idle:
        for _ in range(connections.MOST_CONNECTIONS + 44):
            connection = idle.enter_context(connect(console))
            try:
                connection.sendall(said)
            except OSError:  # it had to make room already
                continue
        for _ in range(5):
            assert health(console) == b"HTTP/1.1 200 OK"


def test_a_connection_that_brings_no_request_is_closed(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "REQUEST_SECONDS", 0.3)
    with connect(console) as silent, connect(console) as dripping:
        for byte in b"GET / HTTP/1.1\r\nX-Header: ":
            try:
                dripping.sendall(bytes([byte]))
            except OSError:
                break
            time.sleep(0.05)
        for connection in (silent, dripping):
            try:
                assert connection.recv(1) == b""
            except ConnectionResetError:
                continue
    assert health(console) == b"HTTP/1.1 200 OK"


def test_a_connection_may_be_used_again(console: Console) -> None:
    with connect(console) as connection:
        for _ in range(3):
            connection.sendall(REQUEST)
            answer = b""
            while not answer.endswith(b"}"):
                answer += connection.recv(4096)
            assert answer.startswith(b"HTTP/1.1 200 OK")


@pytest.mark.fault(
    "nobody takes the answer of the web pages",
    promise="the connection ends in time",
    area="stranger",
)
def test_an_answer_that_nobody_takes_ends(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "ANSWER_SECONDS", 0.3)
    with connect(console) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n")
        deadline = time.monotonic() + 5
        while console._server.server_state.connections and time.monotonic() < deadline:
            time.sleep(0.05)
    assert health(console) == b"HTTP/1.1 200 OK"


@pytest.mark.fault(
    "a form comes one byte at a time",
    promise="the connection ends in time",
    area="stranger",
)
def test_a_form_that_drips_ends(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "ANSWER_SECONDS", 0.3)
    with connect(console) as slow:
        slow.sendall(
            b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nSec-Fetch-Site: same-origin\r\nContent-Length: 4000\r\n"
            b"Content-Type: application/x-www-form-urlencoded\r\n\r\nuser="
        )
        deadline = time.monotonic() + 10
        try:
            while time.monotonic() < deadline:
                slow.sendall(b"x")
                time.sleep(0.05)
        except OSError:
            pass
        assert time.monotonic() < deadline, "the connection was not closed"
    assert health(console) == b"HTTP/1.1 200 OK"
