"""Acts on the web pages: a page that says what will happen, a form that does it, a line that names the person."""

import html
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.console.visitors import SAME_SITE
from tracking.audit_log import audit
from tracking.engine.database import Database
from tracking.jobs import queue
from tracking.lists import queries
from tracking.outbox.deliveries import record_delivered
from tracking.people.roles import Role

Record = Callable[..., None]


@pytest.fixture
def database_url(tmp_path: Path, sqlite_template: Path) -> str:
    """The URL of an empty SQLite database: what acts do is tested on both kinds in tests/tracking."""
    path = tmp_path / "cxrnode.db"
    shutil.copyfile(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture
def delivered(receive: Record, analyse: Record, build: Record, database: Database) -> None:
    """A study 1.9 whose report is at the destination pacs."""
    receive("1.1")
    analysis = queue.claim(database, ["analyse"], "test/1/1", 60_000)
    assert analysis is not None
    with database.transaction() as tx:
        queue.finish(tx, analysis)
    analyse("1.9", 1, "1.1")
    build(1, "pacs")
    for name in ("report", "examine", "deliver"):
        job = queue.claim(database, [name], "test/1/1", 60_000)
        assert job is not None
        with database.transaction() as tx:
            queue.finish(tx, job)
            if name == "deliver":
                record_delivered(tx, job.payload["delivery_id"], "0000")


def last_line(database: Database, event: str) -> audit.Line:
    with database.reading() as read:
        return [line for line in audit.lines(read) if line.type == event][-1]


def status(database: Database) -> str:
    with database.reading() as read:
        found = queries.find_study(read, "1.9")
    assert found is not None
    return found.status


def act(browser: TestClient, path: str, **fields: str) -> tuple[int, str]:
    asked = browser.get(path)
    assert asked.status_code == 200
    assert 'method="post"' in asked.text
    assert asked.text.index('name="csrf"', asked.text.index('class="login"')) > 0
    answer = browser.post(path, data=fields, headers=SAME_SITE)
    return answer.status_code, html.unescape(answer.text)


@pytest.mark.usefixtures("delivered")
def test_a_radiologist_withdraws_sends_again_and_has_it_analysed_anew(
    browse: Callable[..., TestClient], database: Database
) -> None:
    browser = browse(role=Role.RADIOLOGIST)
    page = browser.get("/study/1.9").text
    for path in ("resend", "reanalyse", "urgent", "withdraw"):
        assert f'href="/study/1.9/{path}"' in page
    for path in ("reject", "delete"):
        assert f'href="/study/1.9/{path}"' not in page
    assert "Doe" in browser.get("/study/1.9/withdraw").text, "whose study it is"
    assert act(browser, "/study/1.9/resend", destination="")[1].count("1 document to pacs queued again") == 1
    assert last_line(database, "study-resent").detail["user"] == "dr.radiologist"
    assert "urgent" in act(browser, "/study/1.9/urgent")[1]
    code, text = act(browser, "/study/1.9/withdraw", reason="safety", why="")
    assert (code, "Nothing was changed: say why" in text) == (409, True)
    assert act(browser, "/study/1.9/withdraw", reason="boredom", why="w")[0] == 409
    code, text = act(browser, "/study/1.9/withdraw", reason="safety", why="<b>wrong</b>")
    assert (code, "Study 1.9: withdrawn" in text) == (200, True)
    assert status(database) == "withdrawn"
    assert last_line(database, "study-withdrawn").detail["user"] == "dr.radiologist"
    page = browser.get("/study/1.9").text
    assert "<b>wrong</b>" not in page
    assert 'href="/study/1.9/resend"' not in page
    assert act(browser, "/study/1.9/resend")[0] == 409
    assert "to be analysed anew" in act(browser, "/study/1.9/reanalyse")[1]
    assert "an analysis is due already" in act(browser, "/study/1.9/reanalyse")[1]
    assert "nothing stopped or waits" in act(browser, "/study/1.9/retry")[1]


def test_who_is_shown_a_patient_by_a_refused_act_is_noted(
    browser: TestClient, receive: Record, database: Database
) -> None:
    receive("1.1")
    answer = browser.post("/study/1.9/reject", data={"instance": "7.7"}, headers=SAME_SITE)
    assert (answer.status_code, "Doe" in answer.text) == (409, True)
    line = last_line(database, "study-viewed")
    assert (line.study_uid, line.detail["what"]) == ("1.9", "was refused to reject")
    assert browser.post("/study/7.9/reject", data={"instance": "7.7"}, headers=SAME_SITE).status_code == 404


@pytest.mark.usefixtures("delivered")
def test_an_administrator_rejects_and_deletes(browser: TestClient, database: Database) -> None:
    assert "image rejected" in act(browser, "/study/1.9/reject", instance="1.1")[1]
    assert act(browser, "/study/1.9/reject", instance="7.7")[0] == 409
    assert status(database) == "rejected"
    code, text = act(browser, "/study/1.9/delete", why="a test")
    assert (code, "deleted, 1 image and 1 document" in text) == (200, True)
    assert browser.get("/study/1.9/delete").status_code == 404
    assert last_line(database, "study-deleted").detail["user"] == "dr.administrator"


def test_a_conflict_is_ended_and_a_corrected_image_accepted(
    browser: TestClient, receive: Record, database: Database
) -> None:
    receive("1.1", patient_id="A")
    receive("1.2", patient_id="B")
    assert 'href="/study/1.9/resolve?patient=B' in browser.get("/study/1.9").text
    assert 'value="B"' in browser.get("/study/1.9/resolve?patient=B").text
    assert "1 image of that patient will be analysed, 1 image rejected" in act(
        browser, "/study/1.9/resolve", patient="B", issuer=""
    )[1]  # fmt: skip
    assert last_line(database, "study-resolved").detail["user"] == "dr.administrator"
    assert act(browser, "/study/1.9/accept", instance="1.2", sha256="")[0] == 409


@pytest.mark.usefixtures("delivered")
def test_a_destination_is_paused_and_resumed(
    browse: Callable[..., TestClient], browser: TestClient, database: Database
) -> None:
    assert 'href="/destinations/pacs/pause"' not in browse(role=Role.RADIOLOGIST).get("/destinations").text
    assert 'href="/destinations/pacs/pause"' in browser.get("/destinations").text
    assert "Destination pacs: paused" in act(browser, "/destinations/pacs/pause")[1]
    page = browser.get("/destinations").text
    assert 'href="/destinations/pacs/resume"' in page
    assert "paused by hand since" in page
    assert last_line(database, "destination-paused").detail["user"] == "dr.administrator"
    assert "resumed" in act(browser, "/destinations/pacs/resume")[1]
    assert "0 deliveries started again" in act(browser, "/destinations/pacs/retry")[1]
    assert browser.get("/destinations/pax/pause").status_code == 404


@pytest.mark.usefixtures("delivered")
def test_a_form_without_its_token_does_nothing(browse: Callable[..., TestClient], database: Database) -> None:
    browser = browse(role=Role.ADMINISTRATOR)
    del browser.headers["X-CSRF-Token"]
    answer = browser.post("/study/1.9/withdraw", data={"reason": "quality", "why": "w"}, headers=SAME_SITE)
    assert (answer.status_code, status(database)) == (403, "delivered")
