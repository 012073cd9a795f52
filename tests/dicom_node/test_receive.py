"""The receiver with real associations: what is acknowledged is durable, what is not is said truthfully."""

import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)
from pynetdicom import AE
from sqlalchemy import select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from config.errors import PeerBusy, PeerUnavailable, RefusedByPeer, SettingsError
from dicom_node import send, wire
from dicom_node.send import Association, Target, echo, store
from dicom_node.syntaxes import EXPLICIT_LITTLE, decodable_syntaxes
from tracking.database import Database
from tracking.models import Conflict, Job, Study

Node = Any
MakeDataset = Callable[..., Dataset]
SaveFile = Callable[..., Path]
CR = "1.2.840.10008.5.1.4.1.1.1"


def test_a_success_means_file_instance_study_job_and_audit_line(
    node: Node, make_dataset: MakeDataset, save_file: SaveFile
) -> None:
    ds = make_dataset()
    path = save_file(ds)
    [outcome] = store([path], node.target)
    assert (outcome.status, outcome.stored, outcome.message) == (0, True, "stored")
    row = node.instances()[ds.SOPInstanceUID]
    assert (row.study_uid, row.modality, row.calling_ae, row.address) == (
        ds.StudyInstanceUID, "CR", "MODALITY", "127.0.0.1",
    )  # fmt: skip
    [file] = node.files()
    assert file == node.settings.instance_dir / row.path
    stored = dcmread(file)
    assert stored == ds
    assert stored.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    with node.database.reading() as read:
        assert read.scalars(select(Study.patient_name)).all() == ["Test^Pat"]
        assert [job.queue for job in read.scalars(select(Job))] == ["analyse"]
    assert node.events() == ["instance-received"]


@pytest.mark.parametrize("syntax", [s for s in decodable_syntaxes() if s.startswith("1.2.840.10008.1.2.4")])
def test_every_compressed_syntax_is_taken_and_kept_as_it_is(
    node: Node, make_dataset: MakeDataset, save_file: SaveFile, syntax: str
) -> None:
    from pydicom.encaps import encapsulate

    from dicom_node.probe_frames import SIDE, probe_frame

    frame = probe_frame(syntax)
    assert frame is not None
    ds = make_dataset(Rows=SIDE, Columns=SIDE, BitsAllocated=8 if frame.bits_stored == 8 else 16)
    ds.BitsStored, ds.HighBit = frame.bits_stored, frame.bits_stored - 1
    ds.PixelData = encapsulate([frame.codestream])
    ds["PixelData"].VR = "OB"
    ds["PixelData"].is_undefined_length = True
    [outcome] = store([save_file(ds, syntax)], node.target)
    assert outcome.stored
    stored = dcmread(node.files()[0])
    assert stored.file_meta.TransferSyntaxUID == syntax
    assert stored.PixelData == ds.PixelData
    assert stored.pixel_array.shape == (SIDE, SIDE)


@pytest.mark.parametrize(
    "syntax",
    [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian],
)
def test_every_native_encoding_is_taken_and_kept_as_it_is(
    node: Node, make_dataset: MakeDataset, save_file: SaveFile, syntax: str
) -> None:
    ds = make_dataset()
    [outcome] = store([save_file(ds, syntax)], node.target)
    assert outcome.stored
    stored = dcmread(node.files()[0])
    assert (stored.file_meta.TransferSyntaxUID, stored.PatientID) == (syntax, "P1")
    assert node.instances()[ds.SOPInstanceUID].study_uid == ds.StudyInstanceUID


