"""The destinations: what waits since when, what they answered, and asking them whether they are there."""

import re
import socket
from collections.abc import Callable, Iterator

import pytest
from starlette.testclient import TestClient

from config.settings import Settings
from tests.console.visitors import SAME_SITE
from tracking.audit_log import audit
from tracking.audit_log.audit import AuditEventType, Line
from tracking.engine.database import Database
from tracking.outbox import deliveries
from tracking.outbox.pauses import pause_destination
from tracking.outbox.taken_classes import record_taken
from tracking.people.roles import Role

Record = Callable[..., None]
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def ris() -> Iterator[int]:
    """The port of an HL7 receiver."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.fixture
def settings(settings: Settings, ris: int, free_port: Callable[[], int]) -> Settings:
    """A node with an HL7 receiver that listens and a PACS that does not."""
    there = [
        {"kind": "hl7", "name": "ris", "host": "127.0.0.1", "port": ris},
        {"kind": "dicom", "name": "pacs", "host": "127.0.0.1", "port": free_port(), "ae_title": "PACS"},
    ]
    return Settings(**settings.model_dump() | {"destinations": there})


def asked(database: Database) -> list[Line]:
    with database.reading() as read:
        return list(audit.lines(read, types={AuditEventType.DESTINATION_ASKED}))


def ask(browser: TestClient, name: str) -> tuple[int, str]:
    answer = browser.post("/destinations/echo", data={"name": name}, headers=SAME_SITE)
    found = re.search(r'class="verdict (\w+)" role="status"><b>.*?</b>: (.*?)</p>', answer.text)
    return answer.status_code, " ".join(found.groups()) if found else ""


def test_a_destination_that_is_there_says_so_and_the_log_who_asked(browser: TestClient, database: Database) -> None:
    status, words = ask(browser, "ris")
    assert status == 200
    assert re.fullmatch(r"good MLLP port 127\.0\.0\.1:\d+ accepts connections in \d+ ms", words)
    (line,) = asked(database)
    assert (line.outcome, line.detail["user"], line.detail["destination"]) == ("success", "dr.administrator", "ris")


def test_a_paused_destination_is_said_to_be_paused_everywhere(
    browser: TestClient, receive: Record, analyse: Record, build: Record, database: Database
) -> None:
    receive("1.1")
    analyse("1.9", 1, "1.1")
    build(1, "ris")
    with database.transaction() as tx:
        pause_destination(tx, "ris", configured=(), user="dr")
    page = browser.get("/destinations").text
    assert (">sending<" in page, ">paused<" in page) == (False, True)
    answered = browser.get("/api/v1/destinations").json()["destinations"]
    listed = {entry["name"]: entry["held_since"] for entry in answered}
    assert (listed["ris"] is None, listed["pacs"]) == (False, None)
    metrics = browser.get("/metrics").text
    assert 'cxrnode_destination_paused{destination="ris"} 1.0' in metrics
    assert 'cxrnode_destination_paused{destination="pacs"} 0.0' in metrics


def test_a_destination_that_is_not_there_is_no_error_of_the_page(browser: TestClient, database: Database) -> None:
    status, words = ask(browser, "pacs")
    assert status == 200
    assert words.startswith("bad PACS at 127.0.0.1:")
    assert asked(database)[0].outcome == "minor-failure"


def test_only_administrators_ask_and_only_what_is_in_the_settings(
    browse: Callable[..., TestClient], database: Database
) -> None:
    radiologist = browse(role=Role.RADIOLOGIST)
    assert "/destinations/echo" not in radiologist.get("/destinations").text
    assert radiologist.post("/destinations/echo", data={"name": "ris"}, headers=SAME_SITE).status_code == 403
    assert ask(browse(), "127.0.0.1:22")[0] == 404
    assert asked(database) == []


def test_no_more_than_a_few_are_asked_at_once(
    browser: TestClient, monkeypatch: pytest.MonkeyPatch, browse: Callable[..., TestClient]
) -> None:
    answers = []

    def while_it_waits(*_: object) -> tuple[str, bool]:
        answers.append(ask(browser, "ris"))
        return "here", False

    monkeypatch.setattr("console.pages.destinations._ask", while_it_waits)
    assert ask(browser, "ris") == (200, "good here")
    assert [status for status, _ in answers] == [503, 200], "the innermost one came too many"


def test_the_page_says_what_waits_since_when_and_what_was_answered(
    browser: TestClient, receive: Record, analyse: Record, build: Record, database: Database
) -> None:
    receive("1.1")
    analyse("1.9", 1, "1.1")
    build(1, "pacs", "ris", uid="2.25.1")
    build(1, "pacs", kind="sc", uid="2.25.2")
    with database.transaction() as tx:
        deliveries.record_delivered(tx, 1, "status 0000")
        deliveries.record_attempt_failed(tx, 2, "AE: no such patient", stopped=True)
        record_taken(tx, "pacs", "1.2.840.10008.5.1.4.1.1.88.33", assumed="")
    page = browser.get("/destinations").text
    assert re.search(r'class="number">1<span class="sub">since <time>', page), "one waits"
    assert "Structured report: status 0000" in page
    assert "AE: no such patient" in page
    assert re.search("Comprehensive SR, since <time>", page)
