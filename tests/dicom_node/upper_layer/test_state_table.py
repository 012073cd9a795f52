"""PS3.8 Table 9-10, state by event: what goes back over the wire, as acceptor and as requestor.

As acceptor we block, so that the states that wait for a local answer (3, 4, 8 to 10, 12) never meet an event of the
peer; the requestor is pynetdicom's state machine.
"""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from config.errors import CxrnodeError
from dicom_node.format.syntaxes import IMPLICIT_LITTLE
from dicom_node.storage_scu.association import Association
from dicom_node.storage_scu.target import Target
from dicom_node.upper_layer import dimse, pdus
from dicom_node.upper_layer.association import AcceptedAssociation, Limits
from dicom_node.upper_layer.negotiation import NegotiationMemory, Offer
from dicom_node.upper_layer.transport import PlainTransport
from tests.dicom_node.requests import context, item, request

VERIFICATION, IMPLICIT = b"1.2.840.10008.1.1", IMPLICIT_LITTLE.encode()
ECHO = {dimse.AFFECTED_SOP_CLASS: VERIFICATION, dimse.DATA_SET_TYPE: dimse.NO_DATA_SET}
ECHO_RQ = pdus.command_pdu(1, dimse.encode_command(ECHO | {dimse.COMMAND_FIELD: dimse.C_ECHO_RQ, dimse.MESSAGE_ID: 1}))
ECHO_RSP = pdus.command_pdu(
    1,
    dimse.encode_command(
        ECHO
        | {
            dimse.COMMAND_FIELD: dimse.C_ECHO_RSP,
            dimse.RESPONDED_MESSAGE_ID: 1,
            dimse.STATUS: 0,
        }
    ),
)
REQUEST = request(context(1, VERIFICATION, IMPLICIT))
ACCEPTANCE = pdus.control_pdu(
    pdus.ASSOCIATE_AC,
    b"\x00\x01\x00\x00" + bytes(64) + item(0x10, b"1.2.840.10008.3.1.1.1")
    + item(0x21, b"\x01\x00\x00\x00" + item(0x40, IMPLICIT)) + item(0x50, item(0x51, (16384).to_bytes(4, "big"))),
)  # fmt: skip

EVENTS = {
    "A-ASSOCIATE-AC": ACCEPTANCE,
    "A-ASSOCIATE-RJ": pdus.reject_pdu(1, 1, 1),
    "A-ASSOCIATE-RQ": REQUEST,
    "P-DATA-TF": ECHO_RQ,
    "A-RELEASE-RQ": pdus.release_pdu(pdus.RELEASE_RQ),
    "A-RELEASE-RP": pdus.release_pdu(pdus.RELEASE_RP),
    "A-ABORT": pdus.abort_pdu(0),
    "closed": b"",
    "unknown": b"\x09\x00\x00\x00\x00\x00",
}
ABORTED = ["A-ABORT 2,2"]
OUTCOMES = {
    "AA-1": ["A-ABORT 0,0"], "AA-2": [], "AA-3": [], "AA-4": [], "AA-5": [], "AA-6": [], "AA-8": ABORTED,
    "AR-2": ["A-RELEASE-RP"], "AR-3": [], "AR-5": [], "AE-4": [], "DT-2": ["P-DATA-TF"], "AE-6": ["A-ASSOCIATE-AC"],
    "AE-3": ["P-DATA-TF"], "AR-6": [], "AR-8": ["A-RELEASE-RP"],
    "AA-7": [],  # the Standard has us send a second A-ABORT; we have said that nothing more comes
}  # fmt: skip

# In the order of EVENTS
ACCEPTOR = {
    2: "AA-1 AA-1 AE-6 AA-1 AA-1 AA-1 AA-2 AA-5 AA-1",
    6: "AA-8 AA-8 AA-8 DT-2 AR-2 AA-8 AA-3 AA-4 AA-8",
    13: "AA-6 AA-6 AA-7 AA-6 AA-6 AA-6 AA-2 AR-5 AA-7",
}
REQUESTOR = {
    5: "AE-3 AE-4 AA-8 AA-8 AA-8 AA-8 AA-3 AA-4 AA-8",
    6: "AA-8 AA-8 AA-8 DT-2 AR-2 AA-8 AA-3 AA-4 AA-8",
    7: "AA-8 AA-8 AA-8 AR-6 AR-8 AR-3 AA-3 AA-4 AA-8",
    11: "AA-8 AA-8 AA-8 AA-8 AA-8 AR-3 AA-3 AA-4 AA-8",
}


def cells(table: dict[int, str]) -> list[Any]:
    return [
        pytest.param(state, event, action, id=f"Sta{state} {event} {action}")
        for state, row in table.items()
        for event, action in zip(EVENTS, row.split(), strict=True)
    ]


REQUESTED = OUTCOMES | {
    "AA-8": ["A-ABORT 2,0"],  # pynetdicom gives no reason
    "AR-2": ["A-ABORT 0,0"],  # our message has no response yet: the service user aborts, which AR-2 leaves to it
    "AR-6": ["A-ABORT 2,0"],  # the data is dropped, and the release not answered in time
}


