"""The trace of refusals: complete in number, bounded in lines."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
import structlog
from sqlalchemy.exc import OperationalError

from dicom_node.storage_scp import refusals as module
from dicom_node.storage_scp.group_commit import GroupCommit
from dicom_node.storage_scp.refusals import MOST_DIFFERENT, MOST_DIFFERENT_PER_ADDRESS, Refusals
from dicom_node.upper_layer.refusal_causes import valid_uid
from tracking.audit_log import audit, refusals
from tracking.audit_log.refusals import Refusal, RefusalKind
from tracking.engine.database import Database

STRANGER = Refusal(RefusalKind.ASSOCIATION, "unknown", "add it", "1,1,3", "STRANGER", "CXRNODE", "10.0.0.9")


@pytest.fixture
def collector(database: Database) -> Iterator[Refusals]:
    """A collector without its thread: tests say when it writes."""
    made = Refusals(GroupCommit(database))
    yield made
    made.stop()


def audit_lines(database: Database) -> list[audit.Line]:
    with database.reading() as read:
        return list(audit.lines(read))


def total(database: Database) -> int:
    with database.reading() as read:
        return sum(entry.count for entry in refusals.latest(read, limit=9999))


def test_a_flood_is_counted_and_leaves_two_lines(collector: Refusals, database: Database) -> None:
    with structlog.testing.capture_logs() as logs:
        for _ in range(10):
            for _ in range(100):
                collector.add(STRANGER)
            assert collector._write()
        assert [line.detail["count"] for line in audit_lines(database)] == [100]
        collector._stopping.set()
        assert collector._write()
    assert [line.detail["count"] for line in audit_lines(database)] == [100, 900]
    assert [entry["count"] for entry in logs] == [100, 900]
    assert total(database) == 1000


def test_the_rest_of_a_window_is_told_when_it_is_over(
    collector: Refusals, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    collector.add(STRANGER)
    collector._write()
    collector.add(STRANGER)
    collector._write()
    monkeypatch.setattr(module, "WINDOW_SECONDS", 0.0)
    collector._write()
    assert [line.detail["count"] for line in audit_lines(database)] == [1, 1]
    assert not collector._tallies
    assert not collector._different


def test_a_stranger_who_changes_names_costs_a_bounded_number_of_lines(collector: Refusals, database: Database) -> None:
    for number in range(1000):
        collector.add(replace(STRANGER, calling_ae=f"S{number}"))
        if number % 100 == 0:
            collector._write()
    collector._write()
    assert len(audit_lines(database)) == MOST_DIFFERENT_PER_ADDRESS + 1
    assert total(database) == 1000


def test_strangers_from_everywhere_cost_a_bounded_number_of_lines(collector: Refusals, database: Database) -> None:
    for number in range(3000):
        collector.add(replace(STRANGER, address=f"10.0.{number // 250}.{number % 250}"))
    collector._write()
    assert len(audit_lines(database)) == MOST_DIFFERENT + 1
    assert total(database) == 3000


def test_what_the_database_does_not_take_is_written_later(
    collector: Refusals, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_work: object) -> None:
        raise OperationalError("BEGIN", {}, Exception("the database is away"))

    collector.add(STRANGER)
    with monkeypatch.context() as patch:
        patch.setattr(collector._commits, "run", fail)
        assert not collector._write()
        collector.add(STRANGER)
        assert not collector._write()
    assert collector._write()
    assert total(database) == 2
    assert [line.detail["count"] for line in audit_lines(database)] == [1]


@pytest.mark.parametrize(
    ("text", "is_uid"),
    [
        ("1.2.840.10008.1.1", True), ("2.25.0", True), (b"1.2", True), ("", False), ("1", False), ("1..2", False),
        ("1.02", False), ("SECRET^NAME", False), ("1.2\n", False), ("1." * 32 + "1", False), (b"1.2\xff", False),
    ],
)  # fmt: skip
def test_only_a_uid_is_a_uid(text: str | bytes, is_uid: bool) -> None:
    assert valid_uid(text) == (text if isinstance(text, str) else text.decode("latin_1")) * is_uid
