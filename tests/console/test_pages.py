"""Every page: what it shows, to whom, and what it writes into the audit log."""

import html
import io
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from sqlalchemy import text
from starlette.testclient import TestClient

from config.settings import Settings
from console.app import make_app
from tests.console.visitors import begin_session
from tracking.audit_log import audit, refusals
from tracking.audit_log.audit import AuditEventType, Line
from tracking.audit_log.refusals import Refusal, RefusalKind
from tracking.engine.database import Database
from tracking.jobs import queue
from tracking.jobs.queue import RetryPolicy
from tracking.outbox import deliveries
from tracking.outbox.taken_classes import record_taken
from tracking.people.roles import Role
from tracking.studies import corrections, instances

Record = Callable[..., None]


def written(database: Database, event: AuditEventType) -> list[Line]:
    with database.reading() as read:
        return [line for line in audit.lines(read) if line.type == event]


@pytest.mark.parametrize("page", ["/", "/audit", "/destinations", "/refusals"])
def test_a_page_without_records_says_so(browser: TestClient, page: str) -> None:
    answer = browser.get(page)
    assert answer.status_code == 200
    assert 'class="empty"' in answer.text
    assert "Research use only" in answer.text


def test_the_worklist_shows_who_what_and_where_it_stands(
    browser: TestClient, receive: Record, analyse: Record, build: Record
) -> None:
    receive("1.1", patient_name="Doe^Jane=山田^花子")
    analyse("1.9", 1, "1.1")
    build(1, "pacs")
    receive("1.2", study="1.10")
    analyse("1.10", 1, "1.2", because="it is a lateral view")
    page = browser.get("/").text
    for words in ("Doe, Jane · 山田, 花子", "PAT1.9", "ACC1.9", "Opacity", "80%", "present", "being delivered"):
        assert words in page
    assert "not analysed because it is a lateral view" in page
    assert "0/1" in page
    assert page.index("ACC1.10") < page.index("ACC1.9"), "the newest comes first"


def test_the_worklist_is_filtered_by_status_and_searched_by_what_a_number_begins_with(
    browser: TestClient, receive: Record, analyse: Record
) -> None:
    receive("1.1", study="1.9", patient_id="p-77", accession_number="A1")
    receive("1.2", study="2.9", patient_id="Q%8", accession_number="B1")
    analyse("1.9", 1, "1.1", because="it is a hand")

    def found(**query: str) -> list[str]:
        page = browser.get("/", params=query).text
        return [uid for uid in ("1.9", "2.9") if f'href="/study/{uid}"' in page]

    assert found(status="not-analysed") == ["1.9"]
    assert found(status="received") == ["2.9"]
    assert found(status="nonsense") == ["1.9", "2.9"]
    assert found(q="P-7") == ["1.9"]
    assert found(q=" b1 ") == ["2.9"]
    assert found(q="2.") == ["2.9"]
    assert found(q="%") == [], "a wild card of the database is a letter here"
    assert found(q="Q%8\0") == ["2.9"], "what no number holds is left out"
    assert found(q="nobody") == []
    assert found(q="P-7", status="received") == []


def test_the_worklist_turns_pages(browser: TestClient, receive: Record) -> None:
    for number in range(30):
        receive(f"1.{number}", study=f"5.{number}")
    first = browser.get("/", params={"q": "pat5"}).text
    assert first.count('class="open"') == 25
    assert "30 studies" in first
    assert "← newer" not in first
    older = address(first, "next")
    assert "q=pat5" in older
    second = browser.get(f"/{older}").text
    assert second.count('class="open"') == 5
    assert "older →" not in second
    back = browser.get(f"/{address(second, 'prev')}").text
    assert back.count('class="open"') == 25
    assert "← newer" not in back


def address(page: str, rel: str) -> str:
    """Return where the link to the next or previous page leads."""
    (found,) = re.findall(rf'rel="{rel}" href="([^"]*)"', page)
    return html.unescape(found)


@pytest.mark.parametrize(
    "query",
    ["after=x", "after=~", "after=1~", f"before={10**30}~1", "after=-5~1.2", "page=2", "first=x&last=9999-12-31",
     "first=0001-01-01", "order=nonsense", "order=study-date&after=zz~1", f"after=1~{'9' * 80}", "urgent=",
     "before=99%00~1.2"],
)  # fmt: skip
def test_an_address_that_no_page_wrote_is_no_fault(browser: TestClient, receive: Record, query: str) -> None:
    receive("1.1")
    assert browser.get(f"/?{query}").status_code == 200


