"""Fourteen days without any peer: afterwards everything arrives, once, the urgent first, then in order of arrival."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from config.errors import AnswerMissing, PeerBusy, PeerUnavailable
from config.settings import DeliverySettings, WorkSettings
from tests.tracking.books import JANE, Books
from tests.tracking.clocks import FakeClock
from tracking.engine.clock_steps import move_due_times
from tracking.engine.database import Database
from tracking.jobs import queue
from tracking.jobs.loop import Commit, Lane, WorkLoop, describe
from tracking.jobs.priorities import mark_urgent
from tracking.lists import queries
from tracking.outbox.deliveries import load_delivery, record_attempt_failed, record_delivered
from tracking.outbox.documents import make_delivery
from tracking.tables.models import Delivery, Document, Job

pytestmark = pytest.mark.parametrize(
    "database_url", ["sqlite", pytest.param("postgresql", marks=pytest.mark.long)], indirect=True
)
HOUR_MS = 3_600_000
PEERS = ("pacs", "archive", "ris")


class Peers:
    """Peers that are away, or take what comes and keep count of it; ``busy`` is how often each says so first."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.away = False
        self.busy: dict[str, int] = {}
        self.silent_about = ""
        """UID of a document to which no peer says anything."""
        self.taken: dict[str, list[str]] = {name: [] for name in PEERS}
        self.probes = 0

    def run(self, job: queue.Job) -> Commit:
        with self._database.reading() as read:
            delivery = load_delivery(read, job.payload["delivery_id"])
        if self.away:
            self.probes += 1
            raise PeerUnavailable(f"{delivery.destination} cannot be reached")
        if self.busy.get(delivery.destination, 0):
            self.busy[delivery.destination] -= 1
            raise PeerBusy(f"{delivery.destination} is starting")
        if delivery.document.uid == self.silent_about:
            raise AnswerMissing(f"{delivery.destination} did not answer")
        self.taken[delivery.destination].append(delivery.document.uid)
        return lambda tx: record_delivered(tx, delivery.id, "0000")

    def failed(self, tx: Any, job: queue.Job, error: Exception, stopped: bool) -> None:
        record_attempt_failed(tx, job.payload["delivery_id"], describe(error), stopped=stopped)


def arrive(books: Books, number: int, *, urgent: bool = False) -> str:
    """Take an image of a study of its own, analyse and report it for every peer; return the document's UID."""
    books.receive(f"1.{number}.1", JANE, study=f"1.{number}")
    if urgent:
        with books.database.transaction() as tx:
            mark_urgent(tx, f"1.{number}", user="operator")
    books.analyse()
    analysis = books.report()
    assert analysis is not None
    with books.database.transaction() as tx:
        document, priority = tx.execute(
            select(Document.id, Job.priority)
            .join(Delivery, Delivery.document_id == Document.id)
            .join(Job, Job.payload["delivery_id"].as_integer() == Delivery.id)
            .where(Document.analysis_id == analysis, Job.queue == "deliver")
        ).one()
        for name in PEERS[1:]:
            make_delivery(tx, document, name, queue.DAY_MS, priority=priority)
    return f"2.25.{analysis}"


@pytest.mark.fault(
    "every peer is away for 14 days",
    promise="everything is delivered afterwards, once, the urgent first then as they came; nothing stops meanwhile",
    area="peer",
)
def test_fourteen_days_without_peers_lose_and_double_nothing_and_keep_the_order(database: Database) -> None:
    clock, books, peers = FakeClock(database), Books(database), Peers(database)
    delivery = DeliverySettings(first_retry_seconds=3600, longest_retry_seconds=3600, give_up_after_hours=24)
    loop = WorkLoop(
        database, {"deliver": peers}, [Lane(("deliver",), 1, name) for name in PEERS], WorkSettings(), delivery
    )
    peers.away = True
    usual, urgent = [], []
    for day in range(14):
        if day % 2 == 0:
            is_urgent = day in {6, 10}
            (urgent if is_urgent else usual).append(arrive(books, day + 1, urgent=is_urgent))
        clock.step(24 * HOUR_MS)
        loop.run_until_idle()
    assert peers.probes == 14 * len(PEERS), "one probe of each peer whenever its pause has passed"
    with database.reading() as read:
        assert queue.depth(read).get(("deliver", "stopped"), 0) == 0
    peers.away = False
    peers.busy = {"archive": 1}
    for _ in range(2):
        clock.step(2 * HOUR_MS)
        loop.run_until_idle()
    assert peers.taken["pacs"] == peers.taken["ris"] == urgent + usual
    busy_one, *others = urgent + usual
    assert peers.taken["archive"] == [*others, busy_one], "what a peer was too busy for waits its pause"
    assert all(books.study(f"1.{number}").status == "delivered" for number in range(1, 15, 2))
    with database.reading() as read:
        assert {entry.waiting + entry.stopped for entry in queries.destinations(read)} == {0}


