"""The loop: work and record cannot part; failures steer retries; the dead are recognised."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import psutil
import pytest
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from config.errors import PeerBusy, PeerUnavailable, RefusedByPeer
from config.settings import DeliverySettings, WorkSettings
from tracking.audit_log import audit
from tracking.engine.database import Database
from tracking.jobs import queue
from tracking.jobs.loop import Commit, Lane, WorkLoop, describe, is_dead, look_seconds, worker_name
from tracking.jobs.queue import Job

WORK = WorkSettings(poll_seconds=0.02, drain_seconds=5, max_crashes=2)
DELIVERY = DeliverySettings(first_retry_seconds=0.05, longest_retry_seconds=0.1)
LATER = DeliverySettings(first_retry_seconds=60, longest_retry_seconds=60)
"""What failed is not due again while a test looks, however slow the machine."""


@dataclass
class Recorder:
    """A handler that does what the test says and remembers what it was asked."""

    act: Callable[[Job], Commit | Iterator[Commit] | None] = lambda job: None
    ran: list[str] = field(default_factory=list)
    failures: list[tuple[str, str, bool]] = field(default_factory=list)

    def run(self, job: Job) -> Commit | Iterator[Commit] | None:
        self.ran.append(job.key)
        return self.act(job)

    def failed(self, tx: Session, job: Job, error: Exception, stopped: bool) -> None:
        self.failures.append((job.key, describe(error), stopped))


def loop_of(database: Database, handler: Recorder, delivery: DeliverySettings = LATER, **lane: object) -> WorkLoop:
    return WorkLoop(database, {"q": handler}, [Lane(("q",), **lane)], WORK, delivery)  # type: ignore[arg-type]


def put(database: Database, *keys: str, destination: str | None = None) -> None:
    with database.transaction() as tx:
        for key in keys:
            queue.enqueue(tx, "q", key, {}, destination=destination)


def depth(database: Database) -> dict[tuple[str, str], int]:
    with database.reading() as read:
        return queue.depth(read)


def raising(error: Exception) -> Callable[[Job], Commit | None]:
    def act(_job: Job) -> Commit | None:
        raise error

    return act


def test_work_is_done_and_its_record_written_with_the_job(database: Database) -> None:
    put(database, "a")
    handler = Recorder(lambda job: lambda tx: audit.append(tx, audit.AuditEventType.JOB_RETRIED))
    loop_of(database, handler).run_until_idle()
    assert depth(database) == {}
    with database.reading() as read:
        assert audit.verify(read).lines == 1


def test_a_part_is_written_before_the_next_is_worked_on(database: Database) -> None:
    put(database, "a")
    seen: list[dict[tuple[str, str], int]] = []

    def act(_job: Job) -> Iterator[Commit]:
        for name in ("first", "second"):
            yield lambda tx, name=name: queue.enqueue(tx, "next", name, {})
            seen.append(depth(database))

    loop_of(database, Recorder(act)).run_until_idle()
    assert seen == [{("q", "open"): 1, ("next", "open"): number} for number in (1, 2)]
    assert depth(database) == {("next", "open"): 2}


def test_a_worker_that_lost_its_job_writes_no_further_part(database: Database) -> None:
    put(database, "a")

    def act(job: Job) -> Iterator[Commit]:
        yield lambda tx: queue.enqueue(tx, "next", "first", {})
        with database.transaction() as tx:
            queue.hand_back(tx, job)
        assert queue.claim(database, ("q",), "another/1/1", 60_000) is not None
        yield lambda tx: queue.enqueue(tx, "next", "second", {})

    handler = Recorder(act)
    loop_of(database, handler).run_until_idle()
    assert depth(database) == {("q", "open"): 1, ("next", "open"): 1}
    assert handler.failures == []


def test_a_record_that_cannot_be_written_leaves_the_job_to_be_done_again(database: Database) -> None:
    put(database, "a")

    def act(_job: Job) -> Commit:
        def commit(tx: Session) -> None:
            queue.enqueue(tx, "q", "next", {})
            raise RuntimeError

        return commit

    handler = Recorder(act)
    loop_of(database, handler).run_until_idle()
    assert depth(database) == {("q", "open"): 1}
    assert handler.failures[0][0] == "a"


def test_a_permanent_error_stops_the_job_and_shows_it(database: Database) -> None:
    put(database, "a")
    handler = Recorder(raising(RefusedByPeer("0122 SOP class not supported")))
    loop_of(database, handler).run_until_idle()
    assert depth(database) == {("q", "stopped"): 1}
    assert handler.failures == [("a", "0122 SOP class not supported", True)]
    with database.reading() as read:
        (line,) = audit.lines(read)
    assert (line.type, line.outcome) == ("job-stopped", "serious-failure")


def test_a_retriable_error_brings_the_job_back(database: Database) -> None:
    put(database, "a")
    outcomes = [PeerBusy("busy"), None]

    def act(_job: Job) -> None:
        if (error := outcomes.pop(0)) is not None:
            raise error

    handler = Recorder(act)
    loop = loop_of(database, handler, DELIVERY)
    loop.run_until_idle()
    time.sleep(0.1)
    loop.run_until_idle()
    assert handler.ran == ["a", "a"]
    assert depth(database) == {}


@pytest.mark.fault(
    "a destination is away",
    promise="all that is bound for it waits, and is tried again by itself",
    area="peer",
)
def test_an_unavailable_peer_pauses_all_that_is_bound_for_it(database: Database) -> None:
    put(database, "a", "b", "c", destination="pacs")
    handler = Recorder(raising(PeerUnavailable("refused")))
    loop_of(database, handler).run_until_idle()
    assert len(handler.ran) == 1


def test_foreign_exceptions_are_described_without_their_words(database: Database) -> None:
    put(database, "a")
    handler = Recorder(raising(ValueError("PatientName 'Doe^Jane'")))
    loop_of(database, handler).run_until_idle()
    ((_, words, stopped),) = handler.failures
    assert words.startswith("ValueError at test_loop.py:")
    assert not stopped


@pytest.mark.fault(
    "work fails for a reason that nobody foresaw",
    promise="tried `work.max_failures` times, then stopped and shown",
    area="content",
)
def test_an_unforeseen_error_is_tried_some_times_and_then_stops(database: Database) -> None:
    put(database, "a")
    handler = Recorder(raising(ValueError("a defect")))
    loop = WorkLoop(database, {"q": handler}, [Lane(("q",))], WorkSettings(max_failures=2), DELIVERY)
    deadline = time.monotonic() + 20
    while depth(database) != {("q", "stopped"): 1} and time.monotonic() < deadline:
        loop.run_until_idle()
        time.sleep(0.05)
    assert depth(database) == {("q", "stopped"): 1}
    assert [stopped for _, _, stopped in handler.failures] == [False, True]


def test_failures_of_a_peer_that_is_away_are_not_counted_among_the_unforeseen(database: Database) -> None:
    put(database, "a")
    errors = [PeerBusy("not now"), PeerBusy("not now"), ValueError("a defect"), PeerBusy("not now")]

    def fail(_job: Job) -> None:
        raise errors.pop(0)

    handler = Recorder(fail)
    loop = WorkLoop(database, {"q": handler}, [Lane(("q",))], WorkSettings(max_failures=2), DELIVERY)
    deadline = time.monotonic() + 20
    while errors and time.monotonic() < deadline:
        loop.run_until_idle()
        time.sleep(0.02)
    assert [stopped for _, _, stopped in handler.failures] == [False] * 4
    assert depth(database) == {("q", "open"): 1}


@pytest.mark.fault(
    "the database is away while a job is worked on",
    promise="the job is done later; no service ends",
    area="database",
)
def test_a_database_that_is_away_while_a_job_is_worked_on_stops_nothing(database: Database) -> None:
    put(database, "a")
    handler = Recorder(raising(OperationalError("SELECT", {}, Exception("server closed the connection"))))
    WorkLoop(database, {"q": handler}, [Lane(("q",))], WorkSettings(max_failures=1), LATER).run_until_idle()
    assert [stopped for _, _, stopped in handler.failures] == [False]
    assert depth(database) == {("q", "open"): 1}


@pytest.mark.fault(
    "the database is away when a job has ended",
    promise="its result is written when the database is back",
    area="database",
)
def test_finished_work_survives_a_database_that_is_away_for_a_moment(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(database, "a")
    handler = Recorder()
    finish, away = queue.finish, [True]

    def flaky(tx: Session, job: Job) -> None:
        if away.pop() if away else False:
            raise OperationalError("x", {}, Exception())
        finish(tx, job)

    monkeypatch.setattr("tracking.jobs.loop.queue.finish", flaky)
    loop_of(database, handler).run_until_idle()
    assert handler.ran == ["a"]
    assert depth(database) == {}


@pytest.mark.fault(
    "a job ends its process each time",
    promise="it is stopped after `work.max_crashes` and shown",
    area="killed",
)
def test_a_job_whose_process_keeps_dying_is_stopped(database: Database) -> None:
    put(database, "a")
    for _ in range(WORK.max_crashes + 1):
        assert queue.claim(database, ["q"], "elsewhere/1/1/1.0", 1) is not None
        time.sleep(0.01)
    handler = Recorder()
    loop_of(database, handler).run_until_idle()
    assert handler.ran == []
    assert handler.failures[0][2] is True
    assert depth(database) == {("q", "stopped"): 1}


@pytest.mark.fault(
    "a service is asked to stop while it works",
    promise="what is in hand is finished, nothing new is taken",
    area="killed",
)
def test_stopping_finishes_what_is_in_hand(database: Database) -> None:
    put(database, "a")
    begun, release = threading.Event(), threading.Event()

    def act(_job: Job) -> None:
        begun.set()
        release.wait(30)

    loop = loop_of(database, Recorder(act))
    loop.start()
    assert begun.wait(30)
    threading.Timer(0.1, release.set).start()
    loop.stop()
    assert depth(database) == {}


def test_stopping_takes_no_longer_for_many_threads_that_hang(database: Database) -> None:
    put(database, "a", "b", "c")
    release, begun = threading.Event(), threading.Semaphore(0)

    def act(_job: Job) -> None:
        begun.release()
        release.wait(10)

    loop = WorkLoop(database, {"q": Recorder(act)}, [Lane(("q",), 3)], WORK.model_copy(update={"drain_seconds": 0.5}),
                    DELIVERY)  # fmt: skip
    loop.start()
    for _ in range(3):
        assert begun.acquire(timeout=5)
    threads = list(loop._threads)
    start = time.monotonic()
    loop.stop()
    taken = time.monotonic() - start
    release.set()
    for thread in threads:
        thread.join(5)
    assert taken < 1.2
    assert depth(database) == {("q", "open"): 3}
    with database.reading() as read:
        assert queue.leases(read) == []


def test_a_job_that_takes_long_to_finish_keeps_its_lease_while_the_service_stops(database: Database) -> None:
    put(database, "a")
    begun, release = threading.Event(), threading.Event()

    def act(_job: Job) -> None:
        begun.set()
        release.wait(10)

    work = WorkSettings(poll_seconds=0.02, lease_seconds=1, drain_seconds=8)
    loop = WorkLoop(database, {"q": Recorder(act)}, [Lane(("q",))], work, DELIVERY)
    loop.start()
    assert begun.wait(30)
    stopping = threading.Thread(target=loop.stop)
    stopping.start()
    time.sleep(1.3)
    stolen = queue.claim(database, ["q"], "elsewhere/1/1/1.0", 1000)
    release.set()
    stopping.join()
    assert stolen is None
    assert depth(database) == {}


@pytest.mark.fault(
    "the database is away when a job has failed",
    promise="the failure is written later and counts as no crash",
    area="database",
)
def test_a_failure_that_cannot_be_written_down_at_once_counts_as_no_crash(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(database, "a")
    postpone, away = queue.postpone, [True]

    def flaky(*arguments: object, **named: object) -> bool:
        if away.pop() if away else False:
            raise OperationalError("x", {}, Exception())
        return postpone(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr("tracking.jobs.loop.queue.postpone", flaky)
    loop_of(database, Recorder(raising(PeerBusy("busy")))).run_until_idle()
    with database.reading() as read:
        assert queue.leases(read) == []


def test_lanes_do_not_wait_for_one_another(database: Database) -> None:
    put(database, "slow", destination="pacs")
    put(database, "quick", destination="ris")
    release, quick_done = threading.Event(), threading.Event()

    def act(job: Job) -> None:
        if job.key == "slow":
            release.wait(30)
        else:
            quick_done.set()

    lanes = [Lane(("q",), destination="pacs"), Lane(("q",), destination="ris")]
    loop = WorkLoop(database, {"q": Recorder(act)}, lanes, WORK, DELIVERY)
    loop.start()
    assert quick_done.wait(30)
    release.set()
    loop.stop()


def test_a_living_process_is_not_dead_and_a_gone_one_is() -> None:
    assert not is_dead(worker_name())
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    name = worker_name(child.pid)
    assert not is_dead(name)
    child.communicate()
    assert is_dead(name)


@pytest.mark.fault(
    "… while a worker lives",
    promise="it is not taken for dead",
    area="clock",
)
def test_setting_the_clock_makes_no_living_process_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    name = worker_name()
    born = psutil.Process.create_time
    monkeypatch.setattr(psutil.Process, "create_time", lambda process: born(process) + 3600)
    assert not is_dead(name)


@pytest.mark.fault(
    "the number of a dead worker's process is given to another process",
    promise="the dead one is not taken for alive",
    area="killed",
)
def test_a_reused_process_number_is_not_taken_for_the_living() -> None:
    place = worker_name().rsplit("/", 2)[0]
    assert is_dead(f"{place}/{os.getpid()}/1.00")


def test_nothing_is_said_about_processes_of_other_machines() -> None:
    assert not is_dead("other-host/4026531836/999999/1.00")


@pytest.mark.fault(
    "a worker is killed with a job in hand",
    promise="its successor takes the job over at once",
    area="killed",
)
def test_a_successor_takes_over_from_a_dead_process_without_waiting_for_the_lease(database: Database) -> None:
    put(database, "a")
    place = worker_name().rsplit("/", 2)[0]
    assert queue.claim(database, ["q"], f"{place}/{os.getpid()}/1.00", 3_600_000) is not None
    handler = Recorder()
    loop = loop_of(database, handler)
    loop.start()
    deadline = time.monotonic() + 30
    while depth(database) and time.monotonic() < deadline:
        time.sleep(0.02)
    loop.stop()
    assert handler.ran == ["a"]


def test_a_calm_database_is_looked_at_more_rarely() -> None:
    assert look_seconds(0) == look_seconds(4.9) == 0.02
    assert look_seconds(5) == look_seconds(86400) == 0.08
