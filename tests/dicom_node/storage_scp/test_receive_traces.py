"""A refusal leaves a trace in table, log and audit log, with the setting that would change it."""

import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset

from config.errors import PeerBusy
from dicom_node.format.syntaxes import EXPLICIT_LITTLE
from dicom_node.storage_scu.association import Association
from dicom_node.storage_scu.send import echo, store
from dicom_node.upper_layer import dimse, pdus
from dicom_node.upper_layer.access import CALLING_AE_UNKNOWN
from dicom_node.upper_layer.transport import ConnectionLost, PlainTransport
from tests.dicom_node.requests import COMPUTED_RADIOGRAPHY, EXPLICIT, context, request
from tracking.audit_log.refusals import RefusalKind

Node = Any
MakeDataset = Callable[..., Dataset]
SaveFile = Callable[..., Path]
VERIFICATION = "1.2.840.10008.1.1"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


def answer(node: Node, encoded: bytes) -> bytes:
    """Return all that is answered to some bytes."""
    received = b""
    with socket.create_connection(("127.0.0.1", node.receiver.port), timeout=10) as connection:
        connection.sendall(encoded)
        try:
            while piece := connection.recv(65536):
                received += piece
                if piece[0] == pdus.ASSOCIATE_AC:
                    connection.sendall(pdus.release_pdu(pdus.RELEASE_RQ))
        except ConnectionResetError:
            pass
    return received


@pytest.mark.fault(
    "images are of a SOP class that is not accepted",
    promise="refused, with a trace in log, audit log, doctor and console that names the setting",
    area="content",
)
def test_images_of_a_class_that_is_not_accepted_leave_one_row_line_and_audit_line(
    node: Node, make_dataset: MakeDataset, save_file: SaveFile, capsys: pytest.CaptureFixture[str]
) -> None:
    captures = [save_file(make_dataset(SOPClassUID=SECONDARY_CAPTURE)) for _ in range(10)]
    assert not any(outcome.stored for path in captures for outcome in store([path], node.target))
    node.receiver.stop()
    [entry] = node.refusals()
    assert (entry.count, entry.refusal.kind) == (10, RefusalKind.CONTEXT)
    assert (entry.refusal.calling_ae, entry.refusal.sop_class_uid) == ("MODALITY", SECONDARY_CAPTURE)
    assert entry.refusal.cure == 'add "SC" to receive.accept'
    lines = [line for line in node.audit() if line.type == "context-refused"]
    assert sum(line.detail["count"] for line in lines) == 10
    assert len(lines) <= 2
    assert capsys.readouterr().out.count('add "SC"') == len(lines)


def test_a_syntax_that_is_not_accepted_is_named_with_its_class(node: Node) -> None:
    unknown = b"1.2.840.10008.1.2.4.100"
    assert answer(node, request(context(1, COMPUTED_RADIOGRAPHY, unknown)))[0] == pdus.ASSOCIATE_AC
    [entry] = node.refusals()
    assert entry.refusal.reason == "transfer syntax not accepted"
    assert entry.refusal.sop_class_uid == COMPUTED_RADIOGRAPHY.decode()
    assert entry.refusal.transfer_syntax_uid == unknown.decode()


def test_a_context_refused_beside_a_stored_image_is_counted_apart(
    node: Node, make_dataset: MakeDataset, save_file: SaveFile
) -> None:
    paths = [save_file(make_dataset()), save_file(make_dataset(SOPClassUID=SECONDARY_CAPTURE))]
    assert [outcome.stored for outcome in store(paths, node.target)] == [True, False]
    [entry] = node.refusals()
    assert entry.refusal.kind is RefusalKind.SPARE_CONTEXT


def test_an_accepted_image_and_an_echo_leave_no_refusal(
    node: Node, make_dataset: MakeDataset, save_file: SaveFile
) -> None:
    assert store([save_file(make_dataset())], node.target)[0].stored
    echo(node.target)
    node.receiver.stop()
    assert node.refusals(0) == []


