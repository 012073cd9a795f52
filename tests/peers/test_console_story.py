"""What people do on the web pages of a running node that got real radiographs, step by step, in a real browser.

Every page is looked at by axe-core, wide and narrow, dark and light. With ``CXR_SCREENSHOTS`` naming a folder, each is
also kept there as a picture, to be looked at by a person; real radiographs, so not for the repository.
"""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from pydicom import dcmread

from cxrnode.demo_peers import DemoPacs
from dicom_node.storage_scu import send
from tests.console.visitors import PASSWORD, begin_session
from tests.nodes import SERVICES, Node
from tests.peers.browsers import BROWSER_TESTS, WIDTHS, new_page
from tracking.engine.database import Database
from tracking.people.roles import Role

axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-core is not installed")

pytestmark = [*BROWSER_TESTS, pytest.mark.long, pytest.mark.timeout(900)]
PAGES = (
    "/", "/?status=delivered&order=study-date", "/analyse", "/destinations", "/flow", "/plots", "/models",
    "/models/points", "/models/points/lung_opacity", "/refusals", "/audit", "/users", "/password",
)  # fmt: skip
ACCEPT = ["CR", "DX", "SC", "any-image"]
FILES = 8
"""Radiographs that are sent; all of them were published for everybody."""


@dataclass(frozen=True)
class Story:
    """A node with studies, its pages, and somebody who is logged in to them."""

    node: Node
    address: str
    page: Any
    complaints: list[str]

    def goto(self, place: str) -> None:
        """Open a page of the node."""
        answer = self.page.goto(self.address + place)
        assert answer.status < 400, f"{place}: {answer.status}"

    def delivered(self) -> list[str]:
        """Return the studies with a region that is shown, whose documents have arrived."""
        delivered = [study for study in self.node.studies() if study.status == "delivered"]
        return [
            study.study_uid
            for study in delivered
            if any(finding.stated and finding.level == "present" and finding.boxes for finding in study.findings)
        ]