def test_the_worklist_is_filtered_by_finding_caller_urgency_and_dates(
    browser: TestClient, receive: Record, analyse: Record
) -> None:
    receive("1.1", study="1.9", study_date="20260105")
    receive("1.2", study="2.9", study_date="20260205")
    analyse("1.9", 1, "1.1")

    def found(**query: str) -> list[str]:
        page = browser.get("/", params=query).text
        return re.findall(r'href="/study/([0-9.]+)"', page)

    page = browser.get("/").text
    assert '<option value="lung_opacity">lung opacity</option>' in page
    assert '<option value="MODALITY">MODALITY</option>' in page
    assert found(finding="lung_opacity") == ["1.9"]
    assert found(caller="MODALITY") == ["2.9", "1.9"]
    assert found(caller="CT") == []
    assert found(urgent="1") == []
    assert found(order="study-date", first="2026-02-01") == ["2.9"]
    assert found(order="study-date", last="2026-02-01") == ["1.9"]
    assert found(first="2099-01-01") == []
    assert 'value="2099-01-01"' in browser.get("/?first=2099-01-01").text


def test_a_study_shows_findings_operating_points_documents_and_history(
    browser: TestClient, receive: Record, analyse: Record, build: Record, database: Database
) -> None:
    receive("1.1", patient_birth_date="19660102", patient_sex="F", description="CHEST PA")
    analyse("1.9", 1, "1.1", score=0.8031)
    build(1, "pacs", "ris")
    with database.transaction() as tx:
        deliveries.record_delivered(tx, 1, "C-STORE 0000")
        deliveries.record_attempt_failed(tx, 2, "RIS refuses: AE", stopped=True)
    page = browser.get("/study/1.9").text
    for words in (
        "Doe, Jane", "1966-01-02", "female", "CHEST PA", "80%", "undetermined from 25%", "present from 75%",
        "2 regions marked", "Structured report", "RIS refuses: AE", "needs attention", "cxrnode retry 1.9",
        "<b>Start again</b> below, or <code>cxrnode retry",
        "instance received", "analysis recorded", "documents built", "delivery done", "opacity 1.0",
    ):  # fmt: skip
        assert words in page, words
    assert 'width="80.31"' in page


def test_a_study_shows_why_an_image_was_not_analysed_and_what_was_superseded(
    browser: TestClient, receive: Record, analyse: Record
) -> None:
    receive("1.1")
    analyse("1.9", 1, "1.1", score=0.91)
    assert "Superseded" not in browser.get("/study/1.9").text
    receive("1.2")
    analyse("1.9", 2, "1.1", "1.2", because="it is a lateral view")
    page = browser.get("/study/1.9").text
    assert "Not analysed because it is a lateral view" in page
    assert "Superseded analyses" in page
    assert "91%" in page


def test_a_study_shows_what_is_tried_again(browser: TestClient, receive: Record, database: Database) -> None:
    receive("1.1")
    job = queue.claim(database, ["analyse"], "here/1/1/1.0", 60_000)
    assert job is not None
    with database.transaction() as tx:
        queue.postpone(tx, job, "the disk is full", RetryPolicy(first=1000, longest=1000))
    assert "the disk is full" in browser.get("/study/1.9").text
    assert "retrying" in browser.get("/").text


def test_hostile_text_from_a_header_is_only_text(
    browser: TestClient, receive: Record, analyse: Record, build: Record, database: Database
) -> None:
    evil = "<script>alert(1)</script>\"'><img src=x>"
    receive("1.1", patient_name=evil, patient_id=evil, accession_number=evil, description=evil, patient_sex=evil,
            patient_birth_date=evil, study_date=evil, issuer_of_patient_id=evil)  # fmt: skip
    analyse("1.9", 1, "1.1")
    build(1, "pacs")
    build(1, uid="2.25.99", quarantined=evil)
    with database.transaction() as tx:
        deliveries.record_attempt_failed(tx, 1, evil, stopped=True)
    for page in ("/", "/study/1.9", "/destinations", "/audit", f"/?q={evil}", f"/audit?study={evil}", f"/{evil}"):
        shown = browser.get(page).text
        assert "<script>" not in shown, page
        assert "<img src=x" not in shown, page
    assert "&lt;script&gt;" in browser.get("/study/1.9").text