@pytest.mark.fault(
    "a name stands where a UID belongs",
    promise="refused, and written down nowhere",
    area="secret",
)
def test_no_free_text_in_place_of_a_uid_is_written_down(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    answer(node, request(context(1, b"SECRET^NAME", EXPLICIT), context(3, COMPUTED_RADIOGRAPHY, b"SECRET^NAME")))
    command = dimse.encode_command(
        {dimse.AFFECTED_SOP_CLASS: COMPUTED_RADIOGRAPHY, dimse.COMMAND_FIELD: 1, dimse.MESSAGE_ID: 1,
         dimse.DATA_SET_TYPE: 1, dimse.AFFECTED_SOP_INSTANCE: b"SECRET^NAME"}
    )  # fmt: skip
    data = pdus.data_pdu_header(1, 4, is_command=False, is_last=True) + b"abcd"
    with socket.create_connection(("127.0.0.1", node.receiver.port), timeout=10) as connection:
        connection.sendall(request())
        assert connection.recv(65536)[0] == pdus.ASSOCIATE_AC
        connection.sendall(pdus.command_pdu(1, command) + data)
        response = dimse.decode_command(connection.recv(65536)[12:])
        assert dimse.number(response, dimse.STATUS) == 0x0117
    node.receiver.stop()
    assert "SECRET" not in f"{node.refusals(3)}{node.audit()}{capsys.readouterr()}"
    assert {entry.refusal.kind for entry in node.refusals()} >= {RefusalKind.CONTEXT, RefusalKind.INSTANCE}


@pytest.mark.parametrize(
    ("encoded", "rejection", "reason"),
    [
        (request(version=2), (1, 2, 2), "protocol version not supported"),
        (request(application_context=None), (1, 1, 2), "application context is missing or not DICOM's"),
        (request(application_context=b"1.2.3"), (1, 1, 2), "application context is missing or not DICOM's"),
    ],
)
def test_a_rejected_request_is_answered_by_the_letter_and_traced(
    node: Node, encoded: bytes, rejection: tuple[int, int, int], reason: str
) -> None:
    assert answer(node, encoded) == pdus.reject_pdu(*rejection)
    [entry] = node.refusals()
    assert (entry.refusal.kind, entry.refusal.reason) == (RefusalKind.ASSOCIATION, reason)
    [line] = node.audit_soon()
    assert (line.type, line.detail["status"]) == ("association-rejected", ",".join(map(str, rejection)))


@pytest.mark.fault(
    "a stranger sends a request of any length",
    promise="turned away by its fixed fields; nothing of it is parsed",
    area="stranger",
)
def test_a_stranger_is_turned_away_before_anything_is_parsed(
    start_node: Callable[..., Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    node = start_node(peers=[{"name": "pacs", "ae_title": "PACS"}], known_peers_only=True)

    def parse(_body: bytes) -> None:
        raise AssertionError("a stranger's request is parsed")

    monkeypatch.setattr("dicom_node.upper_layer.association.parse_request", parse)
    assert answer(node, request(b"\x20\x00\xff\xff")) == pdus.reject_pdu(1, 1, 3)


def test_a_crowded_out_caller_is_told_to_come_back_and_counted(start_node: Callable[..., Node]) -> None:
    node = start_node(max_associations_per_address=1)
    with Association(node.target, [(VERIFICATION, EXPLICIT_LITTLE)]), pytest.raises(PeerBusy, match="2,3,2"):
        echo(node.target)
    [entry] = node.refusals()
    assert "max_associations_per_address" in entry.refusal.cure


@pytest.mark.fault(
    "an association echoes now and then and brings nothing",
    promise="ended after `receive.no_image_seconds`",
    area="stranger",
)
def test_an_association_that_only_echoes_ends(start_node: Callable[..., Node]) -> None:
    node = start_node(no_image_seconds=1)
    with socket.create_connection(("127.0.0.1", node.receiver.port), timeout=10) as connection:
        connection.sendall(request())
        assert connection.recv(65536)[0] == pdus.ASSOCIATE_AC
        echo_request = pdus.command_pdu(
            1,
            dimse.encode_command(
                {
                    dimse.COMMAND_FIELD: 0x30,
                    dimse.MESSAGE_ID: 1,
                    dimse.DATA_SET_TYPE: dimse.NO_DATA_SET,
                }
            ),
        )
        answered = 0
        while True:
            try:
                connection.sendall(echo_request)
                received = connection.recv(65536)
            except ConnectionError:
                break
            if not received or received[0] == pdus.ABORT:
                break
            answered += 1
            time.sleep(0.05)
        assert 0 < answered < 1000


def test_a_caller_that_does_not_stay_for_its_rejection_is_traced(
    start_node: Callable[..., Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    def hang_up(*_: object) -> None:
        raise ConnectionLost

    node = start_node(peers=[{"name": "pacs", "ae_title": "PACS"}], known_peers_only=True)
    monkeypatch.setattr(PlainTransport, "send", hang_up)
    with socket.create_connection(("127.0.0.1", node.receiver.port), timeout=10) as connection:
        connection.sendall(request())
        [entry] = node.refusals()
    assert entry.refusal.reason == CALLING_AE_UNKNOWN.reason


def test_refused_contexts_are_noted_before_the_slot_is_given_back(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    slots: list[int] = []
    monkeypatch.setattr(node.receiver._refusals, "add", lambda _: slots.append(len(node.receiver._slots.connections())))
    answer(node, request(context(1, SECONDARY_CAPTURE.encode(), EXPLICIT)))
    node.receiver.stop()
    assert slots == [1]


@pytest.mark.fault(
    "a data set is cut short within its last element",
    promise="refused and traced, never acknowledged",
    area="content",
)
def test_a_data_set_that_ends_within_its_last_element_is_refused_and_traced(
    node: Node, make_dataset: MakeDataset, save_file: SaveFile, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = save_file(make_dataset())
    cut = whole.with_name("cut.dcm")
    cut.write_bytes(whole.read_bytes()[:-2])
    assert [outcome.status for outcome in store([cut, whole], node.target)] == [0xC000, 0]
    [entry] = node.refusals()
    assert (entry.refusal.kind, entry.refusal.status, entry.refusal.reason) == (
        RefusalKind.INSTANCE, "", "data set ends within its last element",
    )  # fmt: skip
    assert entry.refusal.reason in capsys.readouterr().out
