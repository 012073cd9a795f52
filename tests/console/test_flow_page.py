"""Flow and plots: numbers that lead to the studies they count, charts with a table each."""

import html
import re
from collections.abc import Callable
from datetime import datetime

import pytest
from sqlalchemy import select, update
from starlette.testclient import TestClient

from tracking.engine.database import Database
from tracking.outbox import confirmations
from tracking.outbox.confirmations import Confirmation
from tracking.outbox.deliveries import record_delivered
from tracking.tables.models import Delivery, Job

Record = Callable[..., None]
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def studies(receive: Record, analyse: Record, build: Record) -> None:
    """One study that waits, one not analysed, one being delivered."""
    receive("1.1", study="1.9")
    receive("2.1", study="2.9")
    analyse("2.9", 1, "2.1", because="it is a lateral view")
    receive("3.1", study="3.9")
    analyse("3.9", 1, "3.1")
    build(2, "pacs")


def test_every_number_leads_to_as_many_studies(browser: TestClient, studies: None) -> None:
    today = f"{datetime.now().astimezone():%Y-%m-%d}"
    for page in ("/flow", "/flow?days=31", f"/flow?day={today}"):
        shown = browser.get(page).text
        links = set(re.findall(r'<a href="(/\?[^"]*)">(\d+)\b', shown))
        assert len(links) >= 4
        for address, count in links:
            found = re.findall("data-key=", browser.get(html.unescape(address)).text)
            assert len(found) == int(count), address


def test_each_gap_has_a_name(browser: TestClient, studies: None) -> None:
    page = browser.get("/flow").text
    for words in ("1 wait for their analysis", "1 not analysed", "1 being delivered", "MODALITY", "view"):
        assert words in page
    assert "need a person</a>" not in page


def test_what_is_not_confirmed_is_said_where_deliveries_are_shown(
    browser: TestClient, studies: None, database: Database
) -> None:
    with database.transaction() as tx:
        tx.execute(update(Job).where(Job.queue == "report").values(state="done"))
        number = tx.scalars(select(Delivery.id)).one()
        record_delivered(tx, number, "C-STORE 0000")
        confirmations.await_confirmation(tx, number, delay_seconds=0, give_up_ms=1000)
    for page in ("/flow", "/destinations"):
        assert "1 not confirmed yet" in browser.get(page).text
    assert "confirmation awaited" in browser.get("/study/3.9").text
    assert 'cxrnode_deliveries_unconfirmed{destination="pacs"} 1.0' in browser.get("/metrics").text
    with database.transaction() as tx:
        confirmations.record_confirmed(tx, number, Confirmation.COMMITMENT)
    assert "not confirmed yet" not in browser.get("/flow").text
    shown = browser.get("/study/3.9").text
    assert "confirmed by commitment" in shown
    assert re.search("confirmed 2\\d{3}-", shown)


@pytest.mark.parametrize("query", ["?day=x", "?days=99", "?day=9999-01-01", "?days=%00", "?source=%00"])
def test_what_no_page_asks_shows_the_usual(browser: TestClient, query: str) -> None:
    for page in ("/flow", "/plots"):
        assert browser.get(page + query).status_code == 200


def test_an_empty_node_has_pages_too(browser: TestClient) -> None:
    assert "No study came in" in browser.get("/flow").text
    assert "No study was analysed" in browser.get("/plots").text


def test_each_plot_has_a_title_and_a_table_and_no_style_of_its_own(browser: TestClient, studies: None) -> None:
    page = browser.get("/plots").text
    svgs = re.findall(r'<svg class="chart".*?</svg>', page, re.DOTALL)
    assert len(svgs) == 4, "volume, turnaround, and the scores of two findings"
    assert all("<title id=" in svg and "<desc id=" in svg for svg in svgs)
    assert len(re.findall("<table", page)) >= 6
    for words in ("Opacity", "MODALITY · CR", "100.0%", "Turnaround in seconds"):
        assert words in page
    assert "style=" not in page


def test_findings_are_shown_by_source(browser: TestClient, studies: None) -> None:
    assert "MODALITY · CR" in browser.get("/plots", params={"source": "MODALITY · CR"}).text
    assert "No study was analysed" in browser.get("/plots", params={"source": "OTHER · DX"}).text
