"""OHIF, pointed at the node's DICOMweb, opens a study, its structured report and its captures.

``OHIF_DIST`` names the folder ``dist`` of the unpacked npm package ``@ohif/app``.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from config.settings import Settings
from console.server import Console
from tests.console.visitors import begin_session
from tests.peers.ohif import serve
from tests.phantoms import phantom_dataset
from tests.reporting.conftest import Studies, opacity_findings
from tracking.engine.database import Database
from tracking.people import api_tokens
from tracking.people.roles import Role, Scope
from tracking.people.users import Actor

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = [
    pytest.mark.peers,
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
    # Playwright's own event loop warns of what it leaves to the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]
PATIENCE = 120_000
"""Milliseconds: OHIF loads some megabytes of script, and draws in software here."""


@pytest.fixture
def dist() -> Path:
    named = os.environ.get("OHIF_DIST", "")
    if not named or not (Path(named) / "index.html").is_file():
        pytest.skip("no OHIF: OHIF_DIST names no folder with its index.html")
    return Path(named)


@pytest.fixture
def study(settings: Settings, database: Database) -> str:
    """A study with two regions of one finding, its report and its capture, built as the node builds them."""
    studies = Studies(settings, database)
    phantom = phantom_dataset(1, size=256, opacity=True)
    instance = studies.receive(phantom)
    studies.begin_analysis()
    job = studies.analyse(str(phantom.StudyInstanceUID), {instance: opacity_findings()})
    studies.report(settings, job)
    return str(phantom.StudyInstanceUID)


@pytest.fixture
def console(settings: Settings, database: Database, free_port: Callable[[], int]) -> Iterator[Console]:
    port = free_port()
    console = Console(
        settings.model_copy(update={"console": settings.console.model_copy(update={"port": port})}), database
    )
    console.start()
    yield console
    console.stop()


@pytest.fixture
def token(database: Database) -> str:
    begin_session(database, Role.VIEWER)
    with database.transaction() as tx:
        return api_tokens.add(tx, "dr.viewer", {Scope.DICOMWEB}, by=Actor("root"))


@pytest.fixture
def page(program: Callable[[str], str]) -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        arguments = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
        chromium = driver.chromium.launch(executable_path=program("chromium"), args=arguments)
        yield chromium.new_page(viewport={"width": 1400, "height": 900})
        chromium.close()


@pytest.mark.timeout(600)
def test_ohif_opens_a_study_its_report_and_its_captures(
    dist: Path, study: str, console: Console, token: str, page: Any, tmp_path: Path
) -> None:
    shots = Path(os.environ.get("OHIF_SHOTS", tmp_path))
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    with serve(dist, console.port, token) as (address, answers):
        page.goto(f"{address}/viewer?StudyInstanceUIDs={study}", timeout=PATIENCE)
        thumbnails = '[data-cy="study-browser-thumbnail"], [data-cy="study-browser-thumbnail-no-image"]'
        page.wait_for_selector(thumbnails, timeout=PATIENCE)
        page.wait_for_selector("canvas", timeout=PATIENCE)
        page.wait_for_timeout(8000)
        page.keyboard.press("Escape")  # ends the tour for newcomers
        page.wait_for_selector(".shepherd-modal-is-visible", state="detached")
        page.screenshot(path=shots / "ohif-study.png")
        shown = page.locator(thumbnails)
        words = " ".join(shown.all_inner_texts())
        assert shown.count() == 3, words
        assert "SR" in words
        page.locator("[data-series='9002']").first.dblclick()
        page.wait_for_timeout(8000)
        page.screenshot(path=shots / "ohif-capture.png")
        page.locator("[data-series='9001']").first.dblclick()
        page.get_by_role("button", name="Yes").wait_for(timeout=PATIENCE)
        page.screenshot(path=shots / "ohif-question.png")
        page.get_by_role("button", name="Yes").click()
        page.wait_for_timeout(5000)
        if not page.get_by_text("Lung opacity, region 1").first.is_visible():
            page.locator('[data-cy="trackedMeasurements-btn"]').click()
        page.get_by_text("Lung opacity, region 1").first.wait_for(timeout=PATIENCE)
        page.screenshot(path=shots / "ohif-report.png")
        listed = page.locator("body").inner_text()
    asked = {path.split("?")[0].rsplit("/", 1)[-1] for _, path in answers}
    assert {"metadata", "series"} <= asked
    assert any("/frames/1" in path for _, path in answers)
    assert [entry for entry in answers if entry[0] >= 400] == []
    assert "Lung opacity, region 1: present" in listed
    assert complaints == []
