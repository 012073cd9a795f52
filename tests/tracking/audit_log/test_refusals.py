"""Counting what the receiver refused."""

import pytest
from sqlalchemy import func, select

from tracking.audit_log import audit, refusals
from tracking.audit_log.refusals import Refusal, RefusalKind
from tracking.engine.database import Database
from tracking.tables.models import Refusal as Row

STRANGER = Refusal(
    RefusalKind.ASSOCIATION,
    "calling AE title is not a known peer",
    "add it",
    "1,1,3",
    "STRANGER",
    "CXRNODE",
    "10.0.0.9",
)
CAPTURE = Refusal(
    RefusalKind.CONTEXT, "SOP class not accepted", 'add "SC" to receive.accept', "3", "PACS", "CXRNODE", "10.0.0.1",
    "1.2.840.10008.5.1.4.1.1.7",
)  # fmt: skip


def add(database: Database, counts: dict[Refusal, int]) -> None:
    with database.transaction() as tx:
        refusals.add(tx, counts)


def test_equal_refusals_are_one_row_with_their_number_and_times(database: Database) -> None:
    add(database, {STRANGER: 3, CAPTURE: 1})
    add(database, {STRANGER: 4})
    with database.reading() as read:
        stranger, capture = refusals.latest(read)
    assert (stranger.count, stranger.refusal.calling_ae, stranger.refusal.cure) == (7, "STRANGER", "add it")
    assert (capture.count, capture.refusal.sop_class_uid) == (1, CAPTURE.sop_class_uid)
    assert stranger.first_at <= capture.last_at <= stranger.last_at


def test_the_latest_rows_are_kept(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusals, "MOST_ROWS", 5)
    for number in range(12):
        add(database, {Refusal(RefusalKind.ASSOCIATION, f"reason {number}", ""): 1})
    with database.reading() as read:
        assert read.scalar(select(func.count()).select_from(Row)) == 5
        assert {entry.refusal.reason for entry in refusals.latest(read)} == {f"reason {n}" for n in range(7, 12)}


def test_what_is_older_than_asked_for_is_left_out(database: Database) -> None:
    add(database, {STRANGER: 1})
    with database.transaction() as tx:
        tx.get_one(Row, 1).last_at -= 8 * 86_400_000
    add(database, {CAPTURE: 1})
    with database.reading() as read:
        assert [entry.refusal.kind for entry in refusals.latest(read, days=7)] == [RefusalKind.CONTEXT]
        assert len(refusals.latest(read, limit=1)) == 1


def test_an_audit_line_holds_the_number_and_an_instance_has_its_own(database: Database) -> None:
    with database.transaction() as tx:
        for kind in RefusalKind:
            refusals.write_audit_line(tx, Refusal(kind, "reason", "cure", address="10.0.0.9"), 5)
    with database.reading() as read:
        lines = list(audit.lines(read))
    assert [line.type for line in lines] == ["association-rejected", "context-refused", "context-refused"]
    assert lines[0].detail == {"reason": "reason", "cure": "cure", "address": "10.0.0.9", "count": 5}
