"""The interface for programs: what it answers, what it refuses in words, and what it leaves in the audit log."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from config.settings import Settings
from console.access.roles import ROUTES
from tests.logins import noted
from tracking.audit_log.audit import AuditEventType
from tracking.engine.database import Database
from tracking.people import api_tokens
from tracking.people.roles import Role, Scope
from tracking.people.users import Actor

Record = Callable[..., None]
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
API = "/api/v1"


@pytest.fixture
def study(receive: Record, analyse: Record, build: Record, settings: Settings) -> None:
    """A study with an image, its findings, a report on the way to an archive, and a message."""
    receive("1.1")
    analyse("1.9", 1, "1.1")
    for kind, uid, name in (("sr", "2.25.1", "sr.dcm"), ("hl7", "2.25.2", "message.hl7")):
        settings.document_dir.mkdir(parents=True, exist_ok=True)
        (settings.document_dir / name).write_bytes(kind.encode())
        build(1, "pacs", kind=kind, uid=uid, path=name, content=kind.encode())


def looks(database: Database) -> list[tuple[object, object]]:
    return [(line["what"], line["user"]) for line in noted(database, AuditEventType.STUDY_VIEWED)]


def test_a_study_is_answered_whole_and_the_look_is_noted(browser: TestClient, study: None, database: Database) -> None:
    answer = browser.get(f"{API}/studies/1.9").json()
    assert answer["header"]["patient_name"] == "Doe^Jane"
    assert answer["status"] == "reported"
    assert [image["instance_uid"] for image in answer["images"]] == ["1.1"]
    (analysis,) = answer["analyses"]
    assert [(f["label"], f["claim"], f["stated"]) for f in analysis["findings"]] == [
        ("lung_opacity", "present", True), ("normal", "absent", True),
    ]  # fmt: skip
    assert [(d["kind"], d["stands"], d["quarantined"]) for d in answer["documents"]] == [
        ("sr", True, None), ("hl7", True, None),
    ]  # fmt: skip
    assert {d["state"] for d in answer["deliveries"]} == {"waiting"}
    assert "instance-received" in [line["type"] for line in answer["history"]]
    assert looks(database) == [("study", "dr.administrator")]


def test_the_list_has_the_worklist_s_filters_and_turns_pages_by_the_last_study(
    browser: TestClient, receive: Record, database: Database
) -> None:
    for number in range(5):
        receive(f"1.{number}", study=f"1.9.{number}", patient_name="Roe^Mary" if number else "Doe^Jane")
    seen: list[str] = []
    page = browser.get(f"{API}/studies", params={"limit": 2}).json()
    assert (page["total"], page["total_is_exact"], page["newer"]) == (5, True, None)
    while True:
        seen += [row["header"]["study_uid"] for row in page["studies"]]
        if page["older"] is None:
            break
        page = browser.get(f"{API}/studies", params={"limit": 2, "after": page["older"]}).json()
    assert sorted(seen) == [f"1.9.{number}" for number in range(5)]
    assert len(seen) == 5
    found = browser.get(f"{API}/studies", params={"q": "Doe", "status": "received"}).json()
    assert [row["header"]["study_uid"] for row in found["studies"]] == ["1.9.0"]
    lines = noted(database, AuditEventType.STUDIES_LISTED)
    assert [line["rows"] for line in lines] == [2, 2, 1, 1]
    assert "Doe" not in str(lines)


def test_a_document_is_answered_to_the_byte_with_its_deliveries(
    browser: TestClient, study: None, database: Database
) -> None:
    document = browser.get(f"{API}/documents/2.25.2").json()
    assert (document["media_type"], document["study_uid"]) == ("application/hl7-v2", "1.9")
    assert [delivery["destination"] for delivery in document["deliveries"]] == ["pacs"]
    content = browser.get(f"{API}/documents/2.25.1/content")
    assert (content.content, content.headers["Content-Type"]) == (b"sr", "application/dicom")
    assert [what for what, _ in looks(database)] == ["document", "document"]
    listed = browser.get(f"{API}/studies/1.9/documents").json()["documents"]
    assert [entry["uid"] for entry in listed] == ["2.25.1", "2.25.2"]


def test_an_earlier_document_says_where_it_went(
    browser: TestClient, study: None, analyse: Record, receive: Record
) -> None:
    receive("1.2")
    analyse("1.9", 2, "1.1", "1.2")
    document = browser.get(f"{API}/documents/2.25.1").json()
    assert (document["stands"], [entry["destination"] for entry in document["deliveries"]]) == (False, ["pacs"])


def test_a_note_is_what_its_kind_says_and_has_no_bytes_before_it_is_sent(
    browser: TestClient, study: None, build: Record, settings: Settings
) -> None:
    (settings.document_dir / "note.hl7").write_bytes(b"MSH")
    build(1, kind="hl7-note", uid="CONTROL", path="note.hl7", content=b"MSH")
    build(1, kind="note", uid="2.25.7", path="", content=b"")
    answer = browser.get(f"{API}/documents/CONTROL/content")
    assert (answer.content, answer.headers["Content-Type"]) == (b"MSH", "application/hl7-v2")
    assert answer.headers["Content-Disposition"].endswith('"CONTROL.hl7"')
    assert browser.get(f"{API}/documents/2.25.7").json()["media_type"] == "application/dicom"
    answer = browser.get(f"{API}/documents/2.25.7/content")
    assert (answer.status_code, "when it is first sent" in answer.json()["detail"]) == (409, True)


def test_an_altered_or_quarantined_document_has_no_bytes(
    browser: TestClient, study: None, build: Record, settings: Settings
) -> None:
    (settings.document_dir / "sr.dcm").write_bytes(b"SR")
    assert browser.get(f"{API}/documents/2.25.1/content").status_code == 410
    build(1, kind="sc", uid="2.25.9", path="../cxrnode.db", content=b"", quarantined="its check failed")
    assert browser.get(f"{API}/documents/2.25.9/content").status_code == 409
    build(1, kind="sc", uid="2.25.8", path="../cxrnode.db", content=b"")
    assert browser.get(f"{API}/documents/2.25.8/content").status_code == 410


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/studies/1.2.3", 404, "nothing of this address"),
        ("/documents/1.2.3", 404, "nothing of this address"),
        ("/studies/a%20b", 422, "path.uid"),
        ("/studies?status=lost", 422, "query.status"),
        ("/studies?after=1", 422, "query.after"),
        ("/studies?limit=0", 422, "query.limit"),
        ("/audit?before=x", 422, "query.before"),
        ("/nothing", 404, "nothing of this address"),
    ],
)  # fmt: skip
def test_a_refusal_says_in_words_what_is_wrong(browser: TestClient, path: str, status: int, words: str) -> None:
    answer = browser.get(API + path)
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/problem+json")
    assert words in answer.json()["detail"]
    assert "a b" not in answer.text


def test_nobody_gets_words_and_no_login_page(browse: Callable[..., TestClient]) -> None:
    answer = browse(role=None).get(f"{API}/studies")
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, 'Bearer realm="cxrnode"')
    assert "cxrnode token add" in answer.json()["detail"]
    assert browse().put(f"{API}/studies").status_code == 405


def test_a_token_with_the_scope_reads_as_its_user(
    browse: Callable[..., TestClient], study: None, database: Database
) -> None:
    browse(role=Role.VIEWER)
    with database.transaction() as tx:
        token = api_tokens.add(tx, "dr.viewer", {Scope.READ}, by=Actor("root"))
        other = api_tokens.add(tx, "dr.viewer", {Scope.METRICS}, by=Actor("root"))
    program = browse(role=None)
    assert program.get(f"{API}/studies/1.9", headers={"Authorization": f"Bearer {token}"}).status_code == 200
    assert program.get(f"{API}/audit", headers={"Authorization": f"Bearer {token}"}).status_code == 403
    assert "lacks the scope" in program.get(f"{API}/studies", headers={"Authorization": f"Bearer {other}"}).text
    assert looks(database) == [("study", "dr.viewer")]


def test_the_node_tells_of_destinations_refusals_and_its_audit_log(
    browser: TestClient, study: None, database: Database
) -> None:
    (destination,) = browser.get(f"{API}/destinations").json()["destinations"]
    assert (destination["name"], destination["waiting"], destination["kind"]) == ("pacs", 2, None)
    assert browser.get(f"{API}/refusals").json() == {"refusals": []}
    lines = browser.get(f"{API}/audit", params={"limit": 2}).json()
    assert len(lines["lines"]) == 2
    older = browser.get(f"{API}/audit", params={"limit": 2, "before": lines["before"]}).json()["lines"]
    assert older[-1]["seq"] == lines["lines"][0]["seq"] - 1
    assert [line["how"] for line in noted(database, AuditEventType.AUDIT_READ)] == ["api", "api"]


def test_installed_models_say_what_is_stated_and_what_is_scored_only(browser: TestClient) -> None:
    packages = {package["name"]: package for package in browser.get(f"{API}/models").json()["packages"]}
    chest, verdict = packages["chest-default"], packages["verdict"]
    stated = {finding["label"]: finding["stated"] for finding in chest["findings"]}
    assert stated["lung_opacity"] is True
    assert stated["covid19"] is False
    assert len(chest["digest"]) == 64
    assert chest["card"].startswith("#")
    assert (verdict["kind"], verdict["findings"], verdict["in_use"]) == ("verdict", [], True)


def test_a_file_is_answered_as_the_command_line_does(browser: TestClient, database: Database) -> None:
    png = io.BytesIO()
    Image.fromarray(np.zeros((64, 64), np.uint8)).save(png, "PNG")
    files = [("file", ("a.png", png.getvalue())), ("file", ("b.txt", b"text"))]
    answer = browser.post(f"{API}/analyse", files=files, headers={"Origin": "http://127.0.0.1:8480"}).json()
    assert [(file["file"], file["analysed"], file["reason"]) for file in answer["files"]] == [
        ("a.png", False, "implausible"), ("b.txt", False, "unreadable"),
    ]  # fmt: skip
    assert answer["model"]["name"] == "chest-default"
    assert answer["disclaimer"].startswith("AI result")
    (line,) = noted(database, AuditEventType.FILES_ANALYSED)
    assert (line["how"], line["files"], line["user"]) == ("api", 2, "dr.administrator")


def test_a_form_of_another_site_or_without_files_is_refused(browser: TestClient) -> None:
    assert browser.post(f"{API}/analyse", files={"file": b"x"}, headers={"Origin": "http://x"}).status_code == 403
    answer = browser.post(f"{API}/analyse", json={}, headers={"Origin": "http://127.0.0.1:8480"})
    assert answer.status_code == 415


def test_the_description_names_every_route_with_its_role_and_scope(browser: TestClient, tmp_path: Path) -> None:
    document = browser.get(f"{API}/openapi.json").json()
    described = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    served = {route for route in ROUTES if route[1].startswith(API)}
    assert described == served - {("GET", f"{API}/openapi.json")}
    assert document["paths"][f"{API}/audit"]["get"]["description"].endswith("Role: administrator. Scope: read.")
