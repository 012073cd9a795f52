"""Work from time to time: one of several workers does it, and a clock that was set back does not put it off."""

from datetime import timedelta

from sqlalchemy import update

from tracking.engine.database import Database
from tracking.jobs import schedules
from tracking.tables.models import ScheduledRun

HOUR = timedelta(hours=1)


def begin(database: Database, name: str = "work") -> bool:
    with database.transaction() as tx:
        return schedules.begin(tx, name, HOUR)


def move(database: Database, milliseconds: int) -> None:
    with database.transaction() as tx:
        tx.execute(update(ScheduledRun).values(begun_at=ScheduledRun.begun_at + milliseconds))


def test_one_of_several_does_it_once_an_hour(database: Database) -> None:
    with database.reading() as read:
        assert schedules.last_run(read, "work") is None
    assert [begin(database), begin(database), begin(database, "other")] == [True, False, True]
    move(database, -3_599_000)
    assert begin(database) is False
    move(database, -1_000)
    assert begin(database) is True


def test_a_clock_that_was_set_back_puts_nothing_off(database: Database) -> None:
    assert begin(database)
    move(database, 3_600_000)
    assert begin(database) is True


def test_what_it_came_to_is_kept(database: Database) -> None:
    begin(database)
    with database.reading() as read:
        run = schedules.last_run(read, "work")
    assert run is not None
    assert (run.ended_at, run.outcome) == (None, "")
    with database.transaction() as tx:
        schedules.end(tx, "work", "3 of them")
    with database.reading() as read:
        run = schedules.last_run(read, "work")
    assert run is not None
    assert run.outcome == "3 of them"
    assert run.ended_at is not None
    assert run.ended_at >= run.begun_at