def expected(event: str, action: str) -> list[str]:
    if event == "unknown" and action == "AA-8":
        return ["A-ABORT 2,1"]
    return OUTCOMES[action]


class Peer:
    """The other end of a connection, which reads what comes PDU by PDU."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        connection.settimeout(20)

    def send(self, encoded: bytes) -> None:
        """Send, or close the sending side where there is nothing to send."""
        if encoded:
            self._connection.sendall(encoded)
        else:
            self._connection.shutdown(socket.SHUT_WR)

    def read(self) -> str:
        """Return the next PDU in words, or nothing at the end."""
        header = self._connection.recv(6, socket.MSG_WAITALL)
        if not header:
            return ""
        body = self._connection.recv(int.from_bytes(header[2:], "big"), socket.MSG_WAITALL)
        if header[0] == pdus.ABORT:
            return f"A-ABORT {body[2]},{body[3]}"
        names = {1: "RQ", 2: "A-ASSOCIATE-AC", 3: "RJ", 4: "P-DATA-TF", 5: "A-RELEASE-RQ", 6: "A-RELEASE-RP"}
        return names[header[0]]

    def read_to_the_end(self) -> list[str]:
        return list(iter(self.read, ""))


class Welcome:
    """A service that accepts everybody and has nothing else to say."""

    def admit(self, *_: Any) -> None:
        return None

    def offer(self, *_: Any) -> Offer:
        return Offer({VERIFICATION: (IMPLICIT,)}, NegotiationMemory())

    def __getattr__(self, _: str) -> Callable[..., None]:
        return lambda *_: None


@contextmanager
def running(work: Callable[[], object]) -> Iterator[None]:
    thread = threading.Thread(target=work)
    thread.start()
    yield
    thread.join(20)
    assert not thread.is_alive()


@contextmanager
def acceptor() -> Iterator[Peer]:
    """Yield a peer of an acceptor in state 2: connected, and nothing said."""
    ours, theirs = socket.socketpair()
    limits = Limits(16384, 1 << 20, idle_seconds=20, no_image_seconds=20)
    service: Any = Welcome()
    association = AcceptedAssociation(PlainTransport(ours, 5), "192.0.2.1", service, limits)
    with theirs, running(association.run):
        yield Peer(theirs)
        theirs.close()


@pytest.mark.parametrize(("state", "event", "action"), cells(ACCEPTOR))
@pytest.mark.fault(
    "any PDU comes in any state of an association",
    promise="answered as PS3.8 Table 9-10 says",
    area="content",
)
def test_the_acceptor_does_what_the_table_says(state: int, event: str, action: str) -> None:
    with acceptor() as peer:
        if state == 6:
            peer.send(REQUEST)
            assert peer.read() == "A-ASSOCIATE-AC"
        elif state == 13:
            peer.send(EVENTS["unknown"])
            assert peer.read() == "A-ABORT 0,0"
        peer.send(EVENTS[event])
        if action in {"AE-6", "DT-2"}:
            assert [peer.read()] == expected(event, action)
        else:
            assert peer.read_to_the_end() == expected(event, action)


@contextmanager
def requestor(wait: float = 20) -> Iterator[Peer]:
    """Yield a peer of a requestor in state 5: its request was sent; it will ask C-ECHO once and release."""
    listener = socket.create_server(("127.0.0.1", 0))
    target = Target("127.0.0.1", listener.getsockname()[1], "PEER", "CXRNODE", response_seconds=wait)

    def call() -> None:
        try:
            with Association(target, [(VERIFICATION.decode(), IMPLICIT_LITTLE)]) as association:
                association.echo()
        except CxrnodeError:
            return

    with listener, running(call):
        connection, _ = listener.accept()
        with connection:
            peer = Peer(connection)
            assert peer.read() == "RQ"
            yield peer


@pytest.mark.parametrize(("state", "event", "action"), cells(REQUESTOR))
def test_the_requestor_does_what_the_table_says(state: int, event: str, action: str) -> None:
    with requestor(wait=0.3 if action == "AR-6" else 20) as peer:
        if state > 5:
            peer.send(ACCEPTANCE)
            assert peer.read() == "P-DATA-TF"
        if state > 6:
            peer.send(ECHO_RSP)
            assert peer.read() == "A-RELEASE-RQ"
        if state > 7:
            peer.send(EVENTS["A-RELEASE-RQ"])
            assert peer.read() == "A-RELEASE-RP"
        if action == "DT-2":
            peer.send(ECHO_RSP)
            assert peer.read() == "A-RELEASE-RQ"
            return
        peer.send(EVENTS[event])
        if action in {"AE-3", "AR-8"}:
            assert [peer.read()] == REQUESTED[action]
            peer.send(EVENTS["A-ABORT"] if action == "AE-3" else EVENTS["A-RELEASE-RP"])
        else:
            assert peer.read_to_the_end() == REQUESTED[action]


def test_what_the_table_has_us_ignore_is_followed_by_the_release() -> None:
    with requestor() as peer:
        peer.send(ACCEPTANCE)
        peer.read()
        peer.send(ECHO_RSP)
        assert peer.read() == "A-RELEASE-RQ"
        peer.send(ECHO_RSP + EVENTS["A-RELEASE-RP"])
        assert peer.read_to_the_end() == []
