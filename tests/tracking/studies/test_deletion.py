"""A study that is deleted: rows and files go, the audit log stays, and no UID is used twice."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from config.errors import ActionRefused
from tests.tracking.books import JANE, MARY, USER, Books
from tracking.answers.feedback import Answer, AnsweredModel, GivenAnswer, Subject, SubjectKind, record_answer
from tracking.audit_log import audit
from tracking.jobs import queue
from tracking.lists import queries, standing
from tracking.outbox.reasons import Reason
from tracking.outbox.rejections import Told
from tracking.outbox.withdrawal import withdraw_study
from tracking.people.users import Actor
from tracking.studies import comparisons
from tracking.studies.deletion import Deletion, Stores, delete_study
from tracking.tables.feedback_models import Feedback
from tracking.tables.models import Analysis, Base, Delivery, Document, Instance, Job, Study

KEPT = {"clock", "audit_event", "audit_head", "deleted_study", "alembic_version"}


def delete(books: Books, folder: Path, why: str = "by mistake", study: str = "1.9") -> Deletion:
    stores = Stores(folder / "instances", folder / "documents")
    with books.database.transaction() as tx:
        return delete_study(tx, study, why=why, stores=stores, user=USER)


def deliver(books: Books) -> None:
    job: Any = books.claim("deliver")
    books.end_delivery(job)


def finished(books: Books, folder: Path) -> list[Path]:
    """Deliver a study of two revisions; return its files."""
    for uid in ("1.1", "1.2"):
        books.receive(uid, JANE)
        examined = books.claim("examine")
        assert examined is not None
        books.analyse()
        books.report()
        deliver(books)
    with books.database.transaction() as tx:
        for job in tx.scalars(select(Job).where(Job.queue == "examine")):
            job.state = "done"
        files = [folder / "instances" / row.path for row in tx.scalars(select(Instance))]
        files += [folder / "documents" / row.path for row in tx.scalars(select(Document))]
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x")
    return files


def test_nothing_is_left_but_what_the_audit_log_says(books: Books, tmp_path: Path) -> None:
    files = finished(books, tmp_path)
    with pytest.raises(ActionRefused, match="say why"):
        delete(books, tmp_path, why="")
    assert delete(books, tmp_path) == Deletion(2, 2)
    assert [file for file in files if file.exists()] == []
    with books.database.reading() as read:
        assert queries.find_study(read, "1.9") is None
        for table in Base.metadata.sorted_tables:
            if table.name not in KEPT:
                assert read.execute(select(table)).all() == [], table.name
        assert [line.detail["why"] for line in audit.lines(read) if line.type == "study-deleted"] == ["by mistake"]
        assert audit.verify(read).intact
    with pytest.raises(ActionRefused, match="no study"):
        delete(books, tmp_path)


def test_a_study_that_comes_again_goes_on_with_its_revisions(books: Books, tmp_path: Path) -> None:
    finished(books, tmp_path)
    delete(books, tmp_path)
    books.receive("1.1", JANE)
    assert books.study().revision == 3
    assert books.analyse() == ["1.1"]
    with books.database.reading() as read:
        assert read.scalars(select(Analysis.revision)).all() == [3]
        assert list(standing.drift(read)) == []


@pytest.mark.fault(
    "the deletion of a study ends between its files and its rows",
    promise="the study is on record still, and deleting it again ends what was begun",
    area="killed",
)
def test_a_death_before_the_end_leaves_the_study_to_be_deleted_again(books: Books, tmp_path: Path) -> None:
    files = finished(books, tmp_path)
    stores = Stores(tmp_path / "instances", tmp_path / "documents")
    with pytest.raises(RuntimeError), books.database.transaction() as tx:  # noqa: PT012 - the block ends by it
        delete_study(tx, "1.9", why="w", stores=stores, user=USER)
        raise RuntimeError
    assert [file for file in files if file.exists()] == []
    assert books.count(Study) == 1
    assert delete(books, tmp_path) == Deletion(2, 2)


def test_what_waits_is_not_deleted(books: Books, tmp_path: Path) -> None:
    books.receive("1.1", JANE)
    with pytest.raises(ActionRefused, match="stands as received"):
        delete(books, tmp_path)
    books.analyse()
    books.report()
    with pytest.raises(ActionRefused, match="stands as reported"):
        delete(books, tmp_path)
    deliver(books)
    with books.database.transaction() as tx:
        told = Told(frozenset({"pacs"}), frozenset())
        withdraw_study(tx, "1.9", reason=Reason.QUALITY, why="w", told=told, user=USER)
    with pytest.raises(ActionRefused, match="something of it waits"):
        delete(books, tmp_path)
    assert books.count(Delivery) == 2


def test_what_readers_answered_goes_with_the_study(books: Books, tmp_path: Path) -> None:
    finished(books, tmp_path)
    about = Subject("2.25.1", SubjectKind.IMAGE, "1.1")
    given = GivenAnswer("1.9", 2, about, AnsweredModel("m", "1.0", "d" * 64), Answer.NOTHING_MISSED)
    with books.database.transaction() as tx:
        record_answer(tx, given, by=Actor(USER))
    assert delete(books, tmp_path) == Deletion(2, 2)
    with books.database.reading() as read:
        assert read.scalars(select(Feedback)).all() == []


def moved(books: Books) -> None:
    """Analyse and report image 1.1 of study 1.9, then let it move to study 1.10 and be delivered there."""
    books.receive("1.1", JANE)
    books.analyse()
    books.report()
    deliver(books)
    books.receive("1.1", MARY, sha256="b" * 64, study="1.10")
    books.accept("1.1")
    books.analyse()
    books.report()
    deliver(books)
    with books.database.transaction() as tx:
        for job in tx.scalars(select(Job).where(Job.queue == "examine")):
            job.state = "done"


def test_a_study_that_an_image_of_another_joined_is_deleted(books: Books, tmp_path: Path) -> None:
    moved(books)
    assert delete(books, tmp_path, study="1.10") == Deletion(1, 1)
    assert books.study("1.9").status == "rejected"
    with books.database.reading() as read:
        assert read.scalars(select(Instance)).all() == []
        assert list(standing.drift(read)) == []


def test_files_stay_where_the_rows_cannot_go(books: Books, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        msg = "no row goes"
        raise RuntimeError(msg)

    files = finished(books, tmp_path)
    monkeypatch.setattr(audit, "append", fail)
    with pytest.raises(RuntimeError):
        delete(books, tmp_path)
    assert all(file.exists() for file in files)


def test_a_study_is_not_deleted_while_a_file_kept_aside_is_undecided(books: Books, tmp_path: Path) -> None:
    finished(books, tmp_path)
    books.receive("1.1", MARY, sha256="b" * 64, study="1.10")
    for study in ("1.9", "1.10"):
        with pytest.raises(ActionRefused, match="waits for a decision"):
            delete(books, tmp_path, study=study)
    books.dismiss("1.1")
    assert delete(books, tmp_path) == Deletion(2, 2)
    with books.database.reading() as read:
        assert list(standing.drift(read)) == []


def test_a_comparison_under_way_ends_before_a_study_is_deleted(books: Books, tmp_path: Path) -> None:
    finished(books, tmp_path)
    books.receive("1.1", JANE, sha256="b" * 64, transfer_syntax_uid="1.2.840.10008.1.2.4.70")
    with pytest.raises(ActionRefused, match="being compared"):
        delete(books, tmp_path)
    with books.database.transaction() as tx:
        pair = comparisons.find_pair(tx, "1.1", "b" * 64)
        assert pair is not None
        comparisons.record_comparison(tx, pair, comparisons.Likeness.SAME)
    job = books.claim("compare")
    assert job is not None
    with books.database.transaction() as tx:
        queue.finish(tx, job)
    delete(books, tmp_path)
    assert books.count(Job) == 0


def test_a_deleted_study_that_a_file_kept_aside_names_goes_on_with_its_revisions(books: Books, tmp_path: Path) -> None:
    finished(books, tmp_path)
    delete(books, tmp_path)
    books.receive("2.1", JANE, study="2.9")
    books.receive("2.1", MARY, sha256="b" * 64)
    assert books.study().revision == 0
    books.receive("1.1", JANE)
    assert books.study().revision == 3
    assert [books.analyse(), books.analyse()] == [["2.1"], ["1.1"]]


def test_an_image_that_joins_a_deleted_study_meets_no_old_revision(books: Books, tmp_path: Path) -> None:
    finished(books, tmp_path)
    delete(books, tmp_path)
    books.receive("2.1", JANE, study="2.9")
    books.receive("2.1", MARY, sha256="b" * 64)
    books.accept("2.1")
    assert books.study().revision == 3


def test_a_study_without_an_image_is_deleted_again_and_keeps_its_revisions(books: Books, tmp_path: Path) -> None:
    finished(books, tmp_path)
    delete(books, tmp_path)
    books.receive("2.1", JANE, study="2.9")
    books.receive("2.1", MARY, sha256="b" * 64)
    books.dismiss("2.1")
    assert delete(books, tmp_path) == Deletion(0, 0)
    books.receive("1.1", JANE)
    assert books.study().revision == 3
