"""Uploads and operating points over the interface for programs."""

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from config.settings import InferenceSettings
from console import answers
from inference.analyse import Analyser
from tests.console.visitors import SAME_SITE
from tests.phantoms import draw
from tracking.engine.database import Database
from tracking.people import api_tokens
from tracking.people.roles import Role, Scope
from tracking.people.users import Actor

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
API = "/api/v1"
POINTS = f"{API}/points/lung_opacity"


@pytest.fixture(scope="module")
def analyser() -> Analyser:
    return Analyser(InferenceSettings())


def png() -> bytes:
    file = io.BytesIO()
    Image.fromarray((draw(9, opacity=True, size=512) >> 4).astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


def test_a_program_uploads_finds_and_discards_its_own(
    browse: Callable[..., TestClient], analyser: Analyser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers.Answers, "_opened", lambda _desk, _model: analyser)
    viewer = browse(role=Role.VIEWER)
    answer = viewer.post(
        f"{API}/uploads", files=[("file", ("a.png", png())), ("file", ("b.txt", b"text"))], headers=SAME_SITE
    )
    kept, refused = answer.json()["files"]
    uid = kept["study_uid"]
    assert (kept["kind"], kept["analysed"], kept["model"]["name"]) == ("PNG", True, analyser.identity.name)
    assert (refused["study_uid"], refused["model"], refused["analysed"]) == (None, None, False)
    (listed,) = viewer.get(f"{API}/studies").json()["studies"]
    assert (listed["header"]["study_uid"], listed["kind"], listed["uploaded_by"]) == (uid, "upload", "dr.viewer")
    study = viewer.get(f"{API}/studies/{uid}").json()
    assert (study["kind"], study["uploaded_by"]) == ("upload", "dr.viewer")
    other = browse(role=Role.RADIOLOGIST)
    for act in ("send", "discard"):
        answer = other.post(f"{API}/studies/{uid}/{act}", headers=SAME_SITE)
        assert answer.status_code == 409
        assert "by whoever uploaded it" in answer.json()["detail"]
    assert viewer.post(f"{API}/studies/{uid}/send", headers=SAME_SITE).status_code == 409, "there is no destination"
    assert "deleted" in viewer.post(f"{API}/studies/{uid}/discard", headers=SAME_SITE).json()["outcome"]
    assert viewer.post(f"{API}/studies/{uid}/discard", headers=SAME_SITE).status_code == 404
    assert viewer.get(f"{API}/studies").json()["studies"] == []


def test_a_received_study_is_said_to_be_one(browser: TestClient, receive: Callable[..., None]) -> None:
    receive("1.1")
    assert browser.get(f"{API}/studies/1.9").json()["kind"] == "received"
    assert browser.post(f"{API}/studies/1.9/send", headers=SAME_SITE).status_code == 409


def test_points_are_read_judged_set_and_taken_back(browser: TestClient) -> None:
    every = browser.get(f"{API}/points").json()
    assert every["package"] == "chest-default"
    before = next(entry for entry in every["findings"] if entry["label"] == "lung_opacity")
    assert (before["source"], before["points"]) == ("package", before["of_package"])
    effect = browser.get(f"{POINTS}/effect", params={"sensitive": 0.1, "specific": 0.2}).json()
    assert (effect["studies"], effect["changed"], effect["specific"]["sensitivity"]["of"]) == (0, 0, 0)
    answer = browser.post(POINTS, json={"sensitive": 0.01, "specific": 0.02}, headers=SAME_SITE).json()
    assert (answer["source"], answer["changed_by"], answer["stated"]) == ("page", "dr.administrator", False)
    assert browser.post(POINTS, json={"sensitive": 0.5, "specific": 0.2}, headers=SAME_SITE).status_code == 409
    assert browser.post(POINTS, json={"sensitive": 5, "specific": 6}, headers=SAME_SITE).status_code in {409, 422}
    assert browser.post(f"{POINTS}/reset", headers=SAME_SITE).json() == before
    pair = {"sensitive": 0.1, "specific": 0.2}
    assert browser.post(f"{API}/points/tumour", json=pair, headers=SAME_SITE).status_code == 404


def test_a_token_that_reads_changes_nothing(browse: Callable[..., TestClient], database: Database) -> None:
    browse()
    with database.transaction() as tx:
        token = api_tokens.add(tx, "dr.administrator", {Scope.READ}, by=Actor("test"))
    program = browse(role=None)
    program.headers["Authorization"] = f"Bearer {token}"
    assert program.get(f"{API}/points").status_code == 200
    assert program.post(POINTS, json={"sensitive": 0.1, "specific": 0.2}, headers=SAME_SITE).status_code == 403
    assert program.post(f"{API}/uploads", files=[("file", ("a.png", png()))], headers=SAME_SITE).status_code == 403
