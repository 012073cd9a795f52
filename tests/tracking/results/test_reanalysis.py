"""Analysed anew: last of all, once, and only what today's model has not answered."""

from datetime import UTC, date, datetime, timedelta

import pytest

from config.errors import ActionRefused
from tests.tracking.books import JANE, MARY, USER, Books
from tracking.jobs import queue
from tracking.jobs.priorities import mark_urgent
from tracking.results.image_results import AnalyserIdentity, ImageRecord, record_image_results
from tracking.results.reanalysis import Choice, Reanalysis, choose_studies, reanalyse_study

TODAY = AnalyserIdentity("t" * 64, "d" * 64)


def reanalyse(books: Books, unless: AnalyserIdentity | None = None, study: str = "1.9") -> Reanalysis:
    with books.database.transaction() as tx:
        return reanalyse_study(tx, study, user=USER, unless_said_by=unless)


def said_by_today(books: Books) -> None:
    """Do the analysis that is due as a worker of today, who keeps what was said of each image."""
    job = books.claim()
    assert job is not None
    record = books.look_at(job)
    with books.database.transaction() as tx:
        record_image_results(tx, [ImageRecord(outcome, "a" * 64, 0.1, {}) for outcome in record.outcomes], TODAY)
    books.finish(job, record)


def test_a_new_revision_is_due_once_and_last(books: Books) -> None:
    books.receive("1.1", JANE)
    books.analyse()
    books.report()
    assert reanalyse(books) is Reanalysis.BEGUN
    assert reanalyse(books) is Reanalysis.DUE
    assert books.study().status == "received"
    books.receive("2.1", MARY, study="2.9")
    job = books.claim()
    assert job is not None
    assert job.payload["study_uid"] == "2.9"
    job = books.claim()
    assert job is not None
    assert (job.payload["study_uid"], job.priority) == ("1.9", queue.LOW)
    books.finish(job, books.look_at(job))
    reports = [books.claim("report")]
    assert [entry.priority for entry in reports if entry] == [queue.LOW], "the documents come last, too"
    assert books.events().count("study-reanalysed") == 1


def test_a_late_image_does_not_wait_for_its_turn(books: Books) -> None:
    books.receive("1.1", JANE)
    books.analyse()
    reanalyse(books)
    books.receive("1.2", JANE)
    job = books.claim()
    assert job is not None
    assert (job.priority, job.payload["revision"]) == (queue.USUAL, 2)


def test_what_today_s_model_has_answered_is_left_alone(books: Books) -> None:
    books.receive("1.1", JANE)
    books.analyse()
    assert reanalyse(books, TODAY) is Reanalysis.BEGUN
    said_by_today(books)
    assert reanalyse(books, TODAY) is Reanalysis.SAME
    assert reanalyse(books) is Reanalysis.BEGUN


def test_words_where_nothing_can_be_analysed(books: Books) -> None:
    with pytest.raises(ActionRefused, match="no study"):
        reanalyse(books)
    books.receive("1.1", JANE)
    books.receive("1.2", MARY)
    with pytest.raises(ActionRefused, match="two patients"):
        reanalyse(books)
    books.reject("1.1")
    books.reject("1.2")
    with pytest.raises(ActionRefused, match="was rejected"):
        reanalyse(books)


def test_studies_are_chosen_by_patient_and_day(books: Books) -> None:
    books.receive("1.1", JANE)
    books.receive("2.1", MARY, study="2.9")
    here = datetime.now(UTC).astimezone().date()

    def chosen(**choice: object) -> set[str]:
        with books.database.reading() as read:
            return set(choose_studies(read, Choice(**choice)))  # type: ignore[arg-type]

    assert chosen(patient="pat-a") == {"1.9"}
    assert chosen(first=here, last=here) == {"1.9", "2.9"}
    assert chosen(patient="PAT-B", first=here - timedelta(days=1)) == {"2.9"}
    assert chosen(last=date(2020, 1, 1)) == set()


def test_an_urgent_study_comes_first_whatever_follows(books: Books) -> None:
    books.receive("2.1", MARY, study="2.9")
    books.receive("1.1", JANE)
    with books.database.transaction() as tx:
        assert mark_urgent(tx, "1.9", user=USER)
    with books.database.transaction() as tx:
        assert not mark_urgent(tx, "1.9", user=USER)
    job = books.claim()
    assert job is not None
    assert job.payload["study_uid"] == "1.9"
    books.finish(job, books.look_at(job))
    job = books.claim("report")
    assert job is not None
    assert job.priority == queue.URGENT
    books.build(job)
    delivery = books.claim("deliver")
    assert delivery is not None
    assert delivery.priority == queue.URGENT
    books.receive("1.2", JANE)
    job = books.claim()
    assert job is not None
    assert job.payload["study_uid"] == "1.9"
    assert books.study().study_uid == "1.9"
    assert books.events().count("study-urgent") == 1
