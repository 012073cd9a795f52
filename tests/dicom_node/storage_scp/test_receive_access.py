"""The receiver's policy: who may call, with what, and how many at a time."""

import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset

from config.errors import PeerBusy, RefusedByPeer
from dicom_node.format.dicom_file import open_file
from dicom_node.format.syntaxes import EXPLICIT_LITTLE
from dicom_node.storage_scu.association import Association
from dicom_node.storage_scu.send import echo, store
from dicom_node.storage_scu.target import Target
from dicom_node.upper_layer import dimse, pdus
from tests.dicom_node.requests import RawAssociation, request

Node = Any
MakeDataset = Callable[..., Dataset]
SaveFile = Callable[..., Path]
CR = "1.2.840.10008.5.1.4.1.1.1"


def test_classes_outside_the_policy_are_not_negotiated(
    node: Node, make_dataset: MakeDataset, save_file: SaveFile
) -> None:
    ct = save_file(make_dataset(SOPClassUID="1.2.840.10008.5.1.4.1.1.2"))
    cr = save_file(make_dataset())
    refused, stored = store([ct, cr], node.target)
    assert (refused.status, refused.stored, stored.stored) == (None, False, True)
    assert "CT Image Storage" in refused.message


def test_a_class_smuggled_through_another_context_is_refused(
    node: Node, make_dataset: MakeDataset, save_file: SaveFile
) -> None:
    file = open_file(save_file(make_dataset(SOPClassUID="1.2.840.10008.5.1.4.1.1.2")))
    with RawAssociation(node.receiver.port) as association:
        uids = {"sop_class_uid": file.sop_class_uid.encode(), "instance_uid": file.instance_uid.encode()}
        assert association.store(file.path, **uids) == 0x0122
    [line] = node.audit()
    assert (line.type, line.detail["status"], line.detail["instance_uid"]) == (
        "instance-refused", "0122", file.instance_uid,
    )  # fmt: skip
    assert node.files() == []


def test_titles_padded_with_nulls_are_understood(start_node: Callable[..., Node]) -> None:
    node = start_node(peers=[{"name": "old", "ae_title": "OLD"}], known_peers_only=True, check_called_ae_title=True)
    encoded = request(calling=b"OLD")
    titles = encoded[10:42].replace(b"CXRNODE ", b"CXRNODE\0").replace(b"OLD" + bytes([32] * 13), b"OLD" + bytes(13))
    with socket.create_connection(("127.0.0.1", node.receiver.port), timeout=10) as connection:
        connection.sendall(encoded[:10] + titles + encoded[42:])
        assert connection.recv(1)[0] == pdus.ASSOCIATE_AC


@pytest.mark.parametrize(
    ("receive", "target", "code", "error"),
    [
        ({"known_peers_only": True}, {}, "(1,1,3)", RefusedByPeer),
        ({"check_called_ae_title": True}, {"called_ae": "WRONG"}, "(1,1,7)", RefusedByPeer),
    ],
)
def test_strangers_are_rejected_and_audited(
    start_node: Callable[..., Node], receive: dict[str, Any], target: dict[str, Any], code: str, error: type[Exception]
) -> None:
    node = start_node(peers=[{"name": "pacs", "ae_title": "PACS"}], **receive)
    with pytest.raises(error) as caught:
        echo(Target(**{"host": "127.0.0.1", "port": node.receiver.port, "called_ae": "CXRNODE",
                       "calling_ae": "STRANGER", **target}))  # fmt: skip
    assert code in str(caught.value)
    [line] = node.audit_soon()
    assert (line.type, line.detail["calling_ae"]) == ("association-rejected", "STRANGER")


def test_a_request_that_is_known_by_heart_is_still_judged(
    start_node: Callable[..., Node], make_dataset: MakeDataset, save_file: SaveFile
) -> None:
    node = start_node(max_associations=1)
    paths = [save_file(make_dataset()) for _ in range(3)]
    for path in paths:
        for _ in range(100):
            try:
                [outcome] = store([path], node.target)
                break
            except PeerBusy:
                time.sleep(0.02)
        assert outcome.stored
    assert len(node.instances()) == 3
    assert {row.calling_ae for row in node.instances().values()} == {"MODALITY"}
    file = open_file(paths[0])
    time.sleep(0.1)
    with Association(node.target, [file.context]), pytest.raises(PeerBusy):
        store([paths[0]], node.target)


def test_more_associations_than_allowed_are_told_to_come_back(start_node: Callable[..., Node]) -> None:
    node = start_node(max_associations=1)
    with Association(node.target, [("1.2.840.10008.1.1", EXPLICIT_LITTLE)]) as first:
        with pytest.raises(PeerBusy, match="2,3,2"):
            echo(node.target)
        assert first.echo() == 0
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            assert echo(node.target).status == 0
            break
        except PeerBusy:
            time.sleep(0.02)
    else:
        pytest.fail("the place was not given back")


def open_associations(node: Node, count: int, address: str) -> list[socket.socket]:
    """Ask for so many associations from an address, echo once over each that is accepted, and return those."""
    opened = []
    for _ in range(count):
        connection = socket.create_connection(
            ("127.0.0.1", node.receiver.port), timeout=10, source_address=(address, 0)
        )
        connection.sendall(request())
        if connection.recv(65536)[0] != pdus.ASSOCIATE_AC:
            connection.close()
            continue
        command = {
            dimse.COMMAND_FIELD: 0x30,
            dimse.MESSAGE_ID: 1,
            dimse.DATA_SET_TYPE: dimse.NO_DATA_SET,
        }
        connection.sendall(pdus.command_pdu(1, dimse.encode_command(command)))
        assert connection.recv(65536)[0] == pdus.P_DATA
        opened.append(connection)
    return opened


@pytest.mark.fault(
    "one address opens associations and idles",
    promise="others get in",
    area="stranger",
)
def test_idle_associations_from_one_address_do_not_lock_others_out(
    node: Node, make_dataset: MakeDataset, save_file: SaveFile
) -> None:
    with ExitStack() as idle:
        opened = [idle.enter_context(connection) for connection in open_associations(node, 32, "127.0.0.9")]
        assert len(opened) == 16
        assert store([save_file(make_dataset())], node.target)[0].stored


@pytest.mark.fault(
    "idle associations come from many addresses",
    promise="a known peer gets in",
    area="stranger",
)
def test_idle_associations_from_everywhere_do_not_lock_a_known_peer_out(
    start_node: Callable[..., Node], make_dataset: MakeDataset, save_file: SaveFile
) -> None:
    node = start_node(peers=[{"name": "pacs", "ae_title": "PACS", "addresses": ["127.0.0.1"]}])
    with ExitStack() as idle:
        addresses = ("127.0.0.7", "127.0.0.8", "127.0.0.9")
        opened = [connection for address in addresses for connection in open_associations(node, 12, address)]
        for connection in opened:
            idle.enter_context(connection)
        assert len(opened) == 24
        path = save_file(make_dataset())
        assert store([path], replace(node.target, calling_ae="PACS"))[0].stored
        with pytest.raises(PeerBusy, match="2,3,2"):
            store([path], node.target)
