"""Results of images: kept whole, never of other bytes, and one at work on an image at a time."""

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select

from tests.tracking.books import finding
from tracking.engine.database import Database
from tracking.jobs import queue
from tracking.results.analyses import OutcomeRecord, stored_instance
from tracking.results.image_results import (
    AnalyserIdentity,
    ImageRecord,
    image_results,
    record_image_results,
    running_examinations,
    take_over_examinations,
)
from tracking.studies.instances import Registered
from tracking.tables.models import AuditEvent, ImageResult, Instance, Job

ANALYSER = AnalyserIdentity("1" * 64, "d" * 64)
Receive = Callable[..., Registered]


def record_of(uid: str, sha256: str = "a" * 64, score: float = 0.8) -> ImageRecord:
    outcome = OutcomeRecord(
        uid, None, None, (finding(score),), [{"kind": "mirrored", "text": "x"}], {"kind": "frontal"}, score
    )
    return ImageRecord(outcome, sha256, 0.25, {"decode": 0.1})


def keep(database: Database, *records: ImageRecord, analyser: AnalyserIdentity = ANALYSER) -> None:
    with database.transaction() as tx:
        record_image_results(tx, records, analyser)


def kept(database: Database, *uids: str, analyser: AnalyserIdentity = ANALYSER) -> list[ImageRecord]:
    with database.reading() as read:
        instances = [found for uid in uids if (found := stored_instance(read, uid)) is not None]
        return image_results(read, instances, analyser)


def test_a_result_comes_back_as_it_was_and_leaves_no_audit_line(database: Database, receive: Receive) -> None:
    receive("1.1")
    with database.reading() as read:
        before = read.scalars(select(AuditEvent.seq)).all()
    keep(database, record_of("1.1"))
    assert kept(database, "1.1", "1.2") == [record_of("1.1")]
    with database.reading() as read:
        assert read.scalars(select(AuditEvent.seq)).all() == before


@given(score=st.floats(0, 1), distance=st.none() | st.floats(0, 1), reason=st.none() | st.just("view"))
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_outcome_survives_storage(
    database: Database, receive: Receive, score: float, distance: float | None, reason: str | None
) -> None:
    receive("1.1")
    found = () if reason else (finding(score),)
    record = ImageRecord(OutcomeRecord("1.1", reason, reason, found, [], None, distance), "a" * 64, score, {})
    with database.transaction() as tx:
        tx.execute(delete(ImageResult))
        record_image_results(tx, [record], ANALYSER)
    assert kept(database, "1.1") == [record]


def test_a_result_of_other_bytes_or_of_another_analyser_does_not_count(database: Database, receive: Receive) -> None:
    receive("1.1")
    keep(database, record_of("1.1", sha256="b" * 64))
    assert kept(database, "1.1") == []
    keep(database, record_of("1.1"))
    assert kept(database, "1.1") == [record_of("1.1")]
    assert kept(database, "1.1", analyser=AnalyserIdentity("2" * 64, "d" * 64)) == []


def test_the_first_result_of_the_same_bytes_stays(database: Database, receive: Receive) -> None:
    receive("1.1")
    keep(database, record_of("1.1", score=0.8))
    keep(database, record_of("1.1", score=0.7))
    assert kept(database, "1.1") == [record_of("1.1", score=0.8)]


def test_results_go_with_their_instance(database: Database, receive: Receive) -> None:
    receive("1.1")
    keep(database, record_of("1.1"))
    with database.transaction() as tx:
        tx.execute(delete(Instance).where(Instance.instance_uid == "1.1"))
    with database.reading() as read:
        assert read.scalars(select(ImageResult)).all() == []


def test_taking_over_ends_what_waits_and_leaves_what_runs(database: Database, receive: Receive) -> None:
    receive("1.1")
    receive("1.2")
    job = queue.claim(database, ["examine"], "here/1/1/1.0", 60_000)
    assert job is not None
    with database.transaction() as tx:
        assert take_over_examinations(tx, ["1.1", "1.2", "1.3"]) == {"1.1"}
    assert queue.claim(database, ["examine"], "here/1/1/1.0", 60_000) is None
    with database.reading() as read:
        assert running_examinations(read, ["1.1", "1.2"]) == {"1.1"}
    with database.transaction() as tx:
        queue.finish(tx, job)
    with database.reading() as read:
        assert running_examinations(read, ["1.1", "1.2"]) == set()


def test_whose_examination_was_taken_over_after_its_lease_cannot_write(database: Database, receive: Receive) -> None:
    receive("1.1")
    job = queue.claim(database, ["examine"], "here/1/1/1.0", 0)
    assert job is not None
    with database.transaction() as tx:
        assert take_over_examinations(tx, ["1.1"]) == set()
    with pytest.raises(queue.LeaseLost), database.transaction() as tx:
        queue.finish(tx, job)


def test_an_examination_that_stopped_is_ended_too(database: Database, receive: Receive) -> None:
    receive("1.1")
    job = queue.claim(database, ["examine"], "here/1/1/1.0", 60_000)
    assert job is not None
    with database.transaction() as tx:
        queue.stop(tx, job, "the process died")
    with database.transaction() as tx:
        take_over_examinations(tx, ["1.1"])
    with database.reading() as read:
        assert read.scalars(select(Job.state).where(Job.queue == "examine")).all() == ["done"]


def test_the_stored_instance_names_its_bytes(database: Database, receive: Receive) -> None:
    receive("1.1")
    with database.reading() as read:
        stored = stored_instance(read, "1.1")
        assert stored is not None
        assert (stored.instance_uid, stored.path, stored.sha256) == ("1.1", "ab/cd", "a" * 64)
        assert stored_instance(read, "1.2") is None
