"""How studies come through: counts by day and calling system, turnaround, refusals, distributions of scores."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event, select, update

from tests.tracking.lists.test_worklist import listed, make_every_status
from tracking.audit_log import refusals
from tracking.audit_log.refusals import Refusal, RefusalKind
from tracking.engine.database import Database
from tracking.lists import trends
from tracking.lists.flow import MOST_SPANS, Flow, Span, count_flow, reasons_not_analysed, total
from tracking.lists.study_filter import STATUSES
from tracking.outbox import documents
from tracking.tables.models import Delivery, Document
from tracking.tables.standing_models import Standing

Record = Callable[..., None]
NOW = datetime.now(UTC)
TODAY = Span(NOW - timedelta(hours=1), NOW + timedelta(hours=1))
BEFORE = Span(TODAY.start - timedelta(days=1), TODAY.start)


def test_every_study_is_in_one_place_of_the_flow(
    database: Database, receive: Record, analyse: Record, build: Record
) -> None:
    make_every_status(database, receive, analyse, build)
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    event.listen(database.engine, "before_cursor_execute", note)
    with database.reading() as read:
        cells = count_flow(read, [BEFORE, TODAY])
    event.remove(database.engine, "before_cursor_execute", note)
    assert len([statement for statement in statements if statement.startswith("SELECT")]) == 1
    assert [(cell.span, cell.calling_ae) for cell in cells] == [(1, ""), (1, "MODALITY")]
    flow = total(cells)
    assert flow.by_status == {status: len(listed(database, status=status)) for status in STATUSES}
    gaps = flow.of("received", "not-analysed", "conflict", "waiting", "rejected", "attention", "withdrawn")
    assert flow.received - gaps == flow.analysed
    assert flow.analysed - flow.of("analysed") == flow.reported
    assert flow.reported - flow.of("reported") == flow.delivered


def test_an_end_belongs_to_the_next_span(database: Database, receive: Record) -> None:
    receive("1.1")
    with database.transaction() as tx:
        tx.execute(update(Standing).values(received_at=int(TODAY.start.timestamp() * 1000), calling_ae=""))
    with database.reading() as read:
        cells = count_flow(read, [BEFORE, Span(TODAY.start, TODAY.start + timedelta(milliseconds=1))])
    assert [(cell.span, cell.calling_ae, cell.flow.received) for cell in cells] == [(1, "", 1)]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_spans_are_few(database: Database) -> None:
    with database.reading() as read:
        assert count_flow(read, []) == []
        with pytest.raises(ValueError, match="at most 31"):
            count_flow(read, [TODAY] * (MOST_SPANS + 1))
    assert total([]) == Flow()


def test_why_images_were_not_analysed(database: Database, receive: Record, analyse: Record) -> None:
    receive("1.1")
    analyse("1.9", 1, "1.1", because="it is a lateral view")
    receive("2.1", study="2.9")
    analyse("2.9", 1, "2.1")
    with database.reading() as read:
        assert reasons_not_analysed(read, TODAY) == {"view": 1}
        assert reasons_not_analysed(read, BEFORE) == {}


def test_turnaround_begins_with_the_last_image_and_ends_with_the_last_delivery(
    database: Database, receive: Record, analyse: Record, build: Record
) -> None:
    receive("1.1")
    analyse("1.9", 1, "1.1")
    build(1, "pacs", "ris")
    receive("2.1", study="2.9")
    analyse("2.9", 1, "2.1")
    receive("3.1", study="3.9")
    with database.transaction() as tx:
        tx.execute(update(Standing).where(Standing.study_uid == "1.9").values(status="delivered"))
        tx.execute(update(Standing).values(received_at=Standing.received_at - 5000))
        received = tx.get_one(Standing, "1.9").received_at
        for number, later in ((1, 60_000), (2, 90_000)):
            done = {"state": "delivered", "finished_at": received + later}
            tx.execute(update(Delivery).where(Delivery.id == number).values(done))
    with database.reading() as read:
        times = trends.turnarounds(read, TODAY)
    assert [entry.to_delivery for entry in times] == [None, 90.0]
    assert all(5 <= entry.to_analysis < 60 for entry in times)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_note_is_no_delivery_of_a_result(database: Database, receive: Record, analyse: Record, build: Record) -> None:
    receive("1.1")
    analyse("1.9", 1, "1.1")
    build(1, "pacs", "ris")
    with database.transaction() as tx:
        tx.execute(update(Standing).values(status="delivered"))
        received = tx.get_one(Standing, "1.9").received_at
        for number, later in ((1, 60_000), (2, 90_000)):
            done = {"state": "delivered", "finished_at": received + later}
            tx.execute(update(Delivery).where(Delivery.id == number).values(done))
        note = documents.DocumentRecord("note", "2.25.99", None, None, "n.dcm", "0" * 64, 7, None)
        documents.keep_document(tx, "1.9", 1, note)
    with database.transaction() as tx:
        number = tx.scalars(select(Document.id).where(Document.uid == "2.25.99")).one()
        tx.add(Delivery(document_id=number, destination="pacs", state="delivered", finished_at=received + 600_000))
    with database.transaction() as tx:
        tx.execute(update(Standing).values(status="delivered"))
    with database.reading() as read:
        assert [entry.to_delivery for entry in trends.turnarounds(read, TODAY)] == [90.0]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_result_that_does_not_stand_is_in_no_plot(database: Database, receive: Record, analyse: Record) -> None:
    receive("1.1")
    analyse("1.9", 1, "1.1")
    for status, count in (("analysed", 1), ("withdrawn", 0), ("conflict", 0)):
        with database.transaction() as tx:
            tx.execute(update(Standing).values(status=status))
        with database.reading() as read:
            assert len(trends.score_distributions(read, TODAY)) == len(trends.turnarounds(read, TODAY)) == count


@pytest.mark.parametrize(
    ("values", "expected"), [([], ()), ([3.0], (3.0, 3.0)), (list(range(100)), (50, 95)), ([2.0, 1.0], (2.0, 2.0))]
)
def test_quantiles_are_values_that_there_are(values: list[float], expected: tuple[float, ...]) -> None:
    assert trends.quantiles(values) == expected


def test_distributions_are_by_finding_calling_system_and_modality(
    database: Database, receive: Record, analyse: Record
) -> None:
    for number in range(3):
        receive(f"1.{number}", study=f"1.{number}.9")
        analyse(f"1.{number}.9", 1, f"1.{number}")
    with database.reading() as read:
        (found,) = trends.score_distributions(read, TODAY)
    assert (found.label, found.calling_ae, found.modality) == ("lung_opacity", "MODALITY", "CR")
    assert found.bins[16] == found.images == found.present == 3, "0.8 begins the seventeenth of twenty parts"
    assert found.rate == 1.0


def test_refusals_add_up_by_reason(database: Database) -> None:
    with database.transaction() as tx:
        refusals.add(tx, {
            Refusal(RefusalKind.ASSOCIATION, "unknown caller", "allow it", calling_ae="A"): 3,
            Refusal(RefusalKind.ASSOCIATION, "unknown caller", "allow it", calling_ae="B"): 4,
            Refusal(RefusalKind.INSTANCE, "no pixels", "none"): 9,
            Refusal(RefusalKind.SPARE_CONTEXT, "not wanted", "none"): 50,
        })  # fmt: skip
    with database.reading() as read:
        assert list(trends.refusals_by_reason(read, 7).items()) == [("no pixels", 9), ("unknown caller", 7)]
