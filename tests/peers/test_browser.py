"""The web pages in a real browser: the viewer by mouse and by keys, every page without a violation axe-core knows."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from config.language.translation import ENDONYMS
from config.settings import Settings
from tests.accounts import mapped_findings
from tests.console.visitors import begin_session
from tests.logins import noted
from tests.peers.browsers import BROWSER_TESTS, WIDTHS, logged_in, node, page_of, serving, store
from tests.phantoms import draw
from tracking.answers import feedback
from tracking.audit_log.audit import AuditEventType
from tracking.engine.database import Database
from tracking.people.roles import Role

axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-core is not installed")

pytestmark = BROWSER_TESTS
PAGES = (
    "/", "/study/1.9", "/study/1.9/withdraw", "/study/1.9/accept", "/analyse", "/destinations", "/refusals", "/audit",
    "/models/points", "/models/points/lung_opacity?sensitive=20&specific=90", "/password", "/nothing",
)  # fmt: skip


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[tuple[Settings, Database]]:
    """A node with a study of one image that has a finding with a region and a score map."""
    with node(tmp_path_factory.mktemp("browser"), sqlite_template) as (settings, database):
        store(settings, database, "1.9", "1.1", mapped_findings())
        begin_session(database, Role.ADMINISTRATOR)
        yield settings, database


@pytest.fixture(scope="module")
def address(site: tuple[Settings, Database]) -> Iterator[str]:
    """The address of its console."""
    with serving(*site) as address:
        yield address


def brightness(page: Any) -> float:
    """Return the mean grey of what is on the film, 0 to 255, as the screen shows it."""
    from io import BytesIO

    return float(np.asarray(Image.open(BytesIO(page.locator(".film").screenshot())).convert("L")).mean())


def test_the_viewer_obeys_keys_and_mouse(browser: Any, address: str, site: tuple[Settings, Database]) -> None:
    page, complaints = page_of(browser, address, site[1], Role.ADMINISTRATOR)
    page.goto(f"{address}/study/1.9")
    page.wait_for_selector(".film .region", state="visible")
    page.wait_for_timeout(500)
    shown = brightness(page)
    assert shown > 20
    page.hover(".film .region")
    assert page.locator(".film .region > span").inner_text().startswith("Lung opacity: present 91")
    page.focus(".film")
    page.keyboard.press("r")
    assert page.locator(".film .region").is_hidden()
    page.keyboard.press("r")
    page.keyboard.press("m")
    score_map = page.locator(".film .score-map")
    page.wait_for_timeout(1000)
    assert score_map.is_visible()
    assert score_map.evaluate("image => image.naturalWidth") == 26 * 16
    page.keyboard.press("m")
    page.keyboard.press("i")
    page.wait_for_timeout(300)
    assert abs(brightness(page) - shown) > 10
    page.keyboard.press("Escape")
    page.keyboard.press("]")
    page.keyboard.press("]")
    page.wait_for_timeout(300)
    assert brightness(page) > shown + 5
    assert "brightness 60 %" in page.locator(".tools output").inner_text()
    page.uncheck(".findings-of-image input")
    assert page.locator(".film .region").is_hidden()
    assert complaints == []


@pytest.mark.parametrize(("scheme", "width"), [("dark", "desk"), ("light", "phone")])
def test_no_page_has_a_violation(
    browser: Any, address: str, site: tuple[Settings, Database], scheme: str, width: str
) -> None:
    page, _ = page_of(browser, address, site[1], Role.ADMINISTRATOR, color_scheme=scheme)
    page.set_viewport_size(WIDTHS[width])
    found: list[str] = []
    for place in PAGES:
        page.goto(address + place)
        results = axe.Axe().run(page).response["violations"]
        found += [f"{place}: {entry['id']}: {entry['nodes'][0]['html'][:120]}" for entry in results]
        wide = page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
        found += [f"{place}: scrolls sideways"] if wide else []
    page.context.clear_cookies()
    page.goto(f"{address}/login")
    found += [f"/login: {entry['id']}" for entry in axe.Axe().run(page).response["violations"]]
    assert found == []


def tab_to(page: Any, selector: str, *, most: int = 80) -> None:
    """Go with the Tab key to an element; on the way, whatever has the focus shows it."""
    for _ in range(most):
        page.keyboard.press("Tab")
        focused = page.evaluate(
            """selector => {
                const element = document.activeElement;
                const style = getComputedStyle(element);
                return [element.matches(selector), style.outlineStyle !== "none" || style.boxShadow !== "none",
                        element.outerHTML.slice(0, 120)];
            }""",
            selector,
        )
        assert focused[1], f"the focus does not show: {focused[2]}"
        if focused[0]:
            return
    pytest.fail(f"the Tab key does not come to {selector}")


def test_worklist_study_answer_and_act_by_the_keyboard_alone(
    browser: Any, address: str, site: tuple[Settings, Database]
) -> None:
    page, complaints = logged_in(browser, address)
    tab_to(page, "a.open[href='/study/1.9']")
    page.keyboard.press("Enter")
    page.wait_for_selector(".film .region", state="visible")
    tab_to(page, "#answers button[value=disagree]")
    with page.expect_response(lambda answer: answer.url.endswith("/answers")):
        page.keyboard.press("Enter")
    page.wait_for_selector("#answers:not([aria-busy])")
    page.reload()
    tab_to(page, "a[href='/study/1.9/urgent']")
    page.keyboard.press("Enter")
    page.wait_for_selector("h1:text('Mark urgent')")
    tab_to(page, "form.login button")
    page.keyboard.press("Enter")
    page.wait_for_selector("form.login", state="detached")
    with site[1].reading() as read:
        assert [given.answer.value for given in feedback.answers_of(read, "1.9")] == ["disagree"]
    assert [line["user"] for line in noted(site[1], AuditEventType.STUDY_URGENT)] == ["dr.administrator"]
    assert complaints == []


def test_pages_in_each_language_fit_and_have_no_violation(browser: Any, address: str) -> None:
    page, complaints = logged_in(browser, address)
    found: list[str] = []
    for language, name in ENDONYMS.items():
        page.goto(address)
        page.click(f"footer a[lang={language}]")
        page.wait_for_selector(f"html[lang={language}]")
        assert page.inner_text("footer a[aria-current]") == name
        for width in WIDTHS.values():
            page.set_viewport_size(width)
            page.goto(f"{address}/study/1.9")
            page.wait_for_selector("main")
            wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            found += [f"{language} at {width['width']}: {wide} pixels too wide"] if wide > 0 else []
        found += [f"{language}: {one['id']}" for one in axe.Axe().run(page).response["violations"]]
    assert found == []
    assert complaints == []


def test_an_upload_is_answered_on_its_study_and_a_point_is_moved_with_the_slider(
    browser: Any, address: str, tmp_path: Path
) -> None:
    image = tmp_path / "mine.png"
    Image.fromarray((draw(9, opacity=True, size=512) >> 4).astype(np.uint8)).save(image)
    page, complaints = logged_in(browser, address)
    page.goto(f"{address}/analyse")
    page.set_input_files("input[type=file]", image)
    page.click(".upload button")
    page.wait_for_selector(".found .headline", timeout=60_000)
    assert "/study/2.25." in page.url
    page.click("text=Delete the upload")
    page.click("button:has-text('Delete the upload')")
    page.wait_for_selector("text=deleted")
    page.goto(f"{address}/models/points/lung_opacity")
    page.locator("input[type=range]").nth(1).fill("97")
    assert page.input_value("#specific") == "97"
    page.wait_for_selector("#effect p")
    page.click("text=Set for new analyses")
    page.wait_for_selector("text=set for new analyses")
    page.click("text=Back to what the package says")
    page.wait_for_selector("text=what the package says holds again")
    assert complaints == []
