"""The private parts of pynetdicom that are used, in one place: its switches, and the socket below its associations.

``tests/dicom_node/test_pynetdicom.py`` fails where a release moves them. Call :func:`configure` before pynetdicom opens
or accepts an association.
"""

import logging
import socket
import time
from collections.abc import Callable
from typing import Any

from pynetdicom import AE, _config
from pynetdicom.transport import T_CONNECT, AssociationSocket

from config.errors import CxrnodeError
from dicom_node.identity import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from dicom_node.upper_layer.pdus import MAX_CONTROL_PDU_BYTES

OpenConnection = Callable[[], socket.socket]

MAX_RESPONSE_BYTES = 1 << 20
"""What a peer may send before a message is complete, PDU headers with it."""
_PIECE_BYTES = 1 << 20
"""What is handed to the connection at a time: a peer that allows any length gets a whole data set in one PDU."""


def configure() -> None:
    """Set pynetdicom's switches, for the whole process.

    Its standard handlers would put identifiers, and at debug level whole requests, into the log; what it logs of a
    failed association comes out as an error of ours. Files are sent as the bytes that they hold.
    """
    _config.LOG_HANDLER_LEVEL = "none"
    _config.LOG_REQUEST_IDENTIFIERS = False
    _config.LOG_RESPONSE_IDENTIFIERS = False
    _config.STORE_SEND_CHUNKED_DATASET = True
    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)


class RequestorAE(AE):
    """Our application entity, where it calls a peer: each association stands on a :class:`BoundedSocket`.

    Parameters
    ----------
    ae_title
        What we call ourselves.
    open_connection
        Returns a connection to the peer, after the TLS handshake where there is one; raises a CxrnodeError.
    seconds
        How long the peer may take to answer a request for an association or a message, and to send or take one PDU.
    """

    def __init__(self, ae_title: str, open_connection: OpenConnection, seconds: float) -> None:
        super().__init__(ae_title)
        self.implementation_class_uid = IMPLEMENTATION_CLASS_UID
        self.implementation_version_name = IMPLEMENTATION_VERSION_NAME
        self.acse_timeout = self.dimse_timeout = self.network_timeout = seconds
        self._open_connection = open_connection
        self._seconds = seconds

    def _create_socket(self, assoc: Any, address: Any, tls_args: Any) -> "BoundedSocket":  # noqa: ARG002
        return BoundedSocket(assoc, address, self._open_connection, self._seconds)


class BoundedSocket(AssociationSocket):
    """A connection to a peer whose PDUs and messages are bounded in size and time.

    pynetdicom would believe any length that a peer claims, and wait for ever for one that drips bytes or stops reading.

    Attributes
    ----------
    failure
        Why there is no connection.
    end
        In words how the peer ended it, from the peer's name on; empty while it stands.
    """

    def __init__(self, assoc: Any, address: Any, open_connection: OpenConnection, seconds: float) -> None:
        super().__init__(assoc, address=address)
        self._open_connection = open_connection
        self._seconds = seconds
        self.failure: CxrnodeError | None = None
        self.end = ""
        self._of_message = 0

    def message_ended(self) -> None:
        """Let the next message of the peer be as long as this one might have been."""
        self._of_message = 0

    def connect(self, primitive: T_CONNECT) -> None:
        """Open the connection, and tell the state machine (PS3.8 Table 9-10, events 2 and 17)."""
        primitive.result = "Evt17"
        try:
            self.socket = self._open_connection()
            self._is_connected = True
            primitive.result = "Evt2"
        except CxrnodeError as error:
            self.failure = error
        finally:
            self.provider_queue.put(primitive)
            self._ready.set()

    def recv(self, nr_bytes: int) -> bytearray:
        """Receive so many bytes, or fewer where the connection ends; raise OSError where they are too many or late."""
        if nr_bytes > MAX_CONTROL_PDU_BYTES:
            self.end = f"broke the protocol: PDU of {nr_bytes} bytes is longer than agreed"
            raise OSError(self.end)
        self._of_message += nr_bytes
        if self._of_message > MAX_RESPONSE_BYTES:
            self.end = "broke the protocol: the response is too long"
            raise OSError(self.end)
        received = bytearray()
        deadline = time.monotonic() + self._seconds
        try:
            while len(received) < nr_bytes:
                piece = self._receive(nr_bytes - len(received), deadline)
                if not piece:
                    self.end = self.end or "ended the connection"
                    break
                received += piece
        except TimeoutError:
            self.end = f"did not answer within {self._seconds:g} s"
            raise
        except OSError as error:
            reason = getattr(error, "reason", None)
            self.end = f"ended the connection{f' ({reason})' if reason else ''}"
            raise
        return received

    def send(self, bytestream: bytes) -> None:
        """Send a PDU; where the peer does not take a piece of it in time, the connection counts as ended (event 17)."""
        sock, pdu = self.socket, memoryview(bytestream)
        try:
            if sock is None:
                raise OSError
            for start in range(0, len(pdu), _PIECE_BYTES):
                sock.settimeout(self._seconds)
                sock.sendall(pdu[start : start + _PIECE_BYTES])
        except OSError:
            self.end = self.end or "ended the connection or stopped reading"
            self.event_queue.put("Evt17")

    def _create_socket(self, address: Any) -> None:  # type: ignore[override]
        """Bind none: ours is opened by ``connect``."""

    def _receive(self, most: int, deadline: float) -> bytes:
        sock, seconds = self.socket, deadline - time.monotonic()
        if sock is None:
            raise OSError
        if seconds <= 0:
            raise TimeoutError
        sock.settimeout(seconds)
        return sock.recv(most)
