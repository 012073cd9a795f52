"""Documents of a study as text and as files, for those who may read them."""

from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from config.destinations import FhirDestination, Hl7Destination
from config.settings import Settings
from reporting.fhir.bundle import build_bundle
from reporting.hl7.message import ReportReference, build_message
from reporting.notes.rejection import Sender, build_rejection_note
from reporting.source import read_source
from reporting.sr.report import build_report
from reporting.sr.report_classes import ReportClass
from tests.accounts import account
from tracking.audit_log import audit
from tracking.engine.database import Database
from tracking.outbox.reasons import Reason
from tracking.outbox.rejections import Note, Rejected
from tracking.people.roles import Role

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
SR, HL7, SC = "2.25.500", "CONTROL2ABCDEFGHIJKL", "2.25.77"


@pytest.fixture
def study(
    settings: Settings, receive: Callable[..., None], analyse: Callable[..., None], build: Callable[..., None],
    capture: Callable[..., Path],
) -> None:  # fmt: skip
    """A study with a structured report, a message and a capture on disk."""
    receive("1.1")
    analyse("1.9", 1, "1.1")
    made = account()
    ris = Hl7Destination(kind="hl7", name="ris", host="ris.example", port=2575)
    contents = {
        (SR, "sr"): build_report(made, 9001, ReportClass.COMPREHENSIVE_3D).content,
        (HL7, "hl7"): build_message(made, ris, ReportReference("1.5", "1.6")).content,
    }
    settings.document_dir.mkdir(parents=True)
    for (uid, kind), content in contents.items():
        (settings.document_dir / uid).write_bytes(content)
        build(1, "pacs", kind=kind, uid=uid, path=uid, content=content)
    capture(1)


def test_a_report_and_a_message_are_shown_as_text(study: None, browse: Callable[..., TestClient]) -> None:
    browser = browse(role=Role.RADIOLOGIST)
    page = browser.get("/study/1.9").text
    for uid in (SR, HL7, SC):
        assert f'href="/study/1.9/documents/{uid}"' in page
    report = browser.get(f"/study/1.9/documents/{SR}").text
    assert "Imaging Measurement Report" in report
    assert "Lung opacity (95436008, SCT)" in report
    message = browser.get(f"/study/1.9/documents/{HL7}").text
    assert "Message control ID" in message
    assert "Patient name" in message
    assert f'src="/study/1.9/captures/{SC}.png"' in browser.get(f"/study/1.9/documents/{SC}").text


@pytest.mark.parametrize(("uid", "kind", "ending"), [(SR, "dicom", "sr-2.25.500.dcm"), (HL7, "hl7", f"hl7-{HL7}.hl7")])
def test_a_document_is_handed_out_as_it_was_built(
    uid: str, kind: str, ending: str, study: None, browse: Callable[..., TestClient], settings: Settings,
    database: Database,
) -> None:  # fmt: skip
    answer = browse(role=Role.RADIOLOGIST).get(f"/study/1.9/documents/{uid}/file")
    assert answer.content == (settings.document_dir / uid).read_bytes()
    assert answer.headers["content-disposition"] == f'attachment; filename="{ending}"'
    assert kind in answer.headers["content-type"]
    with database.reading() as read:
        (line,) = audit.last_lines(read, 1, study_uid="1.9")
    assert (line.type, line.detail["what"], line.detail["document_uid"]) == ("study-viewed", "download", uid)
    assert line.detail["user"] == "dr.radiologist"


