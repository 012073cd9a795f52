"""By the letter of PS3.8 and PS3.7: the same bytes to our receiver and to DCMTK's ``storescp``."""

import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from config.settings import Settings
from dicom_node.storage_scp.receive import Receiver
from dicom_node.upper_layer import dimse, pdus
from tests.dicom_node.requests import COMPUTED_RADIOGRAPHY, EXPLICIT, context, item, request
from tracking.engine import schema
from tracking.engine.database import Database

pytestmark = pytest.mark.peers

VERIFICATION = b"1.2.840.10008.1.1"
REQUESTED_SOP_CLASS, REQUESTED_SOP_INSTANCE = 0x00000003, 0x00001001


def command(field: int, **elements: bytes) -> bytes:
    """Return a command without data set on presentation context 1; ``affected`` is its Affected SOP Class UID."""
    tags = {
        "affected": dimse.AFFECTED_SOP_CLASS,
        "requested": REQUESTED_SOP_CLASS,
        "instance": REQUESTED_SOP_INSTANCE,
    }
    numbers = {
        dimse.COMMAND_FIELD: field,
        dimse.MESSAGE_ID: 1,
        dimse.DATA_SET_TYPE: dimse.NO_DATA_SET,
    }
    return pdus.command_pdu(1, dimse.encode_command(numbers | {tags[name]: uid for name, uid in elements.items()}))


STORAGE = request(context(1, COMPUTED_RADIOGRAPHY, EXPLICIT))
ECHO = request(context(1, VERIFICATION, EXPLICIT))
BARE_ECHO = command(0x30)
WITH_UNKNOWN_ITEM = request(item(0x99, b"x"), context(1, COMPUTED_RADIOGRAPHY, EXPLICIT))

# name: what is sent, our last answer, storescp's last answer
CASES: dict[str, tuple[list[bytes], str, str]] = {
    "a request": ([STORAGE], "A-ASSOCIATE-AC", "A-ASSOCIATE-AC"),
    "unknown items": ([WITH_UNKNOWN_ITEM],) + ("A-ASSOCIATE-AC",) * 2,
    "another application context": ([request(application_context=b"1.2.3")],) + ("A-ASSOCIATE-RJ 1,1,2",) * 2,
    "no application context": ([request(application_context=None)],) + ("A-ASSOCIATE-RJ 1,1,2",) * 2,
    "protocol version 2": ([request(version=2)],) + ("A-ASSOCIATE-RJ 1,2,2",) * 2,
    "protocol versions 1 and 2": ([request(version=3)],) + ("A-ASSOCIATE-AC",) * 2,
    "A-ABORT first": ([pdus.abort_pdu(0)],) + ("closed",) * 2,
    "A-RELEASE-RQ first": ([pdus.release_pdu(pdus.RELEASE_RQ)],) + ("A-ABORT 0,0",) * 2,
    "P-DATA-TF first": ([BARE_ECHO],) + ("A-ABORT 0,0",) * 2,
    "A-ABORT": ([STORAGE, pdus.abort_pdu(0)],) + ("closed",) * 2,
    "A-RELEASE-RQ": ([STORAGE, pdus.release_pdu(pdus.RELEASE_RQ)],) + ("A-RELEASE-RP",) * 2,
    "A-RELEASE-RP": ([STORAGE, pdus.release_pdu(pdus.RELEASE_RP)],) + ("A-ABORT 2,2",) * 2,
    "a second request": ([STORAGE, STORAGE],) + ("A-ABORT 2,2",) * 2,
    "C-ECHO": ([ECHO, command(0x30, affected=VERIFICATION)],) + ("status 0000",) * 2,
    "C-ECHO without SOP class": ([ECHO, BARE_ECHO], "status 0000", "A-ABORT 0,0"),
    "C-STORE-RSP": ([STORAGE, command(0x8001, affected=COMPUTED_RADIOGRAPHY)], "A-ABORT 2,0", "A-ABORT 0,0"),
    "N-GET": (
        [STORAGE, command(0x110, requested=COMPUTED_RADIOGRAPHY, instance=b"1.2.3")], "status 0211", "A-ABORT 0,0",
    ),
    "C-FIND": ([STORAGE, command(0x20, affected=COMPUTED_RADIOGRAPHY)], "status 0211", "A-ABORT 0,0"),
    "a context that was not accepted": ([STORAGE, pdus.command_pdu(5, b"")], "A-ABORT 2,6", "A-ABORT 0,0"),
}  # fmt: skip


@pytest.fixture(scope="module")
def our_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    settings = Settings(
        node={"data_dir": tmp_path_factory.mktemp("letter")}, receive={"port": 0, "min_free_disk_bytes": 0}
    )
    database = Database.open(settings.database_url(), service="receive")
    schema.upgrade(database)
    receiver = Receiver(settings, database)
    receiver.start()
    yield receiver.port
    receiver.stop(drain_seconds=0.2)
    database.close()


@pytest.fixture(scope="module")
def storescp_port(tmp_path_factory: pytest.TempPathFactory, dcmtk: Callable[[str], str]) -> Iterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    folder: Path = tmp_path_factory.mktemp("storescp")
    process = subprocess.Popen([dcmtk("storescp"), "-od", folder, str(port)], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            break
        except OSError:
            time.sleep(0.05)
    yield port
    process.kill()
    process.wait()


def receive(connection: socket.socket, wanted: int) -> bytes:
    """Return so many bytes, or fewer when the connection ends."""
    received = b""
    while len(received) < wanted and (piece := connection.recv(wanted - len(received))):
        received += piece
    return received


def last_answer(port: int, pieces: list[bytes]) -> str:
    """Send one piece after the other, each when the one before is answered; return the last answer in words."""
    answer = b""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        for piece in pieces:
            try:
                connection.sendall(piece)
                answer = receive(connection, 6)
                answer += receive(connection, int.from_bytes(answer[2:], "big"))
            except ConnectionError:
                answer = b""
    return in_words(answer)


def in_words(pdu: bytes) -> str:
    if not pdu:
        return "closed"
    if pdu[0] == pdus.P_DATA:
        [fragment] = pdus.fragments(memoryview(pdu)[6:])
        return f"status {dimse.number(dimse.decode_command(bytes(fragment.data)), dimse.STATUS):04X}"
    names = {pdus.ASSOCIATE_AC: "A-ASSOCIATE-AC", pdus.RELEASE_RP: "A-RELEASE-RP"}
    if pdu[0] == pdus.ASSOCIATE_RJ:
        return f"A-ASSOCIATE-RJ {pdu[7]},{pdu[8]},{pdu[9]}"
    return names.get(pdu[0], f"A-ABORT {pdu[8]},{pdu[9]}")


@pytest.mark.parametrize("name", CASES)
def test_our_answer_is_as_the_standard_has_it(our_port: int, name: str) -> None:
    pieces, ours, _ = CASES[name]
    assert last_answer(our_port, pieces) == ours


@pytest.mark.parametrize("name", CASES)
def test_storescp_answers_alike_or_as_noted(storescp_port: int, name: str) -> None:
    pieces, _, theirs = CASES[name]
    assert last_answer(storescp_port, pieces) == theirs
