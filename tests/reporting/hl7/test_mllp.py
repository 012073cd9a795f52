"""MLLP against receivers that nobody would choose: slow, chatty, forgetful, closing, or something else altogether."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from config.certificates import ClientTls, ServerTls, server_context
from config.errors import CxrnodeError, PeerBusy, PeerUnavailable, RefusedByPeer
from reporting.hl7.acknowledgement import AckCode
from reporting.hl7.mllp import LARGEST_ANSWER, MllpConnection, MllpPeer, probe, send_message
from tests.authority import Authority

MESSAGE = b"MSH|^~\\&|A|B|C|D|20260101||ORU^R01^ORU_R01|ID1|P|2.5.1\r"
Script = Callable[[socket.socket], None]


def frame(code: str, control_id: str = "ID1") -> bytes:
    return f"\x0bMSH|^~\\&|RIS||A||2026||ACK|9|P|2.5.1\rMSA|{code}|{control_id}\r\x1c\r".encode()


def read_message(peer: socket.socket) -> bytes:
    received = b""
    while not received.endswith(b"\x1c\r"):
        chunk = peer.recv(65536)
        if not chunk:
            return b""
        received += chunk
    return received


@contextmanager
def receiver(*scripts: Script) -> Iterator[tuple[int, list[int]]]:
    """Serve one connection after another with these scripts; yields the port and who connected when."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(10)
    connections: list[int] = []

    def serve() -> None:
        for number, script in enumerate(scripts):
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            connections.append(number)
            with peer:
                peer.settimeout(10)
                try:
                    script(peer)
                except OSError:
                    continue

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1], connections
    finally:
        listener.close()
        thread.join(15)


def answer(*replies: bytes) -> Script:
    def script(peer: socket.socket) -> None:
        for reply in replies:
            if not read_message(peer):
                return
            peer.sendall(reply)
        peer.recv(1)

    return script


def to(port: int, response_seconds: float = 5) -> MllpPeer:
    return MllpPeer("127.0.0.1", port, 5, response_seconds)


def test_a_message_is_framed_and_its_acceptance_returned() -> None:
    seen: list[bytes] = []

    def script(peer: socket.socket) -> None:
        seen.append(read_message(peer))
        peer.sendall(frame("AA"))

    with receiver(script) as (port, _):
        assert send_message(to(port), MESSAGE, "ID1").code is AckCode.APPLICATION_ACCEPT
    assert seen == [b"\x0b" + MESSAGE + b"\x1c\r"]


def test_many_messages_travel_on_one_connection() -> None:
    with (
        receiver(answer(frame("AA"), frame("CA"), frame("AA"))) as (port, connections),
        MllpConnection(to(port)) as connection,
    ):
        for _ in range(3):
            connection.send(MESSAGE, "ID1")
        assert connections == [0]


def test_a_receiver_that_closes_after_each_message_is_called_again() -> None:
    def once(peer: socket.socket) -> None:
        read_message(peer)
        peer.sendall(frame("AA"))

    with receiver(once, once, once) as (port, connections), MllpConnection(to(port)) as connection:
        for _ in range(3):
            connection.send(MESSAGE, "ID1")
            threading.Event().wait(0.1)  # until the receiver's end has closed
        assert connections == [0, 1, 2]


@pytest.mark.parametrize(
    ("reply", "failure"),
    [
        (frame("AE"), RefusedByPeer),
        (frame("AR"), PeerBusy),
        (frame("AA", "OTHER"), PeerUnavailable),
        (b"\x0bhello\x1c\r", PeerUnavailable),
    ],
)
def test_an_answer_that_is_no_acceptance_is_what_it_means(reply: bytes, failure: type[CxrnodeError]) -> None:
    with receiver(answer(reply)) as (port, _), pytest.raises(failure):
        send_message(to(port), MESSAGE, "ID1")


@pytest.mark.fault(
    "an HL7 receiver acknowledges another message",
    promise="not taken for this one's acknowledgement",
    area="peer",
)
def test_a_refusal_keeps_the_connection_and_the_answer_to_another_message_ends_it() -> None:
    with (
        receiver(answer(frame("AE"), frame("AA", "OTHER")), answer(frame("AA"))) as (port, connections),
        MllpConnection(to(port)) as connection,
    ):
        with pytest.raises(RefusedByPeer):
            connection.send(MESSAGE, "ID1")
        with pytest.raises(PeerUnavailable):
            connection.send(MESSAGE, "ID1")
        connection.send(MESSAGE, "ID1")
        assert connections == [0, 1]


def test_an_answer_may_come_in_pieces_after_noise() -> None:
    def script(peer: socket.socket) -> None:
        read_message(peer)
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in b"\r\n\x1c\r noise" + frame("AA"):
            peer.sendall(bytes([byte]))

    with receiver(script) as (port, _):
        assert send_message(to(port), MESSAGE, "ID1").control_id == "ID1"


def test_an_answer_in_one_piece_with_the_end_of_another_is_not_waited_for() -> None:
    start = time.monotonic()
    with receiver(answer(b"\x1c\r" + frame("AA"))) as (port, _):
        assert send_message(to(port, 30), MESSAGE, "ID1").control_id == "ID1"
    assert time.monotonic() - start < 15


