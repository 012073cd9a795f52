"""One document to one destination: what is sent, what its answer means, and what is never sent."""

import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pynetdicom import AE, evt
from pynetdicom.sop_class import Comprehensive3DSRStorage, SecondaryCaptureImageStorage
from sqlalchemy import select

from config.errors import (
    CxrnodeError,
    DocumentRejected,
    PeerBusy,
    PeerUnavailable,
    RefusedByPeer,
    SettingsError,
)
from config.settings import Settings
from inference.findings import Finding
from reporting.delivery.deliver import DeliverHandler
from tracking.jobs.queue import Job
from tracking.outbox.deliveries import load_delivery
from tracking.tables.models import Delivery, Document


@pytest.fixture
def pacs() -> Iterator[tuple[int, list[str], list[int]]]:
    """A Storage SCP: its port, the UIDs it has, and the statuses that it will answer next."""
    received: list[str] = []
    statuses: list[int] = []

    def store(event: evt.Event) -> int:
        received.append(str(event.request.AffectedSOPInstanceUID))
        return statuses.pop(0) if statuses else 0

    ae = AE("ORTHANC")
    ae.add_supported_context(Comprehensive3DSRStorage)
    ae.add_supported_context(SecondaryCaptureImageStorage)
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, store)])
    yield server.socket.getsockname()[1], received, statuses
    server.shutdown()


@pytest.fixture
def ris() -> Iterator[tuple[int, list[bytes], list[str]]]:
    """An MLLP receiver: its port, what it got, and the codes that it will answer next."""
    received: list[bytes] = []
    codes: list[str] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            with peer:
                buffer = b""
                while chunk := peer.recv(65536):
                    buffer += chunk
                    while b"\x1c\r" in buffer:
                        frame, _, buffer = buffer.partition(b"\x1c\r")
                        received.append(frame.lstrip(b"\x0b"))
                        code = codes.pop(0) if codes else "AA"
                        control_id = frame.split(b"|")[9].decode()
                        peer.sendall(f"\x0bMSH|^~\\&|R||C||||ACK|1|P|2.5.1\rMSA|{code}|{control_id}\r\x1c\r".encode())

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield listener.getsockname()[1], received, codes
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


@pytest.fixture
def due(studies: Any, phantom: Any, opacity_findings: tuple[Finding, ...]) -> Callable[[Settings], dict[str, Job]]:
    """A function that reports a phantom and returns a job for each delivery, by kind and destination."""

    def prepare(settings: Settings) -> dict[str, Job]:
        image = phantom()
        job = studies.analyse(str(image.StudyInstanceUID), {studies.receive(image): opacity_findings})
        studies.report(settings, job)
        with studies.database.reading() as read:
            found = read.execute(select(Delivery.id, Delivery.destination, Document.kind).join(Document)).all()
        return {
            f"{kind} to {name}": Job(number, "", "deliver", name, {"delivery_id": number}, 1, 0, 0, 0)
            for number, name, kind in found
        }

    return prepare


def state(studies: Any, job: Job) -> tuple[str, str | None, str | None]:
    with studies.database.reading() as read:
        row = read.get(Delivery, job.id)
        return row.state, row.detail, row.error


def test_documents_arrive_and_their_answers_are_recorded(
    studies: Any, with_destinations: Callable[..., Settings], due: Any, pacs: Any, ris: Any
) -> None:
    settings = with_destinations(pacs[0], ris[0])
    jobs = due(settings)
    handler = DeliverHandler(settings, studies.database)
    for job in jobs.values():
        commit = handler.run(job)
        assert commit is not None
        with studies.database.transaction() as tx:
            commit(tx)
    assert state(studies, jobs["sr to pacs"]) == ("delivered", "C-STORE 0000", None)
    assert state(studies, jobs["hl7 to ris"]) == ("delivered", "ACK AA", None)
    assert len(pacs[1]) == 3
    assert len(ris[1]) == 1
    assert ris[1][0].startswith(b"MSH|^~\\&|CXRNODE|")


