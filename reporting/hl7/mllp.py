"""MLLP: HL7 messages over TCP or TLS, framed VT … FS CR (HL7 v2 Transport Specification, release 2)."""

import contextlib
import select
import socket
import ssl
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from config.certificates import ClientTls, client_context, why_refused
from config.errors import PeerUnavailable, SettingsError, document_under_way
from reporting.hl7.acknowledgement import Acknowledgement, judge, parse_acknowledgement

START, END, RETURN = b"\x0b", b"\x1c", b"\x0d"
LARGEST_ANSWER = 1 << 20
"""Bytes; an acknowledgement is a few hundred."""
IDLE_SECONDS = 60.0
"""A kept connection is not used again after this long: firewalls forget it without telling either end."""
_CHUNK = 65536


@dataclass(frozen=True, slots=True)
class MllpPeer:
    """Where an HL7 receiver listens, in the clear where ``tls`` is None, and how long to wait for it, in seconds."""

    host: str
    port: int
    connect_seconds: float = 10
    response_seconds: float = 30
    tls: ClientTls | None = None


class MllpConnection:
    """One connection to a receiver, kept between messages, one message in flight. Not safe for threads."""

    def __init__(self, peer: MllpPeer) -> None:
        self._peer = peer
        self._socket: socket.socket | None = None
        self._used = 0.0
        self._rest = b""

    def __enter__(self) -> Self:
        """Return the connection; it opens with the first message."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection."""
        self.close()

    def send(self, content: bytes, control_id: str) -> Acknowledgement:
        """Send one message and wait for its acknowledgement.

        Parameters
        ----------
        content
            The encoded message.
        control_id
            Its MSH-10, which MSA-2 must repeat.

        Raises
        ------
        RefusedByPeer
            The receiver refuses the content (AE, CE); sending it again cannot help.
        PeerBusy
            The receiver cannot take it now (AR, CR).
        PeerUnavailable
            No connection.
        AnswerMissing
            No answer in time, no HL7 in the answer, or the answer to another message. The message may have arrived: a
            resend carries the same control ID, by which a receiver knows it.
        """
        if START in content or END in content:
            msg = "a message must not contain the bytes that frame it"
            raise ValueError(msg)
        try:
            stream = self._ready()
            with document_under_way():
                answer = self._exchange(stream, content, control_id)
        except OSError as error:
            self.close()
            raise self._broken(error) from None
        except PeerUnavailable:
            self.close()
            raise
        finally:
            self._used = time.monotonic()
        return answer

    def _exchange(self, stream: socket.socket, content: bytes, control_id: str) -> Acknowledgement:
        try:
            stream.settimeout(max(self._peer.response_seconds, 0.001))
            stream.sendall(START + content + END + RETURN)
            answer = parse_acknowledgement(self._read_frame(stream))
        except OSError as error:
            raise self._broken(error) from None
        failure = judge(answer, control_id)
        if failure is not None:
            raise failure
        return answer

    def _broken(self, error: OSError) -> PeerUnavailable:
        return PeerUnavailable(f"the connection to {self._place()} failed ({_reason(error)}); is the receiver running?")

    def close(self) -> None:
        """Close the connection; the next message opens another."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.close()
        self._socket = None
        self._rest = b""

    def __del__(self) -> None:
        """Close what a thread that ended has left open."""
        self.close()

    def _ready(self) -> socket.socket:
        """Return an open socket with nothing unread on it: the kept one, if the receiver did not close it."""
        if self._socket is not None:
            readable, _, _ = select.select([self._socket], [], [], 0)
            if readable or self._rest.strip(b"\r\n") or time.monotonic() - self._used > IDLE_SECONDS:
                self.close()
        if self._socket is None:
            try:
                self._socket = _connect(self._peer)
            except SettingsError as error:  # a file may be away for a moment, while somebody renews it
                msg = f"no connection to {self._place()}: {error}"
                raise PeerUnavailable(msg) from None
            except OSError as error:
                msg = f"no connection to {self._place()} ({_reason(error)}); is the receiver running?"
                raise PeerUnavailable(msg) from None
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            self._rest = b""
        return self._socket

    def _read_frame(self, stream: socket.socket) -> bytes:
        """Read one framed block; what comes before its VT is skipped, the whole within one deadline."""
        deadline = time.monotonic() + self._peer.response_seconds
        buffer = bytearray(self._rest)
        self._rest = b""
        while True:
            start = buffer.find(START)
            end = buffer.find(END, start) if start >= 0 else -1
            if end >= 0:
                self._rest = bytes(buffer[end + 1 :]).lstrip(RETURN)
                return bytes(buffer[start + 1 : end])
            if len(buffer) > LARGEST_ANSWER:
                msg = f"the answer of {self._place()} is larger than {LARGEST_ANSWER} bytes; is it an HL7 receiver?"
                raise PeerUnavailable(msg)
            left = deadline - time.monotonic()
            if left <= 0:
                msg = f"no acknowledgement from {self._place()} within {self._peer.response_seconds:g} s"
                raise PeerUnavailable(msg)
            stream.settimeout(left)
            try:
                chunk = stream.recv(_CHUNK)
            except TimeoutError:
                continue
            if not chunk:
                msg = f"{self._place()} closed the connection before it acknowledged the message"
                raise PeerUnavailable(msg)
            buffer += chunk

    def _place(self) -> str:
        return f"{self._peer.host}:{self._peer.port}"


def send_message(peer: MllpPeer, content: bytes, control_id: str) -> Acknowledgement:
    """Send one message on a connection of its own; see :meth:`MllpConnection.send`."""
    with MllpConnection(peer) as connection:
        return connection.send(content, control_id)


def probe(host: str, port: int, seconds: float = 5, tls: ClientTls | None = None) -> None:
    """Check that something listens, and over TLS shakes hands, without sending a message. Raises PeerUnavailable."""
    try:
        _connect(MllpPeer(host, port, seconds, tls=tls)).close()
    except SettingsError as error:
        msg = f"no connection to {host}:{port}: {error}"
        raise PeerUnavailable(msg) from None
    except OSError as error:
        msg = f"no connection to {host}:{port} ({_reason(error)}); is the receiver running, is a firewall between?"
        raise PeerUnavailable(msg) from None


def _connect(peer: MllpPeer) -> socket.socket:
    """Return a connection over which a message may be sent; raise OSError or SettingsError where there is none."""
    context = None if peer.tls is None else client_context(peer.tls)
    stream = socket.create_connection((peer.host, peer.port), timeout=max(peer.connect_seconds, 0.001))
    if context is None or peer.tls is None:
        return stream
    try:
        return context.wrap_socket(stream, server_hostname=peer.tls.server_name)
    except BaseException:
        stream.close()
        raise


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return why_refused(error)
    return "time-out" if isinstance(error, TimeoutError) else (error.strerror or type(error).__name__)
