"""TLS below the upper layer (PS3.15 B.12): the handshake, what it proves of the peer, and bytes after it."""

import contextlib
import socket
import ssl
import time

from dicom_node.upper_layer.peer_certificate import certificate_names
from dicom_node.upper_layer.transport import ConnectionLost, SocketTransport, TimedOut

_NOT_TLS = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "HTTPS_PROXY_REQUEST", "UNKNOWN_PROTOCOL"})
_TOO_OLD = frozenset(
    {"UNSUPPORTED_PROTOCOL", "VERSION_TOO_LOW", "TLSV1_ALERT_PROTOCOL_VERSION", "NO_PROTOCOLS_AVAILABLE"}
)


class HandshakeFailed(Exception):
    """A peer that called us began TLS, and nothing came of it: why, and which setting would change it."""

    def __init__(self, reason: str, cure: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.cure = cure


BROKEN_OFF = HandshakeFailed(
    "the sender broke off the TLS handshake",
    "let the sender trust the authority of node.tls.certificate and call us by a name that is in it",
)


class TlsTransport(SocketTransport):
    """TLS over TCP, of the side that is called; the handshake is :meth:`begin`'s.

    Shutting down the receiving side leaves what is sent encrypted.
    """

    _socket: ssl.SSLSocket

    def __init__(self, sock: socket.socket, context: ssl.SSLContext, send_seconds: float) -> None:
        try:
            secured = context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        except OSError as error:  # the peer has gone already
            sock.close()
            raise ConnectionLost from error
        super().__init__(secured, send_seconds)

    def begin(self, seconds: float) -> frozenset[str]:
        """Shake hands within so many seconds, and return the names of the peer's verified certificate.

        A connection that ends before its first byte, as a port scan does, is lost; anything else that is no handshake
        raises HandshakeFailed.
        """
        deadline = time.monotonic() + seconds
        try:
            self._socket.settimeout(seconds)
            if not socket.socket.recv(self._socket, 1, socket.MSG_PEEK):
                raise ConnectionLost
            self._socket.settimeout(max(0.001, deadline - time.monotonic()))
            self._socket.do_handshake()
            certificate = self._socket.getpeercert(binary_form=True)
        except TimeoutError as error:
            raise TimedOut from error
        except ssl.SSLError as error:
            raise _failure(error) from error
        except OSError as error:
            raise ConnectionLost from error
        return certificate_names(certificate) if certificate is not None else frozenset()

    def receive(self, into: memoryview, deadline: float, *, whole: bool) -> int:  # noqa: ARG002 - a record at most
        """Receive the rest of a TLS record, or less."""
        seconds = deadline - time.monotonic()
        if seconds <= 0:
            raise TimedOut
        try:
            self._socket.settimeout(seconds)
            received = self._socket.recv_into(into)
            if self._quick_ack is not None:
                self._socket.setsockopt(socket.IPPROTO_TCP, self._quick_ack, 1)
        except TimeoutError as error:
            raise TimedOut from error
        except OSError as error:
            raise ConnectionLost from error
        return received

    def _say_goodbye(self) -> None:
        """Send TLS's own goodbye; the peer's is not waited for."""
        self._socket.settimeout(0)
        with contextlib.suppress(ssl.SSLError, ValueError):
            self._socket.unwrap()


def _failure(error: ssl.SSLError) -> HandshakeFailed:
    """Return what a failed handshake of a peer that called us means."""
    reason = error.reason or ""
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return BROKEN_OFF
    if isinstance(error, ssl.SSLCertVerificationError):
        return HandshakeFailed(
            f"the sender's certificate is not accepted: {error.verify_message}",
            "give the sender a valid certificate of an authority in node.tls.client_ca, or add its authority there",
        )
    if reason in _NOT_TLS:
        return HandshakeFailed("what came over a TLS port is no TLS", "let the sender use TLS, or a port without it")
    if reason in _TOO_OLD:
        return HandshakeFailed("the sender's TLS is older than 1.2", "let the sender speak TLS 1.2 or 1.3")
    if reason == "NO_SHARED_CIPHER":
        return HandshakeFailed(
            "the sender has no cipher suite of BCP 195", "let the sender offer ECDHE with AES-GCM (PS3.15 B.12)"
        )
    if reason == "PEER_DID_NOT_RETURN_A_CERTIFICATE":
        return HandshakeFailed(
            "the sender shows no certificate",
            "give it one of an authority in node.tls.client_ca, or set node.tls.require_client_certificate = false",
        )
    if "ALERT" in reason:
        return HandshakeFailed(f"the sender refuses the TLS handshake: {reason}", BROKEN_OFF.cure)
    return HandshakeFailed("the TLS handshake failed", "none: the sender has to follow TLS 1.2 or 1.3")