def test_a_capture_is_a_picture_of_bounded_size(
    browser: TestClient, receive: Record, analyse: Record, capture: Callable[..., Path]
) -> None:
    receive("1.1")
    analyse("1.9", 1, "1.1")
    capture(1)
    assert 'src="/study/1.9/captures/2.25.77.png"' in browser.get("/study/1.9").text
    answer = browser.get("/study/1.9/captures/2.25.77.png")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    picture = Image.open(io.BytesIO(answer.content))
    assert picture.size == (1400, 700)
    assert picture.getpixel((0, 0)) == (10, 200, 30)
    whole = browser.get("/study/1.9/captures/2.25.77.png?full=1")
    assert Image.open(io.BytesIO(whole.content)).size == (3000, 1500)


@pytest.mark.parametrize(
    "path",
    [
        "/study/1.9/captures/2.25.78.png",  # no such document
        "/study/1.8/captures/2.25.77.png",  # another study's
        "/study/1.9/captures/2.25.1.png",  # a report, no capture
        "/study/1.9/captures/2.25.79.png",  # quarantined
        "/study/1.9/captures/..%2F..%2Fcxrnode.db.png",
        "/study/1.9/captures/ab%2F2.25.77.dcm.png",
        "/study/1.9/captures/%2Fetc%2Fpasswd.png",
        "/study/1.9/captures/2.25.77%00.png/x",
        "/study/..%2F..%2Fetc%2Fpasswd",
        "/study/1.9%00",
        "/study/1.8",
        "/static/..%2Fapp.py",
        "/static/%2E%2E/app.py",
        "/docs",
        "/openapi.json",
    ],
)
def test_nothing_but_what_is_on_record_is_shown(
    browser: TestClient, receive: Record, analyse: Record, build: Record, capture: Callable[..., Path],
    database: Database, path: str,
) -> None:  # fmt: skip
    receive("1.1")
    analyse("1.9", 1, "1.1")
    build(1)
    capture(1)
    capture(1, "2.25.79", quarantined="no")
    answer = browser.get(path)
    assert answer.status_code == 404
    assert "Nothing here" in answer.text
    assert written(database, AuditEventType.STUDY_VIEWED) == []


def test_a_capture_that_was_altered_or_is_gone_is_not_shown(
    browser: TestClient, receive: Record, analyse: Record, capture: Callable[..., Path]
) -> None:
    receive("1.1")
    analyse("1.9", 1, "1.1")
    path = capture(1)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert browser.get("/study/1.9/captures/2.25.77.png").status_code == 410
    path.unlink()
    assert browser.get("/study/1.9/captures/2.25.77.png").status_code == 410


@pytest.mark.parametrize("path", ["../secret.dcm", "/etc/hostname"])
def test_even_a_record_cannot_name_a_file_outside_the_store(
    browser: TestClient, receive: Record, analyse: Record, build: Record, settings: Settings, path: str
) -> None:
    receive("1.1")
    analyse("1.9", 1, "1.1")
    settings.document_dir.mkdir(parents=True)
    (settings.node.data_dir / "secret.dcm").write_bytes(b"secret")
    build(1, kind="sc", uid="2.25.5", path=path, content=b"secret")
    assert browser.get("/study/1.9/captures/2.25.5.png").status_code == 410


def test_a_document_that_is_no_picture_is_not_shown(
    browser: TestClient, receive: Record, analyse: Record, build: Record, settings: Settings
) -> None:
    receive("1.1")
    analyse("1.9", 1, "1.1")
    settings.document_dir.mkdir(parents=True)
    (settings.document_dir / "x.dcm").write_bytes(b"no DICOM")
    build(1, kind="sc", uid="2.25.5", path="x.dcm", content=b"no DICOM")
    assert browser.get("/study/1.9/captures/2.25.5.png").status_code == 410


def test_every_look_at_a_study_is_in_the_audit_log_with_user_and_address(
    browse: Callable[..., TestClient], receive: Record, analyse: Record, capture: Callable[..., Path],
    database: Database,
) -> None:  # fmt: skip
    receive("1.1")
    analyse("1.9", 1, "1.1")
    capture(1)
    browser = browse(role=Role.VIEWER)
    assert browser.get("/study/1.9").status_code == 200
    assert browser.get("/study/1.9/captures/2.25.77.png").status_code == 200
    who = {"user": "dr.viewer", "address": "192.0.2.55"}
    assert [(line.study_uid, line.detail) for line in written(database, AuditEventType.STUDY_VIEWED)] == [
        ("1.9", {"what": "study", **who}),
        ("1.9", {"what": "capture", "document_uid": "2.25.77", **who}),
    ]
    assert "dr.viewer" in browser.get("/study/1.9").text.partition("Who looked at it")[2]