def test_notes_are_read_and_handed_out_once_they_are_built(
    study: None, browse: Callable[..., TestClient], settings: Settings, build: Callable[..., None]
) -> None:
    browser = browse(role=Role.RADIOLOGIST)
    filed = read_source(settings.document_dir / SR)
    rejected = (Rejected("sr", SR, "2.25.1", "1.2.840.10008.5.1.4.1.1.88.34", SR, "a" * 64),)
    note = build_rejection_note(Note("2.25.600", "2.25.601", Reason.SAFETY, rejected, 0), filed, Sender("", 9003))
    for uid, kind, content in (
        ("2.25.600", "note", note.content), ("TAKENBACK", "hl7-note", (settings.document_dir / HL7).read_bytes()),
    ):  # fmt: skip
        (settings.document_dir / uid).write_bytes(content)
        build(1, "pacs", kind=kind, uid=uid, path=uid, content=content)
    build(1, "pacs", kind="note", uid="2.25.602", path="", content=b"")
    page = browser.get("/study/1.9").text
    assert all(f'href="/study/1.9/documents/{uid}"' in page for uid in ("2.25.600", "TAKENBACK"))
    assert 'href="/study/1.9/documents/2.25.602"' not in page
    assert "to be built when it is first sent" in page
    text = browser.get("/study/1.9/documents/2.25.600").text
    assert "Rejected for Patient Safety Reasons" in text
    assert SR in text
    assert "Message control ID" in browser.get("/study/1.9/documents/TAKENBACK").text
    named = {uid: browser.get(f"/study/1.9/documents/{uid}/file").headers for uid in ("2.25.600", "TAKENBACK")}
    assert named["2.25.600"]["content-disposition"].endswith('"note-2.25.600.dcm"')
    assert named["TAKENBACK"]["content-disposition"].endswith('"hl7-note-TAKENBACK.hl7"')
    answer = browser.get("/study/1.9/documents/2.25.602")
    assert (answer.status_code, "built when it is first sent" in answer.text) == (409, True)


def test_a_bundle_is_read_as_a_tree_and_handed_out(
    study: None, browse: Callable[..., TestClient], settings: Settings, build: Callable[..., None]
) -> None:
    ehr = FhirDestination(kind="fhir", name="ehr", url="https://fhir.example/r4")
    bundle = build_bundle(account(), ehr)
    (settings.document_dir / bundle.uid).write_bytes(bundle.content)
    build(1, "ehr", kind="fhir", uid=bundle.uid, path=bundle.uid, content=bundle.content)
    browser = browse(role=Role.RADIOLOGIST)
    assert "FHIR result" in browser.get("/study/1.9").text
    text = browser.get(f"/study/1.9/documents/{bundle.uid}").text
    assert "DiagnosticReport" in text
    assert "Present (52101004, http://snomed.info/sct)" in text
    answer = browser.get(f"/study/1.9/documents/{bundle.uid}/file")
    assert answer.content == bundle.content
    assert answer.headers["content-type"] == "application/fhir+json"
    assert answer.headers["content-disposition"].endswith(f'"fhir-{bundle.uid}.json"')


def test_a_viewer_takes_captures_and_nothing_else(study: None, browse: Callable[..., TestClient]) -> None:
    browser = browse(role=Role.VIEWER)
    page = browser.get("/study/1.9").text
    assert "/documents/" not in page
    assert f'href="/study/1.9/captures/{SC}.dcm"' in page
    assert browser.get(f"/study/1.9/captures/{SC}.dcm").content[128:132] == b"DICM"
    assert browser.get(f"/study/1.9/captures/{SR}.dcm").status_code == 404
    assert browser.get(f"/study/1.9/documents/{SR}/file").status_code == 403


def test_what_was_altered_or_is_elsewhere_is_not_shown(
    study: None, browse: Callable[..., TestClient], settings: Settings, receive: Callable[..., None],
    build: Callable[..., None],
) -> None:  # fmt: skip
    browser = browse(role=Role.RADIOLOGIST, raising=False)
    receive("1.2", study="1.10")
    assert browser.get(f"/study/1.10/documents/{SR}").status_code == 404
    assert browser.get("/study/1.9/documents/2.25.9").status_code == 404
    build(1, kind="sr", uid="2.25.501", path=SR, content=b"x", quarantined="no title")
    assert browser.get("/study/1.9/documents/2.25.501").status_code == 404
    build(1, kind="sr", uid="2.25.502", path="noise", content=b"noise")
    (settings.document_dir / "noise").write_bytes(b"noise")
    assert browser.get("/study/1.9/documents/2.25.502").status_code == 410
    (settings.document_dir / SR).write_bytes(b"altered")
    assert browser.get(f"/study/1.9/documents/{SR}").status_code == 410
    assert browser.get(f"/study/1.9/documents/{SR}/file").status_code == 410
