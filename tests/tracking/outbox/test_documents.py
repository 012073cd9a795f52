"""From findings to delivered documents, as the database sees it."""

from collections.abc import Callable
from typing import Any

import pytest

from tracking.audit_log import audit
from tracking.engine.database import Database
from tracking.jobs import maintenance, queue
from tracking.lists import queries
from tracking.outbox import deliveries
from tracking.outbox.deliveries import load_delivery, record_attempt_failed, record_delivered
from tracking.results.analyses import AnalysisRecord, FindingRecord, OutcomeRecord, record_analysis
from tracking.studies.instances import Registered

Build = Callable[..., None]


def status(database: Database, study: str = "1.9") -> str:
    with database.reading() as read:
        found = queries.find_study(read, study)
    assert found is not None
    return found.status


def keys(database: Database, name: str) -> list[str]:
    found = []
    while (job := queue.claim(database, [name], "here/1/1/1.0", 60_000)) is not None:
        found.append(job.key)
        with database.transaction() as tx:
            queue.finish(tx, job)
    return found


def test_a_study_goes_step_by_step_to_delivered(
    database: Database, receive: Callable[..., Registered], analyse: Build, build: Build
) -> None:
    receive("1.1")
    assert status(database) == "received"
    analyse("1.9", 1, "1.1")
    assert status(database) == "analysed"
    assert keys(database, "report") == ["report:1"]
    build(1, "pacs", "ris")
    assert status(database) == "reported"
    assert len(keys(database, "deliver")) == 2
    with database.transaction() as tx:
        record_delivered(tx, 1, "0000")
        record_delivered(tx, 2, "AA")
    assert status(database) == "delivered"
    with database.reading() as read:
        assert [line.type for line in audit.lines(read, study_uid="1.9")] == [
            "instance-received", "analysis-recorded", "documents-built", "delivery-done", "delivery-done",
        ]  # fmt: skip


def test_a_study_that_is_not_analysed_says_why_and_makes_no_report(
    database: Database, receive: Callable[..., Registered], analyse: Build
) -> None:
    receive("1.1")
    analyse("1.9", 1, "1.1", because="it is a lateral view")
    assert status(database) == "not-analysed"
    assert keys(database, "report") == []
    with database.reading() as read:
        found = queries.find_study(read, "1.9")
    assert found is not None
    assert found.not_analysed[0].because == "it is a lateral view"


def test_building_again_after_a_crash_adds_nothing(
    database: Database, receive: Callable[..., Registered], analyse: Build, build: Build
) -> None:
    receive("1.1")
    analyse("1.9", 1, "1.1")
    build(1, "pacs")
    build(1, "pacs")
    with database.reading() as read:
        found = queries.find_study(read, "1.9")
    assert found is not None
    assert (len(found.documents), len(found.deliveries)) == (1, 1)
    assert len(keys(database, "deliver")) == 1


def test_a_later_revision_supersedes_and_an_overtaken_one_is_not_reported(
    database: Database, receive: Callable[..., Registered], analyse: Build
) -> None:
    from tracking.results.analyses import load_analysis

    receive("1.1")
    analyse("1.9", 1, "1.1")
    analyse("1.9", 2, "1.1")
    with database.reading() as read:
        assert load_analysis(read, 2).supersedes == 1
    receive("3.1", study="3.9")
    analyse("3.9", 2, "3.1")
    analyse("3.9", 1, "3.1")
    due = keys(database, "report")
    assert due == ["report:1", "report:2", "report:3"]


def test_a_score_map_is_overtaken_by_a_later_revision_that_has_none(
    database: Database, receive: Callable[..., Registered], analyse: Build, build: Build
) -> None:
    receive("1.1")
    analyse("1.9", 1, "1.1")
    build(1, "pacs", kind="map")
    build(1, "pacs", kind="sc")
    analyse("1.9", 2, "1.1")
    build(2, "pacs")
    with database.transaction() as tx:
        record_delivered(tx, 3, "0000")
    with database.reading() as read:
        stored = {found.document.kind: found for number in (1, 2) if (found := load_delivery(read, number))}
        assert deliveries.is_overtaken(read, stored["map"])
        assert not deliveries.is_overtaken(read, stored["sc"])


