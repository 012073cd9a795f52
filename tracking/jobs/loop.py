"""The loop every background service runs: claim, work, write, repeat; drain on request; survive anything.

A handler does its outside work first and returns what to write; the loop writes it in the transaction that finishes
the job, so work and record cannot part. A handler whose record has parts that stand alone yields them; each is written
at once, in a transaction that proves the claim. A lease kept by a heartbeat tells the living from the dead.
"""

import functools
import os
import random
import socket
import threading
import time
import traceback
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import psutil
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.orm import Session

from config.errors import (
    AnswerMissing,
    CxrnodeError,
    PeerUnavailable,
    PermanentError,
    RetriableError,
    ServiceUnavailable,
)
from config.logs import get_logger
from config.settings import DeliverySettings, WorkSettings
from tracking.audit_log import audit
from tracking.audit_log.audit import AuditEventType
from tracking.engine import clock_steps
from tracking.engine.changes import study_changed
from tracking.engine.clock import to_milliseconds
from tracking.engine.clock_steps import ClockWatch
from tracking.engine.database import Database
from tracking.jobs import queue
from tracking.jobs.keys import study_of_work
from tracking.jobs.queue import Job, LeaseLost, RetryPolicy
from tracking.jobs.wake import Wake

Commit = Callable[[Session], None]
Parts = Generator[Commit, None, Commit | None]
Work = Commit | Parts | None
log = get_logger(__name__)
_LOOK_SECONDS = 0.02
"""How often to ask whether the database has changed: 60 to 120 µs of processor time each, 0.3 to 0.6 % of a core."""
_CALM_LOOK_SECONDS = 0.08
_CALM_AFTER_SECONDS = 5.0
"""Where nothing has changed for so long, it is asked more rarely: what comes first then waits for a study to settle."""
_LONG = 30
"""Failures after which every policy waits its longest."""
_SHORTEST_WAIT_SECONDS = 0.002
_LONGER_POLLS = 10
"""Where changes are seen, polls are left with what comes due by time alone (retries, pauses), and may be rarer."""


def look_seconds(calm_seconds: float) -> float:
    """Return in how many seconds to look again for a change, after so many without one."""
    return _LOOK_SECONDS if calm_seconds < _CALM_AFTER_SECONDS else _CALM_LOOK_SECONDS


class Handler(Protocol):
    """What a room offers for one queue."""

    def run(self, job: Job) -> Work:
        """Do the work outside the database; return what to write when it is done, or yield it in parts.

        A part is written before the next is worked on. To yield the same parts again has to change nothing. What a
        generator returns is written with the end of the job.
        """

    def failed(self, tx: Session, job: Job, error: Exception, stopped: bool) -> None:
        """Write what a failure means for the room's own rows; ``stopped`` when nobody will try again."""


class WorkerCrashed(PermanentError):
    """The process died on this job again and again."""


@dataclass(frozen=True, slots=True)
class Lane:
    """Threads that serve some queues, or one destination of them; lanes do not wait for one another."""

    queues: tuple[str, ...]
    threads: int = 1
    destination: str | None = None


def worker_name(pid: int | None = None) -> str:
    """Name a process, this one by default, so that others on the machine can tell whether it still lives."""
    pid = os.getpid() if pid is None else pid
    return f"{_place()}/{pid}/{_birth(pid)}"


def is_dead(worker: str) -> bool:
    """Say whether a worker's name belongs to a process of this machine that no longer runs."""
    place, pid, birth = worker.rsplit("/", 2)
    if place != _place():
        return False
    try:
        return _birth(int(pid)) != birth
    except psutil.NoSuchProcess:
        return True


def _birth(pid: int) -> str:
    """When a process began, told so that setting the clock changes nothing: which boot, and ticks since then.

    The time of day would not do: Linux works it out from the clock anew each time, so that after a step of the
    clock every living process seems to be another one.
    """
    status = Path(f"/proc/{pid}/stat")
    boot = Path("/proc/sys/kernel/random/boot_id")
    if not boot.exists():
        return f"{psutil.Process(pid).create_time():.2f}"
    try:
        fields = status.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        raise psutil.NoSuchProcess(pid) from None
    if fields[0] in {"Z", "X"}:  # it ended, only its parent does not know yet
        raise psutil.NoSuchProcess(pid)
    return f"{boot.read_text(encoding='ascii').strip()}:{fields[19]}"


def _place() -> str:
    """Host and process namespace: process numbers mean nothing outside it (containers)."""
    namespace = Path("/proc/self/ns/pid")
    inode = namespace.stat().st_ino if namespace.exists() else 0
    return f"{socket.gethostname()}/{inode}"


def describe(error: Exception) -> str:
    """Return an error in words without patient data: foreign exceptions may echo values, so only their place."""
    if isinstance(error, CxrnodeError):
        return str(error)
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{where}"