def test_reading_the_audit_log_is_in_the_audit_log(browser: TestClient, receive: Record, database: Database) -> None:
    receive("1.1")
    assert "instance received" in browser.get("/audit?study=1.9").text
    [line] = written(database, AuditEventType.AUDIT_READ)
    assert line.study_uid == "1.9"
    assert line.detail == {
        "how": "console", "lines": 1, "verified": False, "user": "dr.administrator", "address": "192.0.2.55",
    }  # fmt: skip
    assert "no line about this study" in browser.get("/audit?study=7.7").text


def test_the_audit_log_turns_pages_newest_first(browser: TestClient, database: Database) -> None:
    with database.transaction() as tx:
        for number in range(150):
            audit.append(tx, AuditEventType.SERVICE_STARTED, detail={"pid": 9000 + number})
    page = browser.get("/audit").text
    assert page.index("9149") < page.index("9050")
    assert "9049" not in page
    assert "before=51" in page
    older = browser.get("/audit?before=51").text
    assert "9049" in older
    assert "9050" not in older
    assert browser.get("/audit?before=99999999999999999999").status_code == 200


def test_the_audit_log_is_verified_on_demand(browser: TestClient, receive: Record, database: Database) -> None:
    receive("1.1")
    assert "Intact" not in browser.get("/audit").text
    assert "Intact" in browser.get("/audit?verify=1").text
    with database.transaction() as tx:
        tx.execute(text("UPDATE audit_head SET hash = 'f'"))
    assert "Broken" in browser.get("/audit?verify=1").text


def test_destinations_show_what_waits_what_stopped_and_the_last_error(
    browse: Callable[..., TestClient], receive: Record, analyse: Record, build: Record, database: Database
) -> None:
    receive("1.1")
    analyse("1.9", 1, "1.1")
    build(1, "pacs", "gone")
    with database.transaction() as tx:
        deliveries.record_attempt_failed(tx, 1, "PACS cannot be reached", stopped=False)
        deliveries.record_attempt_failed(tx, 2, "left the settings", stopped=True)
        queue.open_breaker(tx, "pacs", "PACS cannot be reached", RetryPolicy(first=60_000, longest=60_000))
    page = browse().get("/destinations").text
    for words in ("PACS cannot be reached", "left the settings", "not in the settings", 'href="/study/1.9"'):
        assert words in page, words


def test_destinations_show_in_which_class_each_gets_structured_reports(
    settings: Settings, database: Database, receive: Record, analyse: Record, build: Record
) -> None:
    receive("1.1")
    analyse("1.9", 1, "1.1")
    build(1, "pacs", "simple")
    here = [{"kind": "dicom", "name": name, "host": "h", "port": 1, "ae_title": "P"} for name in ("pacs", "simple")]
    there = Settings(**settings.model_dump() | {"destinations": here})
    with database.transaction() as tx:
        record_taken(tx, "pacs", "1.2.840.10008.5.1.4.1.1.88.33", assumed="")
        record_taken(tx, "simple", None, assumed="")
        deliveries.record_not_taken(tx, 2)
    with TestClient(make_app(there, database), base_url="http://127.0.0.1:8480") as client:
        client.cookies.set("cxrnode", begin_session(database, Role.RADIOLOGIST))
        page = client.get("/destinations").text
        study = client.get("/study/1.9").text
    for words in ("structured report: Comprehensive SR", "takes no structured report", "1 not taken"):
        assert words in page, words
    assert "not-taken" in study


def test_refusals_show_what_why_who_and_what_would_change_it(browser: TestClient, database: Database) -> None:
    capture = Refusal(
        RefusalKind.CONTEXT, "SOP class not accepted", 'add "SC" to receive.accept', "3", "PACS", "CXRNODE", "10.0.0.1",
        "1.2.840.10008.5.1.4.1.1.7",
    )  # fmt: skip
    stranger = Refusal(RefusalKind.ASSOCIATION, "unknown", "add a [[peers]] table", "1,1,3", "<b>", "X", "10.0.0.9")
    with database.transaction() as tx:
        refusals.add(tx, {capture: 10, stranger: 12345})
    page = browser.get("/refusals").text
    for words in (
        "Secondary Capture Image Storage", "add &#34;SC&#34; to receive.accept", "PACS", "10.0.0.1", ">10<",
        "12345", "add a [[peers]] table", "&lt;b&gt;",
    ):  # fmt: skip
        assert words in page


