"""A later revision: what it replaces is taken back when it has arrived, what it would only repeat stays."""

from collections import Counter
from dataclasses import replace

import pytest

from inference.findings import Finding
from tests.archive import named_by
from tests.reporting.way import USER, Way, other_model
from tracking.jobs.priorities import mark_urgent
from tracking.outbox.left_behind import void_and_left
from tracking.studies import corrections


def arrivals(way: Way) -> Counter[str]:
    return Counter(way.archive.arrivals)


def less_sure(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    return tuple(replace(finding, score=finding.score * 0.9) for finding in findings)


def test_a_late_image_leaves_the_capture_of_the_earlier_one_as_it_is(
    way: Way, opacity_findings: tuple[Finding, ...]
) -> None:
    way.receive(1, opacity_findings)
    way.work()
    report, capture = (str(shown.SOPInstanceUID) for shown in way.archive.shown())
    way.receive(2, opacity_findings)
    way.work()
    way.assert_one_truth(2)
    assert capture in {str(shown.SOPInstanceUID) for shown in way.archive.shown("OT")}
    assert [named_by(note) for note in way.archive.notes] == [[report]]
    assert set(arrivals(way).values()) == {1}
    assert len(way.documents("sc")) == 2
    assert Counter(document.kind for document in way.summary().documents) == {"sr": 1, "sc": 2, "hl7": 1, "note": 1}
    assert way.summary().status == "delivered"
    (shown,) = way.archive.shown("SR")
    assert (shown.SeriesNumber, shown.SeriesDescription) == (9011, "AI findings (not verified), revision 2")
    assert [message[4][25] for message in way.messages()] == ["P", "C"]


@pytest.mark.long
def test_a_study_that_was_urgent_once_has_its_priority_in_every_later_message(
    way: Way, opacity_findings: tuple[Finding, ...]
) -> None:
    first = way.receive(1, opacity_findings)
    way.work()
    with way.database.transaction() as tx:
        mark_urgent(tx, way.study, user=USER)
    way.receive(2, opacity_findings)
    way.work()
    way.model.findings[first] = less_sure(opacity_findings)
    way.receive(3, opacity_findings)
    way.work()
    priorities = [[segment[9] for segment in message if segment[0] == "TQ1"] for message in way.messages()]
    assert priorities == [[], ["S^Stat^HL70485"], ["S^Stat^HL70485"]]


@pytest.mark.long  # the other tests prove it in fewer steps
def test_a_third_image_carries_both(way: Way, opacity_findings: tuple[Finding, ...]) -> None:
    for number in (1, 2, 3):
        way.receive(number, opacity_findings)
        way.work()
        way.assert_one_truth(number)
    assert len(way.documents("sc")) == 3
    assert len(way.archive.notes) == 2


def test_what_is_said_otherwise_gets_a_new_capture_and_the_old_one_is_taken_back(
    way: Way, opacity_findings: tuple[Finding, ...]
) -> None:
    first = way.receive(1, opacity_findings)
    way.work()
    before = [str(shown.SOPInstanceUID) for shown in way.archive.shown()]
    way.receive(2, opacity_findings)
    way.model.findings[first] = less_sure(opacity_findings)
    way.work()
    way.assert_one_truth(2)
    (note,) = way.archive.notes
    assert sorted(named_by(note)) == sorted(before)
    assert note.ConceptNameCodeSequence[0].CodeMeaning == "Rejected for Quality Reasons"


@pytest.mark.long  # the other tests prove it in fewer steps
def test_another_version_of_the_model_makes_new_captures(way: Way, opacity_findings: tuple[Finding, ...]) -> None:
    way.receive(1, opacity_findings)
    way.work()
    way.model.identity = other_model("2.0.0")
    way.receive(2, opacity_findings)
    way.work()
    way.assert_one_truth(2)
    assert len(way.documents("sc")) == 3


def test_nothing_is_taken_back_before_the_new_documents_have_arrived(
    way: Way, opacity_findings: tuple[Finding, ...]
) -> None:
    way.receive(1, opacity_findings)
    way.work()
    way.receive(2, opacity_findings)
    way.archive.statuses += [0xA700] * 50
    way.work("analyse", "report", "deliver")
    assert way.archive.notes == []
    assert way.documents("note") == []


def test_images_that_were_rejected_have_their_documents_taken_back_for_safety(
    way: Way, opacity_findings: tuple[Finding, ...]
) -> None:
    way.receive(1, opacity_findings)
    wrong = way.receive(2, opacity_findings)
    way.work()
    with way.database.transaction() as tx:
        corrections.reject_instance(tx, way.study, wrong, told=way.told, user="operator")
    way.work()
    way.assert_one_truth(1)
    (note,) = way.archive.notes
    assert note.ConceptNameCodeSequence[0].CodeValue == "113037"
    assert len(named_by(note)) == 3, "nothing is carried over from a result that does not hold"


def test_the_last_image_that_is_rejected_has_all_that_was_said_taken_back(
    way: Way, opacity_findings: tuple[Finding, ...]
) -> None:
    only = way.receive(1, opacity_findings)
    way.work()
    with way.database.transaction() as tx:
        corrections.reject_instance(tx, way.study, only, told=way.told, user="operator")
    with way.database.reading() as read:
        assert void_and_left(read) == {way.study: 2}
    way.work()
    assert way.archive.shown() == []
    assert len(way.archive.notes) == 1
    assert [message[4][25] for message in way.messages()] == ["P", "C"]
    assert {segment[11] for segment in way.messages()[1] if segment[0] == "OBX"} == {"O", "W"}
    with way.database.reading() as read:
        assert void_and_left(read) == {}
