"""Confirmations on both databases: who wins where two answers meet, and what a story of answers ends with."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select, update

from config.errors import ActionRefused
from tests.tracking.books import JANE, USER, Books
from tracking.engine.database import Database
from tracking.jobs import queue
from tracking.jobs.queue import RetryPolicy
from tracking.lists import standing
from tracking.outbox import confirmations
from tracking.outbox.confirmations import CommitmentAnswer, Confirmation, Reception, Resends
from tracking.outbox.deliveries import record_delivered, retry_deliveries
from tracking.outbox.documents import make_delivery
from tracking.studies.deletion import Stores, delete_study
from tracking.tables.models import CarriedDocument, Commitment, Delivery, Document, Job

BOTH = pytest.mark.parametrize(
    "database_url", ["sqlite", pytest.param("postgresql", marks=pytest.mark.long)], indirect=True
)
RESENDS = Resends(3, RetryPolicy(0.001, 0.001))


def deliver(books: Books) -> int:
    """Do the delivery that is due, and await its confirmation; return its number."""
    job = books.claim("deliver")
    assert job is not None
    number = int(job.payload["delivery_id"])
    with books.database.transaction() as tx:
        queue.finish(tx, job)
        record_delivered(tx, number, "C-STORE 0000")
        confirmations.await_confirmation(tx, number, delay_seconds=0, give_up_ms=queue.DAY_MS)
    return number


def delivered(books: Books) -> int:
    books.receive("1.1", JANE)
    books.analyse()
    books.report()
    return deliver(books)


def ask(books: Books, number: int, transaction_uid: str) -> None:
    with books.database.transaction() as tx:
        confirmations.record_request(tx, number, transaction_uid)


def answer(books: Books, transaction_uid: str, *, good: bool = True, peer: str = "pacs") -> Reception:
    with books.database.reading() as read:
        uid = read.scalars(select(Document.uid)).first() or ""
    found = CommitmentAnswer(transaction_uid, frozenset({uid} if good else ()), {} if good else {uid: 0x0112})
    with books.database.transaction() as tx:
        return confirmations.take_answer(tx, found, {peer: RESENDS})


def row(books: Books) -> Delivery:
    with books.database.reading() as read:
        return read.scalars(select(Delivery)).one()


@pytest.mark.fault(
    "a PACS reports a commitment twice",
    promise="it counts once",
    area="confirmed",
)
@BOTH
def test_answers_are_taken_once_and_from_who_was_asked_alone(books: Books) -> None:
    number = delivered(books)
    ask(books, number, "2.25.1")
    assert answer(books, "2.25.2") is Reception.UNKNOWN
    assert answer(books, "2.25.1", peer="other") is Reception.OTHER_PEER
    assert row(books).confirmation == "awaited"
    assert answer(books, "2.25.1") is Reception.CONFIRMED
    assert answer(books, "2.25.1") is Reception.REPEATED
    assert answer(books, "2.25.1", good=False) is Reception.REPEATED
    assert (row(books).state, row(books).confirmation) == ("delivered", "commitment")
    assert books.claim("confirm") is None, "nobody asks any more"
    assert books.events().count("delivery-confirmed") == 1


@BOTH
def test_an_answer_that_does_not_name_the_document_is_none(books: Books) -> None:
    number = delivered(books)
    ask(books, number, "2.25.1")
    with books.database.transaction() as tx:
        taken = confirmations.take_answer(tx, CommitmentAnswer("2.25.1"), {"pacs": RESENDS})
    assert taken is Reception.NOT_COMMITTED
    assert "does not name the document" in (row(books).error or "")
    assert row(books).state == "waiting"


@BOTH
def test_the_answer_to_an_earlier_sending_sends_nothing_again(books: Books) -> None:
    number = delivered(books)
    ask(books, number, "2.25.1")
    ask(books, number, "2.25.2")
    assert answer(books, "2.25.1", good=False) is Reception.NOT_COMMITTED
    assert row(books).state == "delivered"
    assert answer(books, "2.25.2") is Reception.CONFIRMED


@BOTH
def test_what_stopped_is_sent_and_asked_about_anew_when_a_person_starts_it_again(books: Books) -> None:
    number = delivered(books)
    with books.database.transaction() as tx:
        confirmations.record_not_there(tx, number, "it is not there", Resends(1, RESENDS.pauses))
    assert row(books).state == "stopped"
    assert books.study().status == "attention"
    with books.database.transaction() as tx:
        assert retry_deliveries(tx, study_uid="1.9", user=USER) == 1
    assert row(books).unconfirmed == 0
    assert deliver(books) == number
    with books.database.transaction() as tx:
        assert confirmations.record_confirmed(tx, number, Confirmation.QUERY)
    assert books.study().status == "delivered"


@BOTH
def test_a_deleted_study_takes_its_requests_along(books: Books, tmp_path: Path) -> None:
    number = delivered(books)
    ask(books, number, "2.25.1")
    with pytest.raises(ActionRefused, match="something of it waits"), books.database.transaction() as tx:
        delete_study(tx, "1.9", why="test", stores=Stores(tmp_path, tmp_path), user=USER)
    answer(books, "2.25.1")
    with books.database.transaction() as tx:
        tx.execute(update(Job).where(Job.queue == "examine").values(state="done"))
    with books.database.transaction() as tx:
        delete_study(tx, "1.9", why="test", stores=Stores(tmp_path, tmp_path), user=USER)
    assert books.count(Commitment) == 0
    with books.database.reading() as read:
        assert list(read.scalars(select(Job.key))) == []
    assert answer(books, "2.25.1") is Reception.UNKNOWN


STEPS = st.lists(
    st.sampled_from(["ask", "good", "bad", "not-found", "found", "cannot-ask", "stop", "send", "retry"]), max_size=12
)


@pytest.mark.fault(
    "answers, time-outs, failures and commands come in any order",
    promise="something waits, a person sees it, or it is settled: nothing is stuck",
    area="confirmed",
)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_whatever_is_answered_something_waits_stopped_or_is_confirmed(sqlite_books: Books, steps: list[str]) -> None:
    """A delivery is never in a state that nobody leaves: a job of it is open, a person sees it, or it is settled."""
    books = sqlite_books
    with books.database.transaction() as tx:
        for table in (Commitment, Job, Delivery, CarriedDocument):
            tx.execute(delete(table))
    if books.count(Document) == 0:
        delivered(books)
    else:
        with books.database.transaction() as tx:
            make_delivery(tx, tx.scalars(select(Document.id)).one(), "pacs", queue.DAY_MS)
        deliver(books)
    number, asked = row(books).id, 0
    for step in steps:
        with books.database.transaction() as tx:
            if step == "found":
                confirmations.record_confirmed(tx, number, Confirmation.QUERY)
            elif step == "not-found":
                confirmations.record_not_there(tx, number, "it is not there", RESENDS)
            elif step == "cannot-ask":
                confirmations.record_not_asked(tx, number, "nobody is there")
            elif step == "stop":
                confirmations.record_stopped(tx, number, "nobody answers")
            elif step == "retry":
                retry_deliveries(tx, study_uid="1.9", user=USER)
        if step == "ask" and row(books).confirmation == "awaited":
            asked += 1
            ask(books, number, f"2.25.{asked}")
        elif step in {"good", "bad"} and asked:
            answer(books, f"2.25.{asked}", good=step == "good")
        elif step == "send" and row(books).state == "waiting":
            with books.database.transaction() as tx:
                tx.execute(update(Job).where(Job.state == "open").values(visible_at=0))
            deliver(books)
        delivery = row(books)
        with books.database.reading() as read:
            states = {job.key.partition(":")[0]: job.state for job in read.scalars(select(Job))}
            assert list(standing.drift(read)) == []
        expected = {
            ("delivered", "awaited"): ("done", "open"), ("delivered", "query"): ("done", "done"),
            ("delivered", "commitment"): ("done", "done"), ("waiting", None): ("open", "done"),
            ("stopped", None): ("stopped", "done"),
        }  # fmt: skip
        assert (states["deliver"], states["confirm"]) == expected[delivery.state, delivery.confirmation]


@pytest.fixture
def sqlite_books(tmp_path: Path, sqlite_template: Path) -> Iterator[Books]:
    """An empty database on SQLite."""
    shutil.copyfile(sqlite_template, tmp_path / "story.db")
    database = Database.open(f"sqlite:///{tmp_path / 'story.db'}")
    yield Books(database)
    database.close()
