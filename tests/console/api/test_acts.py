"""Acts and answers over the interface for programs: what they change, who did it with which token, and what refuses."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from config.settings import Settings
from console.acts.destination_acts import DESTINATION_ACTS
from console.acts.study_acts import STUDY_ACTS
from cxrnode.phantom import View
from tests.accounts import finding
from tests.console.visitors import begin_session
from tests.logins import noted
from tests.phantoms import phantom_dataset
from tests.tracking.books import JANE, MARY, Books
from tracking.answers import feedback
from tracking.audit_log.audit import AuditEventType
from tracking.engine.database import Database
from tracking.lists import queries
from tracking.people import api_tokens
from tracking.people.roles import Role, Scope
from tracking.people.users import Actor

Record = Callable[..., None]
STUDY, DESTINATION = "/api/v1/studies/1.9", "/api/v1/destinations/pacs"


@pytest.fixture
def database_url(tmp_path: Path, sqlite_template: Path) -> str:
    """The URL of an empty SQLite database: what acts do is tested on both kinds in tests/tracking."""
    path = tmp_path / "cxrnode.db"
    shutil.copyfile(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture
def study(receive: Record, analyse: Record, build: Record, settings: Settings) -> None:
    """A study with an image that can be read, its findings, and a report on the way to an archive."""
    receive("1.1")
    path = settings.instance_dir / "ab" / "cd"
    path.parent.mkdir(parents=True)
    phantom_dataset(1, view=View.PA, size=64).save_as(path, enforce_file_format=True)
    analyse("1.9", 1, "1.1", findings=[finding("lung_opacity", 0.9), finding("nodule", 0.1)])
    build(1, "pacs")


@pytest.fixture
def program(browse: Callable[..., TestClient], database: Database) -> Callable[..., TestClient]:
    """Return a function that opens the interface with a token of a user with a role."""

    def with_token(role: Role, *scopes: Scope) -> TestClient:
        begin_session(database, role)
        with database.transaction() as tx:
            token = api_tokens.add(tx, f"dr.{role.value}", set(scopes), by=Actor("root"), purpose="the RIS")
        client = browse(role=None)
        client.headers["Authorization"] = f"Bearer {token}"
        return client

    return with_token


@pytest.mark.usefixtures("study")
def test_a_program_acts_and_each_line_names_its_token_and_its_user(
    program: Callable[..., TestClient], database: Database
) -> None:
    client = program(Role.ADMINISTRATOR, Scope.ACT, Scope.READ)
    answer = client.post(f"{STUDY}/urgent")
    assert answer.json() == {"act": "urgent", "subject": "1.9", "outcome": "urgent"}
    assert client.post(f"{STUDY}/urgent").json()["outcome"] == "urgent already, nothing changed"
    answer = client.post(f"{STUDY}/withdraw", json={"reason": "quality", "why": "a wrong side marker"})
    assert answer.json()["outcome"].startswith("withdrawn"), answer.text
    assert client.post(f"{DESTINATION}/pause").json()["outcome"] == "paused"
    assert client.post(f"{STUDY}/delete", json={"why": "asked for"}).status_code in {200, 409}
    by = {"user": "dr.administrator", "how": "api", "token": "1 the RIS"}
    for event in (AuditEventType.STUDY_URGENT, AuditEventType.STUDY_WITHDRAWN, AuditEventType.DESTINATION_PAUSED):
        (line,) = noted(database, event)
        assert {name: line[name] for name in by} == by
    client.get(STUDY)
    (look,) = noted(database, AuditEventType.STUDY_VIEWED)
    assert (look["user"], look["token"]) == ("dr.administrator", "1 the RIS")


REFUSED: tuple[tuple[str, Any, int, str], ...] = (
    (f"{STUDY}/withdraw", {"reason": "weather", "why": "x"}, 409, "Choose one of the reasons"),
    (f"{STUDY}/withdraw", {"reason": "quality"}, 422, "body.why"),
    (f"{STUDY}/withdraw", {"reason": "quality", "why": "x", "more": 1}, 422, "body.more"),
    (f"{STUDY}/resolve", {"patient": "PAT7"}, 409, ""),
    (f"{STUDY}/reject", {"instance": "1.5"}, 409, ""),
    (f"{STUDY}/reject", [], 422, "body"),
    ("/api/v1/studies/1.2.3/urgent", None, 404, "nothing of this address"),
    ("/api/v1/destinations/nowhere/pause", None, 404, "nothing of this address"),
    (f"{STUDY}/answers", {"analysis": 1, "answer": "agree", "subject": "1.2"}, 409, "open the study again"),
    (f"{STUDY}/answers", {"analysis": 7, "answer": "agree"}, 409, "analysed again"),
    ("/api/v1/studies/1.2.3/answers", {"analysis": 7, "answer": "agree"}, 404, ""),
)


@pytest.mark.usefixtures("study")
def test_what_cannot_be_done_is_said_in_words_and_changes_nothing(
    program: Callable[..., TestClient], database: Database
) -> None:
    client = program(Role.ADMINISTRATOR, Scope.ACT, Scope.FEEDBACK)
    with database.reading() as read:
        before = queries.find_study(read, "1.9")
    for path, sent, status, words in REFUSED:
        answer = client.post(path, json=sent) if sent is not None else client.post(path)
        assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/problem+json"), path
        assert words in answer.json()["detail"]
        with database.reading() as read:
            assert queries.find_study(read, "1.9") == before


def test_a_file_of_another_patient_is_accepted_only_by_its_digest(
    program: Callable[..., TestClient], database: Database
) -> None:
    books = Books(database)
    books.receive("1.1", JANE, study="1.9")
    books.receive("1.1", MARY, study="1.9", sha256="b" * 64)
    client = program(Role.ADMINISTRATOR, Scope.ACT)
    asked = client.post(f"{STUDY}/accept", json={"instance": "1.1"})
    assert (asked.status_code, "b" * 64 in asked.json()["detail"]) == (409, True)
    meant = {"instance": "1.1", "other_patient": True}
    assert client.post(f"{STUDY}/accept", json=meant).status_code == 409
    answer = client.post(f"{STUDY}/accept", json=meant | {"sha256": "b" * 64})
    assert (answer.status_code, "stands now" in answer.json()["outcome"]) == (200, True)


@pytest.mark.usefixtures("study")
def test_a_body_is_bounded_before_it_is_read(program: Callable[..., TestClient]) -> None:
    client = program(Role.ADMINISTRATOR, Scope.ACT)
    json = {"Content-Type": "application/json"}
    for content, headers, status in (
        (b"{}", {"Content-Type": "text/plain"}, 415),
        (b" " * 20_000, json, 413),
        (iter([b"{}"]), json, 411),
        (b"[" * 16_000, json, 422),
        (b"{", json, 422),
        (b"\xff", json, 422),
    ):
        assert client.post(f"{STUDY}/reject", content=content, headers=headers).status_code == status


@pytest.mark.usefixtures("study")
def test_a_reader_answers_a_finding_and_the_answer_is_read_back(
    program: Callable[..., TestClient], database: Database
) -> None:
    client = program(Role.RADIOLOGIST, Scope.FEEDBACK, Scope.READ)
    shown = client.get(f"{STUDY}/answers").json()
    (image,) = shown["images"]
    assert (image["instance_uid"], image["rows"], image["columns"]) == ("1.1", 64, 64)
    subject = next(entry["subject"] for entry in image["findings"] if entry["label"] == "lung_opacity")
    sent = {"analysis": shown["analysis"], "answer": "disagree", "subject": subject}
    number = client.post(f"{STUDY}/answers", json=sent).json()["id"]
    assert client.post(f"{STUDY}/answers", json=sent).json() == {"id": None}, "it stood already"
    added = {"analysis": 1, "answer": "added", "image": "1.1", "label": "nodule", "box": [5, 6, 7.5, 8]}
    assert client.post(f"{STUDY}/answers", json=added).status_code == 200
    (image,) = client.get(f"{STUDY}/answers").json()["images"]
    (given,) = next(entry["answers"] for entry in image["findings"] if entry["subject"] == subject)
    assert (given["id"], given["answer"], given["user"]) == (number, "disagree", "dr.radiologist")
    assert image["added"][0]["box"] == [5, 6, 7.5, 8]
    with database.reading() as read:
        assert len(feedback.answers_of(read, "1.9")) == 2
    assert {line["token"] for line in noted(database, AuditEventType.FEEDBACK_GIVEN)} == {"1 the RIS"}


@pytest.mark.usefixtures("study")
def test_a_scope_opens_what_it_names_and_a_role_bounds_it(program: Callable[..., TestClient]) -> None:
    reader = program(Role.ADMINISTRATOR, Scope.READ, Scope.FEEDBACK)
    assert "lacks the scope" in reader.post(f"{STUDY}/urgent").json()["detail"]
    actor = program(Role.RADIOLOGIST, Scope.ACT)
    assert actor.post(f"{STUDY}/urgent").status_code == 200
    assert "role" in actor.post(f"{STUDY}/delete", json={"why": "x"}).json()["detail"]
    assert actor.get(f"{STUDY}/answers").status_code == 403
    assert actor.post(f"{STUDY}/answers", json={}).status_code == 403


def test_every_act_of_the_pages_is_there(browser: TestClient) -> None:
    paths = browser.get("/api/v1/openapi.json").json()["paths"]
    for under, acts in (("/api/v1/studies/{uid}", STUDY_ACTS), ("/api/v1/destinations/{name}", DESTINATION_ACTS)):
        for act in acts:
            operation = paths[f"{under}/{act.name}"]["post"]
            assert act.warning in operation["description"]
            assert "Scope: act." in operation["description"]
            schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
            assert set(schema.get("properties", ())) == set(act.fields)
