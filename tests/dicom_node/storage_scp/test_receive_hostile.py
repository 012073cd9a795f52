"""The receiver against peers that lie, flood, fall silent or vanish."""

import socket
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from pydicom.dataset import Dataset
from sqlalchemy.exc import OperationalError

from config.errors import PeerUnavailable
from dicom_node.storage_scu.send import echo, store
from dicom_node.upper_layer import dimse, pdus
from tests.dicom_node.requests import request

Node = Any
MakeDataset = Callable[..., Dataset]
SaveFile = Callable[..., Path]
CR = "1.2.840.10008.5.1.4.1.1.1"


def raw_connection(node: Node) -> socket.socket:
    return socket.create_connection(("127.0.0.1", node.receiver.port), timeout=10)


def negotiated(node: Node) -> socket.socket:
    connection = raw_connection(node)
    connection.sendall(request())
    kind, length = struct.unpack(">BxI", connection.recv(6, socket.MSG_WAITALL))
    connection.recv(length, socket.MSG_WAITALL)
    assert kind == pdus.ASSOCIATE_AC
    return connection


def everything_until_closed(connection: socket.socket) -> bytes:
    received = b""
    try:
        while piece := connection.recv(65536):
            received += piece
    except ConnectionResetError:
        pass
    return received


@pytest.mark.parametrize("established", [False, True])
@pytest.mark.fault(
    "a PDU claims 4 GB",
    promise="aborted, at no cost of memory",
    area="stranger",
)
def test_a_pdu_that_claims_four_gigabytes_is_aborted_and_costs_no_memory(node: Node, established: bool) -> None:
    echo(node.target)
    process = psutil.Process()
    before = process.memory_info().rss
    with negotiated(node) if established else raw_connection(node) as connection:
        connection.sendall(b"\x04\x00\xff\xff\xff\xff" if established else b"\x01\x00\xff\xff\xff\xff")
        block = bytes(1 << 20)
        sent = 0
        try:
            while sent < 1 << 28:
                connection.sendall(block)
                sent += len(block)
        except OSError:
            pass
        answer = everything_until_closed(connection)
    assert sent < 1 << 28
    assert answer[:1] in {b"\x07", b""}
    assert process.memory_info().rss - before < 64 << 20
    assert echo(node.target).status == 0


@pytest.mark.fault(
    "a data set does not end",
    promise="aborted at `receive.max_dataset_bytes`",
    area="stranger",
)
def test_a_data_set_beyond_the_bound_is_aborted_while_it_arrives(
    start_node: Callable[..., Node], make_dataset: MakeDataset, save_file: SaveFile
) -> None:
    node = start_node(max_dataset_bytes=1 << 20)
    big = save_file(make_dataset(PixelData=bytes(8 << 20)))
    with pytest.raises(PeerUnavailable):
        store([big], node.target)
    assert store([save_file(make_dataset())], node.target)[0].stored
    deadline = time.monotonic() + 5
    while len(node.files()) > 1 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert len(node.files()) == 1


def send_too_much(connection: socket.socket, instance_uid: bytes = b"1.2.3") -> bytes:
    """Begin a C-STORE, send 2 MiB of a patient's name and return what is answered."""
    command = dimse.encode_command(
        {dimse.AFFECTED_SOP_CLASS: CR.encode(), dimse.COMMAND_FIELD: 1, dimse.MESSAGE_ID: 1, dimse.PRIORITY: 0,
         dimse.DATA_SET_TYPE: 1, dimse.AFFECTED_SOP_INSTANCE: instance_uid}
    )  # fmt: skip
    piece = b"Doe^Jane" * 8192
    header = pdus.data_pdu_header(1, len(piece), is_command=False, is_last=False)
    connection.sendall(pdus.command_pdu(1, command) + (header + piece) * 32)
    return everything_until_closed(connection)


def test_a_data_set_beyond_the_bound_leaves_one_audit_line_without_patient_data(
    start_node: Callable[..., Node],
) -> None:
    node = start_node(max_dataset_bytes=1 << 20)
    with negotiated(node) as connection:
        assert send_too_much(connection)[:1] == b"\x07"
    echo(node.target)
    [line] = node.audit_soon()
    assert (line.type, line.outcome, line.study_uid) == ("instance-refused", "minor-failure", None)
    assert line.detail == {
        "instance_uid": "1.2.3", "status": "A-ABORT", "reason": "data set is longer than receive.max_dataset_bytes",
        "calling_ae": "MODALITY", "called_ae": "CXRNODE", "address": "127.0.0.1",
    }  # fmt: skip


def test_no_free_text_in_place_of_a_uid_gets_into_the_line_of_a_data_set_beyond_the_bound(
    start_node: Callable[..., Node],
) -> None:
    node = start_node(max_dataset_bytes=1 << 20)
    with negotiated(node) as connection:
        assert send_too_much(connection, b"Doe Jane")[:1] == b"\x07"
    [line] = node.audit_soon()
    assert line.detail["instance_uid"] == ""


