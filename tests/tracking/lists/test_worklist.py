"""The list of studies: filters, searches, orders and pages, against what each study's own summary says."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta

import pytest
from sqlalchemy import event, select, update
from sqlalchemy.orm import Session

from tests.tracking.books import JANE, MARY, Books
from tracking.engine.changes import study_changed
from tracking.engine.database import Database
from tracking.jobs import queue
from tracking.lists import study_condition, worklist
from tracking.lists.attention import count_attention
from tracking.lists.study_filter import STATUSES, Need, Order, StudyFilter
from tracking.lists.study_page import study_page
from tracking.outbox import deliveries
from tracking.outbox.reasons import Reason
from tracking.outbox.rejections import Told
from tracking.outbox.withdrawal import withdraw_study
from tracking.studies import corrections
from tracking.studies.instances import register_instance
from tracking.tables.models import CarriedDocument, Delivery, Document, Job, Study

Record = Callable[..., None]


def stop_job(database: Database, key: str, study: str) -> None:
    with database.transaction() as tx:
        tx.execute(update(Job).where(Job.key == key).values(state="stopped", error="broken"))
        study_changed(tx, study)


def end_job(database: Database, key: str, study: str) -> None:
    with database.transaction() as tx:
        tx.execute(update(Job).where(Job.key == key).values(state="done"))
        study_changed(tx, study)


def make_every_status(database: Database, receive: Record, analyse: Record, build: Record) -> None:
    """Put one study into every state there is; study 3.N has instance 3.N.1."""
    for number in range(1, 12):
        receive(f"3.{number}.1", study=f"3.{number}")
    for number in range(3, 12):
        analyse(f"3.{number}", 1, f"3.{number}.1", because="a hand" if number == 4 else None)
    stop_job(database, "analyse:3.2:1", "3.2")
    with database.reading() as read:
        ids = {page.header.study_uid: page.analyses[0].id for number in range(3, 12)
               if (page := study_page(read, f"3.{number}")) is not None}  # fmt: skip
    for number in range(5, 11):
        build(ids[f"3.{number}"], *(("pacs",) if number != 9 else ()), quarantined="bad" if number == 8 else None)
    stop_job(database, f"report:{ids['3.11']}", "3.11")
    for uid in ("3.6", "3.10"):  # of 3.9 more documents are still to come
        end_job(database, f"report:{ids[uid]}", uid)
    ways = {uid: _delivery_of(database, ids[uid]) for uid in ("3.6", "3.7", "3.10")}
    with database.transaction() as tx:
        deliveries.record_delivered(tx, ways["3.6"], "0000")
        deliveries.record_attempt_failed(tx, ways["3.7"], "refused", stopped=True)
        deliveries.record_delivered(tx, ways["3.10"], "0000")
    receive("3.10.2", study="3.10")  # an image that came late: the study is received anew
    receive("3.12.1", study="3.12")
    receive("3.12.2", study="3.12", patient="Roe^Mary")
    receive("3.13.1", study="3.13")
    with database.transaction() as tx:
        corrections.reject_instance(tx, "3.13", "3.13.1", user="operator")
    Books(database).receive("3.13.1", MARY, sha256="b" * 64, study="3.14")
    receive("3.15.1", study="3.15")
    analyse("3.15", 1, "3.15.1")
    with database.transaction() as tx:
        nobody = Told(frozenset(), frozenset())
        withdraw_study(tx, "3.15", reason=Reason.QUALITY, why="w", told=nobody, user="operator")


def _delivery_of(database: Database, analysis_id: int) -> int:
    with database.reading() as read:
        found = read.scalar(select(Delivery.id).join(Document).where(Document.analysis_id == analysis_id))
    assert found is not None
    return found


def listed(database: Database, *, order: Order = Order.ARRIVAL, **which: object) -> list[str]:
    with database.reading() as read:
        found = worklist.find_studies(read, StudyFilter(**which), order=order, limit=100)  # type: ignore[arg-type]
    assert found.total == len(found.rows)
    return [row.header.study_uid for row in found.rows]


def test_filtering_by_status_agrees_with_every_study_s_own(
    database: Database, receive: Record, analyse: Record, build: Record
) -> None:
    make_every_status(database, receive, analyse, build)
    with database.reading() as read:
        own = {study.study_uid: study.status for study in worklist.list_studies(read, limit=100)}
    by_status = {status: set(listed(database, status=status)) for status in STATUSES}
    assert by_status == {status: {uid for uid, at in own.items() if at == status} for status in STATUSES}
    assert "3.9" in by_status["reported"]
    assert all(by_status.values()), "every status was tried"
    assert by_status["attention"] == {"3.2", "3.7", "3.8", "3.11"}
    assert (by_status["conflict"], by_status["rejected"]) == ({"3.12"}, {"3.13"})
    assert by_status["waiting"] == {"3.14"}
    assert by_status["withdrawn"] == {"3.15"}
    assert len(listed(database)) == 15


def test_a_page_takes_as_many_statements_whatever_it_shows(
    database: Database, receive: Record, analyse: Record, build: Record
) -> None:
    filters = (
        StudyFilter(),
        StudyFilter(status="received", calling_ae="MODALITY"),
        StudyFilter(finding="lung_opacity", search="doe"),
        StudyFilter(patient="x", accession="ACC", first=date(2020, 1, 1), last=date(2099, 1, 1), urgent=True),
    )
    searching = 3 if database.dialect == "postgresql" else 2  # which few studies a text names besides is asked first
    expected = [2, 2, searching, searching]
    assert [statements_of(database, which) for which in filters] == expected
    make_every_status(database, receive, analyse, build)
    for number in range(15):
        receive(f"9.{number}", study=f"9.{number}.0")
    assert [statements_of(database, which) for which in filters] == expected


def statements_of(database: Database, which: StudyFilter) -> int:
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    with database.reading() as read:
        read.connection()
        event.listen(database.engine, "before_cursor_execute", note)
        worklist.find_studies(read, which, limit=25)
        event.remove(database.engine, "before_cursor_execute", note)
    return len(statements)


@pytest.mark.parametrize("order", Order)
def test_a_search_finds_the_same_however_many_begin_with_its_text(
    books: Books, monkeypatch: pytest.MonkeyPatch, order: Order
) -> None:
    for number in range(14):
        patient = JANE if number % 3 else MARY
        books.receive(f"1.{number}", patient, study=f"5.{number}", accession=f"A{number:02}")
    searches = [StudyFilter(search=text) for text in ("a", "A0", "a05", "5.1", "doe", "z", JANE.patient_id)]
    searches += [StudyFilter(search="a", calling_ae="MODALITY"), StudyFilter(search="a", calling_ae="NOBODY")]
    with books.database.reading() as read:
        expected = [uids_by_page(read, which, order) for which in searches]
    assert len(expected[0]) > 3
    for counted, near, merged in ((1, 1, 1), (1, 1, 500), (1, 30, 500), (3, 4, 6)):
        monkeypatch.setattr(worklist, "COUNTED_UP_TO", counted)
        for name, bound in (("COUNTED_UP_TO", counted), ("NEAR", near), ("MERGED_UP_TO", merged)):
            monkeypatch.setattr(study_condition, name, bound)
        with books.database.reading() as read:
            assert [uids_by_page(read, which, order) for which in searches] == expected, (counted, near, merged)
            for which, pages in zip(searches, expected, strict=True):
                listed = worklist.list_studies(read, which, order=order, limit=50)
                assert [study.study_uid for study in listed] == [uid for page in pages for uid in page]


def uids_by_page(read: Session, which: StudyFilter, order: Order) -> list[list[str]]:
    """Return the pages of a search, turned forth; back they are the same."""
    pages, after = [], None
    while True:
        page = worklist.find_studies(read, which, order=order, after=after, limit=4)
        pages.append([row.header.study_uid for row in page.rows])
        if len(pages) > 1 and page.newer is not None:
            back = worklist.find_studies(read, which, order=order, before=page.newer, limit=4)
            assert [row.header.study_uid for row in back.rows] == pages[-2]
        if page.older is None:
            return pages
        after = page.older


def test_pages_follow_one_another_by_the_last_study_whatever_arrives_meanwhile(
    database: Database, receive: Record
) -> None:
    for number in range(7):
        receive(f"1.{number}", study=f"7.{number}")
    with database.reading() as read:
        first = worklist.find_studies(read, limit=3)
        everything = [row.header.study_uid for row in worklist.find_studies(read, limit=9).rows]
    assert (first.total, len(first.rows), first.newer) == (7, 3, None)
    receive("1.8", study="7.8")
    with database.reading() as read:
        second = worklist.find_studies(read, after=first.older, limit=3)
        third = worklist.find_studies(read, after=second.older, limit=3)
        back = worklist.find_studies(read, before=third.newer, limit=3)
        newest = worklist.find_studies(read, before=back.newer, limit=3)
        missed = worklist.find_studies(read, before=newest.newer, limit=3)
        beyond = worklist.find_studies(read, after=third.newer, limit=3)
    pages = [[row.header.study_uid for row in page.rows] for page in (first, second, third)]
    assert [uid for page in pages for uid in page] == everything
    assert third.older is None
    assert [row.header.study_uid for row in back.rows] == pages[1]
    assert [row.header.study_uid for row in newest.rows] == pages[0]
    assert newest.newer is not None
    assert [row.header.study_uid for row in missed.rows] == ["7.8"]
    assert missed.newer is None
    assert (beyond.rows, beyond.older) == ((), None)


def test_the_list_is_ordered_and_bounded_by_arrival_or_by_study_date(database: Database, books: Books) -> None:
    for number, stated in enumerate(("20260105", "", "2026.01.04", "20260106", "nonsense")):
        incoming = books.incoming(f"1.{number}", JANE, study=f"8.{number}")
        dated = replace(incoming, study=replace(incoming.study, study_date=stated))
        with database.transaction() as tx:
            register_instance(tx, dated, settle_seconds=0)
    by_date = {"order": Order.STUDY_DATE}
    assert listed(database, **by_date)[:3] == ["8.3", "8.0", "8.2"]  # type: ignore[arg-type]
    assert len(listed(database, **by_date)) == 5  # type: ignore[arg-type]
    assert listed(database, **by_date, first=date(2026, 1, 5)) == ["8.3", "8.0"]  # type: ignore[arg-type]
    assert listed(database, **by_date, last=date(2026, 1, 5)) == ["8.0", "8.2"]  # type: ignore[arg-type]
    today = date.today()
    assert len(listed(database, first=today - timedelta(days=1), last=today + timedelta(days=1))) == 5
    assert listed(database, first=today + timedelta(days=2)) == []
    assert listed(database, last=today - timedelta(days=2)) == []


@pytest.mark.parametrize("search", ["100%", "_", "\\", "'", "^", "%"])
def test_a_search_takes_every_letter_for_itself(database: Database, receive: Record, search: str) -> None:
    receive("1.1")
    assert listed(database, search=search) == []


@pytest.mark.parametrize(
    "search", ["doe", "Doe, J", "DOE^JANE", "doe  jane", "pat-a", "acc-pat", "1.9", " PAT-A "],
)  # fmt: skip
def test_a_study_is_found_by_how_its_identifiers_and_its_patient_s_name_begin(books: Books, search: str) -> None:
    books.receive("1.1", JANE)
    books.receive("1.2", MARY, study="2.8", accession="N")
    assert listed(books.database, search=search) == ["1.9"]


def test_patient_and_accession_number_are_searched_alone_too(books: Books) -> None:
    books.receive("1.1", JANE)
    books.receive("1.2", MARY, study="2.8", accession="pat-a")
    assert set(listed(books.database, search="pat-a")) == {"1.9", "2.8"}
    assert listed(books.database, patient="pat-a") == ["1.9"]
    assert listed(books.database, accession="PAT-A") == ["2.8"]
    assert listed(books.database, patient="roe mary", accession="pat") == ["2.8"]


@pytest.mark.parametrize("search", ["pat-b", "roe, m", "ROE^MARY", "pat-a"])
def test_a_study_in_conflict_is_found_by_every_patient_it_names(books: Books, search: str) -> None:
    books.receive("1.1", JANE)
    books.receive("1.2", MARY)
    books.receive("1.3", JANE, study="2.8", accession="x")
    assert "1.9" in listed(books.database, search=search)
    assert listed(books.database, status="conflict", patient=search) == ["1.9"]


def test_studies_are_filtered_by_stated_finding_caller_and_urgency(books: Books) -> None:
    for number in range(4):
        books.receive(f"1.{number}", JANE, study=f"6.{number}", calling_ae=f"CR{number % 2}")
    books.analyse()
    with books.database.transaction() as tx:
        tx.execute(update(Study).where(Study.study_uid.in_(["6.0", "6.1"])).values(urgent=True))
        for uid in ("6.0", "6.1"):
            study_changed(tx, uid)
    with books.database.reading() as read:
        page = worklist.find_studies(read)
    assert (page.findings, page.callers) == (("lung_opacity",), ("CR0", "CR1"))
    assert listed(books.database, finding="lung_opacity") == ["6.0"]
    assert listed(books.database, finding="lung_opacity", calling_ae="CR1") == []
    assert listed(books.database, finding="effusion") == []
    assert set(listed(books.database, calling_ae="CR1")) == {"6.1", "6.3"}
    assert set(listed(books.database, urgent=True)) == {"6.0", "6.1"}
    assert listed(books.database, urgent=True, finding="lung_opacity", patient="pat", order=Order.STUDY_DATE) == ["6.0"]


def test_what_is_tried_again_or_waits_for_a_destination_shows(books: Books) -> None:
    def retrying() -> bool:
        with books.database.reading() as read:
            (row,) = worklist.find_studies(read).rows
        return row.retrying

    slowly = queue.RetryPolicy(first=0, longest=0)
    books.receive("1.1", JANE)
    job = books.claim()
    assert job is not None
    with books.database.transaction() as tx:
        queue.postpone(tx, job, "the disk is full", slowly)
    assert retrying()
    books.analyse()
    books.report()
    assert not retrying()
    with books.database.transaction() as tx:
        queue.open_breaker(tx, "pacs", "away", queue.RetryPolicy(first=1000, longest=1000))
    assert retrying()
    books.deliver()
    assert not retrying()


def of_delivery(database: Database) -> list[str]:
    return listed(database, needs=Need.DELIVERY)


def stop_delivery(books: Books) -> None:
    """Let the delivery that is due stop for good."""
    job = books.claim("deliver")
    assert job is not None
    with books.database.transaction() as tx:
        queue.stop(tx, job, "refused")
        deliveries.record_attempt_failed(tx, job.payload["delivery_id"], "refused", stopped=True)


def delivered(books: Books) -> int:
    """Analyse and report what came, and deliver it; return the analysis."""
    books.analyse()
    number = books.report()
    job = books.claim("deliver")
    assert number is not None
    assert job is not None
    books.end_delivery(job)
    return number


def test_a_note_that_stopped_shows_after_the_next_analysis(books: Books) -> None:
    books.receive("1.1", JANE)
    books.receive("1.2", JANE)
    delivered(books)
    told = Told(frozenset({"pacs"}), frozenset())
    with books.database.transaction() as tx:
        corrections.reject_instance(tx, "1.9", "1.2", told=told, user="operator")
    stop_delivery(books)
    assert of_delivery(books.database) == ["1.9"]
    delivered(books)
    study = books.study()
    assert (study.status, study.problems) == ("attention", ("note to pacs stopped: refused",))
    assert of_delivery(books.database) == ["1.9"]
    with books.database.reading() as read:
        assert count_attention(read).deliveries == 1


def test_a_note_that_waits_shows_after_the_next_analysis(books: Books) -> None:
    books.receive("1.1", JANE)
    books.receive("1.2", JANE)
    delivered(books)
    told = Told(frozenset({"pacs"}), frozenset())
    with books.database.transaction() as tx:
        corrections.reject_instance(tx, "1.9", "1.2", told=told, user="operator")
    job = books.claim("deliver")
    assert job is not None
    with books.database.transaction() as tx:
        queue.postpone(tx, job, "no answer", queue.RetryPolicy(60, 60))
    delivered(books)
    study = books.study()
    assert study.status == "reported"
    assert [entry.destination for entry in study.retrying] == ["pacs"]
    (row,) = books.worklist("reported")
    assert row.retrying


def test_a_carried_document_whose_delivery_stopped_needs_a_person(books: Books) -> None:
    books.receive("1.1", JANE)
    books.analyse()
    first = books.report()
    stop_delivery(books)
    books.receive("1.2", JANE)
    latest = delivered(books)
    assert of_delivery(books.database) == []
    with books.database.transaction() as tx:
        number = tx.scalars(select(Document.id).where(Document.analysis_id == first)).one()
        tx.add(CarriedDocument(analysis_id=latest, document_id=number, instance_uid="1.1"))
        study_changed(tx, "1.9")
    assert books.study().status == "attention"
    assert of_delivery(books.database) == ["1.9"]
