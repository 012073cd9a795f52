"""The page Analyse: files in, studies and answers out, bounded, and from these pages only."""

import io
import json
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage
from sqlalchemy import select
from sqlalchemy.exc import OperationalError
from starlette.testclient import TestClient

from config.errors import PackageError
from config.settings import InferenceSettings, Settings
from console import answers, uploading
from console.access import csrf
from console.access.csrf import is_same_origin
from console.pages import act
from cxrnode.phantom import View
from inference.analyse import Analyser
from reporting.words import DISCLAIMER
from tests.console.visitors import SAME_SITE
from tests.phantoms import draw, phantom_dataset
from tracking.audit_log.audit import AuditEventType
from tracking.engine.database import Database
from tracking.jobs import queue
from tracking.lists.worklist import find_studies
from tracking.people.roles import Role
from tracking.tables.models import AuditEvent

SEED = 9
"""A phantom that the package that ships finds an opacity in, and that is not unlike what it learnt from."""
FOUND = r"Opacity (present|undetermined)"
Files = list[tuple[str, tuple[str, bytes]]]


@pytest.fixture(scope="module")
def analyser() -> Analyser:
    """The analyser that all tests share."""
    return Analyser(InferenceSettings())


@pytest.fixture
def page(browse: Callable[..., TestClient], analyser: Analyser, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    """The console, whose model is loaded already."""
    monkeypatch.setattr(answers.Answers, "_opened", lambda _desk, _model: analyser)
    return browse()


@cache
def png(view: View = View.PA, *, opacity: bool = True) -> bytes:
    file = io.BytesIO()
    Image.fromarray((draw(SEED, view=view, opacity=opacity, size=512) >> 4).astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


def sent(*contents: bytes, name: str = "mine.png") -> Files:
    return [("files", (name, content)) for content in contents]


def noted(database: Database) -> list[dict[str, Any]]:
    with database.reading() as read:
        lines = read.scalars(select(AuditEvent).where(AuditEvent.type == AuditEventType.FILES_ANALYSED))
        return [json.loads(line.detail) for line in lines]


def studies(database: Database) -> list[str]:
    with database.reading() as read:
        return [row.header.study_uid for row in find_studies(read).rows]


def test_the_form_says_what_it_takes_and_what_becomes_of_it(page: TestClient) -> None:
    answer = page.get("/analyse")
    assert answer.status_code == 200
    assert "up to 8 files of 20 MB each" in answer.text
    assert "marked as an upload of yours" in answer.text
    assert "deleted after 7 days" in answer.text
    assert "<select" not in answer.text, "one package alone finds something"
    assert 'href="/analyse" aria-current="page"' in answer.text


def test_one_file_is_shown_on_the_page_of_its_study(page: TestClient, database: Database, settings: Settings) -> None:
    answer = page.post("/analyse", files=sent(png()), headers=SAME_SITE)
    (uid,) = studies(database)
    assert answer.url.path == f"/study/{uid}"
    assert answer.history[0].status_code == 303
    assert re.search(r"Opacity</b> <span class=\"level\">(present|undetermined)", answer.text)
    assert DISCLAIMER in answer.text
    assert "of a PNG file by dr.administrator" in answer.text
    assert "Nothing of it was sent" in answer.text
    assert f'href="/study/{uid}/discard"' in answer.text
    image = page.get(re.search(rf"/study/{uid}/images/[0-9.]+png", answer.text)[0])  # type: ignore[index]
    assert image.headers["Content-Type"] == "image/png"
    assert "<b>upload</b> by <bdi>dr.administrator</bdi>" in page.get("/").text
    (file,) = (settings.instance_dir / "uploads").iterdir()
    header = dcmread(file)
    assert (header.PatientName, header.PatientID, header.Modality) == ("", "", "OT")
    assert "uploaded" in header.ImageComments


def test_several_files_are_answered_in_a_list(page: TestClient, database: Database) -> None:
    answer = page.post("/analyse", files=sent(png(), png(View.HAND), b"text"), headers=SAME_SITE)
    assert answer.status_code == 200
    assert DISCLAIMER in answer.text
    assert re.search(FOUND, answer.text)
    assert "does not show a chest radiograph" in answer.text
    assert "neither PNG nor JPEG nor DICOM" in answer.text
    assert answer.text.count(">Open the study</a>") == 2
    assert answer.text.count("Nothing of this file was kept") == 1
    assert {uid for uid in studies(database) if f'href="/study/{uid}"' in answer.text} == set(studies(database))
    assert answer.headers["Cache-Control"] == "no-store"
    assert noted(database) == [
        {"files": 3, "analysed": 1, "refused": 2, "kept": 2, "user": "dr.administrator", "address": "192.0.2.55"}
    ]


def test_a_dicom_file_is_a_study_of_its_own_beside_the_received_one(page: TestClient, database: Database) -> None:
    dataset: Dataset = phantom_dataset(SEED, opacity=True, size=512, patient="DOE^JANE", patient_id="PAT7")
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    answer = page.post("/analyse", files=sent(file.getvalue(), name="IM0001"), headers=SAME_SITE)
    (uid,) = studies(database)
    assert answer.url.path == f"/study/{uid}"
    assert "DOE" in answer.text
    assert uid != dataset.StudyInstanceUID
    assert dataset.SOPInstanceUID not in answer.text
    again = page.post("/analyse", files=sent(file.getvalue()), headers=SAME_SITE)
    assert again.url.path != answer.url.path, "another upload is another study"


@pytest.mark.parametrize("change", ["kind", "twice"])
def test_nothing_is_kept_of_what_the_node_would_refuse_or_hold(
    page: TestClient, database: Database, settings: Settings, change: str
) -> None:
    dataset: Dataset = phantom_dataset(SEED, size=512, patient_id="PAT7")
    if change == "kind":
        dataset.Modality, dataset.SOPClassUID = "CT", CTImageStorage
        dataset.file_meta.MediaStorageSOPClassUID = CTImageStorage
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    content = file.getvalue()
    if change == "twice":
        element = b"\x10\x00\x20\x00LO\x04\x00PAT7"
        assert element in content
        content = content.replace(element, element + element[:-1] + b"8")
    answer = page.post("/analyse", files=sent(content), headers=SAME_SITE)
    assert ("a CT image" if change == "kind" else "two patients") in answer.text
    assert studies(database) == []
    assert not (settings.instance_dir / "uploads").exists() or not [*(settings.instance_dir / "uploads").iterdir()]


def test_what_could_not_be_recorded_is_not_said_to_be_kept(
    page: TestClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*_: object, **__: object) -> None:
        raise OperationalError("INSERT", {}, Exception())

    monkeypatch.setattr(uploading, "record_upload", lost)
    assert page.post("/analyse", files=sent(png()), headers=SAME_SITE).status_code == 503
    assert (studies(database), noted(database)) == ([], [])


def test_a_model_that_is_not_installed_is_refused_in_words(
    browse: Callable[..., TestClient], database: Database
) -> None:
    answer = browse().post("/analyse", data={"model": "../../etc"}, files=sent(png()), headers=SAME_SITE)
    assert answer.status_code == 400
    assert "there is no such model here" in answer.text
    assert studies(database) == []


def test_the_chosen_model_is_asked_and_named(
    browse: Callable[..., TestClient], analyser: Analyser, monkeypatch: pytest.MonkeyPatch, database: Database
) -> None:
    asked: list[str] = []

    def opened(_desk: answers.Answers, model: str) -> Analyser:
        asked.append(model)
        return analyser

    monkeypatch.setattr(answers.Answers, "_opened", opened)
    monkeypatch.setattr(answers.Answers, "models", lambda _desk: ["chest-default", "other"])
    answer = browse().post("/analyse", data={"model": "other"}, files=sent(png()), headers=SAME_SITE)
    assert asked == ["other"]
    assert f"{analyser.identity.name} {analyser.identity.version}" in answer.text


def test_a_viewer_sends_and_deletes_an_upload_of_their_own_only(
    browse: Callable[..., TestClient], analyser: Analyser, monkeypatch: pytest.MonkeyPatch, database: Database
) -> None:
    monkeypatch.setattr(answers.Answers, "_opened", lambda _desk, _model: analyser)
    browse(role=Role.ADMINISTRATOR).post("/analyse", files=sent(png()), headers=SAME_SITE)
    (uid,) = studies(database)
    viewer = browse(role=Role.VIEWER)
    page = viewer.get(f"/study/{uid}")
    assert "by dr.administrator" in page.text
    assert "/discard" not in page.text
    for asked in ("send", "discard"):
        answer = viewer.post(f"/study/{uid}/{asked}", headers=SAME_SITE)
        assert answer.status_code == 409
        assert "by whoever uploaded it" in answer.text
    administrator = browse(role=Role.ADMINISTRATOR)
    assert "no destination in the settings" in administrator.post(f"/study/{uid}/send", headers=SAME_SITE).text
    job = queue.claim(database, ["report"], "test/1/1", 60_000)
    assert job is not None
    monkeypatch.setattr(act, "PATIENCE_SECONDS", -1.0)
    busy = administrator.post(f"/study/{uid}/discard", headers=SAME_SITE)
    assert (busy.status_code, "being worked on" in busy.text) == (409, True)

    def work_ends(_seconds: float) -> None:
        with database.transaction() as tx:
            queue.finish(tx, job)

    monkeypatch.setattr(act, "PATIENCE_SECONDS", 60.0)
    monkeypatch.setattr(act.time, "sleep", work_ends)
    assert "deleted" in administrator.post(f"/study/{uid}/discard", headers=SAME_SITE).text
    assert studies(database) == []


def test_the_kind_is_told_by_content_and_the_name_is_escaped(page: TestClient) -> None:
    name = "<script>alert(1)</script>.exe"
    answer = page.post("/analyse", files=sent(png(), b"x", name=name), headers=SAME_SITE)
    assert re.search(FOUND, answer.text)
    assert "<script>alert" not in answer.text
    svg = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
    answer = page.post("/analyse", files=sent(svg, name="a.png"), headers=SAME_SITE)
    assert "neither PNG nor JPEG nor DICOM" in answer.text
    assert "alert(1)" not in answer.text


def test_no_file_name_is_written_into_the_audit_log(page: TestClient, database: Database) -> None:
    page.post("/analyse", files=sent(b"x", name="DOE-JANE.png"), headers=SAME_SITE)
    assert "DOE" not in str(noted(database))


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "null"},
        {"Origin": "http://evil.example"},
        {"Origin": "http://127.0.0.1:8481"},
        {**SAME_SITE, "Sec-Fetch-Site": "cross-site"},
        {**SAME_SITE, "Sec-Fetch-Site": "none"},
    ],
)
def test_a_form_from_elsewhere_is_refused(page: TestClient, database: Database, headers: dict[str, str]) -> None:
    answer = page.post("/analyse", files=sent(png()), headers=headers)
    assert answer.status_code == 403
    assert "not sent from these pages" in answer.text
    assert noted(database) == []


