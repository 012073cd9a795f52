"""Deleting by rule: the oldest that is confirmed goes, and nothing that anybody still has to do with."""

from pathlib import Path

import pytest
from sqlalchemy import select, update

from config.errors import ActionRefused
from config.settings import RetentionSettings
from tests.tracking.books import JANE, MARY, USER, Books
from tracking.answers.feedback import Answer, AnsweredModel, GivenAnswer, Subject, SubjectKind, record_answer
from tracking.audit_log import audit
from tracking.audit_log.export import MEANINGS
from tracking.jobs.priorities import mark_urgent
from tracking.lists import queries, standing
from tracking.outbox.confirmations import await_confirmation
from tracking.outbox.confirmed import is_confirmed
from tracking.people.users import Actor
from tracking.studies import retention
from tracking.studies.deletion import Stores
from tracking.tables.models import Delivery, Instance, Job, Study

DAY_MS = 86_400_000
sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
AGES = {"delivered": 30.0, "not-analysed": 10.0}


def finish(books: Books, study: str = "1.9", *, days: float = 0) -> str:
    """Receive, analyse, report and deliver a study, whose last image came so many days ago; return its UID."""
    books.receive(f"{study}.1", JANE, study=study)
    examined = books.claim("examine")
    assert examined is not None
    books.analyse()
    books.report()
    job = books.claim("deliver")
    assert job is not None
    books.end_delivery(job)
    with books.database.transaction() as tx:
        tx.execute(update(Job).where(Job.queue == "examine").values(state="done"))
    make_older(books, study, days)
    return study


def make_older(books: Books, study: str, days: float) -> None:
    with books.database.transaction() as tx:
        tx.execute(
            update(Instance)
            .where(Instance.study_uid == study)
            .values(received_at=Instance.received_at - round(days * DAY_MS))
        )
        tx.execute(
            update(Study)
            .where(Study.study_uid == study)
            .values(
                first_received_at=Study.first_received_at - round(days * DAY_MS),
                last_received_at=Study.last_received_at - round(days * DAY_MS),
            )
        )
        standing.write(tx, [study])


def found(books: Books, ages: dict[str, float] | None = None, *, answered: bool = False) -> list[str]:
    """Return the studies that the rule lets go."""
    with books.database.reading() as read:
        page = retention.expired(read, ages or AGES, answered=answered)
        return [entry.study_uid for entry in page if is_confirmed(read, entry.study_uid)]


def test_the_oldest_come_first_and_young_ones_not_at_all(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    for study, days in (("1.1", 31), ("1.2", 29), ("1.3", 400), ("1.4", 31)):
        finish(books, study, days=days)
    assert found(books) == ["1.3", "1.1", "1.4"]
    monkeypatch.setattr(retention, "AT_A_TIME", 2)
    with books.database.reading() as read:
        first = retention.expired(read, AGES, answered=False)
        rest = retention.expired(read, AGES, answered=False, after=first[-1])
    assert [entry.study_uid for entry in (*first, *rest)] == ["1.3", "1.1", "1.4"]
    assert {entry.size for entry in first} == {7 + 9}


@sqlite
def test_what_waits_is_urgent_or_needs_somebody_stays(books: Books) -> None:
    finish(books, "1.2", days=400)
    with books.database.transaction() as tx:
        mark_urgent(tx, "1.2", user=USER)
    finish(books, "1.3")
    books.receive("1.3.2", MARY, study="1.3")
    finish(books, "1.4")
    books.receive("1.4.1", JANE, study="1.4", sha256="b" * 64)
    books.receive("1.1.1", JANE, study="1.1")
    for study in ("1.1", "1.3", "1.4"):
        make_older(books, study, 400)
    assert found(books, dict.fromkeys(("delivered", "not-analysed", "rejected", "withdrawn"), 1.0)) == []


@sqlite
def test_a_result_that_nobody_has_is_not_confirmed(books: Books) -> None:
    finish(books, days=400)
    assert found(books) == ["1.9"]
    with books.database.transaction() as tx:
        tx.execute(update(Delivery).values(state="not-taken"))
        standing.write(tx, ["1.9"])
    assert books.study().status == "delivered"
    assert found(books) == []


def test_what_is_still_asked_about_is_not_confirmed(books: Books) -> None:
    finish(books, days=400)
    with books.database.transaction() as tx:
        (delivery,) = tx.scalars(select(Delivery.id)).all()
        await_confirmation(tx, delivery, delay_seconds=0, give_up_ms=DAY_MS)
    with books.database.reading() as read:
        assert not is_confirmed(read, "1.9")


@sqlite
def test_what_readers_answered_stays_unless_the_rule_says_otherwise(books: Books) -> None:
    finish(books, days=400)
    about = Subject("2.25.1", SubjectKind.IMAGE, "1.9.1")
    given = GivenAnswer("1.9", 1, about, AnsweredModel("m", "1.0", "d" * 64), Answer.NOTHING_MISSED)
    with books.database.transaction() as tx:
        record_answer(tx, given, by=Actor(USER))
    assert found(books) == []
    assert found(books, answered=True) == ["1.9"]


def test_deleting_is_audited_by_rule_and_asked_again_in_its_transaction(books: Books, tmp_path: Path) -> None:
    stores = Stores(tmp_path / "instances", tmp_path / "documents")
    for study in ("1.1", "1.2"):
        finish(books, study, days=400)
    with books.database.transaction() as tx:
        mark_urgent(tx, "1.2", user=USER)
    with books.database.transaction() as tx:
        retention.delete_by_rule(tx, "1.1", AGES, answered=False, why="over", stores=stores)
    with pytest.raises(ActionRefused, match="any more"), books.database.transaction() as tx:
        retention.delete_by_rule(tx, "1.2", AGES, answered=False, why="over", stores=stores)
    with books.database.reading() as read:
        assert queries.find_study(read, "1.1") is None
        assert queries.find_study(read, "1.2") is not None
        (line,) = [line for line in audit.lines(read) if line.type == "study-deleted"]
        assert audit.verify(read).intact
    assert (line.detail["user"], line.detail["why"], line.study_uid) == ("retention", "over", "1.1")
    assert MEANINGS[line.type].code == "110105"


def test_the_settings_say_how_old() -> None:
    assert retention.ages(RetentionSettings()) == {}
    assert retention.ages(RetentionSettings(not_analysed_days=3)) == {"not-analysed": 3}
    by_status = retention.ages(RetentionSettings(study_days=90, not_analysed_days=3))
    assert by_status == {"delivered": 90, "withdrawn": 90, "rejected": 90, "not-analysed": 3}
    assert set(retention.ages_for_room(RetentionSettings(keep_free_bytes=1)).values()) == {7}


@sqlite
def test_jobs_of_others_are_left(books: Books, tmp_path: Path) -> None:
    finish(books, "1.1", days=400)
    finish(books, "1.2")
    stores = Stores(tmp_path / "instances", tmp_path / "documents")
    with books.database.transaction() as tx:
        retention.delete_by_rule(tx, "1.1", AGES, answered=False, why="over", stores=stores)
    with books.database.reading() as read:
        assert read.scalars(select(Study.study_uid)).all() == ["1.2"]
        assert len(read.scalars(select(Job.key)).all()) == 4
        assert list(standing.drift(read)) == []