def test_a_late_second_answer_is_not_taken_for_the_next_one() -> None:
    with (
        receiver(answer(frame("AA") + frame("AA", "STALE")), answer(frame("AA", "ID2"))) as (port, connections),
        MllpConnection(to(port)) as connection,
    ):
        connection.send(MESSAGE, "ID1")
        assert connection.send(MESSAGE, "ID2").control_id == "ID2"
        assert connections == [0, 1]


@pytest.mark.fault(
    "an HL7 receiver takes a message and says nothing",
    promise="given up in time; the same message goes again",
    area="peer",
)
def test_silence_ends_in_time() -> None:
    with receiver(answer(b"")) as (port, _), pytest.raises(PeerUnavailable, match=r"within 0\.3 s"):
        send_message(to(port, 0.3), MESSAGE, "ID1")


@pytest.mark.fault(
    "an HL7 receiver answers one byte at a time",
    promise="the deadline is not extended",
    area="peer",
)
def test_a_trickle_does_not_extend_the_deadline() -> None:
    def script(peer: socket.socket) -> None:
        read_message(peer)
        tick = threading.Event()
        for _ in range(50):
            peer.sendall(b"x")
            tick.wait(0.05)

    with receiver(script) as (port, _), pytest.raises(PeerUnavailable, match=r"within 0\.4 s"):
        send_message(to(port, 0.4), MESSAGE, "ID1")


@pytest.mark.fault(
    "an HL7 receiver's answer does not end",
    promise="cut off at a bound",
    area="peer",
)
def test_an_endless_answer_is_cut_off() -> None:
    def script(peer: socket.socket) -> None:
        read_message(peer)
        peer.sendall(b"\x0b" + b"x" * (LARGEST_ANSWER + 70000))
        peer.recv(1)

    with receiver(script) as (port, _), pytest.raises(PeerUnavailable, match="larger than"):
        send_message(to(port), MESSAGE, "ID1")


def test_a_connection_closed_without_an_answer_is_no_acceptance() -> None:
    with receiver(lambda peer: bool(read_message(peer)) and None) as (port, _), pytest.raises(PeerUnavailable):  # type: ignore[func-returns-value]
        send_message(to(port), MESSAGE, "ID1")


def test_nobody_there_is_said_with_host_and_port(free_port: Callable[[], int]) -> None:
    port = free_port()
    with pytest.raises(PeerUnavailable, match=f"127.0.0.1:{port}"):
        send_message(to(port), MESSAGE, "ID1")
    with pytest.raises(PeerUnavailable, match=f"127.0.0.1:{port}"):
        probe("127.0.0.1", port)


def test_probing_a_listener_is_quiet() -> None:
    with receiver(lambda peer: None) as (port, _):
        probe("127.0.0.1", port)


def test_a_message_with_framing_bytes_is_a_mistake_of_ours() -> None:
    with pytest.raises(ValueError, match="frame"):
        MllpConnection(to(1)).send(b"MSH\x1c", "ID1")


def over_tls(authority: Authority, script: Script, *, asks: bool = False) -> Script:
    """Return a script over TLS; ``asks`` for a certificate of the sender."""
    pair = authority.issue("ris", "127.0.0.1")
    context = server_context(ServerTls(pair.certificate, pair.key, authority.certificate if asks else None, asks))

    def secured(peer: socket.socket) -> None:
        with context.wrap_socket(peer, server_side=True) as stream:
            script(stream)

    return secured


def test_messages_go_over_tls_on_one_connection(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    ours = authority.issue("node")
    tls = ClientTls("127.0.0.1", authority.certificate, ours.certificate, ours.key)
    with receiver(over_tls(authority, answer(frame("AA"), frame("AA")), asks=True)) as (port, connections):
        with MllpConnection(replace(to(port), tls=tls)) as connection:
            for _ in range(2):
                assert connection.send(MESSAGE, "ID1").code is AckCode.APPLICATION_ACCEPT
        assert connections == [0]


@pytest.mark.fault(
    "an HL7 receiver shows another certificate",
    promise="it is told nothing, and everything for it waits",
    area="tls",
)
def test_a_receiver_whose_certificate_is_another_is_not_told_anything(tmp_path: Path) -> None:
    authority, other = Authority(tmp_path / "ours"), Authority(tmp_path / "others")
    heard: list[bytes] = []

    def listen(peer: socket.socket) -> None:
        heard.append(read_message(peer))

    script = over_tls(authority, listen)
    for tls in (ClientTls("127.0.0.1", other.certificate), ClientTls("ris.example", authority.certificate)):
        with receiver(script, script) as (port, _):
            with pytest.raises(PeerUnavailable, match="its certificate is not accepted"):
                send_message(replace(to(port), tls=tls), MESSAGE, "ID1")
            with pytest.raises(PeerUnavailable, match="its certificate is not accepted"):
                probe("127.0.0.1", port, 5, tls)
    assert heard == []


@pytest.mark.fault(
    "a file of TLS is gone while it is replaced",
    promise="messages wait for a moment; nothing stops",
    area="tls",
)
def test_a_file_of_tls_that_is_gone_for_a_moment_stops_nothing(tmp_path: Path) -> None:
    tls = ClientTls("127.0.0.1", tmp_path / "gone.pem")
    with pytest.raises(PeerUnavailable, match=r"gone\.pem cannot be read"):
        send_message(replace(to(1), tls=tls), MESSAGE, "ID1")
