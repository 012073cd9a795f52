"""Answers as plain forms of a study's page, without a script."""

import re
from collections.abc import Callable
from html import unescape
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from config.settings import Settings
from cxrnode.phantom import View
from tests.accounts import mapped_findings
from tests.console.visitors import SAME_SITE
from tests.phantoms import phantom_dataset
from tracking.answers import feedback
from tracking.answers.feedback import RecordedAnswer
from tracking.audit_log import audit
from tracking.engine.database import Database
from tracking.people.roles import Role

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def study(settings: Settings, receive: Callable[..., None], analyse: Callable[..., None]) -> None:
    """A study of one analysed image of 96 by 96 pixels that can be read."""
    path: Path = settings.instance_dir / "ab" / "cd"
    path.parent.mkdir(parents=True)
    image = phantom_dataset(1, view=View.PA, size=320)
    image.save_as(path, enforce_file_format=True)
    receive("1.1", patient_name="Doe^Jane")
    analyse("1.9", 1, "1.1", findings=mapped_findings())


def form_of(page: str, answer: str, about: str = "") -> dict[str, str]:
    """Return the fields of the first form that offers an answer, as a browser sends them."""
    for form in re.findall(r"<form.*?</form>", page, re.DOTALL):
        if f'value="{answer}"' in form and about in form:
            fields = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form)
            return {name: unescape(value) for name, value in fields} | {"answer": answer}
    pytest.fail(f"no form offers {answer}")


def answer(browser: TestClient, fields: dict[str, str]) -> tuple[int, str]:
    sent = browser.post("/study/1.9/answers", data=fields, headers=SAME_SITE, follow_redirects=False)
    return sent.status_code, sent.text


def recorded(database: Database) -> list[RecordedAnswer]:
    with database.reading() as read:
        return feedback.answers_of(read, "1.9")


def test_a_form_records_an_answer_and_shows_the_study_again(
    study: None, browse: Callable[..., TestClient], database: Database
) -> None:
    browser = browse(role=Role.RADIOLOGIST)
    page = browser.get("/study/1.9").text
    sent = browser.post("/study/1.9/answers", data=form_of(page, "agree"), headers=SAME_SITE, follow_redirects=False)
    assert (sent.status_code, sent.headers["location"]) == (303, "/study/1.9#answers")
    (kept,) = recorded(database)
    assert (kept.user, kept.answer.value, kept.subject.label) == ("dr.radiologist", "agree", "lung_opacity")
    assert (kept.model.name, kept.model.version, kept.model.digest) == ("opacity", "1.0", "d" * 64)
    page = browser.get("/study/1.9").text
    assert re.search(r"dr\.radiologist</bdi></b> agrees", page)
    assert answer(browser, form_of(page, "withdrawn")) == (303, "")
    assert "1 earlier answer" in browser.get("/study/1.9").text


def test_a_box_is_corrected_by_its_four_numbers(
    study: None, browse: Callable[..., TestClient], database: Database
) -> None:
    browser = browse(role=Role.RADIOLOGIST)
    fields = form_of(browser.get("/study/1.9").text, "corrected")
    assert answer(browser, fields | {"x": "10", "y": "20", "width": "30.5", "height": "40"})[0] == 303
    (kept,) = recorded(database)
    assert kept.box is not None
    assert (kept.subject.position, kept.box.x1, kept.box.y1) == (1, 40.5, 60)
    assert 'data-box="10.0 20.0 40.5 60.0"' in browser.get("/study/1.9").text
    status, page = answer(browser, fields | {"x": "10", "y": "20", "width": "3000", "height": "40"})
    assert status == 409
    assert "not within the image of" in page


def test_a_finding_is_added_commented_and_nothing_more_is_missed(
    study: None, browse: Callable[..., TestClient], database: Database
) -> None:
    browser = browse(role=Role.RADIOLOGIST)
    page = browser.get("/study/1.9").text
    assert answer(browser, form_of(page, "added") | {"label": "", "word": "<b>Rib</b>"})[0] == 303
    assert answer(browser, form_of(page, "comment") | {"comment": "Seen with Dr. <script>"})[0] == 303
    assert answer(browser, form_of(page, "nothing-missed"))[0] == 303
    page = browser.get("/study/1.9").text
    assert "&lt;b&gt;Rib&lt;/b&gt;" in page
    assert "Seen with Dr. &lt;script&gt;" in page
    assert re.search(r"</b> nothing missed <time>", page)
    with database.reading() as read:
        lines = list(audit.lines(read, study_uid="1.9", types={audit.AuditEventType.FEEDBACK_GIVEN}))
    assert [line.detail["answer"] for line in lines] == ["added", "comment", "nothing-missed"]
    assert {line.detail["user"] for line in lines} == {"dr.radiologist"}
    assert "Rib" not in str(lines)


def test_a_script_gets_the_answers_alone(study: None, browse: Callable[..., TestClient]) -> None:
    browser = browse(role=Role.RADIOLOGIST)
    fields = form_of(browser.get("/study/1.9").text, "unsure")
    status, part = answer(browser, fields | {"part": "1"})
    assert status == 200
    assert "<html" not in part
    assert "is unsure" in part
    assert answer(browser, fields | {"part": "1", "subject": "2.25.9"})[0] == 409


def test_nobody_answers_what_they_have_not_seen(
    study: None, browse: Callable[..., TestClient], analyse: Callable[..., None], database: Database,
    receive: Callable[..., None],
) -> None:  # fmt: skip
    browser = browse(role=Role.RADIOLOGIST)
    fields = form_of(browser.get("/study/1.9").text, "agree")
    receive("1.2", patient_name="Doe^Jane")
    analyse("1.9", 2, "1.1", "1.2", findings=mapped_findings())
    status, page = answer(browser, fields)
    assert status == 409
    assert "was analysed again" in page
    assert recorded(database) == []


def test_a_viewer_sees_answers_and_is_offered_none(study: None, browse: Callable[..., TestClient]) -> None:
    reader = browse(role=Role.RADIOLOGIST)
    fields = form_of(reader.get("/study/1.9").text, "disagree")
    answer(reader, fields)
    page = browse(role=Role.VIEWER).get("/study/1.9").text
    assert "disagrees" in page
    assert "/study/1.9/answers" not in page


@pytest.mark.parametrize("uid", ["9.9", "1.9%00"])
def test_a_study_that_is_not_there_takes_no_answer(uid: str, browse: Callable[..., TestClient]) -> None:
    browser = browse(role=Role.RADIOLOGIST)
    assert browser.post(f"/study/{uid}/answers", data={"answer": "agree"}, headers=SAME_SITE).status_code == 404