@dataclass
class WorkLoop:
    """Runs handlers over lanes until told to stop.

    Parameters
    ----------
    database, handlers, lanes
        Handlers by queue name; every queue of every lane must have one.
    work, delivery
        Lease, poll and crash limits; back-off.
    """

    database: Database
    handlers: Mapping[str, Handler]
    lanes: Sequence[Lane]
    work: WorkSettings
    delivery: DeliverySettings
    name: str = field(default_factory=worker_name)

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._ended = threading.Event()
        self._wake = Wake()
        self._sees_changes = False
        self._live: dict[int, Job] = {}
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._lease_ms = to_milliseconds(self.work.lease_seconds)
        self._clock = ClockWatch(self.database, self._lease_ms)
        self._retry = RetryPolicy(self.delivery.first_retry_seconds, self.delivery.longest_retry_seconds)

    def start(self) -> None:
        """Start the threads and return."""
        self._look_at_clock()
        self._end_dead_leases()
        self._threads = [
            threading.Thread(target=self._beat, name="heartbeat", daemon=True),
            threading.Thread(target=self._watch, name="watch", daemon=True),
        ]
        for lane in self.lanes:
            label = lane.destination or "+".join(lane.queues)
            self._threads += [
                threading.Thread(target=self._serve, args=(lane,), name=f"{label}-{number}", daemon=True)
                for number in range(lane.threads)
            ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Take no new job; finish those in hand for at most ``drain_seconds`` in all, then hand back the rest.

        Leases are kept until then: a job that takes its time to finish must not be begun by somebody else.
        """
        self._stop.set()
        self._wake.ring()
        deadline = time.monotonic() + self.work.drain_seconds
        for thread in self._threads[1:]:
            thread.join(max(0.0, deadline - time.monotonic()))
        self._ended.set()
        for thread in self._threads[:1]:
            thread.join(1)
        with self._lock:
            unfinished = list(self._live.values())
        for job in unfinished:
            with self._attempt("hand-back"), self.database.transaction() as tx:
                queue.hand_back(tx, job)
        self._threads = []

    def run_until_idle(self, timeout_seconds: float = 60) -> None:
        """Work in this thread until nothing is due (for tests and one-shot commands)."""
        deadline = threading.Event()
        timer = threading.Timer(timeout_seconds, deadline.set)
        timer.start()
        try:
            busy = True
            while busy and not deadline.is_set():
                busy = sum(self._one(lane) for lane in self.lanes) > 0
        finally:
            timer.cancel()

    def _serve(self, lane: Lane) -> None:
        while not self._stop.is_set():
            heard = self._wake.rings
            try:
                patience = None if self._one(lane) else self._patience(lane)
            except Exception:
                log.exception("queue-unreachable", queue="+".join(lane.queues))
                self._stop.wait(1)
                continue
            if patience is not None:
                self._wake.wait(heard, patience)

    def _patience(self, lane: Lane) -> float:
        """Return for how many seconds an idle lane need not look: a poll, or less where a job's time comes earlier.

        Not asked for destinations: thousands of jobs may wait for one that is away, and their times are no hurry.
        """
        poll = self.work.poll_seconds * random.uniform(0.8, 1.2) * (_LONGER_POLLS if self._sees_changes else 1)
        due = queue.seconds_until_due(self.database, lane.queues) if lane.destination is None else None
        return poll if due is None else max(_SHORTEST_WAIT_SECONDS, min(poll, due))

    def _watch(self) -> None:
        """Wake idle lanes when the database has changed, where it can tell (SQLite); elsewhere they poll."""
        while not self._stop.is_set():
            with self._attempt("watch"), self.database.change_counter() as counter:
                if counter is None:
                    return
                seen, calm = counter(), 0.0
                self._sees_changes = True
                while not self._stop.wait(pause := look_seconds(calm)):
                    calm += pause
                    if (now := counter()) != seen:
                        seen, calm = now, 0.0
                        self._wake.ring()
            self._sees_changes = False
            self._stop.wait(1)

    def _one(self, lane: Lane) -> bool:
        job = queue.claim(self.database, lane.queues, self.name, self._lease_ms, destination=lane.destination)
        if job is None:
            return False
        with self._lock:
            self._live[job.id] = job
        try:
            self._run(job)
        except LeaseLost:
            log.warning("lease-lost", job=job.key, queue=job.queue)
        except Exception as error:  # noqa: BLE001 - whatever a handler raises is this job's failure only
            self._fail(job, error)
        finally:
            with self._lock:
                self._live.pop(job.id, None)
        return True

    def _run(self, job: Job) -> None:
        if job.crashes >= self.work.max_crashes:
            msg = f"the process working on this died {job.crashes} times; look at its log, then retry the job"
            raise WorkerCrashed(msg)
        work = self.handlers[job.queue].run(job)
        if isinstance(work, Generator):
            work = functools.partial(_note_end, job, self._write_parts(job, work))
        self._write(job, queue.finish, work)

    def _write_parts(self, job: Job, parts: Parts) -> Commit | None:
        """Write the parts of a record as they come; return what is left to write with the end of the job."""
        while True:
            try:
                part = next(parts)
            except StopIteration as end:
                last: Commit | None = end.value
                return last
            self._write(job, queue.hold, part)

    def _write(self, job: Job, fence: Callable[[Session, Job], None], commit: Commit | None) -> None:
        while True:
            try:
                with self.database.transaction() as tx:
                    fence(tx, job)
                    if commit is not None:
                        commit(tx)
                return
            except OperationalError:
                # The database is away: the work is done, so keep it and try only the writing again.
                log.warning("database-unreachable", job=job.key, queue=job.queue)
                if self._stop.wait(1):
                    raise

    def _fail(self, job: Job, error: Exception) -> None:
        text = describe(error)
        # An error nobody foresaw is a defect: some tries, in case it passes, then a person has to look. A peer or a
        # database that went away is none, however often.
        foreseen = isinstance(error, CxrnodeError | OperationalError | InterfaceError)
        hopeless = not foreseen and job.unforeseen + 1 >= self.work.max_failures
        permanent = isinstance(error, PermanentError) or hopeless
        log.warning("job-failed", job=job.key, queue=job.queue, error=text, attempt=job.attempts + 1,
                    exc_info=None if isinstance(error, CxrnodeError) else error)  # fmt: skip
        while True:
            try:
                self._record_failure(job, error, text, permanent=permanent, foreseen=foreseen)
                return
            except LeaseLost:
                log.warning("lease-lost", job=job.key, queue=job.queue)
                return
            except OperationalError:
                # Left alone, the lease would run out and count as a crash; three of those stop the job for good.
                log.warning("database-unreachable", job=job.key, queue=job.queue)
                if self._stop.wait(1):
                    return
            except Exception:
                log.exception("failure-not-recorded", job=job.key, queue=job.queue)
                return

    def _record_failure(self, job: Job, error: Exception, text: str, *, permanent: bool, foreseen: bool) -> None:
        after_seconds = error.after_seconds if isinstance(error, RetriableError) else 0.0
        policy = replace(self._retry, at_least=after_seconds)
        with self.database.transaction() as tx:
            stopped = permanent
            if permanent:
                queue.stop(tx, job, text)
            elif _is_away(error) and job.destination is not None:
                queue.wait_for_peer(tx, job, text)
            elif isinstance(error, ServiceUnavailable):
                queue.wait_for_peer(tx, job, text, delay_ms=policy.delay_ms(_LONG))
            else:
                stopped = queue.postpone(tx, job, text, policy, foreseen=foreseen)
            if job.destination is not None and isinstance(error, PeerUnavailable):
                queue.open_breaker(tx, job.destination, text, policy)
            if stopped:
                study_uid = study_of_work(tx, job.payload)
                audit.append(
                    tx, AuditEventType.JOB_STOPPED, outcome="serious-failure",
                    study_uid=study_uid, detail={"job": job.key, "error": text},
                )  # fmt: skip
                if study_uid is not None:
                    study_changed(tx, study_uid)
            self.handlers[job.queue].failed(tx, job, error, stopped)

    def _beat(self) -> None:
        """Keep the leases of living jobs; free those of dead neighbours; see that the clock was not set back."""
        beat = time.monotonic()
        while not self._ended.wait(min(self.work.lease_seconds / 3, clock_steps.LOOK_SECONDS)):
            self._look_at_clock()
            if time.monotonic() - beat < self.work.lease_seconds / 3:
                continue
            beat = time.monotonic()
            with self._lock:
                live = list(self._live.values())
            for job in live:
                with self._attempt("heartbeat"), self.database.transaction() as tx:
                    queue.extend(tx, job, self._lease_ms)
            self._end_dead_leases()

    def _look_at_clock(self) -> None:
        with self._attempt("clock"):
            self._clock.look()

    def _end_dead_leases(self) -> None:
        with self._attempt("dead-leases"):
            with self.database.reading() as read:
                dead = [(job_id, worker) for job_id, worker in queue.leases(read) if is_dead(worker)]
            if dead:
                with self.database.transaction() as tx:
                    queue.end_leases(tx, dead)
                log.info("dead-leases-ended", count=len(dead))

    def _attempt(self, what: str) -> "_Attempt":
        return _Attempt(what)


def _is_away(error: Exception) -> bool:
    """Say whether a peer was not reached at all, which is no failure of what was bound for it."""
    return isinstance(error, PeerUnavailable) and not isinstance(error, AnswerMissing)


def _note_end(job: Job, last: Commit | None, tx: Session) -> None:
    """Write the last part, and note that a study waits for no further one: where it stands depends on that."""
    if last is not None:
        last(tx)
    study_uid = study_of_work(tx, job.payload)
    if study_uid is not None:
        study_changed(tx, study_uid)


class _Attempt:
    """A block whose failure is logged and survived: the lease protocol is safe without it."""

    def __init__(self, what: str) -> None:
        self.what = what

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        if isinstance(error, LeaseLost):
            return True
        if isinstance(error, Exception):
            log.warning("attempt-failed", reason=self.what, error=type(error).__name__)
            return True
        return False
