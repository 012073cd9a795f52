"""Group commit: fewer transactions, the same promises."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from dicom_node.storage_scp.group_commit import GroupCommit
from tracking.audit_log import audit
from tracking.audit_log.audit import AuditEventType
from tracking.engine import schema
from tracking.engine.database import Database


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


def queued_up(pool: ThreadPoolExecutor, database: Any, numbers: Sequence[int]) -> list[Future[int]]:
    """Run a commit that ``database`` holds up, and let others queue up behind it; return all, the held one first."""
    commits = GroupCommit(database)
    first = pool.submit(commits.run, lambda tx: note(tx, 0))
    while database.transactions == 0:
        pass
    rest = [pool.submit(commits.run, lambda tx, n=n: note(tx, n)) for n in numbers]
    while len(commits._waiting) < len(rest):
        pass
    return [first, *rest]


def test_what_queues_up_behind_a_commit_shares_the_next(database: Database) -> None:
    counting = CountingDatabase(database)
    with ThreadPoolExecutor(9) as pool:
        waiting = queued_up(pool, counting, range(1, 9))
        counting.may_commit.set()
        assert [future.result() for future in waiting] == list(range(9))
    assert counting.transactions == 2
    assert recorded(database) == list(range(9))


def test_one_failure_does_no_harm_to_the_others(database: Database) -> None:
    counting = CountingDatabase(database)
    with ThreadPoolExecutor(5) as pool:
        first, second, failing, last = queued_up(pool, counting, (1, -2, 3))
        counting.may_commit.set()
        assert (first.result(), second.result(), last.result()) == (0, 1, 3)
        with pytest.raises(ValueError, match="-2"):
            failing.result()
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
    with ThreadPoolExecutor(9) as pool:
        waiting = queued_up(pool, away, range(1, 9))
        away.tried_long_enough.set()
        for future in waiting:
            with pytest.raises(OperationalError):
                future.result()
    assert away.transactions == 2, "trying each alone would take eight times as long as a database may take to answer"
