"""The work queue: leases, fencing, order, breakers; the same on SQLite and PostgreSQL."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tracking.engine.database import Database
from tracking.jobs import queue
from tracking.jobs.queue import Job, LeaseLost, RetryPolicy

QUICK = RetryPolicy(0.05, 0.2)


def put(database: Database, *keys: str, **options: object) -> None:
    with database.transaction() as tx:
        for key in keys:
            queue.enqueue(tx, "q", key, {}, **options)  # type: ignore[arg-type]


def take(database: Database, worker: str = "here/1/1/1.0", lease_ms: int = 60_000, **options: object) -> Job | None:
    return queue.claim(database, ["q"], worker, lease_ms, **options)  # type: ignore[arg-type]


def taken(database: Database, **options: object) -> Job:
    job = take(database, **options)  # type: ignore[arg-type]
    assert job is not None
    return job


def test_the_same_key_twice_is_one_job(database: Database) -> None:
    put(database, "a", "a")
    put(database, "a")
    assert take(database) is not None
    assert take(database) is None


def test_urgent_jobs_come_first_then_the_oldest(database: Database) -> None:
    put(database, "first")
    time.sleep(0.01)
    put(database, "second")
    put(database, "urgent", priority=0)
    assert [taken(database).key for _ in range(3)] == ["urgent", "first", "second"]


def test_a_job_is_not_claimed_before_it_is_due(database: Database) -> None:
    put(database, "later", delay_ms=150)
    assert take(database) is None
    time.sleep(0.2)
    assert take(database) is not None


@pytest.mark.fault(
    "many workers ask for work at the same moment",
    promise="none gets the job of another",
    area="killed",
)
def test_many_claimers_never_get_the_same_job(database: Database) -> None:
    put(database, *(f"j{number}" for number in range(30)))

    def drain(number: int) -> list[str]:
        found = []
        while (job := take(database, worker=f"here/1/{number}/1.0")) is not None:
            found.append(job.key)
        return found

    with ThreadPoolExecutor(4) as pool:
        found = [key for keys in pool.map(drain, range(4)) for key in keys]
    assert sorted(found) == sorted(f"j{number}" for number in range(30))


def test_a_lease_that_ran_out_is_claimed_again_and_counts_as_a_crash(database: Database) -> None:
    put(database, "a")
    taken(database, lease_ms=1)
    time.sleep(0.02)
    assert taken(database).crashes == 1


@pytest.mark.fault(
    "a worker is frozen beyond its lease and wakes up",
    promise="it can write nothing any more; whoever took its job over does",
    area="killed",
)
def test_a_worker_that_lost_its_lease_can_write_nothing(database: Database) -> None:
    put(database, "a")
    slow = taken(database, lease_ms=1)
    time.sleep(0.02)
    quick = taken(database, worker="here/1/2/1.0")
    for write in (queue.finish, lambda tx, job: queue.extend(tx, job, 1000), lambda tx, job: queue.stop(tx, job, "")):
        with pytest.raises(LeaseLost), database.transaction() as tx:
            write(tx, slow)
    with database.transaction() as tx:
        queue.finish(tx, quick)


def test_a_heartbeat_keeps_the_job(database: Database) -> None:
    put(database, "a")
    job = taken(database, lease_ms=100)
    with database.transaction() as tx:
        queue.extend(tx, job, 60_000)
    time.sleep(0.15)
    assert take(database) is None


def test_leases_of_dead_workers_end_at_once(database: Database) -> None:
    put(database, "a")
    taken(database, worker="here/1/7/1.0")
    with database.transaction() as tx:
        queue.end_leases(tx, queue.leases(tx))
    assert taken(database).crashes == 1


@pytest.mark.fault(
    "a destination fails for `delivery.give_up_after_hours`",
    promise="the delivery stops and is shown; `cxrnode retry` starts it again",
    area="peer",
)
def test_a_failed_job_comes_back_later_and_stops_when_its_time_is_up(database: Database) -> None:
    put(database, "a", give_up_ms=1000)
    job = taken(database)
    with database.transaction() as tx:
        assert queue.postpone(tx, job, "no", RetryPolicy(first=0.4, longest=0.4)) is False
    assert take(database) is None
    time.sleep(1.1)
    job = taken(database)
    assert job.attempts == 1
    with database.transaction() as tx:
        assert queue.postpone(tx, job, "no", QUICK) is True
    with database.reading() as read:
        assert queue.depth(read) == {("q", "stopped"): 1}


def test_a_stopped_job_can_be_started_again(database: Database) -> None:
    put(database, "a")
    with database.transaction() as tx:
        queue.stop(tx, taken(database), "never")
    assert take(database) is None
    with database.transaction() as tx:
        assert queue.retry(tx, key="a")
    assert take(database) is not None


def test_a_job_started_again_has_all_its_patience_back(database: Database) -> None:
    put(database, "a", give_up_ms=400)
    with database.transaction() as tx:
        queue.stop(tx, taken(database), "never")
    time.sleep(0.45)
    with database.transaction() as tx:
        assert queue.retry(tx, key="a")
    job = taken(database)
    assert job.attempts == 0
    with database.transaction() as tx:
        assert queue.postpone(tx, job, "no", QUICK) is False


@pytest.mark.fault(
    "one destination of several is away",
    promise="the others get theirs",
    area="peer",
)
def test_a_paused_destination_holds_up_nobody_else(database: Database) -> None:
    put(database, "p1", "p2", destination="pacs")
    put(database, "r1", destination="ris")
    job = taken(database, destination="pacs")
    with database.transaction() as tx:
        queue.postpone(tx, job, "down", QUICK)
        queue.open_breaker(tx, "pacs", "down", RetryPolicy(60, 60))
    assert take(database, destination="pacs") is None
    assert taken(database).key == "r1"


@pytest.mark.fault(
    "a destination comes back after an outage",
    promise="one delivery is tried first; its success frees the rest",
    area="peer",
)
def test_after_the_pause_one_probe_goes_first_and_its_success_frees_the_rest(database: Database) -> None:
    put(database, "p1", "p2", "p3", destination="pacs")
    job = taken(database)
    with database.transaction() as tx:
        queue.postpone(tx, job, "down", QUICK)
        queue.open_breaker(tx, "pacs", "down", QUICK)
    time.sleep(0.15)
    probe = taken(database)
    assert take(database) is None
    with database.transaction() as tx:
        queue.finish(tx, probe)
    assert take(database) is not None
    assert take(database) is not None


def test_back_off_doubles_up_to_its_limit() -> None:
    policy = RetryPolicy(5, 900)
    assert 4000 <= policy.delay_ms(0) <= 6000
    assert 8000 <= policy.delay_ms(1) <= 12000
    assert 720_000 <= policy.delay_ms(50) <= 1_080_000
