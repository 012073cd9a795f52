"""Group commit: what several associations have to record at one moment shares one transaction.

A commit costs a flush of the disk, however little it holds. While one is under way, the work of other associations
queues up, and the next transaction takes all of it. Nobody waits longer than with a transaction each, and a lone
association pays nothing: its own thread commits, there is no hand-over.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from sqlalchemy.orm import Session

from tracking.engine.database import Database

T = TypeVar("T")
_LARGEST_BATCH = 64


class GroupCommit:
    """Runs pieces of work in as few transactions as the moment allows."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: deque[_Entry[Any]] = deque()
        self._committing = threading.Lock()

    def run(self, work: Callable[[Session], T]) -> T:
        """Run ``work`` in a transaction and return its result once that is committed.

        The work may run twice: when a transaction fails that it shared with others, each is tried alone, so that
        one piece that cannot be recorded does no harm to the rest.

        Raises
        ------
        Exception
            Whatever the work or the commit raised; nothing of this work is recorded then.
        """
        entry = _Entry(work)
        self._waiting.append(entry)
        while not entry.finished:
            with self._committing:
                if not entry.finished:
                    self._commit(self._next_batch())
        return entry.outcome()

    def _next_batch(self) -> "list[_Entry[Any]]":
        return [self._waiting.popleft() for _ in range(min(len(self._waiting), _LARGEST_BATCH))]

    def _commit(self, batch: "Sequence[_Entry[Any]]") -> None:
        begun = False
        try:
            with self._database.hot_transaction() as tx:
                begun = True
                results = [entry.work(tx) for entry in batch]
        except Exception as error:  # noqa: BLE001 - handed to the threads whose work it was
            if begun and len(batch) > 1:
                for entry in batch:
                    self._commit([entry])
                return
            for entry in batch:  # no work is to blame where the database is away, and each try may take half a minute
                entry.fail(error)
        else:
            for entry, result in zip(batch, results, strict=True):
                entry.succeed(result)


class _Entry(Generic[T]):
    """A piece of work and what became of it."""

    def __init__(self, work: Callable[[Session], T]) -> None:
        self.work = work
        self.finished = False
        self._result: T | None = None
        self._error: Exception | None = None

    def succeed(self, result: T) -> None:
        self._result = result
        self.finished = True

    def fail(self, error: Exception) -> None:
        self._error = error
        self.finished = True

    def outcome(self) -> T:
        if self._error is not None:
            raise self._error
        return self._result  # type: ignore[return-value]  # finished without an error means there is a result
