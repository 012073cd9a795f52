"""The work queue: a job table in the same database as the rows it moves forward.

A claim leases a job to a worker; the lease's end makes it claimable again, so no reaper is needed. The token, one
higher with each claim, fences a worker that lost its lease out of writing. Claims take ``FOR UPDATE SKIP LOCKED``
on PostgreSQL and ``BEGIN IMMEDIATE`` on SQLite.
"""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Executable,
    Integer,
    Select,
    Text,
    and_,
    bindparam,
    exists,
    func,
    literal_column,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session, aliased
from sqlalchemy.sql.dml import ReturningUpdate

from tracking.engine.clock import now_ms, to_milliseconds
from tracking.engine.prepared import Prepared
from tracking.tables.models import Breaker
from tracking.tables.models import Job as JobRow

if TYPE_CHECKING:  # which writes what transactions have changed, and so knows the queue
    from tracking.engine.database import Database

DAY_MS = 24 * 3600 * 1000
URGENT, USUAL, LOW = 1, 5, 9
"""Priorities of jobs: the lowest number is claimed first."""


@dataclass(frozen=True, slots=True)
class Job:
    """A claimed job; ``token`` proves the claim."""

    id: int
    key: str
    queue: str
    destination: str | None
    payload: dict[str, Any]
    token: int
    priority: int
    attempts: int
    crashes: int
    unforeseen: int = 0


class LeaseLost(Exception):
    """The job now belongs to another worker; whatever this one wanted to write must roll back."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long to wait after the n-th failure: doubling from ``first`` to ``longest`` seconds, ±20 %.

    ``at_least`` is what a peer asked for, in seconds.
    """

    first: float
    longest: float
    at_least: float = 0.0

    def delay_ms(self, failures: int) -> int:
        """Return the wait in milliseconds before trying again after ``failures`` earlier failures."""
        seconds = min(self.longest, self.first * 2.0 ** min(failures, 30))
        return to_milliseconds(max(seconds * random.uniform(0.8, 1.2), self.at_least))


def upsert(tx: Session) -> Any:
    """Return the dialect's INSERT that knows ON CONFLICT."""
    return insert_of(tx.get_bind().dialect.name)


def insert_of(dialect: str) -> Any:
    """Return the INSERT of a dialect, by its name, that knows ON CONFLICT."""
    return (postgresql if dialect == "postgresql" else sqlite).insert


def _build_insert_job(dialect: str) -> Executable:
    values: dict[str, Any] = {name: bindparam(name) for name in ("queue", "key", "destination", "priority")}
    statement: Executable = (
        insert_of(dialect)(JobRow)
        .values(
            **values,
            payload=bindparam("payload", type_=Text) if dialect == "sqlite" else bindparam("payload"),
            visible_at=now_ms() + bindparam("delay_ms", type_=BigInteger),
            give_up_at=now_ms() + bindparam("give_up_ms", type_=BigInteger),
            state="open",
            token=0,
            attempts=0,
            crashes=0,
            unforeseen=0,
        )
        .on_conflict_do_nothing(index_elements=["key"])
    )
    return statement


_insert_job = Prepared(_build_insert_job)


def enqueue(
    tx: Session,
    queue: str,
    key: str,
    payload: dict[str, Any],
    *,
    destination: str | None = None,
    priority: int = USUAL,
    delay_ms: int = 0,
    give_up_ms: int = 3 * DAY_MS,
) -> None:
    """Put work in the queue inside the caller's transaction; the same key a second time is a no-op."""
    _insert_job(
        tx,
        queue=queue,
        key=key,
        payload=json.dumps(payload),
        destination=destination,
        priority=priority,
        delay_ms=delay_ms,
        give_up_ms=give_up_ms,
    )


def claim(
    database: "Database", queues: Sequence[str], worker: str, lease_ms: int, *, destination: str | None = None
) -> Job | None:
    """Lease the most urgent due job of these queues (and destination), or return None."""
    statements = _claim_statements(tuple(queues), routed=destination is not None)
    bound = {} if destination is None else {"bound_for": destination}
    with database.reading() as read:  # an idle poll never takes SQLite's write lock
        if not read.scalar(statements.look, bound):
            return None
    with database.transaction() as tx:
        row = tx.execute(statements.take, {**bound, "claimed_by": worker, "lease_ms": lease_ms}).first()
    return None if row is None else Job(*row)


def seconds_until_due(database: "Database", queues: Sequence[str]) -> float | None:
    """Return in how many seconds the next job of these queues will be due, or None when none waits for its time."""
    with database.reading() as read:
        wait_ms: int | None = read.scalar(_claim_statements(tuple(queues), routed=False).next_due)
    return None if wait_ms is None else max(0, wait_ms) / 1000


