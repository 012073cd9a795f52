"""What became of a canary: good, late, stopped, or of another result."""

from dataclasses import replace

import pytest

from config.settings import CanarySettings
from tests.tracking.books import JANE, Books
from tracking.engine.database import Database
from tracking.jobs import canary
from tracking.jobs.canary import Canary, State

MINUTE = 60_000
sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
SETTINGS = CanarySettings(every_minutes=60, late_minutes=4)


def delivered(books: Books) -> None:
    books.receive("1.1", JANE)
    books.analyse()
    books.report()
    job = books.claim("deliver")
    assert job is not None
    books.end_delivery(job)


@sqlite
def test_one_that_is_delivered_in_time_is_good_and_the_next_is_compared_with_it(database: Database) -> None:
    books = Books(database)
    sent = Canary("1.9", sent_at=MINUTE)
    assert canary.judge(sent, None, SETTINGS, 2 * MINUTE) == sent
    delivered(books)
    good = canary.judge(sent, books.study(), SETTINGS, 2 * MINUTE)
    assert (good.state, good.good_at, good.scores) == (State.GOOD, 2 * MINUTE, {"lung_opacity": 0.8})
    later = replace(good, state=State.UNDER_WAY)
    assert canary.judge(later, books.study(), SETTINGS, 3 * MINUTE).state is State.GOOD
    for scores in ({"lung_opacity": 0.7}, {"lung_opacity": 0.8, "mass": 0.1}):
        other = canary.judge(replace(later, scores=scores), books.study(), SETTINGS, 3 * MINUTE)
        assert other.state is State.OTHER_RESULT
    assert "mass" in other.reason
    of_another_model = replace(later, model="another", scores={"lung_opacity": 0.1})
    assert canary.judge(of_another_model, books.study(), SETTINGS, 3 * MINUTE).state is State.GOOD


@sqlite
def test_one_that_is_late_is_an_alarm_until_it_comes(database: Database) -> None:
    books = Books(database)
    sent = Canary("1.9", sent_at=MINUTE)
    late = canary.judge(sent, None, SETTINGS, 6 * MINUTE)
    assert (late.state, late.reason) == (State.LATE, "was not received")
    books.receive("1.1", JANE)
    assert canary.judge(sent, books.study(), SETTINGS, 6 * MINUTE).reason == "stands as received"
    summary = replace(books.study(), status="attention")
    assert canary.judge(sent, summary, SETTINGS, 2 * MINUTE).state is State.STOPPED
    books.analyse()
    books.report()
    books.deliver()
    assert canary.judge(late, books.study(), SETTINGS, 7 * MINUTE).state is State.GOOD


def test_trouble_lasts_until_one_is_good() -> None:
    assert canary.trouble(None, SETTINGS, 0) == ""
    assert canary.trouble(Canary(state=State.LATE, reason="r"), SETTINGS, 0) == "late: r"
    assert canary.trouble(Canary(state=State.LATE), CanarySettings(), 0) == ""
    under_way = Canary(sent_at=MINUTE)
    assert [canary.trouble(under_way, SETTINGS, minute * MINUTE) for minute in (2, 5)] == ["", ""]
    assert canary.trouble(under_way, SETTINGS, 6 * MINUTE) == "none came round for 5 minutes"
    good = Canary(state=State.GOOD, sent_at=MINUTE, good_at=2 * MINUTE)
    assert canary.trouble(good, SETTINGS, 66 * MINUTE) == ""
    assert "67 minutes" in canary.trouble(replace(good, state=State.UNDER_WAY), SETTINGS, 69 * MINUTE)


def test_it_is_begun_once_in_its_time(database: Database) -> None:
    with database.transaction() as tx:
        assert not canary.begin(tx, CanarySettings(), "1.1")
        assert canary.last_canary(tx) is None
        assert canary.begin(tx, SETTINGS, "1.2")
        assert not canary.begin(tx, SETTINGS, "1.3")
    with database.reading() as read:
        last = canary.last_canary(read)
    assert last is not None
    assert (last.study_uid, last.state, last.sent_at > 0) == ("1.2", State.UNDER_WAY, True)
