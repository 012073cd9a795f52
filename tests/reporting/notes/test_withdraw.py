"""A result that is withdrawn: what waits does not leave, and whoever has it is told, once."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from config.errors import ActionRefused
from config.settings import Settings
from inference.findings import Finding
from tests.archive import named_by
from tests.reporting.way import USER, Way, open_way
from tracking.jobs import queue
from tracking.lists import standing
from tracking.outbox.left_behind import left_behind, void_and_left
from tracking.outbox.reasons import Reason
from tracking.outbox.withdrawal import Withdrawal, withdraw_study
from tracking.tables.models import Delivery, Study


def withdraw(way: Way, reason: Reason = Reason.QUALITY, why: str = "wrong side") -> Withdrawal:
    with way.database.transaction() as tx:
        return withdraw_study(tx, way.study, reason=reason, why=why, told=way.told, user=USER)


def assert_rows_follow(way: Way) -> None:
    with way.database.reading() as read:
        assert list(standing.drift(read)) == []


def test_whoever_has_it_is_told_once(way: Way, opacity_findings: tuple[Finding, ...]) -> None:
    way.receive(1, opacity_findings)
    way.work()
    way.assert_one_truth(1)
    said = {str(dataset.SOPInstanceUID) for dataset in way.archive.shown()}
    assert withdraw(way) == Withdrawal(0, {"pacs": 2, "ris": 1}, {}, changed=True)
    assert way.summary().status == "withdrawn"
    with way.database.reading() as read:
        assert sum(void_and_left(read).values()) == 2, "the note is on its way"
    way.work()
    assert way.archive.shown() == []
    (note,) = way.archive.notes
    assert set(named_by(note)) == said
    assert note.ConceptNameCodeSequence[0].CodeValue == "113001"
    assert (note.PatientID, note.StudyInstanceUID, note.Modality) == ("PHANTOM-00001", way.study, "KO")
    first, second = way.messages()
    assert [segment[0] for segment in second[:7]] == ["MSH", "PID", "PV1", "ORC", "OBR", "NTE", "OBX"]
    assert second[4][2:5] == first[4][2:5]
    assert second[4][25] == "C"
    assert {segment[11] for segment in second if segment[0] == "OBX"} == {"O", "D"}
    assert [segment[3:6] for segment in second if segment[0] == "OBX"] == [
        segment[3:6] for segment in first if segment[0] == "OBX"
    ]
    assert first[0][9] != second[0][9]
    assert withdraw(way) == Withdrawal(0, {}, {}, changed=False)
    way.work()
    assert len(way.archive.notes) == 1
    assert set(way.ris.times_received.values()) == {1}
    assert way.summary().status == "withdrawn"
    assert way.events().count("study-withdrawn") == 1
    with way.database.reading() as read:
        assert left_behind(read, way.study) == []
        assert void_and_left(read) == {}
    assert_rows_follow(way)


def test_what_waits_does_not_leave_and_nobody_is_told_of_it(way: Way, opacity_findings: tuple[Finding, ...]) -> None:
    way.receive(1, opacity_findings)
    way.work("analyse", "report")
    assert withdraw(way, Reason.SAFETY) == Withdrawal(3, {}, {}, changed=True)
    way.work()
    assert way.archive.arrivals == []
    assert way.messages() == []
    assert {*way.states("sr"), *way.states("sc"), *way.states("hl7")} == {"withheld"}
    assert_rows_follow(way)


def test_a_failed_attempt_may_have_arrived(way: Way, opacity_findings: tuple[Finding, ...]) -> None:
    way.receive(1, opacity_findings)
    way.archive.statuses += [0xA700]  # the archive says no, but who knows
    way.work("analyse", "report")
    job = queue.claim(way.database, ["deliver"], "test/1/1", 60_000)
    assert job is not None
    from tracking.outbox.deliveries import record_attempt_failed

    with way.database.transaction() as tx:
        queue.postpone(tx, job, "no answer", queue.RetryPolicy(60, 60))
        record_attempt_failed(tx, job.payload["delivery_id"], "no answer", stopped=False)
    outcome = withdraw(way, Reason.SAFETY)
    assert outcome.dropped == 3
    assert sum(outcome.taken_back.values()) == 1


def test_what_was_on_its_way_meanwhile_is_taken_back_when_it_has_arrived(
    way: Way, opacity_findings: tuple[Finding, ...]
) -> None:
    way.receive(1, opacity_findings)
    way.work("analyse", "report")
    from reporting.delivery.deliver import DeliverHandler

    job = queue.claim(way.database, ["deliver"], "test/1/1", 60_000, destination="pacs")
    assert job is not None
    commit: Any = DeliverHandler(way.settings, way.database).run(job)
    assert withdraw(way, Reason.SAFETY) == Withdrawal(2, {}, {}, changed=True)
    with way.database.transaction() as tx:
        queue.finish(tx, job)
        commit(tx)
    way.work()
    assert len(way.archive.stored) == 1
    assert way.archive.shown() == []
    assert set(way.archive.rejected.values()) == {"113037"}


def test_a_wrong_patient_s_observations_are_wrong_rather_than_deleted(
    way: Way, opacity_findings: tuple[Finding, ...]
) -> None:
    way.receive(1, opacity_findings)
    way.work()
    withdraw(way, Reason.SAFETY)
    way.work()
    assert {segment[11] for segment in way.messages()[1] if segment[0] == "OBX"} == {"O", "W"}


def test_what_comes_later_has_uids_of_its_own(way: Way, opacity_findings: tuple[Finding, ...]) -> None:
    way.receive(1, opacity_findings)
    way.work()
    withdraw(way)
    way.work()
    way.receive(2, opacity_findings)
    assert way.summary().status == "received"
    way.work()
    assert way.summary().status == "delivered"
    way.assert_one_truth(2)
    assert way.messages()[-1][4][25] == "C"


def test_a_correction_that_a_later_result_overtook_is_not_sent(way: Way, opacity_findings: tuple[Finding, ...]) -> None:
    way.receive(1, opacity_findings)
    way.work()
    withdraw(way)
    way.receive(2, opacity_findings)
    way.work("analyse", "report")
    with way.database.transaction() as tx:  # the correction is held up
        from tracking.jobs.keys import delivery_key
        from tracking.tables.models import Document, Job

        held = tx.scalars(select(Delivery.id).join(Document).where(Document.kind == "hl7-note")).one()
        tx.query(Job).where(Job.key == delivery_key(held)).update({"priority": 99})
    way.work()
    assert [message[4][25] for message in way.messages()] == ["P", "C"]
    assert {segment[11] for segment in way.messages()[1] if segment[0] == "OBX"} == {"O", "C"}
    assert way.states("hl7-note") == ["overtaken"]
    assert way.summary().status == "delivered"


def test_words_where_there_is_nothing_to_withdraw(
    way: Way, opacity_findings: tuple[Finding, ...], phantom: Callable[..., Any]
) -> None:
    way.study = "1.9"
    with pytest.raises(ActionRefused, match="no study"):
        withdraw(way)
    way.study = ""
    way.receive(1, opacity_findings)
    with pytest.raises(ActionRefused, match="no result to withdraw"):
        withdraw(way)
    way.work("analyse")
    with pytest.raises(ActionRefused, match="say why"):
        withdraw(way, why=" ")
    with way.database.transaction() as tx:
        tx.get_one(Study, way.study).conflict_since = 1
    with pytest.raises(ActionRefused, match="two patients"):
        withdraw(way)


def test_a_destination_that_takes_no_notes_keeps_what_it_has_and_is_named(
    studies: Any, settings: Settings, opacity_findings: tuple[Finding, ...]
) -> None:
    with open_way(studies, settings, takes_notes=False) as way:
        way.receive(1, opacity_findings)
        way.work()
        withdraw(way)
        way.work()
        assert way.states("note") == ["not-taken"]
        assert way.summary().status == "withdrawn"
        with way.database.reading() as read:
            assert {entry.kind for entry in left_behind(read, way.study)} == {"sr", "sc"}
            assert void_and_left(read) == {way.study: 2}


def test_a_destination_that_is_not_to_be_told_is_named(
    studies: Any, settings: Settings, opacity_findings: tuple[Finding, ...]
) -> None:
    with open_way(studies, settings) as way:
        pacs, ris = way.settings.destinations
        way.settings = way.settings.model_copy(
            update={"destinations": (pacs.model_copy(update={"rejection_notes": False}), ris)}
        )
        way.receive(1, opacity_findings)
        way.work()
        assert withdraw(way) == Withdrawal(0, {"ris": 1}, {"pacs": 2}, changed=True)
