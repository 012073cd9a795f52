"""The receiver with real associations: what is acknowledged is durable, what is not is said truthfully."""

import socket
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

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
from pynetdicom.association import Association as PynetdicomAssociation
from pynetdicom.dul import DULServiceProvider
from sqlalchemy import select

from config.errors import PeerUnavailable
from dicom_node.format.dicom_file import open_file
from dicom_node.format.sop_classes import VERIFICATION
from dicom_node.format.syntaxes import EXPLICIT_LITTLE, decodable_syntaxes
from dicom_node.storage_scu.association import Association
from dicom_node.storage_scu.send import echo, store
from dicom_node.upper_layer import association
from tests.dicom_node.requests import RawAssociation
from tracking.studies import corrections
from tracking.tables.models import Conflict, Job, Study

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
        assert sorted(read.scalars(select(Job.queue))) == ["analyse", "examine"]
    assert node.events() == ["instance-received"]


@pytest.mark.parametrize("syntax", [s for s in decodable_syntaxes() if s.startswith("1.2.840.10008.1.2.4")])
def test_every_compressed_syntax_is_taken_and_kept_as_it_is(
    node: Node, make_dataset: MakeDataset, save_file: SaveFile, syntax: str
) -> None:
    from pydicom.encaps import encapsulate

    from dicom_node.format.probe_frames import SIDE, probe_frame

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


@pytest.mark.fault(
    "a sender sends an image again, as it heard no answer",
    promise="success, and nothing changes",
    area="killed",
)
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
        assert sorted(read.scalars(select(Job.queue))) == ["analyse", "examine"]


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


def test_bytes_that_once_stood_stay_where_they_are_on_record_when_they_come_again(
    node: Node, make_dataset: MakeDataset, save_file: SaveFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that was moved before its record would be lost to a crash in between."""
    ds = make_dataset()
    first = save_file(ds, name="first.dcm")
    store([first], node.target)
    [original] = node.files()
    ds.PatientID = "CORRECTED"
    store([save_file(ds, name="corrected.dcm")], node.target)
    with node.database.transaction() as tx:
        corrections.accept_instance(tx, ds.StudyInstanceUID, ds.SOPInstanceUID, other_patient=True, user="operator")

    def crash(*_: object) -> None:
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr("dicom_node.storage_scp.reception.register_conflict", crash)
        assert store([first], node.target)[0].status == 0xA700
    assert original.exists()
    assert store([first], node.target)[0].status == 0
    with node.database.reading() as read:
        [replaced] = read.scalars(select(Conflict)).all()
    assert (replaced.state, node.settings.instance_dir / replaced.path) == ("replaced", original)
    assert len(node.files()) == 2


def test_release_brings_the_analysis_forward(
    start_node: Callable[..., Node], make_dataset: MakeDataset, save_file: SaveFile
) -> None:
    node = start_node(settle_seconds=1000, settle_after_release_seconds=1)
    store([save_file(make_dataset())], node.target)
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        with node.database.reading() as read:
            [job] = read.scalars(select(Job).where(Job.queue == "analyse")).all()
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
    path = save_file(make_dataset(SOPInstanceUID=dataset_uid))
    with RawAssociation(node.receiver.port) as association:
        assert association.store(path, instance_uid=command_uid.encode()) == status
        stored = association.store(path, instance_uid=dataset_uid.encode())
        assert stored == 0, "the association goes on after a refusal"
    assert node.events() == ["instance-refused", "instance-received"]


def test_a_data_set_without_a_study_is_refused(node: Node, make_dataset: MakeDataset, save_file: SaveFile) -> None:
    ds = make_dataset()
    del ds.StudyInstanceUID
    [outcome] = store([save_file(ds)], node.target)
    assert outcome.status == 0xC000
    assert node.instances() == {}
    assert node.files() == []


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
def test_a_hexadecimal_uid_is_taken(node: Node, cxr_data: Path, start_node: Callable[..., Node]) -> None:
    open_node = start_node(folder="open", accept=("any-image",))
    [outcome] = store([cxr_data / "dicom" / "other" / "bad_sequence.dcm"], open_node.target)
    assert outcome.stored


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
@pytest.mark.data
def test_every_real_file_is_answered(start_node: Callable[..., Node], cxr_data: Path) -> None:
    node = start_node(accept=("any-image",))
    files = [path for path in sorted((cxr_data / "dicom").rglob("*.dcm")) if path.parent.name != "rsna"]
    outcomes = store(files, node.target)
    assert [outcome.path.name for outcome in outcomes if not outcome.stored] == []


def test_nothing_that_was_received_reaches_the_log(
    node: Node, make_dataset: MakeDataset, save_file: SaveFile, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    ds = make_dataset(PatientName="Secret^Name", PatientID="SECRET-ID", AccessionNumber="SECRET-ACC")
    store([save_file(ds)], node.target)
    del ds.StudyInstanceUID
    store([save_file(ds, name="broken.dcm")], node.target)
    assert "secret" not in caplog.text.lower()


def test_a_connection_that_gets_no_thread_waits_until_another_has_ended(
    start_node: Callable[..., Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    node = start_node()
    start = threading.Thread.start

    def no_thread(thread: threading.Thread) -> None:
        if not isinstance(thread, DULServiceProvider | PynetdicomAssociation):
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", no_thread)
    with ExitStack() as silent:
        for _ in range(2):  # as many as there are threads
            silent.enter_context(socket.create_connection(("127.0.0.1", node.receiver.port)))
        time.sleep(0.2)
        with pytest.raises(PeerUnavailable):
            echo(replace(node.target, response_seconds=0.5))
    for _ in range(3):
        assert echo(node.target).status == 0


@pytest.mark.fault(
    "connections say nothing",
    promise="others get in",
    area="stranger",
)
def test_connections_that_say_nothing_do_not_keep_others_out(start_node: Callable[..., Node]) -> None:
    node = start_node(max_associations=2)
    with ExitStack() as silent:
        for _ in range(40):
            silent.enter_context(socket.create_connection(("127.0.0.1", node.receiver.port)))
            time.sleep(0.02)
        time.sleep(2)
        with Association(node.target, [(VERIFICATION, EXPLICIT_LITTLE)]) as first:
            assert first.echo() == 0
            assert echo(node.target).status == 0
            assert first.echo() == 0


def test_a_request_that_was_answered_before_costs_no_new_negotiation(
    node: Node, make_dataset: MakeDataset, save_file: SaveFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (save_file(make_dataset()) for _ in range(2))
    assert store([first], node.target)[0].stored

    def negotiates(*_: object) -> None:
        raise AssertionError("the request is negotiated again")

    monkeypatch.setattr(association, "parse_request", negotiates)
    assert store([second], node.target)[0].stored
    assert len(node.instances()) == 2


def test_an_echo_is_answered_on_an_association_whose_request_was_answered_before(
    node: Node, make_dataset: MakeDataset, save_file: SaveFile
) -> None:
    file = open_file(save_file(make_dataset()))
    contexts = [(VERIFICATION, EXPLICIT_LITTLE), file.context]
    for _ in range(2):
        with Association(node.target, contexts) as peer:
            assert (peer.echo(), peer.store(file).status, peer.echo()) == (0, 0, 0)