@pytest.mark.fault(
    "a document does not pass its own conformance check",
    promise="quarantined; it goes nowhere and asks for attention",
    area="content",
)
def test_a_quarantined_document_goes_nowhere_and_asks_for_attention(
    database: Database, receive: Callable[..., Registered], analyse: Build, build: Build
) -> None:
    receive("1.1")
    analyse("1.9", 1, "1.1")
    build(1, "pacs", quarantined="no tracking UID")
    assert keys(database, "deliver") == []
    assert status(database) == "attention"


def test_a_stopped_delivery_shows_and_can_be_started_again(
    database: Database, receive: Callable[..., Registered], analyse: Build, build: Build
) -> None:
    receive("1.1")
    analyse("1.9", 1, "1.1")
    build(1, "pacs")
    job = queue.claim(database, ["deliver"], "here/1/1/1.0", 60_000)
    assert job is not None
    with database.transaction() as tx:
        queue.stop(tx, job, "0122")
        record_attempt_failed(tx, 1, "0122 SOP class not supported", stopped=True)
    assert status(database) == "attention"
    with database.transaction() as tx:
        assert deliveries.retry_deliveries(tx, study_uid="1.9") == 1
    assert status(database) == "reported"
    assert keys(database, "deliver") == ["deliver:1"]
    with database.reading() as read:
        assert load_delivery(read, 1).destination == "pacs"


def test_a_stopped_analysis_shows_and_can_be_started_again(
    database: Database, receive: Callable[..., Registered]
) -> None:
    receive("1.1")
    job = queue.claim(database, ["analyse"], "here/1/1/1.0", 60_000)
    assert job is not None
    with database.transaction() as tx:
        queue.stop(tx, job, "the model package is altered")
    assert status(database) == "attention"
    with database.transaction() as tx:
        assert maintenance.retry_study(tx, "1.9") == 1
    assert keys(database, "analyse") == ["analyse:1.9:1"]


def test_what_waits_for_a_destination_is_counted(
    database: Database, receive: Callable[..., Registered], analyse: Build, build: Build
) -> None:
    receive("1.1")
    analyse("1.9", 1, "1.1")
    build(1, "pacs", "ris")
    with database.transaction() as tx:
        record_delivered(tx, 1, "0000")
    with database.reading() as read:
        counts = {entry.name: (entry.waiting, entry.delivered) for entry in queries.destinations(read)}
    assert counts == {"pacs": (0, 1), "ris": (1, 0)}


def test_a_delivery_that_does_not_exist_is_named(database: Database) -> None:
    with database.reading() as read, pytest.raises(LookupError, match="99"):
        load_delivery(read, 99)


@pytest.mark.parametrize(
    ("critical", "changes", "urgent"),
    [
        ((), {}, False),
        (("lung_opacity",), {}, True),
        (("pneumothorax",), {}, False),
        (("lung_opacity",), {"level": "possible"}, False),
        (("lung_opacity",), {"detail": {"stated": False}}, False),
    ],
)
def test_a_critical_finding_raises_a_study_and_nothing_lowers_it(
    database: Database,
    receive: Callable[..., Registered],
    critical: tuple[str, ...],
    changes: dict[str, Any],
    urgent: bool,
) -> None:
    def analyse(revision: int, *uids: str, **found: Any) -> None:
        made = FindingRecord(
            **{
                "label": "lung_opacity", "code_value": "1", "code_scheme": "99T", "code_meaning": "O", "score": 0.9,
                "level": "present", "abnormal": True, "detail": {"stated": True}, **found,
            }
        )  # fmt: skip
        outcomes = tuple(OutcomeRecord(uid, None, None, (made,)) for uid in uids)
        record = AnalysisRecord("1.9", revision, "m", "1.0", "d" * 64, "litert", 0.1, outcomes, {})
        with database.transaction() as tx:
            record_analysis(tx, record, critical=critical)

    def report_priority() -> int:
        job = queue.claim(database, ["report"], "here/1/1/1.0", 60_000)
        assert job is not None
        return job.priority

    receive("1.1")
    analyse(1, "1.1", **changes)
    assert report_priority() == (queue.URGENT if urgent else queue.USUAL)
    receive("1.2")
    analyse(2, "1.1", "1.2", level="absent")
    assert report_priority() == (queue.URGENT if urgent else queue.USUAL)
    with database.reading() as read:
        lines = [line.detail for line in audit.lines(read, study_uid="1.9") if line.type == "study-urgent"]
    assert lines == ([{"user": "critical finding"}] if urgent else [])
