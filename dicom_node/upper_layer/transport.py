"""The transport below the upper layer (PS3.8 9.1): TCP, in the clear here, with TLS in :mod:`.tls_transport`."""

import socket
import struct
import time
from typing import Protocol

_QUICK_ACK: int | None = getattr(socket, "TCP_QUICKACK", None)
"""Linux delays acknowledgements by 40 ms. A sender with Nagle's algorithm, such as DCMTK's, then waits with the end
of each image for the acknowledgement of its beginning. The option wears off, so it is set after every read."""

_LARGEST_DRAIN = 1 << 22
_LAST_SECONDS = 1.0
"""How long a peer may take to take the last PDU."""
_TIME = struct.Struct("@ll")


class ConnectionLost(Exception):
    """The transport connection ended in the middle of something."""


class TimedOut(Exception):
    """The peer was silent, or slower than the bound, for too long."""


class Transport(Protocol):
    """A connection that PDUs come and go over. One thread uses it; any may call ``stop_receiving``."""

    def begin(self, seconds: float) -> frozenset[str]:
        """Do what comes before the first byte of a PDU, and return the names of the peer's verified certificate.

        Raises ConnectionLost, TimedOut or, over TLS, :class:`.tls_transport.HandshakeFailed`.
        """

    def receive(self, into: memoryview, deadline: float, *, whole: bool) -> int:
        """Receive what is there and return the number of bytes; 0 is the end.

        ``deadline`` is on the monotonic clock, in seconds; ``whole`` says that nothing less than a full ``into`` is of
        use. Raises ConnectionLost or TimedOut.
        """

    def send(self, encoded: bytes) -> None:
        """Send all of it; raise ConnectionLost when the peer does not take it in time."""

    def stop_receiving(self) -> None:
        """Let whoever receives find the end, now or later."""

    def hang_up(self, farewell: bytes = b"") -> None:
        """Send a last PDU, wait a moment until the peer has taken it, and close."""

    def close(self) -> None:
        """Close without a word."""


class SocketTransport:
    """What transports over a TCP socket share. Takes over the socket.

    ``send_seconds`` is how long a peer may take to take a PDU.
    """

    def __init__(self, sock: socket.socket, send_seconds: float) -> None:
        self._socket = sock
        self._send_seconds = send_seconds
        self._quick_ack = quick_ack_of(sock)

    def send(self, encoded: bytes) -> None:
        """Send all of it."""
        try:
            self._socket.settimeout(self._send_seconds)
            self._socket.sendall(encoded)
        except OSError as error:
            raise ConnectionLost from error

    def stop_receiving(self) -> None:
        """Shut down the receiving side of the TCP connection, which wakes up a thread that waits for it."""
        shut_down(self._socket, socket.SHUT_RD)

    def hang_up(self, farewell: bytes = b"") -> None:
        """Send a last PDU, and close once the peer has closed or nothing more is waited for."""
        try:
            self._socket.settimeout(_LAST_SECONDS)
            if farewell:
                self._socket.sendall(farewell)
            self._say_goodbye()
        except OSError:
            self._socket.close()
        else:
            drain_and_close(self._socket)

    def close(self) -> None:
        """Close without a word."""
        self._socket.close()

    def _say_goodbye(self) -> None:
        """Say what the protocol below the PDUs says at its end; nothing over TCP alone."""


class PlainTransport(SocketTransport):
    """TCP."""

    def begin(self, seconds: float) -> frozenset[str]:  # noqa: ARG002 - nothing is waited for
        """Return no names: nothing has to be done, and nothing is proven."""
        return frozenset()

    def receive(self, into: memoryview, deadline: float, *, whole: bool) -> int:
        """Receive in one call, for which the kernel keeps the time: no poll before each."""
        microseconds = int(1e6 * (deadline - time.monotonic()))
        if microseconds <= 0:
            raise TimedOut
        try:
            if self._socket.gettimeout() is not None:
                self._socket.settimeout(None)
            option = _TIME.pack(*divmod(microseconds, 1_000_000))
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, option)
            received = self._socket.recv_into(into, 0, socket.MSG_WAITALL if whole else 0)
            if self._quick_ack is not None:
                self._socket.setsockopt(socket.IPPROTO_TCP, self._quick_ack, 1)
        except BlockingIOError as error:
            raise TimedOut from error
        except OSError as error:
            raise ConnectionLost from error
        return received


def quick_ack_of(sock: socket.socket) -> int | None:
    """Return the option that acknowledges at once, where this socket has it."""
    return _QUICK_ACK if sock.family in (socket.AF_INET, socket.AF_INET6) else None


def shut_down(sock: socket.socket, side: int) -> None:
    """Shut down a side of the TCP connection, also below TLS, whose own method would drop the encryption."""
    try:
        socket.socket.shutdown(sock, side)
    except OSError:
        return


def drain_and_close(sock: socket.socket) -> None:
    """Say that nothing more comes, read what the peer still sends, and close.

    Closing with unread data would reset the connection, and the peer might never see why it was turned away.
    """
    shut_down(sock, socket.SHUT_WR)
    deadline = time.monotonic() + _LAST_SECONDS
    drained = 0
    try:
        sock.settimeout(_LAST_SECONDS)
        while drained < _LARGEST_DRAIN and time.monotonic() < deadline and (unread := socket.socket.recv(sock, 65536)):
            drained += len(unread)
    except OSError:
        pass
    finally:
        sock.close()
