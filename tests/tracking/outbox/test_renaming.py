"""A destination that is added, renamed or removed while work waits: nothing is lost, nothing is stuck or sent twice."""

from typing import Any

import pytest
from sqlalchemy import select

from config.settings import Settings
from tests.tracking.books import JANE, Books
from tracking.engine.changes import study_changed
from tracking.engine.database import Database
from tracking.jobs import queue
from tracking.lists import standing
from tracking.outbox import confirmations
from tracking.outbox.deliveries import record_attempt_failed, record_delivered
from tracking.outbox.documents import DocumentRecord, make_delivery, record_documents
from tracking.outbox.renaming import rename_destination, restart_without_destination
from tracking.outbox.states import NO_DESTINATION
from tracking.tables.models import Delivery, Document, Job

pytestmark = pytest.mark.parametrize(
    "database_url", ["sqlite", pytest.param("postgresql", marks=pytest.mark.long)], indirect=True
)


def states(database: Database) -> list[tuple[str, str]]:
    with database.reading() as read:
        assert list(standing.drift(read)) == []
        found = read.execute(select(Delivery.destination, Delivery.state).order_by(Delivery.id))
        return [(name, state) for name, state in found]


def rename(database: Database, old: str = "pacs", new: str = "archive") -> int:
    with database.transaction() as tx:
        return rename_destination(tx, old, new)


def deliver(books: Books, name: str, *, awaited: bool = False) -> int:
    job = queue.claim(books.database, ["deliver"], "test/1/1", 60_000, destination=name)
    assert job is not None
    number = int(job.payload["delivery_id"])
    with books.database.transaction() as tx:
        queue.finish(tx, job)
        record_delivered(tx, number, "0000")
        if awaited:
            confirmations.await_confirmation(tx, number, delay_seconds=0, give_up_ms=queue.DAY_MS)
    return number


@pytest.mark.fault(
    "a destination is renamed while work waits",
    promise="it goes on under the new name (`formerly`)",
    area="peer",
)
def test_what_waits_was_delivered_or_is_to_be_confirmed_goes_on_under_the_new_name(books: Books) -> None:
    database = books.database
    for number in (1, 2):
        books.receive(f"1.{number}", JANE, study=f"1.9{number}")
        books.analyse()
        books.report()
    first = deliver(books, "pacs", awaited=True)
    with database.transaction() as tx:
        queue.open_breaker(tx, "pacs", "away", queue.RetryPolicy(0.001, 0.001))
    assert rename(database) == 2
    assert rename(database) == 0
    assert states(database) == [("archive", "delivered"), ("archive", "waiting")]
    job = queue.claim(database, ["confirm"], "test/1/1", 60_000, destination="archive")
    assert job is not None
    assert job.payload == {"delivery_id": first}
    with database.transaction() as tx:
        queue.finish(tx, job)
    deliver(books, "archive")
    assert states(database) == [("archive", "delivered")] * 2
    assert queue.claim(database, ["deliver"], "test/1/1", 60_000) is None
    assert books.events().count("configuration-changed") == 1


@pytest.mark.fault(
    "… and a document is due under both names",
    promise="it is sent once",
    area="peer",
)
def test_a_document_that_is_due_under_both_names_is_sent_once(books: Books) -> None:
    database = books.database
    books.receive("1.1", JANE)
    books.analyse()
    books.report()
    with database.transaction() as tx:
        make_delivery(tx, tx.scalars(select(Document.id)).one(), "archive", queue.DAY_MS)
    rename(database)
    assert states(database) == [("pacs", "overtaken"), ("archive", "waiting")]
    deliver(books, "archive")
    assert queue.claim(database, ["deliver"], "test/1/1", 60_000) is None


def test_nobody_is_asked_about_a_document_under_a_name_that_is_gone(books: Books) -> None:
    database = books.database
    books.receive("1.1", JANE)
    books.analyse()
    books.report()
    deliver(books, "pacs", awaited=True)
    with database.transaction() as tx:
        make_delivery(tx, tx.scalars(select(Document.id)).one(), "archive", queue.DAY_MS)
        study_changed(tx, "1.9")
    rename(database)
    assert queue.claim(database, [confirmations.QUEUE], "test/1/1", 60_000) is None
    assert states(database) == [("pacs", "delivered"), ("archive", "waiting")]


@pytest.mark.fault(
    "a destination that left the settings is back, under its name or another",
    promise="what stopped meanwhile goes on by itself",
    area="peer",
)
def test_what_stopped_while_its_destination_was_away_from_the_settings_goes_on_when_it_is_back(books: Books) -> None:
    database = books.database
    books.receive("1.1", JANE)
    books.analyse()
    books.report()
    job = books.claim("deliver")
    assert job is not None
    with database.transaction() as tx:
        error = f"{NO_DESTINATION} 'pacs' in the settings any more"
        queue.stop(tx, job, error)
        record_attempt_failed(tx, job.payload["delivery_id"], error, stopped=True)
    assert books.study().status == "attention"
    rename(database)
    with database.transaction() as tx:
        assert restart_without_destination(tx, "pacs") == 0
        assert restart_without_destination(tx, "archive") == 1
        assert restart_without_destination(tx, "archive") == 0
    assert states(database) == [("archive", "waiting")]
    deliver(books, "archive")


def test_what_a_destination_refused_stays_stopped(books: Books) -> None:
    books.receive("1.1", JANE)
    books.analyse()
    books.report()
    job = books.claim("deliver")
    assert job is not None
    with books.database.transaction() as tx:
        queue.stop(tx, job, "refused")
        record_attempt_failed(tx, job.payload["delivery_id"], "refused", stopped=True)
        assert restart_without_destination(tx, "pacs") == 0
    assert states(books.database) == [("pacs", "stopped")]


@pytest.mark.fault(
    "a destination is added while work waits",
    promise="it gets what is reported from then on; what waits for others is left alone",
    area="peer",
)
def test_a_destination_that_is_added_gets_what_is_reported_from_then_on(books: Books) -> None:
    database = books.database
    books.receive("1.1", JANE)
    books.analyse()
    books.report()
    books.receive("1.2", JANE, study="1.10")
    books.analyse()
    job = books.claim("report")
    assert job is not None
    document = DocumentRecord("sr", "2.25.7", "2.25.1", "1.2", "x.dcm", "s" * 64, 9, None)
    with database.transaction() as tx:
        queue.finish(tx, job)
        record_documents(tx, job.payload["analysis_id"], [document], [("2.25.7", "pacs"), ("2.25.7", "archive")])
    assert states(database) == [("pacs", "waiting"), ("pacs", "waiting"), ("archive", "waiting")]
    with database.reading() as read:
        assert queue.destinations(read, "deliver") == ["archive", "pacs"]


def test_the_deliverer_takes_up_what_waits_under_a_former_name(database: Database, tmp_path: Any) -> None:
    from cxrnode.service import deliverer

    books = Books(database)
    books.receive("1.1", JANE)
    books.analyse()
    books.report()
    pacs = {"kind": "dicom", "name": "archive", "formerly": ["pacs"], "host": "h", "port": 104, "ae_title": "A"}
    deliverer(Settings(node={"data_dir": tmp_path}, destinations=[pacs]), database)
    assert states(database) == [("archive", "waiting")]
    with database.reading() as read:
        assert set(read.scalars(select(Job.destination).where(Job.queue == "deliver"))) == {"archive"}
