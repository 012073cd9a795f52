"""What was sent where: each document with its deliveries, attempts and answers."""

from collections.abc import Callable

from sqlalchemy import select

from tracking.engine.database import Database
from tracking.outbox import deliveries, documents
from tracking.outbox.documents import DocumentRecord
from tracking.outbox.sendings import sent_documents
from tracking.tables.models import Delivery


def test_each_attempt_is_told_with_its_answer(
    database: Database, receive: Callable[..., object], analyse: Callable[..., None]
) -> None:
    receive("1.1")
    analyse("1.9", 1, "1.1")
    report = DocumentRecord("sr", "2.25.1", "2.25.9", "1.2", "a.dcm", "0" * 64, 7, None)
    broken = DocumentRecord("hl7", "CONTROL", None, None, "b.hl7", "0" * 64, 7, "MSH-9 is missing")
    with database.transaction() as tx:
        documents.record_documents(tx, 1, [report, broken], [("2.25.1", "pacs"), ("2.25.1", "archive")])
    with database.transaction() as tx:
        ids = {row.destination: row.id for row in tx.execute(select(Delivery.destination, Delivery.id))}
        deliveries.record_attempt_failed(tx, ids["pacs"], "the peer is away", stopped=False)
    with database.transaction() as tx:
        deliveries.record_delivered(tx, ids["pacs"], "0x0000, committed")
    with database.reading() as read:
        first, second = sent_documents(read, "1.9")
        assert sent_documents(read, "9.9") == []
    pacs, archive = first.sendings
    assert [(one.outcome, one.answer) for one in pacs.history] == [
        ("failed", "the peer is away"), ("taken", "0x0000, committed"),
    ]  # fmt: skip
    assert (pacs.state, pacs.attempts, pacs.answer, pacs.failed) == ("delivered", 2, "0x0000, committed", False)
    assert (archive.state, archive.attempts, archive.answer, archive.history) == ("waiting", 0, None, ())
    assert (second.quarantined, second.sendings) == ("MSH-9 is missing", ())


def test_the_latest_revisions_documents_come_first(
    database: Database, receive: Callable[..., object], analyse: Callable[..., None]
) -> None:
    receive("1.1")
    for revision in (1, 2):
        analyse("1.9", revision, "1.1")
        record = DocumentRecord("sr", f"2.25.{revision}", None, None, "a.dcm", "0" * 64, 7, None)
        with database.transaction() as tx:
            documents.record_documents(tx, revision, [record], [])
    with database.reading() as read:
        assert [(one.uid, one.revision) for one in sent_documents(read, "1.9")] == [("2.25.2", 2), ("2.25.1", 1)]


def test_a_carried_capture_is_of_the_latest_analysis(
    database: Database, receive: Callable[..., object], analyse: Callable[..., None]
) -> None:
    receive("1.1")
    carried: dict[str, str] = {}
    for revision in (1, 2):
        analyse("1.9", revision, "1.1")
        records = [DocumentRecord("sr", f"2.25.{revision}", None, None, "a.dcm", "0" * 64, 7, None)]
        if revision == 1:
            records.append(DocumentRecord("sc", "2.25.7", None, None, "b.dcm", "0" * 64, 7, None))
        with database.transaction() as tx:
            documents.record_documents(tx, revision, records, [], carried=carried)
        carried = {"2.25.7": "1.1"}
    with database.reading() as read:
        sent = sent_documents(read, "1.9")
    assert [(one.uid, one.of_latest) for one in sent] == [("2.25.2", True), ("2.25.1", False), ("2.25.7", True)]