@dataclass(frozen=True, slots=True)
class _ClaimStatements:
    """Built once: SQLAlchemy needs several times longer to build these than a database to run them."""

    look: Select[Any]
    take: ReturningUpdate[Any]
    next_due: Select[Any]


@lru_cache(maxsize=64)
def _claim_statements(queues: tuple[str, ...], *, routed: bool) -> _ClaimStatements:
    due = _due(queues, routed=routed)
    pick = (
        select(JobRow.id)
        .where(*due)
        .order_by(JobRow.priority, JobRow.visible_at, JobRow.id)
        .limit(1)
        .with_for_update(skip_locked=True, of=JobRow)
        .scalar_subquery()
    )
    take = (
        update(JobRow)
        .where(JobRow.id == pick)
        .values(
            crashes=JobRow.crashes + JobRow.worker.is_not(None).cast(Integer),
            worker=bindparam("claimed_by"),
            token=JobRow.token + 1,
            visible_at=now_ms() + bindparam("lease_ms", type_=BigInteger),
        )
        .returning(
            JobRow.id, JobRow.key, JobRow.queue, JobRow.destination, JobRow.payload, JobRow.token,
            JobRow.priority, JobRow.attempts, JobRow.crashes, JobRow.unforeseen,
        )
        .execution_options(synchronize_session=False)
    )  # fmt: skip
    later = select(func.min(JobRow.visible_at) - now_ms()).where(
        JobRow.state == "open", JobRow.queue.in_(queues), JobRow.visible_at > now_ms()
    )
    return _ClaimStatements(select(exists().where(*due)), take, later)


def _due(queues: Sequence[str], *, routed: bool) -> list[ColumnElement[bool]]:
    """Open, due, and its destination neither paused, by somebody or after failures, nor already being probed."""
    leased = aliased(JobRow)
    probing = exists().where(
        leased.destination == Breaker.destination,
        leased.state == "open",
        leased.worker.is_not(None),
        leased.visible_at > now_ms(),
    )
    closed = select(Breaker.destination).where(
        or_(Breaker.held_since.is_not(None), Breaker.paused_until > now_ms(), and_(Breaker.failures > 0, probing))
    )
    conditions: list[ColumnElement[bool]] = [
        JobRow.state == "open",
        JobRow.queue.in_(queues),
        JobRow.visible_at <= now_ms(),
    ]
    if routed:
        conditions.append(JobRow.destination == bindparam("bound_for"))
    conditions.append(or_(JobRow.destination.is_(None), JobRow.destination.not_in(closed)))
    return conditions


def _fenced(tx: Session, job: Job, **values: Any) -> None:
    changed = tx.execute(
        update(JobRow)
        .where(JobRow.id == job.id, JobRow.token == job.token, JobRow.state == "open", JobRow.worker.is_not(None))
        .values(**values)
        .returning(JobRow.id)
        .execution_options(synchronize_session=False)
    ).first()
    if changed is None:
        raise LeaseLost(job.key)


def extend(tx: Session, job: Job, lease_ms: int) -> None:
    """Beat: move the end of the lease away. Raises LeaseLost."""
    _fenced(tx, job, visible_at=now_ms() + lease_ms)


def hold(tx: Session, job: Job) -> None:
    """Prove the claim, before the caller writes a part of what it did: the fence. Raises LeaseLost."""
    _fenced(tx, job, worker=JobRow.worker)


def finish(tx: Session, job: Job) -> None:
    """Mark the job done, before the caller writes what it did: the fence. Raises LeaseLost."""
    _fenced(tx, job, state="done", worker=None, error=None, finished_at=now_ms())
    if job.destination is not None:
        close_breaker(tx, job.destination)


def postpone(tx: Session, job: Job, error: str, policy: RetryPolicy, *, foreseen: bool = True) -> bool:
    """Give the job back for a later try; return True when its time is up and it stopped instead.

    Its time begins with its first failure: before that it may have waited long for a peer that was away.
    """
    time_is_up = tx.scalar(select(now_ms() > JobRow.give_up_at).where(JobRow.id == job.id))
    if time_is_up and job.attempts:
        stop(tx, job, error)
        return True
    _fenced(
        tx, job, worker=None, attempts=JobRow.attempts + 1, error=error,
        unforeseen=JobRow.unforeseen + int(not foreseen),
        visible_at=now_ms() + policy.delay_ms(job.attempts),
        **({} if job.attempts else _renewed_patience()),
    )  # fmt: skip
    return False


def wait_for_peer(tx: Session, job: Job, error: str, *, delay_ms: int | None = None) -> None:
    """Give a job back whose peer is away, which is no failure of its own: it waits as long as that takes.

    Without ``delay_ms`` it keeps its place in the order of arrival, behind the destination's circuit breaker.
    """
    visible_at = JobRow.created_at if delay_ms is None else now_ms() + delay_ms
    _fenced(tx, job, worker=None, error=error, visible_at=visible_at)


