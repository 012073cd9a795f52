"""Withdrawing on both databases: what is dropped, who is told, and that twice is once."""

import threading
from typing import Any

import pytest
from sqlalchemy import select

from config.errors import ActionRefused
from tests.tracking.books import JANE, USER, Books
from tracking.jobs import queue
from tracking.lists import standing
from tracking.outbox.deliveries import record_attempt_failed
from tracking.outbox.reasons import Reason
from tracking.outbox.rejections import Told, load_note, take_back
from tracking.outbox.withdrawal import Withdrawal, withdraw_study
from tracking.tables.models import Delivery, Document, Job

TOLD = Told(frozenset({"pacs"}), frozenset({"ris"}))


def withdraw(books: Books, told: Told = TOLD) -> Withdrawal:
    with books.database.transaction() as tx:
        return withdraw_study(tx, "1.9", reason=Reason.QUALITY, why="w", told=told, user=USER)


def reported(books: Books) -> None:
    books.receive("1.1", JANE)
    books.analyse()
    books.report()


def notes(books: Books) -> list[Document]:
    with books.database.reading() as read:
        return list(read.scalars(select(Document).where(Document.kind == "note")))


def test_a_delivered_report_is_taken_back_once(books: Books) -> None:
    reported(books)
    books.deliver()
    assert withdraw(books) == Withdrawal(0, {"pacs": 1}, {}, changed=True)
    assert withdraw(books) == Withdrawal(0, {}, {}, changed=False)
    (note,) = notes(books)
    with books.database.reading() as read:
        assert [entry.kind for entry in load_note(read, note.uid).rejected] == ["sr"]
        assert list(standing.drift(read)) == []
    assert books.study().status == "withdrawn"
    books.receive("1.2", JANE)
    assert books.study().status == "received"


def test_two_who_withdraw_at_once_make_one_note(books: Books) -> None:
    reported(books)
    books.deliver()
    outcomes: list[Withdrawal] = []
    threads = [threading.Thread(target=lambda: outcomes.append(withdraw(books))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcome.changed for outcome in outcomes) == [False, True]
    assert len(notes(books)) == 1


def test_what_waits_is_dropped_and_a_failed_attempt_may_have_arrived(books: Books) -> None:
    reported(books)
    with books.database.transaction() as tx:
        record_attempt_failed(tx, tx.scalars(select(Delivery.id)).one(), "no answer", stopped=False)
    assert withdraw(books) == Withdrawal(1, {"pacs": 1}, {}, changed=True)
    with books.database.reading() as read:
        job = read.scalars(select(Job).where(Job.queue == "deliver").order_by(Job.id)).first()
        assert job is not None
        assert (job.state, job.worker) == ("done", None)


def test_a_delivery_that_runs_is_left_to_its_end(books: Books) -> None:
    reported(books)
    job = books.claim("deliver")
    assert job is not None
    assert withdraw(books) == Withdrawal(0, {}, {}, changed=True)
    books.end_delivery(job)
    with books.database.transaction() as tx:
        assert take_back(tx, "1.9", TOLD) == {"pacs": 1}


def test_the_next_analysis_in_the_queue_comes_to_nothing(books: Books) -> None:
    reported(books)
    books.receive("1.2", JANE)
    withdraw(books)
    assert books.analyse() == []
    books.receive("1.3", JANE)
    with pytest.raises(ActionRefused, match="no result"):
        withdraw(books)


def test_a_superseded_report_is_taken_back_when_the_new_one_has_arrived(books: Books) -> None:
    reported(books)
    job: Any = books.claim("deliver")
    books.end_delivery(job)
    books.receive("1.2", JANE)
    books.analyse()
    assert told_now(books) == {}
    books.report()
    assert told_now(books) == {}, "the new one is not there yet"
    job = books.claim("deliver")
    books.end_delivery(job)
    assert told_now(books) == {"pacs": 1}
    assert told_now(books) == {}
    (note,) = notes(books)
    assert note.reason == "quality"
    job = books.claim("deliver")
    assert job.priority == queue.USUAL


def told_now(books: Books) -> dict[str, int]:
    with books.database.transaction() as tx:
        return take_back(tx, "1.9", TOLD)
