"""Idle lanes wake when there is work, not when a poll happens to look."""

import threading
import time

from sqlalchemy.orm import Session

from config.settings import DeliverySettings, WorkSettings
from tracking.engine.database import Database
from tracking.jobs import queue
from tracking.jobs.loop import Commit, Lane, WorkLoop
from tracking.jobs.queue import Job
from tracking.jobs.wake import Wake

SELDOM = WorkSettings(poll_seconds=60, drain_seconds=5)


class Done:
    """A handler that says when it ran."""

    def __init__(self) -> None:
        self.ran = threading.Event()

    def run(self, job: Job) -> Commit | None:
        self.ran.set()
        return None

    def failed(self, tx: Session, job: Job, error: Exception, stopped: bool) -> None:
        """Nothing."""


def running(database: Database, handler: Done, work: WorkSettings = SELDOM, **lane: str) -> WorkLoop:
    loop = WorkLoop(database, {"q": handler}, [Lane(("q",), **lane)], work, DeliverySettings())  # type: ignore[arg-type]
    loop.start()
    return loop


def put(database: Database, *, delay_ms: int = 0, destination: str | None = None) -> None:
    other = Database.open(database.engine.url.render_as_string(hide_password=False))
    with other.transaction() as tx:
        queue.enqueue(tx, "q", "a", {}, delay_ms=delay_ms, destination=destination)
    other.close()


def test_a_ring_between_look_and_wait_is_not_missed() -> None:
    wake = Wake()
    heard = wake.rings
    wake.ring()
    waiting = threading.Thread(target=wake.wait, args=(heard, 600), daemon=True)
    waiting.start()
    waiting.join(30)
    assert not waiting.is_alive()


def test_work_that_another_process_enqueues_is_seen_before_the_next_poll(database: Database) -> None:
    handler = Done()
    seldom = SELDOM if database.dialect == "sqlite" else WorkSettings(poll_seconds=0.1)
    loop = running(database, handler, seldom, destination="pacs")
    time.sleep(0.3)
    put(database, destination="pacs")
    assert handler.ran.wait(30)
    loop.stop()


def test_a_job_is_begun_when_its_time_comes(database: Database) -> None:
    put(database, delay_ms=500)
    handler = Done()
    loop = running(database, handler)
    assert handler.ran.wait(30)
    loop.stop()


def test_an_idle_loop_that_seldom_polls_stops_at_once(database: Database) -> None:
    loop = running(database, Done())
    time.sleep(0.2)
    threads = list(loop._threads)
    loop.stop()
    assert [thread.name for thread in threads if thread.is_alive()] == []


def test_how_long_until_the_next_job_is_due(database: Database) -> None:
    assert queue.seconds_until_due(database, ["q"]) is None
    put(database, delay_ms=3_600_000)
    seconds = queue.seconds_until_due(database, ["q"])
    assert seconds is not None
    assert 3000 < seconds <= 3600
    assert queue.seconds_until_due(database, ["other"]) is None


def test_the_counter_of_changes_tells_what_others_wrote(database: Database) -> None:
    with database.change_counter() as counter:
        if counter is None:
            assert database.dialect == "postgresql"
            return
        before = counter()
        assert counter() == before
        put(database)
        assert counter() != before