@pytest.mark.parametrize(("status", "failure"), [(0xA700, PeerBusy), (0xC000, RefusedByPeer), (0x0122, RefusedByPeer)])
def test_a_c_store_failure_is_what_it_means(
    studies: Any,
    with_destinations: Callable[..., Settings],
    due: Any,
    pacs: Any,
    status: int,
    failure: type[CxrnodeError],
) -> None:
    settings = with_destinations(pacs[0])
    job = due(settings)["sr to pacs"]
    pacs[2].append(status)
    with pytest.raises(failure) as caught:
        DeliverHandler(settings, studies.database).run(job)
    with studies.database.transaction() as tx:
        DeliverHandler(settings, studies.database).failed(tx, job, caught.value, not caught.value.retriable)
    assert state(studies, job)[0] == ("waiting" if caught.value.retriable else "stopped")
    assert f"{status:04X}" in str(state(studies, job)[2])


@pytest.mark.parametrize(("code", "failure"), [("AE", RefusedByPeer), ("AR", PeerBusy)])
@pytest.mark.fault(
    "an HL7 message is tried again",
    promise="it is the same message, with the same control ID",
    area="peer",
)
def test_an_hl7_refusal_is_what_it_means_and_a_retry_is_the_same_message(
    studies: Any,
    with_destinations: Callable[..., Settings],
    due: Any,
    ris: Any,
    code: str,
    failure: type[CxrnodeError],
) -> None:
    settings = with_destinations(1, ris[0])
    job = due(settings)["hl7 to ris"]
    handler = DeliverHandler(settings, studies.database)
    ris[2].append(code)
    with pytest.raises(failure):
        handler.run(job)
    assert handler.run(job) is not None
    assert len(ris[1]) == 2
    assert ris[1][0] == ris[1][1]


def test_nobody_there_lets_everything_for_it_wait(
    studies: Any, with_destinations: Callable[..., Settings], due: Any, free_port: Callable[[], int]
) -> None:
    settings = with_destinations(free_port(), free_port())
    handler = DeliverHandler(settings, studies.database)
    for job in due(settings).values():
        with pytest.raises(PeerUnavailable):
            handler.run(job)


def test_a_destination_that_left_the_settings_stops_and_says_so(
    studies: Any, with_destinations: Callable[..., Settings], due: Any
) -> None:
    settings = with_destinations()
    job = due(settings)["sr to pacs"]
    with pytest.raises(SettingsError, match="pacs"):
        DeliverHandler(with_destinations(destinations=()), studies.database).run(job)


def test_a_document_that_changed_on_disk_is_not_sent(
    studies: Any, with_destinations: Callable[..., Settings], due: Any, pacs: Any, ris: Any
) -> None:
    settings = with_destinations(pacs[0], ris[0])
    jobs = due(settings)
    for path in settings.document_dir.rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes()[:-1] + b"x")
    for job in jobs.values():
        with pytest.raises(DocumentRejected):
            DeliverHandler(settings, studies.database).run(job)
    assert pacs[1] == []
    assert ris[1] == []


def test_a_message_that_a_later_revision_has_overtaken_is_not_sent(
    studies: Any, with_destinations: Callable[..., Settings], due: Any, ris: Any, phantom: Any,
    opacity_findings: tuple[Finding, ...],
) -> None:  # fmt: skip
    settings = with_destinations(1, ris[0])
    handler = DeliverHandler(settings, studies.database)
    late = due(settings)["hl7 to ris"]
    studies.begin_analysis()
    with studies.database.reading() as read:
        study_uid = load_delivery(read, late.id).study_uid
    second = studies.receive(phantom(1, study_uid=study_uid, instance_number=2))
    studies.report(settings, studies.analyse(study_uid, {second: opacity_findings}, revision=2))
    with studies.database.reading() as read:
        number = read.scalars(
            select(Delivery.id).join(Document).where(Document.kind == "hl7", Delivery.id != late.id)
        ).one()
    for job in (Job(number, "", "deliver", "ris", {"delivery_id": number}, 1, 0, 0, 0), late):
        commit = handler.run(job)
        assert commit is not None
        with studies.database.transaction() as tx:
            commit(tx)
    assert len(ris[1]) == 1
    assert state(studies, late)[0] == "overtaken"
