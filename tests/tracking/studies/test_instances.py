"""Registering instances: nothing twice, nothing lost, one analysis a settled study revision."""

from collections.abc import Callable

import pytest
from sqlalchemy import select

from tracking.audit_log import audit
from tracking.engine.database import Database
from tracking.jobs import queue
from tracking.results.analyses import instances_of
from tracking.studies.instances import Registered, association_released
from tracking.tables.models import Conflict, Instance, Job, Study


def analyses_due(database: Database) -> list[str]:
    with database.reading() as read:
        return list(read.scalars(select(Job.key).where(Job.queue == "analyse", Job.state == "open").order_by(Job.id)))


def test_a_new_instance_brings_study_audit_line_and_analysis(
    database: Database, receive: Callable[..., Registered]
) -> None:
    assert receive("1.1") is Registered.NEW
    assert analyses_due(database) == ["analyse:1.9:1"]
    with database.reading() as read:
        assert read.get(Study, "1.9") is not None
        (line,) = audit.lines(read)
    assert (line.type, line.study_uid, line.detail["instance_uid"]) == ("instance-received", "1.9", "1.1")


def test_every_new_instance_is_to_be_examined_at_once_and_no_other(
    database: Database, receive: Callable[..., Registered]
) -> None:
    receive("1.1", settle=60)
    receive("1.2", settle=60)
    receive("1.2", settle=60)
    receive("1.1", sha256="b" * 64)
    due = [queue.claim(database, ["examine"], "here/1/1/1.0", 60_000) for _ in range(3)]
    assert [job and job.payload["instance_uid"] for job in due] == ["1.1", "1.2", None]


def test_the_audit_line_holds_no_patient_data(database: Database, receive: Callable[..., Registered]) -> None:
    receive("1.1")
    with database.reading() as read:
        assert "Doe" not in str(list(audit.lines(read)))


def test_the_same_bytes_again_change_nothing_but_a_counter(
    database: Database, receive: Callable[..., Registered]
) -> None:
    receive("1.1")
    assert receive("1.1") is Registered.DUPLICATE
    assert analyses_due(database) == ["analyse:1.9:1"]
    with database.reading() as read:
        instance = read.get(Instance, "1.1")
        assert instance is not None
        assert instance.duplicates == 1


def test_other_bytes_under_the_same_uid_are_a_conflict_and_change_nothing(
    database: Database, receive: Callable[..., Registered]
) -> None:
    receive("1.1")
    assert receive("1.1", sha256="b" * 64) is Registered.CONFLICT
    with database.reading() as read:
        instance = read.get(Instance, "1.1")
        assert instance is not None
        assert instance.sha256 == "a" * 64
        assert read.scalars(select(Conflict)).all() == []


def test_instances_that_arrive_before_the_analysis_share_it(
    database: Database, receive: Callable[..., Registered]
) -> None:
    receive("1.1", settle=60)
    receive("1.2", settle=60)
    assert analyses_due(database) == ["analyse:1.9:1"]
    with database.reading() as read:
        assert [stored.instance_uid for stored in instances_of(read, "1.9", 1)] == ["1.1", "1.2"]


def test_an_instance_that_arrives_after_the_analysis_began_makes_a_new_revision(
    database: Database, receive: Callable[..., Registered]
) -> None:
    receive("1.1")
    assert queue.claim(database, ["analyse"], "here/1/1/1.0", 60_000) is not None
    receive("1.2")
    assert analyses_due(database) == ["analyse:1.9:1", "analyse:1.9:2"]
    with database.reading() as read:
        assert [stored.instance_uid for stored in instances_of(read, "1.9", 1)] == ["1.1"]
        assert [stored.instance_uid for stored in instances_of(read, "1.9", 2)] == ["1.1", "1.2"]


def test_an_analysis_waits_until_the_study_is_quiet_and_a_release_shortens_the_wait(
    database: Database, receive: Callable[..., Registered]
) -> None:
    receive("1.1", settle=60)
    assert queue.claim(database, ["analyse"], "here/1/1/1.0", 60_000) is None
    with database.transaction() as tx:
        association_released(tx, ["1.9", "1.9", "never.heard.of"], settle_seconds=0)
    assert queue.claim(database, ["analyse"], "here/1/1/1.0", 60_000) is not None


def test_a_second_image_never_shortens_the_wait(database: Database, receive: Callable[..., Registered]) -> None:
    def due() -> int:
        with database.reading() as read:
            return read.scalars(select(Job.visible_at).where(Job.queue == "analyse")).one()

    receive("1.1", settle=120)
    first = due()
    receive("1.2", settle=120)
    assert due() >= first


def test_a_release_never_lengthens_the_wait(database: Database, receive: Callable[..., Registered]) -> None:
    receive("1.1", settle=0)
    with database.transaction() as tx:
        association_released(tx, ["1.9"], settle_seconds=60)
    assert queue.claim(database, ["analyse"], "here/1/1/1.0", 60_000) is not None


@pytest.mark.parametrize("broken", ["audit", "database"])
def test_a_failure_before_the_commit_leaves_nothing_behind(
    database: Database, receive: Callable[..., Registered], monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError(broken)

    if broken == "audit":
        monkeypatch.setattr("tracking.audit_log.audit.write_pending", fail)
    else:
        monkeypatch.setattr("tracking.studies.instances.queue.enqueue", fail)
    with pytest.raises(RuntimeError):
        receive("1.1")
    monkeypatch.undo()
    with database.reading() as read:
        assert read.get(Study, "1.9") is None
        assert read.get(Instance, "1.1") is None
        assert audit.verify(read).lines == 0
    assert receive("1.1") is Registered.NEW


def test_instances_of_one_study_over_many_associations_at_once_are_all_kept(
    database: Database, receive: Callable[..., Registered]
) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(6) as pool:
        outcomes = list(pool.map(lambda number: receive(f"1.{number}", settle=60), range(12)))
    assert outcomes == [Registered.NEW] * 12
    with database.reading() as read:
        assert len(instances_of(read, "1.9", 1)) == 12
    assert analyses_due(database) == ["analyse:1.9:1"]
