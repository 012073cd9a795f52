"""What the command line and the doctor are shown: studies, what is being tried again, and why."""

from collections.abc import Callable
from datetime import UTC, datetime

from tracking.engine.database import Database
from tracking.jobs import maintenance, queue
from tracking.jobs.queue import Job, RetryPolicy
from tracking.lists import queries
from tracking.lists.summaries import RetrySummary, StudySummary
from tracking.outbox import deliveries, documents
from tracking.studies import corrections
from tracking.studies.instances import Registered

Receive = Callable[..., Registered]
Build = Callable[..., None]
SLOWLY = RetryPolicy(first=1000, longest=1000)
AWAY = "PACS at 192.0.2.10:104 cannot be reached"


def study(database: Database, study_uid: str = "1.9") -> StudySummary:
    with database.reading() as read:
        found = queries.find_study(read, study_uid)
    assert found is not None
    return found


def retrying(database: Database) -> list[RetrySummary]:
    return list(study(database).retrying)


def claimed(database: Database, name: str) -> Job:
    job = queue.claim(database, [name], "here/1/1/1.0", 60_000)
    assert job is not None
    return job


def postpone(database: Database, name: str, error: str) -> None:
    job = claimed(database, name)
    with database.transaction() as tx:
        queue.postpone(tx, job, error, SLOWLY)


def test_a_study_on_its_way_is_not_being_tried_again(
    database: Database, receive: Receive, analyse: Build, build: Build
) -> None:
    receive("1.1")
    assert retrying(database) == []
    analyse("1.9", 1, "1.1")
    build(1, "pacs")
    assert retrying(database) == []


def test_an_analysis_that_failed_is_shown_with_its_error_and_its_next_try(database: Database, receive: Receive) -> None:
    receive("1.1")
    postpone(database, "analyse", "the disk is full")
    [entry] = retrying(database)
    assert (entry.step, entry.destination, entry.attempts, entry.error) == ("analyse", None, 1, "the disk is full")
    assert entry.next_try_at > datetime.now(UTC)
    assert study(database).status == "received", "not stopped: nobody has to act"


def test_a_worker_that_died_on_a_study_is_shown(database: Database, receive: Receive) -> None:
    receive("1.1")
    job = claimed(database, "analyse")
    with database.transaction() as tx:
        queue.end_leases(tx, [(job.id, "here/1/1/1.0")])
    claimed(database, "analyse")
    [entry] = retrying(database)
    assert (entry.step, entry.attempts) == ("analyse", 1)
    assert "died" in entry.error


def test_a_report_that_failed_is_shown_until_it_is_done(database: Database, receive: Receive, analyse: Build) -> None:
    receive("1.1")
    analyse("1.9", 1, "1.1")
    postpone(database, "report", "the disk is full")
    assert [entry.step for entry in retrying(database)] == ["report"]
    with database.transaction() as tx:
        assert maintenance.retry_study(tx, "1.9") == 1
    job = claimed(database, "report")
    with database.transaction() as tx:
        queue.finish(tx, job)
    assert retrying(database) == []


def test_starting_a_study_again_starts_no_other_whose_uid_looks_like_it(database: Database, receive: Receive) -> None:
    for number, uid in enumerate(("1.9.a", "1.9.A", "1.9.a:7")):
        receive(f"1.{number}", study=uid)
        postpone(database, "analyse", "the disk is full")
    with database.transaction() as tx:
        assert maintenance.retry_study(tx, "1.9.a") == 1
    assert claimed(database, "analyse").key == "analyse:1.9.a:1"


def test_deliveries_that_failed_are_summed_up_by_destination(
    database: Database, receive: Receive, analyse: Build, build: Build
) -> None:
    receive("1.1")
    analyse("1.9", 1, "1.1")
    build(1, "pacs", "ris")
    job = claimed(database, "deliver")
    assert job.destination == "pacs"
    with database.transaction() as tx:
        queue.postpone(tx, job, AWAY, SLOWLY)
        queue.open_breaker(tx, "pacs", AWAY, SLOWLY)
        deliveries.record_attempt_failed(tx, job.payload["delivery_id"], AWAY, stopped=False)
    [entry] = retrying(database)
    assert (entry.step, entry.destination, entry.documents, entry.attempts) == ("deliver", "pacs", 1, 1)
    assert entry.error == AWAY
    assert entry.next_try_at > datetime.now(UTC)
    assert study(database).status == "reported"
    with database.transaction() as tx:
        deliveries.retry_deliveries(tx, destination="pacs")
        deliveries.record_delivered(tx, job.payload["delivery_id"], "0000")
    assert retrying(database) == []


