"""Storage commitment by Orthanc, which answers on an association of its own, and C-FIND by Orthanc and DCMTK."""

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset, dcmread
from sqlalchemy import select

from config.settings import Settings
from dicom_node.storage_commitment.confirm import ConfirmHandler
from dicom_node.storage_commitment.instance_query import has_instance
from dicom_node.storage_scp.receive import Receiver
from dicom_node.storage_scu.send import store
from dicom_node.storage_scu.target import Target
from tests.phantoms import phantom_dataset
from tests.tracking.books import JANE, Books
from tracking.engine.database import Database
from tracking.jobs import queue
from tracking.jobs.loop import Lane, WorkLoop
from tracking.outbox import confirmations
from tracking.outbox.deliveries import record_delivered
from tracking.outbox.documents import DocumentRecord, record_documents
from tracking.tables.models import Delivery

pytestmark = [pytest.mark.peers, pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)]


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A file to store."""
    path = tmp_path / "image.dcm"
    phantom_dataset(5, size=64).save_as(path, enforce_file_format=True)
    return path


@pytest.fixture
def books(database: Database) -> Books:
    return Books(database)


def settings_for(tmp_path: Path, pacs_port: int, receive_port: int, **confirm: Any) -> Settings:
    destination = {
        "kind": "dicom", "name": "pacs", "host": "127.0.0.1", "port": pacs_port, "ae_title": "ORTHANC",
        "confirm": "commitment", "confirm_after_seconds": 0, "commitment_wait_seconds": 0, **confirm,
    }  # fmt: skip
    return Settings(
        node={"data_dir": tmp_path / "node"},
        receive={"port": receive_port, "min_free_disk_bytes": 0},
        delivery={"first_retry_seconds": 60},
        destinations=[destination],
    )


def deliver(books: Books, header: Dataset) -> None:
    """Write down that an instance was delivered and that its confirmation is awaited."""
    books.receive("1.1", JANE, study=str(header.StudyInstanceUID))
    books.analyse()
    job = books.claim("report")
    assert job is not None
    record = DocumentRecord(
        "sc", str(header.SOPInstanceUID), str(header.SeriesInstanceUID), str(header.SOPClassUID), "x.dcm", "s" * 64, 9,
        None,
    )  # fmt: skip
    with books.database.transaction() as tx:
        queue.finish(tx, job)
        record_documents(tx, job.payload["analysis_id"], [record], [(record.uid, "pacs")])
    delivery = books.claim("deliver")
    assert delivery is not None
    with books.database.transaction() as tx:
        queue.finish(tx, delivery)
        record_delivered(tx, delivery.payload["delivery_id"], "C-STORE 0000")
        confirmations.await_confirmation(tx, delivery.payload["delivery_id"], delay_seconds=0, give_up_ms=queue.DAY_MS)


def ask(books: Books, settings: Settings) -> None:
    handlers: Any = {"confirm": ConfirmHandler(settings, books.database)}
    WorkLoop(books.database, handlers, [Lane(("confirm",))], settings.work, settings.delivery).run_until_idle(30)


def settled(books: Books) -> Delivery:
    """Wait until the delivery is no longer awaited."""
    deadline = time.monotonic() + 30
    while True:
        with books.database.reading() as read:
            delivery = read.scalars(select(Delivery)).one()
        if delivery.confirmation != "awaited" or time.monotonic() > deadline:
            return delivery
        time.sleep(0.05)


@pytest.mark.parametrize("there", [True, False])
def test_orthanc_commits_to_what_it_has_on_an_association_of_its_own(
    there: bool,
    start_orthanc: Callable[..., Any],
    free_port: Callable[[], int],
    books: Books,
    tmp_path: Path,
    image: Path,
) -> None:
    port = free_port()
    orthanc = start_orthanc(DicomModalities={"node": ["CXRNODE", "127.0.0.1", port]})
    settings = settings_for(tmp_path, orthanc.dicom_port, port)
    receiver = Receiver(settings, books.database)
    receiver.start()
    try:
        if there:
            store([image], Target("127.0.0.1", orthanc.dicom_port, "ORTHANC", "CXRNODE"))
        deliver(books, dcmread(image, stop_before_pixels=True))
        ask(books, settings)
        delivery = settled(books)
    finally:
        receiver.stop(drain_seconds=0.2)
    if there:
        assert (delivery.state, delivery.confirmation) == ("delivered", "commitment")
    else:
        assert (delivery.state, delivery.unconfirmed) == ("waiting", 1)
        assert "does not commit to it" in (delivery.error or "")


def test_orthanc_is_asked_by_c_find(
    start_orthanc: Callable[..., Any], books: Books, tmp_path: Path, image: Path
) -> None:
    orthanc = start_orthanc(DicomAlwaysAllowFind=True)
    store([image], Target("127.0.0.1", orthanc.dicom_port, "ORTHANC", "CXRNODE"))
    deliver(books, dcmread(image, stop_before_pixels=True))
    ask(books, settings_for(tmp_path, orthanc.dicom_port, 0, confirm="query"))
    delivery = settled(books)
    assert (delivery.state, delivery.confirmation) == ("delivered", "query")


@pytest.fixture
def dcmqrscp(dcmtk: Callable[[str], str], free_port: Callable[[], int], tmp_path: Path) -> Iterator[Target]:
    """DCMTK's archive, empty."""
    folder, port = tmp_path / "dcmqrscp", free_port()
    folder.mkdir()
    (folder / "dcmqrscp.cfg").write_text(
        f"NetworkTCPPort = {port}\nMaxPDUSize = 16384\nMaxAssociations = 16\nHostTable BEGIN\nHostTable END\n"
        f"VendorTable BEGIN\nVendorTable END\nAETable BEGIN\nORTHANC {folder} RW (200, 1024mb) ANY\nAETable END\n"
    )
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [dcmtk("dcmqrscp"), "-c", folder / "dcmqrscp.cfg"], stdout=log, stderr=subprocess.STDOUT
        )
    target = Target("127.0.0.1", port, "ORTHANC", "CXRNODE", connect_seconds=5, response_seconds=20)
    yield target
    process.kill()
    process.wait(10)


def test_dcmqrscp_says_what_it_has(dcmqrscp: Target, image: Path, database_url: str) -> None:
    header = dcmread(image, stop_before_pixels=True)
    names = str(header.StudyInstanceUID), str(header.SeriesInstanceUID)
    deadline = time.monotonic() + 20
    while True:
        try:
            [outcome] = store([image], dcmqrscp)
            break
        except Exception:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
    assert outcome.stored
    assert has_instance(dcmqrscp, *names, str(header.SOPInstanceUID))
    assert not has_instance(dcmqrscp, *names, "1.2.3")
