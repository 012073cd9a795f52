"""That no image of a study was analysed, as a document for destinations that want it, and the way back."""

import pytest

from config.language.translation import Language
from inference.findings import Finding
from reporting.compose import ReportHandler
from tests.archive import named_by
from tests.reporting.way import USER, Way
from tracking.jobs import queue
from tracking.lists import standing
from tracking.outbox.reasons import Reason
from tracking.outbox.withdrawal import withdraw_study

WHY = "it is a lateral view; the model reads frontal views"


@pytest.fixture
def telling(way: Way) -> Way:
    """The way to destinations that want to know of a study that was not analysed."""
    way.settings = way.settings.model_copy(
        update={
            "destinations": tuple(
                destination.model_copy(update={"not_analysed": True}) for destination in way.settings.destinations
            )
        }
    )
    way.model.say_not_analysed = True
    return way


def observations(message: list[list[str]]) -> list[list[str]]:
    return [segment for segment in message if segment[0] == "OBX"]


def narrative(message: list[list[str]]) -> str:
    """Return the impression as one text."""
    return " ".join(fields[5] for fields in observations(message) if fields[2] == "TX")


def test_who_wants_to_know_is_told_and_nobody_else(way: Way) -> None:
    way.receive(1, WHY)
    way.work()
    assert (way.archive.arrivals, way.messages(), way.summary().status) == ([], [], "not-analysed")


def test_a_report_and_a_message_say_why(telling: Way) -> None:
    uid = telling.receive(1, WHY)
    telling.work()
    assert telling.summary().status == "not-analysed"
    (report,) = telling.archive.shown()
    assert (report.Modality, report.StudyInstanceUID) == ("SR", telling.study)
    (message,) = telling.messages()
    assert message[4][25] == "I"
    assert {segment[11] for segment in observations(message)} == {"O", "X"}
    assert narrative(message).startswith("AI result, not verified by a radiologist, research use only: no image was")
    assert f"Image {uid} was not analysed because {WHY}." in narrative(message)
    assert "AI package: opacity 1.0.0." in narrative(message)
    with telling.database.reading() as read:
        assert list(standing.drift(read)) == []


def test_a_late_image_that_is_analysed_takes_its_place(telling: Way, opacity_findings: tuple[Finding, ...]) -> None:
    telling.receive(1, WHY)
    telling.work()
    (said,) = telling.archive.shown()
    telling.receive(2, opacity_findings)
    telling.work()
    telling.assert_one_truth(1)
    (report,) = telling.archive.shown("SR")
    (before,) = report.PredecessorDocumentsSequence
    assert before.ReferencedSeriesSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID == said.SOPInstanceUID
    (note,) = telling.archive.notes
    assert named_by(note) == [said.SOPInstanceUID]
    first, second = telling.messages()
    assert (second[4][25], second[4][2:5]) == ("C", first[4][2:5])
    assert {segment[11] for segment in observations(second)} == {"O", "C"}


def test_a_result_that_holds_no_more_is_corrected_even_where_nobody_asked(
    way: Way, opacity_findings: tuple[Finding, ...]
) -> None:
    uid = way.receive(1, opacity_findings)
    way.work()
    way.model.findings[uid] = WHY
    way.receive(2, WHY)
    way.work()
    (report,) = way.archive.shown()
    assert report.Modality == "SR"
    _, second = way.messages()
    assert second[4][25] == "C"
    assert {segment[11] for segment in observations(second)} == {"O", "X"}
    assert "no image was analysed" in narrative(second)


def test_who_heard_of_it_first_when_there_were_findings_gets_no_correction(
    telling: Way, opacity_findings: tuple[Finding, ...]
) -> None:
    pacs, ris = telling.settings.destinations
    telling.settings = telling.settings.model_copy(
        update={"destinations": (pacs, ris.model_copy(update={"not_analysed": False}))}
    )
    telling.receive(1, WHY)
    telling.work()
    telling.receive(2, opacity_findings)
    telling.work()
    (message,) = telling.messages()
    assert message[4][25] == "P"


@pytest.mark.parametrize("sent", [True, False])
def test_it_can_be_withdrawn(telling: Way, sent: bool) -> None:
    telling.receive(1, WHY)
    telling.work(*(() if sent else ("analyse", "report")))
    with telling.database.transaction() as tx:
        withdraw_study(tx, telling.study, reason=Reason.QUALITY, why="wrong", told=telling.told, user=USER)
    telling.work()
    assert telling.archive.shown() == []
    assert telling.summary().status == "withdrawn"
    if sent:
        _, correction = telling.messages()
        assert correction[4][25] == "C"
        assert {segment[11] for segment in observations(correction)} == {"O", "D"}


def test_built_again_after_a_crash_it_is_the_same_to_the_byte(telling: Way) -> None:
    uid = telling.receive(1, WHY)
    job = telling.studies.analyse(telling.study, {uid: WHY})
    telling.studies.report(telling.settings, job)
    before = [(document.uid, document.sha256) for kind in ("sr", "hl7") for document in telling.documents(kind)]
    telling.studies.report(telling.settings, job)
    after = [(document.uid, document.sha256) for kind in ("sr", "hl7") for document in telling.documents(kind)]
    assert len(before) == 2
    assert after == before


def test_a_death_between_report_and_message_loses_and_doubles_nothing(telling: Way) -> None:
    telling.receive(1, WHY)
    telling.work("examine", "analyse")
    job = queue.claim(telling.database, ("report",), "test/1/1", 0)
    assert job is not None
    parts = ReportHandler(telling.settings, telling.database).run(job)
    with telling.database.transaction() as tx:
        next(parts)(tx)
    telling.work()  # the lease is over: another process begins anew
    assert [len(telling.documents(kind)) for kind in ("sr", "hl7")] == [1, 1]
    assert len(telling.archive.shown()) == len(telling.messages()) == 1
    assert set(telling.ris.times_received.values()) == {1}


@pytest.mark.parametrize("language", [Language.GERMAN, Language.FRENCH])
def test_it_speaks_the_sites_language(telling: Way, language: Language) -> None:
    node = telling.settings.node.model_copy(update={"language": language})
    telling.settings = telling.settings.model_copy(update={"node": node})
    telling.receive(1, WHY)
    telling.work()
    words = narrative(telling.messages()[0])
    assert {"de": "es ist eine Seitenaufnahme", "fr": "incidence de profil"}[language] in words
    assert all(document.quarantined is None for document in telling.summary().documents)