def _renewed_patience() -> dict[str, Any]:
    return {"created_at": now_ms(), "give_up_at": now_ms() + (JobRow.give_up_at - JobRow.created_at)}


def stop(tx: Session, job: Job, error: str) -> None:
    """Stop the job for good; a person sees it and may :func:`retry`."""
    _fenced(tx, job, worker=None, attempts=JobRow.attempts + 1, error=error, state="stopped", finished_at=now_ms())


def stop_done(tx: Session, key: str, error: str) -> None:
    """Stop a job that was done and turned out not to have come to anything; a person may :func:`retry`."""
    tx.execute(
        update(JobRow)
        .where(JobRow.key == key, JobRow.state == "done")
        .values(state="stopped", error=error, finished_at=now_ms())
        .execution_options(synchronize_session=False)
    )


def hand_back(tx: Session, job: Job) -> None:
    """Return a job unstarted or unfinished, without counting a failure (the service is stopping)."""
    _fenced(tx, job, worker=None, visible_at=now_ms())


def open_breaker(tx: Session, destination: str, error: str, policy: RetryPolicy) -> None:
    """Let everything bound for a destination wait, each failed probe longer."""
    tx.execute(
        upsert(tx)(Breaker).values(destination=destination).on_conflict_do_nothing(index_elements=["destination"])
    )
    failures = tx.scalar(select(Breaker.failures).where(Breaker.destination == destination)) or 0
    tx.execute(
        update(Breaker)
        .where(Breaker.destination == destination, Breaker.paused_until <= now_ms())
        .values(failures=failures + 1, error=error, paused_until=now_ms() + policy.delay_ms(failures))
    )


def close_breaker(tx: Session, destination: str) -> None:
    """Forget a destination's failures, so that the next delivery is tried at once."""
    tx.execute(update(Breaker).where(Breaker.destination == destination).values(failures=0, paused_until=0, error=None))


def retry(tx: Session, *, key: str, done: bool = False, delay_ms: int = 0) -> bool:
    """Make a stopped or waiting job due, with its patience renewed; False when it is running or done.

    ``done`` also takes one that is done, to do it again. ``delay_ms`` is for how long it still waits.
    """
    states = ("stopped", "open", "done") if done else ("stopped", "open")
    restarted = tx.execute(
        update(JobRow)
        .where(JobRow.key == key, JobRow.state.in_(states), JobRow.worker.is_(None))
        .values(
            state="open",
            visible_at=now_ms() + delay_ms,
            attempts=0,
            crashes=0,
            unforeseen=0,
            finished_at=None,
            **_renewed_patience(),
        )
        .returning(JobRow.id)
        .execution_options(synchronize_session=False)
    ).first()
    return restarted is not None


def retire(tx: Session, keys: Sequence[str], reason: str) -> None:
    """End open jobs that nobody has begun, because their work is not wanted any more; those that run go on."""
    tx.execute(
        update(JobRow)
        .where(JobRow.key.in_(keys), JobRow.state == "open", JobRow.worker.is_(None))
        .values(state="done", error=reason, finished_at=now_ms())
        .execution_options(synchronize_session=False)
    )


def leases(read: Session) -> list[tuple[int, str]]:
    """Return (job id, worker) of every running lease."""
    query = select(JobRow.id, JobRow.worker).where(
        JobRow.state == "open", JobRow.worker.is_not(None), JobRow.visible_at > now_ms()
    )
    return [(job_id, worker) for job_id, worker in read.execute(query) if worker is not None]


def end_leases(tx: Session, held: Sequence[tuple[int, str]]) -> None:
    """End leases of workers known to be dead, so that nobody waits for the lease's end."""
    for job_id, worker in held:
        tx.execute(update(JobRow).where(JobRow.id == job_id, JobRow.worker == worker).values(visible_at=now_ms()))


def destinations(read: Session, queue: str) -> list[str]:
    """Return every destination that open jobs of a queue are bound for."""
    query = select(JobRow.destination).where(JobRow.queue == queue, JobRow.state == "open").distinct()
    return sorted(name for name in read.scalars(query) if name is not None)


def depth(read: Session) -> dict[tuple[str, str], int]:
    """Return the number of jobs by (queue, state) for those not done."""
    counted: dict[tuple[str, str], int] = {}
    for state in ("open", "stopped"):  # a partial index serves each, where the state is no parameter
        query = select(JobRow.queue, func.count()).where(JobRow.state == literal_column(f"'{state}'"))
        counted |= {(name, state): count for name, count in read.execute(query.group_by(JobRow.queue))}
    return counted
