"""The audit log finds every way of tampering with it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError

from tracking.audit_log import audit
from tracking.audit_log.audit import AuditEventType, canonical, chain
from tracking.engine.database import Database

pytestmark = pytest.mark.usefixtures("database")


def write(database: Database, count: int) -> None:
    for number in range(count):
        with database.transaction() as tx:
            audit.append(tx, AuditEventType.JOB_RETRIED, study_uid=f"1.2.{number}", detail={"job": f"j{number}"})


def verdict(database: Database, head: str | None = None) -> audit.Verdict:
    with database.reading() as read:
        return audit.verify(read, expected_head=head)


def tamper(database: Database, *statements: str) -> None:
    """Do what an attacker with the database's password could do: switch the guards off first."""
    with database.engine.begin() as connection:
        if database.dialect == "sqlite":
            for verb in ("update", "delete"):
                connection.execute(text(f"DROP TRIGGER IF EXISTS audit_event_no_{verb}"))
        else:
            connection.execute(text("ALTER TABLE audit_event DISABLE TRIGGER USER"))
        for statement in statements:
            connection.execute(text(statement))


def test_an_untouched_log_is_intact(database: Database) -> None:
    write(database, 5)
    assert verdict(database).intact
    assert verdict(database).lines == 5


def test_lines_written_during_the_check_are_no_false_alarm(database: Database) -> None:
    write(database, 3)
    late = [1]

    def write_before_the_head_is_read(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("SELECT audit_head") and late:
            write(database, late.pop())

    event.listen(database.engine, "before_cursor_execute", write_before_the_head_is_read)
    assert verdict(database).problem is None
    assert not late
    assert verdict(database).lines == 4


def test_an_empty_log_is_intact(database: Database) -> None:
    assert verdict(database).intact


@pytest.mark.parametrize(
    ("statement", "line"),
    [
        ("UPDATE audit_event SET detail = '{}' WHERE seq = 3", 3),
        ("UPDATE audit_event SET study_uid = '6.6.6' WHERE seq = 1", 1),
        ("UPDATE audit_event SET at = at + 1 WHERE seq = 4", 4),
        ("UPDATE audit_event SET outcome = 'major-failure' WHERE seq = 2", 2),
        ("DELETE FROM audit_event WHERE seq = 2", 2),
        ("DELETE FROM audit_event WHERE seq = 5", 6),
        ("DELETE FROM audit_event", 1),
    ],
)
@pytest.mark.fault(
    "a line of the audit log is edited, deleted or cut off",
    promise="found",
    area="apart",
)
def test_an_edited_deleted_or_cut_off_line_is_found(database: Database, statement: str, line: int) -> None:
    write(database, 5)
    tamper(database, statement)
    found = verdict(database)
    assert not found.intact
    if found.broken_at is not None and "cut off" not in str(found.problem):
        assert found.broken_at == line


@pytest.mark.fault(
    "two lines of the audit log change places",
    promise="found",
    area="apart",
)
def test_two_lines_that_changed_places_are_found(database: Database) -> None:
    write(database, 5)
    tamper(
        database,
        "UPDATE audit_event SET seq = -2 WHERE seq = 2",
        "UPDATE audit_event SET seq = 2 WHERE seq = 3",
        "UPDATE audit_event SET seq = 3 WHERE seq = -2",
    )
    assert verdict(database).broken_at == 2


def test_a_line_deleted_with_its_successors_renumbered_is_found(database: Database) -> None:
    write(database, 5)
    tamper(
        database,
        "DELETE FROM audit_event WHERE seq = 3",
        "UPDATE audit_event SET seq = 3 WHERE seq = 4",
        "UPDATE audit_event SET seq = 4 WHERE seq = 5",
    )
    assert verdict(database).broken_at == 3


def test_a_whole_log_written_anew_is_found_by_a_head_noted_outside(database: Database) -> None:
    write(database, 3)
    noted = verdict(database).head
    assert verdict(database, noted).intact
    tamper(database, "DELETE FROM audit_event", f"UPDATE audit_head SET seq = 0, hash = '{audit.GENESIS}'")
    write(database, 2)
    assert verdict(database).intact
    assert not verdict(database, noted).intact


@pytest.mark.parametrize("statement", ["UPDATE audit_event SET detail = '{}'", "DELETE FROM audit_event"])
@pytest.mark.fault(
    "somebody with the node's login to the database edits the audit log",
    promise="the database refuses",
    area="secret",
)
def test_the_database_itself_refuses_to_change_the_log(database: Database, statement: str) -> None:
    write(database, 1)
    with pytest.raises(DBAPIError, match="append-only"), database.engine.begin() as connection:
        connection.execute(text(statement))
    assert verdict(database).lines == 1


def test_a_rolled_back_change_leaves_no_line(database: Database) -> None:
    def fail() -> None:
        with database.transaction() as tx:
            audit.append(tx, AuditEventType.JOB_RETRIED)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert verdict(database).lines == 0


@pytest.mark.fault(
    "several services write to the audit log at the same time",
    promise="its chain is unbroken",
    area="database",
)
def test_writers_at_the_same_time_make_one_unbroken_chain(database: Database) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: write(database, 10), range(4)))
    assert verdict(database).intact
    assert verdict(database).lines == 40


def test_the_newest_lines_come_oldest_first(database: Database) -> None:
    write(database, 5)
    with database.reading() as read:
        assert [line.seq for line in audit.last_lines(read, 2)] == [4, 5]
        assert [line.study_uid for line in audit.last_lines(read, 9, study_uid="1.2.3")] == ["1.2.3"]


@given(st.dictionaries(st.text(max_size=8), st.none() | st.booleans() | st.integers() | st.text(max_size=20)))
def test_any_change_of_a_field_changes_the_hash(detail: dict[str, object]) -> None:
    row = {
        "seq": 1, "at": 2, "type": "t", "outcome": "success", "service": "s", "study_uid": None,
        "detail": canonical(detail),
    }  # fmt: skip
    before = chain(audit.GENESIS, row)
    for key in row:
        assert chain(audit.GENESIS, {**row, key: "other"}) != before
    assert chain("1" * 64, row) != before