def test_pynetdicom_as_sender_many_images_on_one_association(node: Node, make_dataset: MakeDataset) -> None:
    ae = AE("OTHER")
    ae.add_requested_context(CR, [ImplicitVRLittleEndian, ExplicitVRLittleEndian])
    ae.add_requested_context("1.2.840.10008.1.1")
    association = ae.associate("127.0.0.1", node.receiver.port)
    assert association.is_established
    [context] = [cx for cx in association.accepted_contexts if cx.abstract_syntax == CR]
    assert context.transfer_syntax == [EXPLICIT_LITTLE]
    assert association.send_c_echo().Status == 0
    datasets = [make_dataset() for _ in range(5)]
    for ds in datasets:
        ds.file_meta = Dataset()
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        assert association.send_c_store(ds).Status == 0
    assert association.send_c_echo().Status == 0
    association.release()
    assert set(node.instances()) == {ds.SOPInstanceUID for ds in datasets}


def test_many_senders_at_once_lose_nothing(node: Node, make_dataset: MakeDataset, save_file: SaveFile) -> None:
    paths = [save_file(make_dataset()) for _ in range(40)]
    results: list[bool] = []

    def send_some(mine: list[Path]) -> None:
        results.extend(store([path], node.target)[0].stored for path in mine)

    threads = [threading.Thread(target=send_some, args=(paths[n::8],)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [True] * 40
    assert len(node.instances()) == len(node.files()) == 40


def test_a_duplicate_is_a_success_and_changes_nothing(
    node: Node, make_dataset: MakeDataset, save_file: SaveFile
) -> None:
    path = save_file(make_dataset())
    store([path], node.target)
    before = node.files(), {uid: row.sha256 for uid, row in node.instances().items()}
    assert store([path, path], node.target)[1].status == 0
    assert (node.files(), {uid: row.sha256 for uid, row in node.instances().items()}) == before
    assert node.events() == ["instance-received", "instance-duplicate", "instance-duplicate"]
    with node.database.reading() as read:
        assert len(read.scalars(select(Job)).all()) == 1


def test_other_bytes_under_a_known_uid_are_kept_aside_and_audited(
    node: Node, make_dataset: MakeDataset, save_file: SaveFile
) -> None:
    ds = make_dataset()
    first = save_file(ds)
    store([first], node.target)
    original = node.files()[0].read_bytes()
    ds.PatientID = "SOMEONE ELSE"
    assert store([save_file(ds)], node.target)[0].status == 0
    row = node.instances()[ds.SOPInstanceUID]
    assert (node.settings.instance_dir / row.path).read_bytes() == original
    with node.database.reading() as read:
        [conflict] = read.scalars(select(Conflict)).all()
    assert conflict.path.startswith("conflicts/")
    assert dcmread(node.settings.instance_dir / conflict.path).PatientID == "SOMEONE ELSE"
    assert node.events() == ["instance-received", "instance-conflict"]


def test_release_brings_the_analysis_forward(
    start_node: Callable[..., Node], make_dataset: MakeDataset, save_file: SaveFile
) -> None:
    node = start_node(settle_seconds=1000, settle_after_release_seconds=1)
    store([save_file(make_dataset())], node.target)
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        with node.database.reading() as read:
            [job] = read.scalars(select(Job)).all()
        if job.visible_at < job.created_at + 5000:
            return
        time.sleep(0.02)
    pytest.fail("the analysis still waits for the settle time")


@pytest.mark.parametrize(
    ("dataset_uid", "command_uid", "status"),
    [("1.2.3.4", "1.2.3.5", 0xA900), ("1.2.3.4", "1.2 3", 0x0117), ("1.2.3.4", "x" * 65, 0x0117)],
)
def test_a_data_set_that_is_not_what_the_command_says_is_refused(
    node: Node, make_dataset: MakeDataset, save_file: SaveFile, dataset_uid: str, command_uid: str, status: int
) -> None:
    file = send.open_file(save_file(make_dataset(SOPInstanceUID=dataset_uid)))
    lying = send.DicomFile(file.path, file.sop_class_uid, command_uid, file.transfer_syntax_uid, file.offset)
    with Association(node.target, [file.context]) as association:
        outcome = association.store(lying)
        assert outcome.status == status
        assert isinstance(outcome.error, RefusedByPeer)
        assert association.store(file).stored, "the association goes on after a refusal"
    assert node.events() == ["instance-refused", "instance-received"]


def test_a_data_set_without_a_study_is_refused(node: Node, make_dataset: MakeDataset, save_file: SaveFile) -> None:
    ds = make_dataset()
    del ds.StudyInstanceUID
    [outcome] = store([save_file(ds)], node.target)
    assert outcome.status == 0xC000
    assert node.instances() == {}
    assert node.files() == []


def test_a_hexadecimal_uid_is_taken(node: Node, cxr_data: Path, start_node: Callable[..., Node]) -> None:
    open_node = start_node(folder="open", accept=("any-image",))
    [outcome] = store([cxr_data / "dicom" / "other" / "bad_sequence.dcm"], open_node.target)
    assert outcome.stored


@pytest.mark.data
def test_every_real_file_is_answered(start_node: Callable[..., Node], cxr_data: Path) -> None:
    node = start_node(accept=("any-image",))
    files = [path for path in sorted((cxr_data / "dicom").rglob("*.dcm")) if path.parent.name != "rsna"]
    outcomes = store(files, node.target)
    assert [outcome.path.name for outcome in outcomes if not outcome.stored] == []


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
    file = send.open_file(save_file(make_dataset(SOPClassUID="1.2.840.10008.5.1.4.1.1.2")))
    with Association(node.target, [(CR, EXPLICIT_LITTLE)]) as association:
        association._accepted[file.context] = association._accepted[CR, EXPLICIT_LITTLE]
        assert association.store(file).status == 0x0122


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
    [line] = node.audit()
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
    file = send.open_file(paths[0])
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


def raw_connection(node: Node) -> socket.socket:
    return socket.create_connection(("127.0.0.1", node.receiver.port), timeout=10)


def negotiated(node: Node) -> socket.socket:
    connection = raw_connection(node)
    connection.sendall(send._association_request(node.target, [(CR, EXPLICIT_LITTLE)]))
    kind, length = struct.unpack(">BxI", connection.recv(6, socket.MSG_WAITALL))
    connection.recv(length, socket.MSG_WAITALL)
    assert kind == wire.ASSOCIATE_AC
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
def test_nonsense_before_an_association_ends_the_connection_and_nothing_else(node: Node, nonsense: bytes) -> None:
    with raw_connection(node) as connection:
        connection.sendall(nonsense)
        connection.shutdown(socket.SHUT_WR)
        everything_until_closed(connection)
    assert echo(node.target).status == 0


@pytest.mark.parametrize(
    "nonsense",
    [
        wire.command_pdu(3, b""),
        wire.command_pdu(1, b"\x00\x00\x00\x01\xff\xff\x00\x00"),
        wire.data_pdu_header(1, 4, is_command=False, is_last=True) + b"abcd",
        wire.command_pdu(1, wire.encode_command({wire.COMMAND_FIELD: 1, wire.DATA_SET_TYPE: 1})),
        b"\x02\x00\x00\x00\x00\x04" + bytes(4),
        b"\x04\x00\x00\x00\x00\x06\x00\x00\x00\x40\x01\x03",
        wire.command_pdu(1, wire.encode_command({wire.COMMAND_FIELD: 0x0123, wire.DATA_SET_TYPE: 0x0101})),
    ],
)
def test_nonsense_on_an_association_is_aborted(node: Node, nonsense: bytes) -> None:
    with negotiated(node) as connection:
        connection.sendall(nonsense)
        answer = everything_until_closed(connection)
    assert answer[:1] == b"\x07"
    assert node.files() == []
    assert echo(node.target).status == 0


def test_a_silent_peer_loses_its_association(start_node: Callable[..., Node]) -> None:
    node = start_node(idle_seconds=1)
    with negotiated(node) as connection:
        start = time.monotonic()
        assert everything_until_closed(connection)[:1] == b"\x07"
        assert 0.5 < time.monotonic() - start < 5


def test_a_sender_that_vanishes_midway_leaves_nothing(
    node: Node, make_dataset: MakeDataset, save_file: SaveFile
) -> None:
    command = wire.encode_command(
        {wire.AFFECTED_SOP_CLASS: CR.encode(), wire.COMMAND_FIELD: 1, wire.MESSAGE_ID: 1, wire.PRIORITY: 0,
         wire.DATA_SET_TYPE: 1, wire.AFFECTED_SOP_INSTANCE: b"1.2.3"}
    )  # fmt: skip
    with negotiated(node) as connection:
        connection.sendall(wire.command_pdu(1, command))
        connection.sendall(wire.data_pdu_header(1, 4, is_command=False, is_last=False) + b"abcd")
        deadline = time.monotonic() + 5
        while not node.files() and time.monotonic() < deadline:
            time.sleep(0.01)
    while node.files() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert node.files() == []
    assert node.instances() == {}


def test_a_full_disk_is_answered_out_of_resources(
    start_node: Callable[..., Node], make_dataset: MakeDataset, save_file: SaveFile
) -> None:
    node = start_node(min_free_disk_bytes=1 << 62)
    path = save_file(make_dataset())
    [outcome] = store([path], node.target)
    assert outcome.status == 0xA700
    with pytest.raises(PeerBusy, match="A700"):
        outcome.raise_for_status()
    assert (node.files(), node.instances()) == ([], {})


def test_a_disk_that_fails_at_fsync_is_answered_out_of_resources(
    node: Node, make_dataset: MakeDataset, save_file: SaveFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save_file(make_dataset())

    def fail(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        assert store([path], node.target)[0].status == 0xA700
    assert (node.files(), node.instances()) == ([], {})
    assert store([path], node.target)[0].status == 0
    assert len(node.files()) == len(node.instances()) == 1


def test_a_database_failing_between_file_and_commit_is_no_success_and_a_resend_heals(
    start_node: Callable[..., Node], make_dataset: MakeDataset, save_file: SaveFile
) -> None:
    class Flaky(Database):
        broken = False

        @contextmanager
        def transaction(self) -> Iterator[Session]:
            with super().transaction() as tx:
                yield tx
                if self.broken:
                    raise OperationalError("COMMIT", {}, Exception("database is locked"))

    healthy = start_node()
    database = Flaky(healthy.database.engine, "receive")
    node = start_node(folder="flaky", database=database)
    path = save_file(make_dataset())
    database.broken = True
    assert store([path], node.target)[0].status == 0xA700
    assert node.instances() == {}
    assert len(node.files()) == 1, "the orphan stays for the resend"
    database.broken = False
    assert store([path], node.target)[0].status == 0
    assert len(node.files()) == len(node.instances()) == 1


def test_a_port_in_use_is_a_settings_error(start_node: Callable[..., Node], node: Node) -> None:
    with pytest.raises(SettingsError, match=r"receive\.port"):
        start_node(folder="second", port=node.receiver.port)


def test_stopping_lets_a_message_finish_and_then_ends(
    start_node: Callable[..., Node], make_dataset: MakeDataset, save_file: SaveFile
) -> None:
    node = start_node()
    file = send.open_file(save_file(make_dataset()))
    association = Association(node.target, [file.context])
    association.open()
    assert association.store(file).stored
    start = time.monotonic()
    node.receiver.stop(drain_seconds=10)
    assert time.monotonic() - start < 5
    with pytest.raises(PeerUnavailable):
        association.store(file)
    association.abort()
    with pytest.raises(PeerUnavailable):
        echo(node.target)


def test_nothing_that_was_received_reaches_the_log(
    node: Node, make_dataset: MakeDataset, save_file: SaveFile, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    ds = make_dataset(PatientName="Secret^Name", PatientID="SECRET-ID", AccessionNumber="SECRET-ACC")
    store([save_file(ds)], node.target)
    del ds.StudyInstanceUID
    store([save_file(ds, name="broken.dcm")], node.target)
    assert "secret" not in caplog.text.lower()
