"""Sending again: the same documents, once, and words where there is nothing to send."""

import pytest
from sqlalchemy import select

from config.errors import ActionRefused
from tests.tracking.books import JANE, MARY, USER, Books
from tracking.jobs import queue
from tracking.outbox.resending import Resending, resend_study
from tracking.tables.models import Delivery, Document


def resend(books: Books, destination: str | None = None) -> Resending:
    with books.database.transaction() as tx:
        return resend_study(tx, "1.9", destination=destination, user=USER)


def deliver(books: Books) -> int:
    """Do every delivery that is due, as the deliverer does; return how many."""
    count = 0
    while (job := queue.claim(books.database, ["deliver"], "test/1/1", 60_000)) is not None:
        books.end_delivery(job)
        count += 1
    return count


def delivered_study(books: Books) -> None:
    books.receive("1.1", JANE)
    books.analyse()
    books.report()
    assert deliver(books) == 1


def test_what_was_delivered_is_queued_again_once(books: Books) -> None:
    delivered_study(books)
    with books.database.reading() as read:
        before = read.execute(select(Document.uid, Document.sha256, Document.path)).all()
    assert resend(books) == Resending({"pacs": 1}, {}, 0)
    assert books.study().status == "reported"
    assert resend(books) == Resending({}, {"pacs": 1}, 0), "it waits already"
    assert deliver(books) == 1
    assert deliver(books) == 0
    assert books.study().status == "delivered"
    with books.database.reading() as read:
        assert read.execute(select(Document.uid, Document.sha256, Document.path)).all() == before
    assert books.events().count("study-resent") == 1
    assert books.count(Delivery) == 1


def test_a_transaction_that_is_lost_queues_nothing(books: Books) -> None:
    delivered_study(books)
    with pytest.raises(RuntimeError), books.database.transaction() as tx:  # noqa: PT012 - the block ends by it
        resend_study(tx, "1.9", user=USER)
        raise RuntimeError
    assert deliver(books) == 0
    assert "study-resent" not in books.events()


def test_words_where_nothing_can_be_sent(books: Books) -> None:
    with pytest.raises(ActionRefused, match=r"no study 1\.9"):
        resend(books)
    books.receive("1.1", JANE)
    with pytest.raises(ActionRefused, match="no result yet"):
        resend(books)
    books.analyse()
    with pytest.raises(ActionRefused, match="ever due at any destination"):
        resend(books)
    books.report()
    deliver(books)
    with pytest.raises(ActionRefused, match="ever due at other"):
        resend(books, "other")
    books.receive("1.2", MARY)
    with pytest.raises(ActionRefused, match="two patients"):
        resend(books)
    books.reject("1.2")
    with pytest.raises(ActionRefused, match="void"):
        resend(books)


def test_quarantined_documents_stay_here(books: Books) -> None:
    delivered_study(books)
    with books.database.transaction() as tx:
        tx.scalars(select(Document)).one().quarantined = "no"
    with pytest.raises(ActionRefused, match="quarantined"):
        resend(books)
