"""Pages that follow what happens, in a real browser; and every page of a busy node by axe-core, wide and narrow."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from console.pages import live as live_page
from console.server import Console
from tests.peers.browsers import BROWSER_TESTS, WIDTHS, logged_in
from tests.peers.busy_node import busy_settings, fill
from tracking.engine import schema
from tracking.engine.changes import study_changed
from tracking.engine.database import Database
from tracking.studies.instances import IncomingInstance, StudyHeader, register_instance
from tracking.tables.models import Study

axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-core is not installed")

pytestmark = BROWSER_TESTS
PAGES = ("/", "/?status=conflict", "/flow", "/plots", "/destinations", "/models", "/users", "/refusals?days=1")


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data of a busy node, filled once."""
    folder = tmp_path_factory.mktemp("busy")
    settings = busy_settings(folder, 1)
    database = Database.open(settings.database_url())
    schema.ensure(database)
    fill(settings, database, studies=22, days=7)
    database.close()
    return folder


@pytest.fixture
def database(filled: Path, tmp_path: Path) -> Iterator[Database]:
    """A busy node's database, a test's own."""
    shutil.copytree(filled, tmp_path / "data")
    opened = Database.open(busy_settings(tmp_path / "data", 1).database_url())
    yield opened
    opened.close()


@pytest.fixture
def console(
    database: Database, tmp_path: Path, free_port: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Console]:
    monkeypatch.setattr(live_page, "BEAT_SECONDS", 0.5)
    running = Console(busy_settings(tmp_path / "data", free_port()), database)
    running.start()
    yield running
    running.stop()


@pytest.fixture
def address(console: Console) -> str:
    return f"http://127.0.0.1:{console.port}"


def receive(database: Database, uid: str) -> None:
    incoming = IncomingInstance(
        instance_uid=f"{uid}.1", sop_class_uid="1.2.840.10008.5.1.4.1.1.1", series_uid="1.8",
        transfer_syntax_uid="1.2.840.10008.1.2.1", modality="CR", sha256="a" * 64, size=7, path="ab/x",
        calling_ae="NEW-ROOM", called_ae="CXRNODE", address="127.0.0.1",
        study=StudyHeader(uid, "ACC-NEW", "PAT-NEW", patient_name="<i>New^Arrival"),
    )  # fmt: skip
    with database.transaction() as tx:
        register_instance(tx, incoming, settle_seconds=0)


def mark_urgent(database: Database, uid: str) -> None:
    with database.transaction() as tx:
        tx.get_one(Study, uid).urgent = True
        study_changed(tx, uid)


def test_rows_change_in_place_and_take_neither_focus_nor_scroll(
    browser: Any,
    address: str,
    database: Database,
) -> None:
    page, complaints = logged_in(browser, address)
    page.wait_for_selector("#live:has-text('live')")
    link = page.locator("tr[data-key='1.2.826.0.1.12'] a.open")
    link.focus()
    page.evaluate("document.querySelector(\"tr[data-key='1.2.826.0.1.13']\").kept = true")
    before = link.bounding_box()["y"]
    assert page.evaluate("scrollY") > 0
    mark_urgent(database, "1.2.826.0.1.12")
    receive(database, "1.2.3.4")
    page.wait_for_selector("tr[data-key='1.2.3.4']", state="attached")
    page.wait_for_selector("tr[data-key='1.2.826.0.1.12'] b:has-text('urgent')", state="attached")
    assert page.locator("tbody tr").first.get_attribute("data-key") == "1.2.3.4"
    assert "<i>New, Arrival" in page.locator("tr[data-key='1.2.3.4']").inner_text()
    assert page.evaluate("document.activeElement.closest('tr').dataset.key") == "1.2.826.0.1.12"
    assert abs(link.bounding_box()["y"] - before) < 3
    assert page.evaluate("document.querySelector(\"tr[data-key='1.2.826.0.1.13']\").kept"), "it was not touched"
    assert complaints == []


def test_the_bell_rings_on_any_page_and_an_open_one_stays_open(
    browser: Any,
    address: str,
    database: Database,
) -> None:
    page, complaints = logged_in(browser, address)
    page.goto(f"{address}/flow")
    page.click(".bell summary")
    page.wait_for_selector(".bell li:has-text('2 studies with two patients')")
    receive(database, "1.2.3.4")
    other = StudyHeader("1.2.3.4", "ACC-NEW", "SOMEBODY", patient_name="Else^Somebody")
    incoming = IncomingInstance(
        instance_uid="1.2.3.4.2", sop_class_uid="1.2.840.10008.5.1.4.1.1.1", series_uid="1.8",
        transfer_syntax_uid="1.2.840.10008.1.2.1", modality="CR", sha256="b" * 64, size=7, path="ab/y",
        calling_ae="NEW-ROOM", called_ae="CXRNODE", address="127.0.0.1", study=other,
    )  # fmt: skip
    with database.transaction() as tx:
        register_instance(tx, incoming, settle_seconds=0)
    page.wait_for_selector(".bell[open] li:has-text('3 studies with two patients')")
    page.click(".bell li a")
    page.wait_for_selector("tr[data-key='1.2.3.4']")
    assert complaints == []


def test_a_page_says_when_it_is_not_live_any_more(browser: Any, address: str, console: Console) -> None:
    page, _ = logged_in(browser, address)
    page.wait_for_selector("#live:not(.off):has-text('live')")
    console.stop()
    page.wait_for_selector("#live.off:has-text('not live')")


def test_without_a_script_the_worklist_is_as_it_was_opened(browser: Any, address: str) -> None:
    page, complaints = logged_in(browser, address, java_script_enabled=False)
    assert page.locator("tbody tr").count() == 22
    assert page.locator("#live").is_hidden()
    page.click(".bell summary")
    page.click(".bell li a")
    assert page.locator("tbody tr").count() == 2
    page.fill(".name-filter input[name=name]", "two of them")
    page.click(".name-filter button")
    assert page.locator(".pill.now a").inner_text() == "two of them"
    assert complaints == []


@pytest.mark.long
@pytest.mark.parametrize(("scheme", "width"), [("dark", "desk"), ("light", "phone")])
def test_no_page_of_a_busy_node_has_a_violation(
    browser: Any,
    address: str,
    scheme: str,
    width: str,
) -> None:
    page, complaints = logged_in(browser, address, color_scheme=scheme)
    page.set_viewport_size(WIDTHS[width])
    found: list[str] = []
    for place in PAGES:
        page.goto(address + place)
        page.evaluate("document.querySelectorAll('details').forEach(entry => { entry.open = true; })")
        results = axe.Axe().run(page).response["violations"]
        found += [f"{place}: {entry['id']}: {entry['nodes'][0]['html'][:160]}" for entry in results]
        wide = page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
        found += [f"{place}: scrolls sideways"] if wide else []
    assert found == []
    assert complaints == []