def test_a_study_that_waits_behind_a_paused_destination_says_so(
    database: Database, receive: Receive, analyse: Build, build: Build
) -> None:
    receive("1.1")
    analyse("1.9", 1, "1.1")
    build(1, "pacs")
    with database.transaction() as tx:
        queue.open_breaker(tx, "pacs", AWAY, SLOWLY)
    [entry] = retrying(database)
    assert (entry.destination, entry.attempts, entry.error) == ("pacs", 0, AWAY)
    assert entry.next_try_at > datetime.now(UTC)


def test_what_has_stopped_is_a_problem_and_no_longer_being_tried(database: Database, receive: Receive) -> None:
    receive("1.1")
    job = claimed(database, "analyse")
    with database.transaction() as tx:
        queue.stop(tx, job, "the model package was altered")
    found = study(database)
    assert (found.status, found.retrying) == ("attention", ())
    assert found.problems == ("analyse stopped: the model package was altered",)


def test_the_images_of_a_study_are_listed_with_what_came_twice_or_was_kept_aside(
    database: Database, receive: Receive
) -> None:
    receive("1.1")
    receive("1.2")
    assert receive("1.2") is Registered.DUPLICATE
    with database.reading() as read:
        images = queries.instances(read, "1.9")
    assert [(image.instance_uid, image.duplicates, image.conflicts) for image in images] == [
        ("1.1", 0, 0), ("1.2", 1, 0),
    ]  # fmt: skip


def test_quarantined_documents_are_counted_by_study_until_a_later_analysis_or_a_rebuild_takes_their_place(
    database: Database, receive: Receive, analyse: Build, build: Build
) -> None:
    def quarantined() -> dict[str, int]:
        with database.reading() as read:
            return documents.quarantined_by_study(read)

    assert quarantined() == {}
    for number, uid in enumerate(("1.9", "1.10"), start=1):
        receive(f"1.{number}", study=uid)
        analyse(uid, 1, f"1.{number}")
        build(number, quarantined="(0040,A730) is missing")
    assert quarantined() == {"1.9": 1, "1.10": 1}
    assert study(database).status == "attention"
    receive("1.3", study="1.9")
    analyse("1.9", 2, "1.1", "1.3")
    assert quarantined() == {"1.10": 1}, "as `cxrnode studies` sees it"
    assert study(database).status != "attention"
    build(2)
    assert quarantined() == {}


def test_what_failed_last_is_told_for_each_destination(
    database: Database, receive: Receive, analyse: Build, build: Build
) -> None:
    receive("1.1")
    analyse("1.9", 1, "1.1")
    build(1, "pacs", "ris")
    with database.transaction() as tx:
        deliveries.record_attempt_failed(tx, 1, "away", stopped=False)
        deliveries.record_attempt_failed(tx, 2, "refused", stopped=True)
    with database.reading() as read:
        assert queries.last_errors(read) == {"pacs": "away", "ris": "refused"}
        [stopped] = queries.stopped_deliveries(read)
    assert (stopped.destination, stopped.study_uid, stopped.error) == ("ris", "1.9", "refused")


def test_quarantined_documents_of_a_result_that_does_not_hold_are_not_counted(
    database: Database, receive: Receive, analyse: Build, build: Build
) -> None:
    for number, uid in enumerate(("1.9", "1.10", "1.11"), start=1):
        receive(f"1.{number}", study=uid)
        analyse(uid, 1, f"1.{number}")
        build(number, quarantined="(0040,A730) is missing")
    with database.transaction() as tx:
        corrections.reject_instance(tx, "1.9", "1.1", user="operator")
    receive("1.4", study="1.10", patient="Roe^Mary")
    with database.reading() as read:
        assert documents.quarantined_by_study(read) == {"1.11": 1}
