"""What each destination takes is remembered, and told once for each change."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select

from config.destinations import DicomDestination, Hl7Destination
from tracking.engine.database import Database
from tracking.outbox.taken_classes import record_taken, report_words, taken_classes
from tracking.tables.models import AuditEvent

THREE_D, COMPREHENSIVE = "1.2.840.10008.5.1.4.1.1.88.34", "1.2.840.10008.5.1.4.1.1.88.33"


def test_each_change_has_one_line(database: Database) -> None:
    for uid in (THREE_D, THREE_D, COMPREHENSIVE, COMPREHENSIVE, None, None, THREE_D):
        with database.transaction() as tx:
            record_taken(tx, "pacs", uid, assumed=THREE_D)
        with database.reading() as read:
            assert taken_classes(read) == {"pacs": uid}
    with database.reading() as read:
        lines = list(read.scalars(select(AuditEvent.detail).where(AuditEvent.type == "report-class-changed")))
    assert len(lines) == 3
    assert '"now":"none"' in lines[1]


def test_two_that_find_out_the_same_at_once_have_one_line(database: Database) -> None:
    """On PostgreSQL both read before either has written; SQLite lets one transaction write at a time."""
    if database.dialect != "postgresql":
        pytest.skip("transactions do not overlap here")
    with ThreadPoolExecutor() as threads:
        with database.transaction() as tx:
            record_taken(tx, "pacs", COMPREHENSIVE, assumed=THREE_D)
            other = threads.submit(record_again, database)
            with pytest.raises(TimeoutError):
                other.result(timeout=0.5)
        other.result(timeout=30)
    with database.reading() as read:
        lines = list(read.scalars(select(AuditEvent.detail).where(AuditEvent.type == "report-class-changed")))
    assert len(lines) == 1


def record_again(database: Database) -> None:
    with database.transaction() as tx:
        record_taken(tx, "pacs", COMPREHENSIVE, assumed=THREE_D)


@pytest.mark.parametrize(
    ("changes", "taken", "words"),
    [
        ({}, {}, "structured report: not asked yet which class it takes"),
        ({}, {"pacs": COMPREHENSIVE}, "structured report: Comprehensive SR"),
        ({}, {"pacs": None}, "takes no structured report"),
        ({"report_class": "enhanced"}, {"pacs": None}, "structured report: enhanced, by the settings"),
        ({"documents": ("sc",)}, {"pacs": None}, ""),
    ],
)
def test_what_is_remembered_is_said(changes: dict[str, object], taken: dict[str, str | None], words: str) -> None:
    destination = DicomDestination(kind="dicom", name="pacs", host="h", port=1, ae_title="PACS").model_copy(
        update=changes
    )
    assert report_words(destination, taken) == words


def test_an_hl7_destination_gets_no_structured_report() -> None:
    assert not report_words(Hl7Destination(kind="hl7", name="ris", host="h", port=1), {})