def test_a_data_set_beyond_the_bound_is_aborted_before_a_slow_database_has_written_it_down(
    start_node: Callable[..., Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    node = start_node(max_dataset_bytes=1 << 20)
    back = threading.Event()
    run = node.receiver._commits.run

    def wait_and_run(work: Any) -> Any:
        assert back.wait(20)
        return run(work)

    monkeypatch.setattr(node.receiver._commits, "run", wait_and_run)
    try:
        with negotiated(node) as connection:
            assert send_too_much(connection)[:1] == b"\x07"
        assert node.audit() == []
    finally:
        back.set()
    assert [line.type for line in node.audit_soon()] == ["instance-refused"]


def test_a_data_set_beyond_the_bound_is_aborted_and_costs_no_place_while_the_database_is_away(
    start_node: Callable[..., Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    node = start_node(max_dataset_bytes=1 << 20, max_associations=1)

    def fail(_work: Any) -> None:
        raise OperationalError("BEGIN", {}, Exception("the database is away"))

    with monkeypatch.context() as patch:
        patch.setattr(node.receiver._commits, "run", fail)
        with negotiated(node) as connection:
            assert send_too_much(connection)[:1] == b"\x07"
        deadline = time.monotonic() + 5
        while node.receiver._slots.connections() and time.monotonic() < deadline:
            time.sleep(0.01)
    assert echo(node.target).status == 0
    assert (node.files(), node.audit()) == ([], [])


@pytest.mark.parametrize(
    "nonsense",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x04\x00\x00\x00\x00\x04\x00\x00\x00\x00",
        b"\x01\x00\x00\x00\x00\x44" + bytes(68),
        b"\x05\x00\x00\x00\x00\x04" + bytes(4),
        b"",
    ],
)
@pytest.mark.fault(
    "a connection brings nonsense",
    promise="ended; nothing else happens",
    area="stranger",
)
def test_nonsense_before_an_association_ends_the_connection_and_nothing_else(node: Node, nonsense: bytes) -> None:
    with raw_connection(node) as connection:
        connection.sendall(nonsense)
        connection.shutdown(socket.SHUT_WR)
        everything_until_closed(connection)
    assert echo(node.target).status == 0


@pytest.mark.parametrize(
    "nonsense",
    [
        pdus.command_pdu(3, b""),
        pdus.command_pdu(1, b"\x00\x00\x00\x01\xff\xff\x00\x00"),
        pdus.data_pdu_header(1, 4, is_command=False, is_last=True) + b"abcd",
        pdus.command_pdu(1, dimse.encode_command({dimse.COMMAND_FIELD: 1, dimse.DATA_SET_TYPE: 1})),
        b"\x02\x00\x00\x00\x00\x04" + bytes(4),
        b"\x04\x00\x00\x00\x00\x06\x00\x00\x00\x40\x01\x03",
        pdus.command_pdu(1, dimse.encode_command({dimse.COMMAND_FIELD: 0x0123, dimse.DATA_SET_TYPE: 0x0101})),
    ],
)
def test_nonsense_on_an_association_is_aborted(node: Node, nonsense: bytes) -> None:
    with negotiated(node) as connection:
        connection.sendall(nonsense)
        answer = everything_until_closed(connection)
    assert answer[:1] == b"\x07"
    assert node.files() == []
    assert echo(node.target).status == 0


@pytest.mark.fault(
    "a peer falls silent in the middle of an association",
    promise="aborted after `receive.idle_seconds`",
    area="stranger",
)
def test_a_silent_peer_loses_its_association(start_node: Callable[..., Node]) -> None:
    node = start_node(idle_seconds=1)
    with negotiated(node) as connection:
        start = time.monotonic()
        assert everything_until_closed(connection)[:1] == b"\x07"
        assert 0.5 < time.monotonic() - start < 5


def test_a_store_without_a_data_set_is_refused_and_audited(node: Node) -> None:
    command = dimse.encode_command(
        {dimse.AFFECTED_SOP_CLASS: CR.encode(), dimse.COMMAND_FIELD: 1, dimse.MESSAGE_ID: 9, dimse.PRIORITY: 0,
         dimse.DATA_SET_TYPE: dimse.NO_DATA_SET, dimse.AFFECTED_SOP_INSTANCE: b"1.2.3"}
    )  # fmt: skip
    with negotiated(node) as connection:
        connection.sendall(pdus.command_pdu(1, command))
        answer = dimse.decode_command(connection.recv(4096)[12:])
        assert (
            dimse.number(answer, dimse.RESPONDED_MESSAGE_ID),
            dimse.number(answer, dimse.STATUS),
        ) == (9, 0xC000)
        connection.sendall(pdus.release_pdu(pdus.RELEASE_RQ))
        assert connection.recv(1)[0] == pdus.RELEASE_RP
    [line] = node.audit()
    assert (line.type, line.detail["status"]) == ("instance-refused", "C000")
    assert node.files() == []


def begin_and_vanish(node: Node) -> None:
    """Open an association, send the beginning of an image and go away without a word."""
    command = dimse.encode_command(
        {dimse.AFFECTED_SOP_CLASS: CR.encode(), dimse.COMMAND_FIELD: 1, dimse.MESSAGE_ID: 1, dimse.PRIORITY: 0,
         dimse.DATA_SET_TYPE: 1, dimse.AFFECTED_SOP_INSTANCE: b"1.2.3"}
    )  # fmt: skip
    with negotiated(node) as connection:
        connection.sendall(pdus.command_pdu(1, command))
        connection.sendall(pdus.data_pdu_header(1, 4, is_command=False, is_last=False) + b"abcd")
        deadline = time.monotonic() + 5
        while not node.files() and time.monotonic() < deadline:
            time.sleep(0.01)


@pytest.mark.fault(
    "a sender vanishes in the middle of an image",
    promise="nothing of it stays",
    area="stranger",
)
def test_a_sender_that_vanishes_midway_leaves_nothing(node: Node) -> None:
    begin_and_vanish(node)
    deadline = time.monotonic() + 5
    while node.files() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert node.files() == []
    assert node.instances() == {}


def test_a_disk_that_lets_nothing_be_removed_costs_no_place(
    start_node: Callable[..., Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    node = start_node(max_associations=1)

    def fail(_path: Path, **_: Any) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "unlink", fail)
    begin_and_vanish(node)
    deadline = time.monotonic() + 5
    while node.receiver._slots.connections() and time.monotonic() < deadline:
        time.sleep(0.01)
    monkeypatch.undo()
    assert echo(node.target).status == 0
