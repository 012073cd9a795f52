"""A clock that is set back by an hour delays no waiting work, on SQLite and on PostgreSQL."""

import shutil
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from sqlalchemy import select, update

from config.settings import DeliverySettings, WorkSettings
from tests.tracking.clocks import FakeClock
from tracking.audit_log import audit
from tracking.engine import clock_steps
from tracking.engine.clock import now_ms
from tracking.engine.clock_steps import ClockWatch
from tracking.engine.database import Database
from tracking.jobs import queue
from tracking.jobs.loop import Lane, WorkLoop
from tracking.jobs.queue import RetryPolicy
from tracking.tables.models import Breaker, Clock, Job

HOUR = 3_600_000
LEASE = 60_000


@pytest.fixture
def clock(database: Database) -> FakeClock:
    return FakeClock(database)


@pytest.fixture
def watch(database: Database, clock: FakeClock) -> ClockWatch:
    """Return a watch that has just looked."""
    made = ClockWatch(database, LEASE)
    made.look()
    return made


def put(database: Database, key: str, delay_ms: int = 0) -> None:
    with database.transaction() as tx:
        queue.enqueue(tx, "analyse", key, {}, delay_ms=delay_ms)


def wait_of(database: Database, key: str) -> int:
    """Return in how many milliseconds a job is due."""
    with database.reading() as read:
        return read.scalars(select(Job.visible_at - now_ms()).where(Job.key == key)).one()


@pytest.mark.fault(
    "the clock is set back by an hour",
    promise="what waits is due as soon as before, on SQLite and PostgreSQL",
    area="clock",
)
def test_waiting_work_is_as_far_away_as_before(database: Database, clock: FakeClock, watch: ClockWatch) -> None:
    put(database, "due")
    put(database, "soon", 30_000)
    put(database, "tomorrow", 24 * HOUR)
    clock.step(-HOUR)
    assert queue.claim(database, ["analyse"], "w/1/1", LEASE) is None
    assert abs(watch.look() - HOUR) < 5000
    assert 15_000 < wait_of(database, "soon") <= 31_000
    assert abs(wait_of(database, "tomorrow") - 24 * HOUR) < 15_000
    job = queue.claim(database, ["analyse"], "w/1/1", LEASE)
    assert job is not None
    assert job.key == "due"
    with database.reading() as read:
        (line,) = audit.lines(read)
    assert line.type == "clock-set-back"


@pytest.mark.fault(
    "… and several services see it",
    promise="the work is moved once",
    area="clock",
)
def test_two_services_that_see_it_move_the_work_once(database: Database, clock: FakeClock, watch: ClockWatch) -> None:
    other = ClockWatch(database, LEASE)
    other.look()
    put(database, "later", 2 * HOUR)
    clock.step(-HOUR)
    assert watch.look() > 0
    assert other.look() == 0
    assert watch.look() == 0
    assert abs(wait_of(database, "later") - 2 * HOUR) < 15_000


@pytest.mark.fault(
    "… while nothing runs",
    promise="seen at the next start; delayed by at most 20 s",
    area="clock",
)
def test_a_step_while_nothing_ran_is_seen_at_the_next_start(
    database: Database, clock: FakeClock, watch: ClockWatch
) -> None:
    put(database, "soon", 30_000)
    clock.step(-HOUR)
    ClockWatch(database, LEASE).look()
    assert wait_of(database, "soon") <= 30_000 + clock_steps.MARK_MS