def test_a_file_that_was_kept_aside_is_shown_with_the_way_to_accept_it(
    browser: TestClient, receive: Record, database: Database
) -> None:
    receive("1.1")
    other = instances.IncomingInstance(
        "1.1", "1.2", "1.8", "1.2", "CR", "b" * 64, 7, "conflicts/x", "M", "C", "192.0.2.7",
        instances.StudyHeader("1.9", patient_id="OTHER", patient_name="Roe^Mary"),
    )  # fmt: skip
    with database.transaction() as tx:
        instances.register_conflict(tx, other)
    page = browser.get("/study/1.9").text
    for words in (
        "same instance UID, other bytes", "Roe, Mary", "<b>Accept a corrected image</b> below, or <code>cxrnode",
        "cxrnode study accept 1.9 --instance 1.1", "<b>Decline it</b> below, or <code>cxrnode",
    ):  # fmt: skip
        assert words in page, words
    assert "a corrected file waits: another patient" in browser.get("/").text


def test_a_file_that_waits_under_a_known_uid_leads_to_its_decision_from_its_own_study(
    browser: TestClient, receive: Record, database: Database
) -> None:
    receive("1.1")
    other = instances.IncomingInstance(
        "1.1", "1.2", "1.8", "1.2", "CR", "b" * 64, 7, "conflicts/x", "M", "C", "192.0.2.7",
        instances.StudyHeader("1.10", patient_id="OTHER", patient_name="Roe^Mary"),
    )  # fmt: skip
    with database.transaction() as tx:
        instances.register_conflict(tx, other)
    found = browser.get("/?q=other").text
    for words in ("Roe, Mary", "waits: image under a known UID", "waits for a decision", "/study/1.10"):
        assert words in found, words
    page = browser.get("/study/1.10").text
    for words in ("Waits: image under a known UID", "/study/1.9", "asks back", "cxrnode study reject 1.10"):
        assert words in page, words


def test_of_several_files_that_were_kept_aside_each_has_a_command_of_its_own(
    browser: TestClient, receive: Record, database: Database
) -> None:
    receive("1.1")
    for digest in ("b", "c"):
        incoming = instances.IncomingInstance(
            "1.1", "1.2", "1.8", "1.2", "CR", digest * 64, 7, f"conflicts/{digest}", "M", "C", "192.0.2.7",
            instances.StudyHeader("1.9"),
        )  # fmt: skip
        with database.transaction() as tx:
            instances.register_conflict(tx, incoming)
    page = browser.get("/study/1.9").text
    for digest in ("b", "c"):
        assert f"cxrnode study accept 1.9 --instance 1.1 --sha256 {digest * 12}" in page


def test_two_patients_in_a_study_are_shown_and_no_finding_is(
    browser: TestClient, receive: Record, analyse: Record, build: Record, database: Database
) -> None:
    receive("1.1")
    analyse("1.9", 1, "1.1")
    build(1, "pacs")
    receive("1.2", patient_id="PAT-B", patient_name="<Roe>^Mary")
    assert "PAT-B" in browser.get("/?q=pat-b").text
    listed, page = browser.get("/?status=conflict").text, browser.get("/study/1.9").text
    for words in ("PAT1.9", "PAT-B", "Doe, Jane", "&lt;Roe&gt;, Mary", "two patients"):
        assert words in listed, words
        assert words in page, words
    assert "cxrnode study resolve 1.9 --patient PAT-B" in page
    assert "<b>Keep images of</b> a patient or <b>Reject an image</b> below, or <code>cxrnode" in page
    assert "study conflict" in page
    assert "Opacity" not in listed
    assert "Opacity" not in page
    with database.transaction() as tx:
        corrections.resolve_study(tx, "1.9", "PAT-B", user="operator")
    page = browser.get("/study/1.9").text
    assert "rejected: of another patient" in page
    assert "Opacity" not in page


def test_a_study_without_a_standing_image_says_so(browser: TestClient, receive: Record, database: Database) -> None:
    receive("1.1")
    with database.transaction() as tx:
        corrections.reject_instance(tx, "1.9", "1.1", user="operator")
    assert "every image was rejected" in browser.get("/?status=rejected").text
    assert "rejected by hand" in browser.get("/study/1.9").text


def test_every_look_at_the_worklist_is_noted_without_what_was_searched_for(
    browser: TestClient, receive: Record, database: Database
) -> None:
    receive("1.1")
    browser.get("/")
    browser.get("/", params={"q": "Doe", "status": "received", "urgent": "1"})
    lines = [line.detail for line in written(database, AuditEventType.STUDIES_LISTED)]
    assert [(line["rows"], line["filters"]) for line in lines] == [(1, ""), (0, "search status urgent")]
    assert {(line["what"], line["user"]) for line in lines} == {("worklist", "dr.administrator")}
    assert "Doe" not in str(lines)