def test_a_form_from_here_is_known_by_either_header() -> None:
    assert is_same_origin("node.example", "https://node.example", "")
    assert is_same_origin("node.example", "null", "same-origin")
    assert is_same_origin("Node.example:8480", "http://node.example:8480", "")


@given(st.text(max_size=40), st.text(max_size=40))
def test_no_other_origin_is_taken_for_the_own(host: str, origin: str) -> None:
    if is_same_origin(host, origin, ""):
        assert host
        assert host.lower() in origin.lower()
        assert origin.lower().startswith(("http://", "https://"))


def test_the_login_holds_for_the_form(browse: Callable[..., TestClient]) -> None:
    browser = browse(role=None)
    assert browser.get("/analyse", follow_redirects=False).headers["Location"] == "/login?next=%2Fanalyse"
    assert browser.post("/analyse", files=sent(png()), headers=SAME_SITE).status_code == 401


def test_the_form_brings_the_token_of_the_login_as_a_browser_sends_it(page: TestClient) -> None:
    del page.headers[csrf.HEADER]
    assert page.post("/analyse", files=sent(png()), headers=SAME_SITE).status_code == 403
    found = re.search(r'<form[^>]*multipart[^>]*>\s*<input type="hidden" name="csrf" value="([0-9a-f]{64})">',
                      page.get("/analyse").text)  # fmt: skip
    assert found is not None
    fields = {csrf.FIELD: found[1]}
    assert page.post("/analyse", data=fields, files=sent(png()), headers=SAME_SITE).status_code == 200