@pytest.mark.fault(
    "… while a worker holds a lease",
    promise="the lease lasts no hour longer, and is not cut short",
    area="clock",
)
def test_a_lease_lasts_as_long_as_a_new_one_and_not_an_hour_longer(
    database: Database, clock: FakeClock, watch: ClockWatch
) -> None:
    put(database, "held")
    put(database, "taken-since")
    first = queue.claim(database, ["analyse"], "w/1/1", LEASE)
    clock.step(-HOUR)
    with database.transaction() as tx:
        tx.execute(update(Job).where(Job.key == "taken-since").values(visible_at=now_ms()))
    second = queue.claim(database, ["analyse"], "w/1/2", LEASE)
    watch.look()
    assert first is not None
    assert second is not None
    for key in ("held", "taken-since"):
        assert LEASE - 15_000 < wait_of(database, key) <= LEASE
    with database.transaction() as tx:
        queue.finish(tx, first)
        queue.finish(tx, second)


@pytest.mark.fault(
    "… while a destination that is away is left alone",
    promise="it is tried again in time",
    area="clock",
)
def test_a_paused_destination_is_tried_again_in_time(database: Database, clock: FakeClock, watch: ClockWatch) -> None:
    with database.transaction() as tx:
        queue.open_breaker(tx, "pacs", "away", RetryPolicy(10, 10))
    clock.step(-HOUR)
    watch.look()
    with database.reading() as read:
        wait = read.scalars(select(Breaker.paused_until - now_ms())).one()
    assert wait <= 12_000


@pytest.mark.parametrize("step", [-1000, 0, HOUR])
def test_a_clock_that_is_slewed_or_set_forward_moves_nothing(
    database: Database, clock: FakeClock, watch: ClockWatch, step: int
) -> None:
    put(database, "later", 3 * HOUR)
    clock.step(step)
    assert watch.look() == 0
    assert abs(wait_of(database, "later") + step - 3 * HOUR) < 15_000


def test_the_noted_time_is_renewed_and_never_goes_back_by_itself(
    database: Database, clock: FakeClock, watch: ClockWatch
) -> None:
    def noted() -> int:
        with database.reading() as read:
            return read.scalars(select(Clock.seen_at)).one()

    first = noted()
    watch.look()
    assert noted() == first
    clock.step(clock_steps.MARK_MS)
    watch.look()
    assert noted() >= first + clock_steps.MARK_MS


def test_a_running_service_knows_the_step_to_the_second(database: Database, clock: FakeClock) -> None:
    ticks = [0.0]
    watch = ClockWatch(database, LEASE, monotonic=lambda: ticks[0])
    watch.look()
    ticks[0] += 15
    clock.step(15_000)
    watch.look()
    ticks[0] += 3
    clock.step(3000 - HOUR)
    assert abs(watch.look() - HOUR) < 2500


@hypothesis(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.integers(-2 * HOUR, 2 * HOUR), max_size=4))
def test_no_story_of_steps_makes_work_wait_longer(
    tmp_path_factory: Any, sqlite_template: Any, steps: list[int]
) -> None:
    file = tmp_path_factory.mktemp("story") / "cxrnode.db"
    shutil.copyfile(sqlite_template, file)
    database = Database.open(f"sqlite:///{file}")
    clock = FakeClock(database)
    watch = ClockWatch(database, LEASE)
    watch.look()
    put(database, "soon", 30_000)
    for step in steps:
        clock.step(step)
        watch.look()
        assert wait_of(database, "soon") <= 30_000 + clock_steps.MARK_MS
    database.close()


def test_the_loop_looks_by_itself(database: Database, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock_steps, "LOOK_SECONDS", 0.05)
    done: list[str] = []

    class Note:
        def run(self, job: queue.Job) -> None:
            done.append(job.key)

        def failed(self, *_: object) -> None:
            raise AssertionError

    loop = WorkLoop(database, {"analyse": Note()}, [Lane(("analyse",))], WorkSettings(poll_seconds=0.05),
                    DeliverySettings())  # fmt: skip
    loop.start()
    try:
        put(database, "waits", 500)
        clock.step(-HOUR)
        deadline = time.monotonic() + 30
        while not done and time.monotonic() < deadline:
            time.sleep(0.02)
    finally:
        loop.stop()
    assert done == ["waits"]
