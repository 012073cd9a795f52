"""Reconciliation: every study of a day is in its place, and what lacks something is named with the command for it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from tests.tracking.books import JANE, Books
from tests.tracking.lists.test_worklist import listed, make_every_status
from tracking.engine.database import Database
from tracking.jobs import queue
from tracking.lists.flow import Span, count_flow, total, with_confirmations
from tracking.lists.reconciliation import Reconciliation, reconcile
from tracking.lists.study_filter import STATUSES
from tracking.outbox import confirmations, deliveries, pauses
from tracking.tables.models import Delivery, Job

pytestmark = pytest.mark.parametrize(
    "database_url", ["sqlite", pytest.param("postgresql", marks=pytest.mark.long)], indirect=True
)
Record = Callable[..., None]
NOW = datetime.now(UTC)
TODAY = Span(NOW - timedelta(hours=1), NOW + timedelta(hours=1))


def test_each_study_that_lacks_something_is_named_once(
    database: Database, receive: Record, analyse: Record, build: Record
) -> None:
    make_every_status(database, receive, analyse, build)
    with database.reading() as read:
        found = reconcile(read, TODAY)
        elsewhere = reconcile(read, Span(TODAY.end, TODAY.end + timedelta(days=1)))
    at = {status: listed(database, status=status) for status in STATUSES}
    lacking = [uid for status in ("conflict", "waiting", "attention", "received", "analysed", "reported")
               for uid in at[status]]  # fmt: skip
    assert sorted(gap.study_uid for gap in found.gaps) == sorted(lacking)
    assert found.received == sum(map(len, at.values()))
    assert found.not_analysed == len(at["not-analysed"])
    assert found.taken_out == len(at["withdrawn"]) + len(at["rejected"])
    assert found.delivered == found.confirmed == len(at["delivered"])
    assert sum(found.reasons.values()) == 1
    mends = {gap.study_uid: gap.mend for gap in found.gaps}
    assert mends["3.7"] == "cxrnode retry 3.7"
    assert mends["3.12"] == "cxrnode study 3.12"
    assert (elsewhere.received, elsewhere.gaps) == (0, ())


def delivered(books: Books, *, awaited: bool = False) -> int:
    job = books.claim("deliver")
    assert job is not None
    number = int(job.payload["delivery_id"])
    with books.database.transaction() as tx:
        queue.finish(tx, job)
        deliveries.record_delivered(tx, number, "0000")
        if awaited:
            confirmations.await_confirmation(tx, number, delay_seconds=0, give_up_ms=queue.DAY_MS)
    return number


def test_what_is_not_confirmed_is_a_gap_at_its_destination(
    database: Database, books: Books, receive: Record, analyse: Record, build: Record
) -> None:
    receive("1.1")
    analyse("1.9", 1, "1.1")
    build(1, "pacs", "archive")
    with database.transaction() as tx:
        tx.execute(update(Job).where(Job.queue == "report").values(state="done"))
    first = delivered(books, awaited=True)
    delivered(books)
    with database.reading() as read:
        name = read.scalars(select(Delivery.destination).where(Delivery.id == first)).one()
        other = ({"pacs", "archive"} - {name}).pop()
        whole, here, there, never = (ask(read, one) for one in ("", name, other, "added today"))
        flow = total(with_confirmations(read, [TODAY], count_flow(read, [TODAY])))
    [gap] = whole.gaps
    assert (gap.lacks, gap.destination, gap.mend) == (
        "confirmation", name, f"cxrnode resend 1.9 --destination {name}",
    )  # fmt: skip
    assert (whole.delivered, whole.confirmed) == (here.delivered, here.confirmed) == (1, 0)
    assert (there.delivered, there.confirmed, there.gaps) == (1, 1, ())
    assert (never.delivered, never.confirmed) == (0, 0), "nothing was ever due there"
    assert (flow.delivered, flow.unconfirmed, flow.confirmed) == (1, 1, 0)
    with database.transaction() as tx:
        confirmations.record_confirmed(tx, first, confirmations.Confirmation.QUERY)
    with database.reading() as read:
        assert ask(read, "").gaps == ()


def ask(read: object, destination: str) -> Reconciliation:
    return reconcile(read, TODAY, destination=destination)  # type: ignore[arg-type]


def test_a_paused_destination_is_named_with_what_resumes_it(database: Database, books: Books) -> None:
    books.receive("1.1", JANE)
    books.analyse()
    books.report()
    with database.transaction() as tx:
        pauses.pause_destination(tx, "pacs", configured=["pacs"], user="operator")
    with database.reading() as read:
        [gap] = reconcile(read, TODAY, calling_ae="MODALITY").gaps
        assert reconcile(read, TODAY, calling_ae="OTHER").received == 0
    assert (gap.why, gap.mend) == ("the destination is paused", "cxrnode destination resume pacs")
