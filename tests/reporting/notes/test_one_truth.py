"""A late image, a new analysis, a withdrawal, a resend, one after the other: the archive shows one truth each time."""

import subprocess
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from inference.findings import Finding
from tests.archive import named_by
from tests.reporting.way import USER, Way, other_model
from tracking.outbox.reasons import Reason
from tracking.outbox.resending import resend_study
from tracking.outbox.withdrawal import withdraw_study
from tracking.results.reanalysis import Reanalysis, reanalyse_study
from tracking.studies.deletion import Stores, delete_study


def reanalyse(way: Way) -> Reanalysis:
    with way.database.transaction() as tx:
        return reanalyse_study(tx, way.study, user=USER)


def resend(way: Way) -> None:
    with way.database.transaction() as tx:
        resend_study(tx, way.study, user=USER)


def withdraw(way: Way) -> None:
    with way.database.transaction() as tx:
        withdraw_study(tx, way.study, reason=Reason.QUALITY, why="w", told=way.told, user=USER)


def test_one_truth_after_each_act(way: Way, opacity_findings: tuple[Finding, ...]) -> None:
    way.receive(1, opacity_findings)
    way.work()
    way.assert_one_truth(1)
    way.receive(2, opacity_findings)
    way.work()
    way.assert_one_truth(2)
    way.model.identity = other_model("2.0.0")
    assert reanalyse(way) is Reanalysis.BEGUN
    assert len(way.archive.shown("SR")) == 1
    way.work()
    way.assert_one_truth(2)
    before = dict(way.archive.stored)
    way.archive.stored.clear()  # it lost them
    resend(way)
    way.work()
    way.assert_one_truth(2)
    assert {uid: before[uid] for uid in way.archive.stored} == way.archive.stored, "the same to the byte"
    withdraw(way)
    way.work()
    assert way.archive.shown() == []
    rejected = set(way.archive.rejected)
    assert reanalyse(way) is Reanalysis.BEGUN
    way.work()
    way.assert_one_truth(2)
    assert not rejected & {str(shown.SOPInstanceUID) for shown in way.archive.shown()}
    resend(way)
    way.work()
    way.assert_one_truth(2)
    assert [message[4][25] for message in way.messages()] == ["P", "C", "C", "C", "C"]


def test_the_same_model_again_replaces_the_report_and_keeps_the_captures(
    way: Way, opacity_findings: tuple[Finding, ...]
) -> None:
    way.receive(1, opacity_findings)
    way.work()
    (capture,) = way.documents("sc")
    reanalyse(way)
    way.work()
    way.assert_one_truth(1)
    assert [document.uid for document in way.documents("sc")] == [capture.uid]
    assert max(Counter(way.archive.arrivals).values()) == 1


def test_a_study_that_was_withdrawn_and_deleted_and_comes_again_has_new_uids(
    way: Way, opacity_findings: tuple[Finding, ...]
) -> None:
    way.receive(1, opacity_findings)
    way.work()
    withdraw(way)
    way.work()
    with way.database.transaction() as tx:
        stores = Stores(way.settings.instance_dir, way.settings.document_dir)
        delete_study(tx, way.study, why="w", stores=stores, user=USER)
    assert [path for path in way.settings.document_dir.rglob("*") if path.is_file()] == []
    way.study = ""
    way.receive(1, opacity_findings)
    way.work()
    way.assert_one_truth(1)
    assert len(named_by(way.archive.notes[0])) == 2


@pytest.mark.peers
def test_orthanc_has_one_truth_beside_what_notes_name(
    way_to_orthanc: tuple[Way, Any], opacity_findings: tuple[Finding, ...], program: Callable[[str], str]
) -> None:
    way, orthanc = way_to_orthanc
    validator = program("dciodvfy")

    def assert_one_truth() -> None:
        tags = [orthanc.tags(instance) for instance in orthanc.get("/instances")]
        notes = [entry for entry in tags if entry["Modality"] == "KO"]
        named = {
            reference["ReferencedSOPInstanceUID"]
            for note in notes
            for study in note["CurrentRequestedProcedureEvidenceSequence"]
            for series in study["ReferencedSeriesSequence"]
            for reference in series["ReferencedSOPSequence"]
        }
        ours = {entry["SOPInstanceUID"] for entry in tags if entry["Modality"] in {"SR", "OT"}}
        holding = {document.uid for document in way.summary().documents if document.kind in {"sr", "sc"}}
        assert ours - named == (holding if way.summary().status != "withdrawn" else set())
        assert named <= ours
        assert {entry["StudyInstanceUID"] for entry in tags} == {way.study}

    way.receive(1, opacity_findings)
    way.work()
    way.receive(2, opacity_findings)
    way.work()
    assert_one_truth()
    way.model.identity = other_model("2.0.0")
    reanalyse(way)
    way.work()
    assert_one_truth()
    resend(way)
    way.work()
    assert_one_truth()
    withdraw(way)
    way.work()
    assert_one_truth()
    assert way.summary().status == "withdrawn"
    for note in way.documents("note"):
        file = way.settings.document_dir / note.path
        judged = subprocess.run([validator, str(file)], check=False, capture_output=True, text=True)
        assert judged.stderr.split() == ["KeyObjectSelectionDocument"], "no error and no warning"
