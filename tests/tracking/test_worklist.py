"""The worklist's read models: above all, that SQL and the summary of one study never disagree about its status."""

from collections.abc import Callable

import pytest
from sqlalchemy import select, update

from tracking import corrections, deliveries, queries, worklist
from tracking.database import Database
from tracking.models import Delivery, Document, Job

Record = Callable[..., None]


def stop_job(database: Database, key: str) -> None:
    with database.transaction() as tx:
        tx.execute(update(Job).where(Job.key == key).values(state="stopped", error="broken"))


def end_job(database: Database, key: str) -> None:
    with database.transaction() as tx:
        tx.execute(update(Job).where(Job.key == key).values(state="done"))


def make_every_status(database: Database, receive: Record, analyse: Record, build: Record) -> None:
    """Put one study into every state there is; study 3.N has instance 3.N.1."""
    for number in range(1, 12):
        receive(f"3.{number}.1", study=f"3.{number}")
    for number in range(3, 12):
        analyse(f"3.{number}", 1, f"3.{number}.1", because="a hand" if number == 4 else None)
    stop_job(database, "analyse:3.2:1")
    with database.reading() as read:
        ids = {page.header.study_uid: page.analyses[0].id for number in range(3, 12)
               if (page := worklist.study_page(read, f"3.{number}")) is not None}  # fmt: skip
    for number in range(5, 11):
        build(ids[f"3.{number}"], *(("pacs",) if number != 9 else ()), quarantined="bad" if number == 8 else None)
    stop_job(database, f"report:{ids['3.11']}")
    for uid in ("3.6", "3.10"):  # of 3.9 more documents are still to come
        end_job(database, f"report:{ids[uid]}")
    ways = {uid: _delivery_of(database, ids[uid]) for uid in ("3.6", "3.7", "3.10")}
    with database.transaction() as tx:
        deliveries.record_delivered(tx, ways["3.6"], "0000")
        deliveries.record_attempt_failed(tx, ways["3.7"], "refused", stopped=True)
        deliveries.record_delivered(tx, ways["3.10"], "0000")
    receive("3.10.2", study="3.10")  # a picture that came late: the study is received anew
    receive("3.12.1", study="3.12")
    receive("3.12.2", study="3.12", patient="Roe^Mary")
    receive("3.13.1", study="3.13")
    with database.transaction() as tx:
        corrections.reject_instance(tx, "3.13", "3.13.1", user="operator")


def _delivery_of(database: Database, analysis_id: int) -> int:
    with database.reading() as read:
        found = read.scalar(select(Delivery.id).join(Document).where(Document.analysis_id == analysis_id))
    assert found is not None
    return found


def test_filtering_by_status_agrees_with_every_study_s_own(
    database: Database, receive: Record, analyse: Record, build: Record
) -> None:
    make_every_status(database, receive, analyse, build)
    with database.reading() as read:
        everything = worklist.find_studies(read, limit=100)
        by_status = {
            status: {row.header.study_uid for row in worklist.find_studies(read, status=status, limit=100).rows}
            for status in worklist.STATUSES
        }
    expected: dict[str, set[str]] = {status: set() for status in worklist.STATUSES}
    for row in everything.rows:
        expected[row.summary.status].add(row.header.study_uid)
    assert by_status == expected
    assert "3.9" in by_status["reported"]
    assert all(expected.values()), "every status was tried"
    assert expected["attention"] == {"3.2", "3.7", "3.8", "3.11"}
    assert (expected["conflict"], expected["rejected"]) == ({"3.12"}, {"3.13"})
    assert everything.total == 13


def test_pages_come_newest_first_and_are_counted(database: Database, receive: Record) -> None:
    for number in range(5):
        receive(f"1.{number}", study=f"7.{number}")
    with database.reading() as read:
        first = worklist.find_studies(read, limit=2)
        last = worklist.find_studies(read, offset=4, limit=2)
    assert (first.total, len(first.rows), len(last.rows)) == (5, 2, 1)
    times = [row.summary.received_at for row in (*first.rows, *last.rows)]
    assert times == sorted(times, reverse=True)


@pytest.mark.parametrize("search", ["100%", "_", "\\"])
def test_a_search_takes_every_letter_for_itself(database: Database, receive: Record, search: str) -> None:
    receive("1.1")
    with database.reading() as read:
        assert worklist.find_studies(read, search=search).total == 0


def test_what_failed_last_is_told_for_each_destination(
    database: Database, receive: Record, analyse: Record, build: Record
) -> None:
    receive("1.1")
    analyse("1.9", 1, "1.1")
    build(1, "pacs", "ris")
    with database.transaction() as tx:
        deliveries.record_attempt_failed(tx, 1, "away", stopped=False)
        deliveries.record_attempt_failed(tx, 2, "refused", stopped=True)
    with database.reading() as read:
        assert worklist.last_errors(read) == {"pacs": "away", "ris": "refused"}
        [stopped] = worklist.stopped_deliveries(read)
    assert (stopped.destination, stopped.study_uid, stopped.error) == ("ris", "1.9", "refused")


def test_a_study_that_is_not_on_record_has_no_page(database: Database) -> None:
    with database.reading() as read:
        assert worklist.study_page(read, "1.2.3") is None
        assert worklist.find_capture(read, "1.2.3", "1.2.4") is None
        assert queries.find_study(read, "1.2.3") is None


def test_the_analysis_that_stands_is_the_latest_that_holds(
    database: Database, receive: Record, analyse: Record
) -> None:
    def standing() -> int | None:
        with database.reading() as read:
            found = worklist.standing_analysis(read, "1.9")
        return None if found is None else found.revision

    assert standing() is None
    receive("1.1")
    analyse("1.9", 1, "1.1")
    receive("1.2")
    analyse("1.9", 2, "1.1", "1.2")
    assert standing() == 2
    receive("1.3", patient="Roe^Mary")
    assert standing() is None