@pytest.mark.fault(
    "… and the clock is set back meanwhile",
    promise="the order stays",
    area="peer",
)
def test_a_clock_set_back_during_an_outage_keeps_the_order(database: Database) -> None:
    clock, books, peers = FakeClock(database), Books(database), Peers(database)
    loop = WorkLoop(database, {"deliver": peers}, [Lane(("deliver",), 1, "pacs")], WorkSettings(), DeliverySettings())
    peers.away = True
    documents = [arrive(books, 1)]
    loop.run_until_idle()
    clock.step(-HOUR_MS)
    with database.transaction() as tx:
        move_due_times(tx, HOUR_MS, 60_000)
    documents.append(arrive(books, 2))
    peers.away = False
    clock.step(HOUR_MS)
    loop.run_until_idle()
    assert peers.taken["pacs"] == documents


@pytest.mark.fault(
    "a peer answers to every document but one",
    promise="the others arrive, and that one stops and says so after `delivery.give_up_after_hours`",
    area="peer",
)
def test_a_document_that_gets_no_answer_holds_up_no_other_and_stops(database: Database) -> None:
    clock, books, peers = FakeClock(database), Books(database), Peers(database)
    loop = WorkLoop(database, {"deliver": peers}, [Lane(("deliver",), 1, "pacs")], WorkSettings(), DeliverySettings())
    peers.silent_about, *others = (arrive(books, number) for number in (1, 2, 3))
    for _ in range(100):
        loop.run_until_idle()
        clock.step(HOUR_MS)
    assert peers.taken["pacs"] == others
    with database.reading() as read:
        (pacs,) = (entry for entry in queries.destinations(read) if entry.name == "pacs")
    assert (pacs.waiting, pacs.stopped, pacs.delivered) == (0, 1, 2)


@pytest.mark.fault(
    "… and a peer is busy when it comes back",
    promise="what it was busy for has all its time before it",
    area="peer",
)
def test_a_failure_after_an_outage_has_all_its_time_before_it(
    database: Database, put: Callable[[Database], queue.Job]
) -> None:
    clock = FakeClock(database)
    job = put(database)
    clock.step(14 * 24 * HOUR_MS)
    policy = queue.RetryPolicy(1, 1)
    with database.transaction() as tx:
        assert not queue.postpone(tx, job, "busy", policy)
    clock.step(HOUR_MS)
    job = claim(database)
    with database.transaction() as tx:
        assert not queue.postpone(tx, job, "busy", policy)
    clock.step(24 * HOUR_MS)
    job = claim(database)
    with database.transaction() as tx:
        assert queue.postpone(tx, job, "busy", policy)


def claim(database: Database) -> queue.Job:
    job = queue.claim(database, ["q"], "test/1/1", 60 * 24 * HOUR_MS)
    assert job is not None
    return job


@pytest.fixture
def put() -> Callable[[Database], queue.Job]:
    """Return a function that puts a job with a day's patience into the queue, and claims it."""

    def enqueue(database: Database) -> queue.Job:
        with database.transaction() as tx:
            queue.enqueue(tx, "q", "a", {}, give_up_ms=queue.DAY_MS)
        return claim(database)

    return enqueue