def test_only_this_page_takes_forms_and_only_it_may_run_its_script(page: TestClient) -> None:
    assert page.post("/", headers=SAME_SITE).status_code == 405
    assert page.put("/analyse", headers=SAME_SITE).status_code == 405
    assert "script-src 'self'" in page.get("/analyse").headers["Content-Security-Policy"]
    assert "data:" not in page.get("/analyse").headers["Content-Security-Policy"]
    assert "data:" not in page.get("/").headers["Content-Security-Policy"]
    assert "script-src 'none'" in page.get("/password").headers["Content-Security-Policy"]
    assert page.get("/static/analyse.js").headers["Content-Type"].startswith("text/javascript")
    assert not re.search(r"\son\w+=|<script(?! src)|style=", page.get("/analyse").text)


def test_a_file_that_is_too_large_is_named_and_the_others_are_answered(
    browse: Callable[..., TestClient], analyser: Analyser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers.Answers, "_opened", lambda _desk, _model: analyser)
    browser = browse(upload_bytes=1_000_000)
    answer = browser.post("/analyse", files=sent(png() + bytes(1_000_000), png()), headers=SAME_SITE)
    assert answer.status_code == 200
    assert "larger than 1 MB" in answer.text
    assert re.search(FOUND, answer.text)


@pytest.mark.parametrize(
    ("content", "headers", "status", "words"),
    [
        (b"", {"Content-Type": "text/plain"}, 415, "not the form of this page"),
        (b"", {"Content-Type": "multipart/form-data"}, 400, "broken"),
        (b"rubbish", {"Content-Type": "multipart/form-data; boundary=x"}, 400, "broken"),
        (b"--x--\r\n", {"Content-Type": "multipart/form-data; boundary=x"}, 400, "No file was chosen"),
        (bytes(9_000_000), {"Content-Type": "multipart/form-data; boundary=x"}, 413, "too large together"),
    ],
)
def test_what_is_no_form_of_files_is_refused_in_words(
    browse: Callable[..., TestClient], content: bytes, headers: dict[str, str], status: int, words: str
) -> None:
    answer = browse(upload_bytes=1_000_000).post("/analyse", content=content, headers={**SAME_SITE, **headers})
    assert answer.status_code == status
    assert words in answer.text