@pytest.fixture
def story(
    start_node: Callable[..., Node], tmp_path: Path, cxr_data: Path, browser: Any, free_port: Callable[[], int]
) -> Iterator[Story]:
    """Real radiographs have gone all the way round a node whose pages are open, and an administrator has logged in."""
    folder = tmp_path / "pacs"
    folder.mkdir()
    pacs = DemoPacs(folder)
    try:
        node = start_node(
            pacs.start(), [*SERVICES, "console"], console={"port": free_port()}, receive={"accept": ACCEPT}
        )
        node.await_ready()
        rsna = sorted((cxr_data / "dicom" / "rsna").glob("*.dcm"))
        files = [*sorted((cxr_data / "dicom" / "chest").glob("*.dcm")), *rsna][:FILES]
        for outcome in send.store(files, node.target):
            outcome.raise_for_status()
        node.await_settled(len({dcmread(path, stop_before_pixels=True).StudyInstanceUID for path in files}), 300)
        database = Database.open(node.settings.database_url())
        begin_session(database, Role.ADMINISTRATOR)
        database.close()
        page, complaints = new_page(browser)
        told = Story(node, f"http://127.0.0.1:{node.settings.console.port}", page, complaints)
        told.goto("/")
        page.fill("input[name=user]", "dr.administrator")
        page.fill("input[name=password]", PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_selector("table.list")
        yield told
    finally:
        pacs.stop()


def test_a_day_on_the_pages_of_a_node(story: Story, cxr_data: Path, tmp_path: Path) -> None:
    study, shown = story.delivered()[:2]
    look(story, study)
    answer(story)
    read_documents(story, study)
    act(story, study)
    see_what_is_going_on(story)
    upload(story, cxr_data, tmp_path)
    move_a_point(story)
    add_a_user(story)
    assert story.complaints == []
    assert violations(story, [*PAGES, f"/study/{shown}", f"/study/{shown}/withdraw", f"/study/{study}"]) == []


def look(story: Story, study: str) -> None:
    """Find a study in the worklist and look at its radiograph with the keys."""
    page = story.page
    page.fill("input[name=q]", study)
    page.click(".filter button")
    page.wait_for_url("**q=*")
    page.click("a.open")
    page.wait_for_selector(".film .region", state="visible", timeout=60_000)
    page.focus(".film")
    for key in ("i", "]", "[", "+", "-", "Escape"):
        page.keyboard.press(key)
    page.keyboard.press("r")
    assert page.locator(".film .region").first.is_hidden()
    page.keyboard.press("r")


def answer(story: Story) -> None:
    """Agree with the first finding by a key, and leave a comment."""
    page = story.page
    page.locator("h1").click()
    with page.expect_response(lambda response: response.url.endswith("/answers")):
        page.keyboard.press("a")
    page.wait_for_selector("#answers:not([aria-busy])")
    page.keyboard.press("c")
    page.keyboard.type("looked at on its prior")
    page.click("button[value=comment]")
    page.wait_for_selector("blockquote")


def read_documents(story: Story, study: str) -> None:
    """Read each document of the study as text or image."""
    page = story.page
    places = page.eval_on_selector_all(
        "a[href*='/documents/']:not([download])", "links => links.map(link => link.getAttribute('href'))"
    )
    assert len(set(places)) >= 3, "report, capture and message"
    for place in sorted(set(places)):
        story.goto(place)
        assert page.locator(".tree, .segment, figure img, .empty").count() > 0
    story.goto(f"/study/{study}")


def act(story: Story, study: str) -> None:
    """Mark urgent, send again, analyse again and withdraw, each after reading what it will do."""
    page = story.page
    for name in ("urgent", "resend", "reanalyse", "withdraw"):
        story.goto(f"/study/{study}/{name}")
        if name == "withdraw":
            page.fill("input[name=why]", "a rehearsal")
        page.click("form.login button")
        page.wait_for_selector("form.login", state="detached")
        await_standing(story, study, "withdrawn" if name == "withdraw" else "delivered")
    story.goto("/destinations")
    page.click("a[href='/destinations/ris/pause']")
    page.click("form.login button")
    page.wait_for_selector("form.login", state="detached")
    story.goto("/destinations")
    page.click("a[href='/destinations/ris/resume']")
    page.click("form.login button")
    page.wait_for_selector("form.login", state="detached")


def await_standing(story: Story, study: str, status: str) -> None:
    """Wait until the study stands so."""
    deadline = time.monotonic() + 120
    while (standing := next(one.status for one in story.node.studies() if one.study_uid == study)) != status:
        assert time.monotonic() < deadline, f"{standing} instead of {status}"
        time.sleep(0.3)


def see_what_is_going_on(story: Story) -> None:
    """Filter the worklist, keep the filter, and follow the flow to the studies behind a number."""
    page = story.page
    story.goto("/")
    page.select_option("select[name=status]", "delivered")
    page.click(".filter button")
    page.wait_for_url("**status=delivered*")
    assert page.locator("table.list tbody tr").count() >= 1
    page.fill("form.save-filter input[name=name], input[name=name]", "arrived")
    page.keyboard.press("Enter")
    page.wait_for_selector("a:has-text('arrived')")
    story.goto("/flow")
    assert page.locator("table a").count() > 0
    story.goto("/plots")
    assert page.locator("figure.plot").count() >= 2


def upload(story: Story, cxr_data: Path, tmp_path: Path) -> None:
    """Upload a real radiograph as PNG; see its answer, then delete it."""
    page = story.page
    source = min((cxr_data / "images" / "rsna").rglob("*.*"))
    image = tmp_path / "film.png"
    Image.open(source).convert("L").save(image)
    story.goto("/analyse")
    page.set_input_files("input[type=file]", image)
    page.click(".upload button")
    page.wait_for_selector(".found .headline, .found .because:not(:has-text('due'))", timeout=120_000)
    page.click("text=Delete the upload")
    page.click("button:has-text('Delete the upload')")
    page.wait_for_selector("p[role=status]:has-text('deleted')")


def move_a_point(story: Story) -> None:
    """See on past studies what another operating point would change."""
    page = story.page
    story.goto("/models")
    story.goto("/models/points/lung_opacity")
    page.locator("input[type=range]").nth(1).fill("97")
    page.wait_for_selector("#effect p")


def add_a_user(story: Story) -> None:
    """Add a radiologist, who gets a one-time password."""
    page = story.page
    story.goto("/users")
    page.fill("main input[name=name]", "dr.new")
    page.select_option("main select[name=role]", "radiologist")
    page.click("main form:has(input[name=name]) button")
    page.wait_for_selector("text=one-time password")


def violations(story: Story, places: list[str]) -> list[str]:
    """Return what axe-core, or a page wider than its window, has against the pages; keep pictures where asked to."""
    pictures = os.environ.get("CXR_SCREENSHOTS")
    found = []
    for scheme in ("dark", "light"):
        story.page.emulate_media(color_scheme=scheme)
        for name, size in WIDTHS.items():
            story.page.set_viewport_size(size)
            for place in places:
                story.goto(place)
                story.page.wait_for_timeout(200)
                where = f"{place} {scheme} {name}"
                found += [f"{where}: {one['id']}" for one in axe.Axe().run(story.page).response["violations"]]
                if story.page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
                    found.append(f"{where}: scrolls sideways")
                if pictures:
                    kept = "".join(letter if letter.isalnum() else "-" for letter in where).strip("-")
                    story.page.screenshot(path=Path(pictures) / f"{kept[-80:]}.png", full_page=True)
    return found
