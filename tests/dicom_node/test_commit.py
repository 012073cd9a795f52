"""Group commit: fewer transactions, the same promises."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from dicom_node.commit import GroupCommit
from tracking import audit, schema
from tracking.audit import AuditEventType
from tracking.database import Database


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database.open(f"sqlite:///{tmp_path / 'cxrnode.db'}", service="receive")
    schema.upgrade(database)
    yield database
    database.close()


class CountingDatabase:
    """Counts transactions, and can hold the first one open until told."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.transactions = 0
        self.may_commit = threading.Event()

    @contextmanager
    def hot_transaction(self) -> Iterator[Session]:
        self.transactions += 1
        with self.database.hot_transaction() as tx:
            yield tx
            self.may_commit.wait(10)


def note(tx: Session, number: int) -> int:
    if number < 0:
        raise ValueError(number)
    audit.append(tx, AuditEventType.SERVICE_STARTED, detail={"count": number})
    return number


def recorded(database: Database) -> list[object]:
    with database.reading() as read:
        return sorted(line.detail["count"] for line in audit.lines(read))  # type: ignore[type-var]


def test_what_queues_up_behind_a_commit_shares_the_next(database: Database) -> None:
    counting = CountingDatabase(database)
    commits = GroupCommit(counting)  # type: ignore[arg-type]
    with ThreadPoolExecutor(9) as pool:
        first = pool.submit(commits.run, lambda tx: note(tx, 0))
        while counting.transactions == 0:
            pass
        rest = [pool.submit(commits.run, lambda tx, n=n: note(tx, n)) for n in range(1, 9)]
        while len(commits._waiting) < 8:
            pass
        counting.may_commit.set()
        assert [future.result() for future in [first, *rest]] == list(range(9))
    assert counting.transactions == 2
    assert recorded(database) == list(range(9))


def test_one_failure_does_no_harm_to_the_others(database: Database) -> None:
    counting = CountingDatabase(database)
    commits = GroupCommit(counting)  # type: ignore[arg-type]
    with ThreadPoolExecutor(5) as pool:
        first = pool.submit(commits.run, lambda tx: note(tx, 0))
        while counting.transactions == 0:
            pass
        rest = {n: pool.submit(commits.run, lambda tx, n=n: note(tx, n)) for n in (1, -2, 3)}
        while len(commits._waiting) < 3:
            pass
        counting.may_commit.set()
        assert first.result() == 0
        assert (rest[1].result(), rest[3].result()) == (1, 3)
        with pytest.raises(ValueError, match="-2"):
            rest[-2].result()
    assert recorded(database) == [0, 1, 3]


def test_a_failing_commit_reaches_whoever_waits_for_it(database: Database) -> None:
    class Broken:
        @contextmanager
        def hot_transaction(self) -> Iterator[Session]:
            with database.hot_transaction() as tx:
                yield tx
                raise OSError(28, "disk full at commit")

    with pytest.raises(OSError, match="disk full"):
        GroupCommit(Broken()).run(lambda tx: note(tx, 1))  # type: ignore[arg-type]
    assert recorded(database) == []


def test_who_shared_a_transaction_that_could_not_begin_is_told_at_once() -> None:
    class Away:
        transactions = 0
        tried_long_enough = threading.Event()

        @contextmanager
        def hot_transaction(self) -> Iterator[Session]:
            self.transactions += 1
            self.tried_long_enough.wait(10)
            raise OperationalError("BEGIN IMMEDIATE", {}, Exception("database is locked"))
            yield

    away = Away()
    commits = GroupCommit(away)  # type: ignore[arg-type]
    with ThreadPoolExecutor(9) as pool:
        first = pool.submit(commits.run, lambda tx: note(tx, 0))
        while away.transactions == 0:
            pass
        rest = [pool.submit(commits.run, lambda tx, n=n: note(tx, n)) for n in range(1, 9)]
        while len(commits._waiting) < 8:
            pass
        away.tried_long_enough.set()
        for future in [first, *rest]:
            with pytest.raises(OperationalError):
                future.result()
    assert away.transactions == 2, "trying each alone would take eight times as long as a database may take to answer"
