"""Kill -9 at each step of a storage commitment: the document ends confirmed, and is not sent again for nothing."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from tests.committing_archive import Way, open_committing_archive
from tests.tracking.books import JANE, Books
from tracking.engine import schema
from tracking.engine.database import Database
from tracking.jobs import queue
from tracking.outbox import confirmations
from tracking.outbox.deliveries import record_delivered
from tracking.tables.models import Delivery

pytestmark = [pytest.mark.faults, pytest.mark.long, pytest.mark.timeout(300)]
CONFIRM, SINK = "dicom_node.storage_commitment.confirm", "dicom_node.storage_commitment.report_sink"


def deliver(books: Books) -> None:
    """Write what a deliverer writes when the archive has answered the C-STORE."""
    books.receive("1.1", JANE)
    books.analyse()
    books.report()
    job = books.claim("deliver")
    assert job is not None
    with books.database.transaction() as tx:
        queue.finish(tx, job)
        record_delivered(tx, job.payload["delivery_id"], "C-STORE 0000")
        confirmations.await_confirmation(tx, job.payload["delivery_id"], delay_seconds=0, give_up_ms=queue.DAY_MS)


@pytest.mark.fault(
    "deliverer or receiver die at any step of a confirmation",
    promise="the document is asked about again and ends confirmed; it is not sent again for that",
    area="confirmed",
)
@pytest.mark.parametrize(
    ("service", "point"),
    [
        pytest.param("deliver", f"{CONFIRM}:request_commitment:before", id="recorded-not-asked"),
        pytest.param("deliver", f"{CONFIRM}:request_commitment:after", id="asked-not-ended"),
        pytest.param("receive", f"{SINK}:ReportSink._take:after", id="answered-not-committed"),
        pytest.param("receive", f"{SINK}:ReportSink.finish:after", id="recorded-not-acknowledged"),
    ],
)
def test_death_at_any_step_of_a_commitment_ends_with_the_document_confirmed(
    service: str, point: str, start_node: Callable[..., Any], tmp_path: Path
) -> None:
    with open_committing_archive(Way.PERSISTENT) as archive:
        archive.stored["2.25.1"] = 1
        confirm = {
            "confirm": "commitment", "commitment_wait_seconds": 0, "confirm_after_seconds": 0, "documents": ["sr"],
        }  # fmt: skip
        node = start_node(archive.port, [], pacs=confirm)
        archive.report_port = node.settings.receive.port
        node.settings.node.data_dir.mkdir(mode=0o700)
        image = node.settings.instance_dir / "0" / "0" / "1.1.dcm"
        image.parent.mkdir(parents=True)
        image.write_bytes(b"seven b")
        database = Database.open(node.settings.database_url())
        schema.upgrade(database)
        books = Books(database)
        deliver(books)
        for name in ("receive", "deliver"):
            node.start(name, die_at=point if name == service else None)
        node.await_death(service)
        node.start(service)
        deadline = time.monotonic() + 90
        while (found := delivery(database)).confirmation != "commitment" and time.monotonic() < deadline:
            time.sleep(0.1)
        assert (found.state, found.confirmation, found.attempts) == ("delivered", "commitment", 1), node.logs()
        assert archive.order == []
        assert books.events().count("delivery-confirmed") == 1
        database.close()
    assert node.audit_is_intact()


def delivery(database: Database) -> Delivery:
    with database.reading() as read:
        return read.scalars(select(Delivery)).one()