def test_a_form_without_a_length_is_refused(page: TestClient) -> None:
    headers = {**SAME_SITE, "Content-Type": "multipart/form-data; boundary=x"}
    answer = page.post("/analyse", content=iter([b"--x--\r\n"]), headers=headers)
    assert answer.status_code == 411


def test_too_many_files_are_refused(browse: Callable[..., TestClient]) -> None:
    answer = browse(upload_files=2).post("/analyse", files=sent(b"a", b"b", b"c"), headers=SAME_SITE)
    assert answer.status_code == 400
    assert "more than 2 files" in answer.text


def test_a_picture_bomb_costs_one_refusal(page: TestClient) -> None:
    file = io.BytesIO()
    Image.fromarray(np.zeros((11_000, 11_000), np.uint8)).save(file, "PNG")
    assert len(file.getvalue()) < 200_000
    answer = page.post("/analyse", files=sent(file.getvalue()), headers=SAME_SITE)
    assert "export it smaller" in answer.text


def test_those_for_whom_there_is_no_place_are_told_to_come_again(
    page: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers.Answers, "admitted", _full)
    answer = page.post("/analyse", files=sent(png()), headers=SAME_SITE)
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "5"
    assert "try again" in answer.text


def _full(_self: answers.Answers) -> Any:
    raise answers.Busy


def test_places_are_given_back(settings: Settings) -> None:
    desk = answers.Answers(settings)
    for _ in range(answers.MOST_WAITING + 1):
        with desk.admitted():
            pass
    places = [desk.admitted() for _ in range(answers.MOST_WAITING + 1)]
    for place in places[:-1]:
        place.__enter__()
    with pytest.raises(answers.Busy):
        places[-1].__enter__()
    for place in places[:-1]:
        place.__exit__(None, None, None)


def test_a_model_that_cannot_be_opened_is_said_with_the_cure(
    browse: Callable[..., TestClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(_self: answers.Answers, _model: str) -> Analyser:
        msg = "model package tiny is not there"
        raise PackageError(msg)

    monkeypatch.setattr(answers.Answers, "_opened", missing)
    answer = browse().post("/analyse", files=sent(png()), headers=SAME_SITE)
    assert answer.status_code == 503
    assert "model package tiny is not there" in answer.text
    assert "cxrnode doctor" in answer.text


def test_the_page_can_be_switched_off(browse: Callable[..., TestClient]) -> None:
    browser = browse(analyse=False)
    assert browser.get("/analyse").status_code == 404
    assert browser.post("/analyse", files=sent(b"x"), headers=SAME_SITE).status_code == 404
    assert 'href="/analyse"' not in browser.get("/").text


@pytest.mark.data
def test_a_real_radiograph_is_answered(page: TestClient, cxr_data: Path) -> None:
    path = min((cxr_data / "images" / "rsna").glob("*.jpg"))
    answer = page.post("/analyse", files=sent(path.read_bytes(), name=path.name), headers=SAME_SITE)
    assert answer.url.path.startswith("/study/")
