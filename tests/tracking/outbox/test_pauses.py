"""A paused destination gets nothing, and loses nothing."""

import pytest
from sqlalchemy import select, update

from config.errors import ActionRefused
from tests.tracking.books import JANE, USER, Books
from tracking.jobs import queue
from tracking.lists import queries
from tracking.outbox.pauses import pause_destination, paused_destinations, resume_destination
from tracking.tables.models import Job


def act(books: Books, what: str, name: str = "pacs") -> bool:
    function = {"pause": pause_destination, "resume": resume_destination}[what]
    with books.database.transaction() as tx:
        return function(tx, name, configured=["pacs"], user=USER)


def test_what_is_due_waits_until_it_is_resumed(books: Books) -> None:
    assert act(books, "pause")
    assert not act(books, "pause")
    books.receive("1.1", JANE)
    books.analyse()
    books.report()
    assert books.claim("deliver") is None
    assert queue.claim(books.database, ["deliver"], "test/1/1", 60_000, destination="pacs") is None
    (waiting,) = books.study().retrying
    assert (waiting.destination, waiting.held) == ("pacs", True)
    (row,) = books.worklist("reported")
    assert row.retrying
    with books.database.reading() as read:
        assert list(paused_destinations(read)) == ["pacs"]
        (summary,) = queries.destinations(read)
    assert summary.waiting == 1
    with books.database.transaction() as tx:  # it waited for longer than anybody's patience
        tx.execute(update(Job).where(Job.queue == "deliver").values(give_up_at=2_000, created_at=1_000))
    assert act(books, "resume")
    assert not act(books, "resume")
    job = books.claim("deliver")
    assert job is not None
    with books.database.reading() as read:
        assert read.scalars(select(Job.give_up_at - Job.created_at).where(Job.id == job.id)).one() == 1_000
    books.end_delivery(job)
    assert books.study().status == "delivered"
    assert [event for event in books.events() if event.startswith("destination")] == [
        "destination-paused", "destination-resumed",
    ]  # fmt: skip


def test_a_delivery_that_ends_does_not_end_the_pause(books: Books) -> None:
    books.receive("1.1", JANE)
    books.analyse()
    books.report()
    job = books.claim("deliver")
    assert job is not None
    act(books, "pause")
    books.end_delivery(job)
    with books.database.reading() as read:
        assert list(paused_destinations(read)) == ["pacs"]


def test_an_unknown_destination_is_named(books: Books) -> None:
    with pytest.raises(ActionRefused, match="the settings have pacs"):
        act(books, "pause", "pax")
