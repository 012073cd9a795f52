"""Answers in a real browser: by keys, by mouse and by keyboard alone, and no violation that axe-core knows."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete

from config.settings import Settings
from tests.accounts import finding, hot_map
from tests.peers.browsers import BROWSER_TESTS, SIDE, WIDTHS, node, page_of, serving, store
from tracking.answers import feedback
from tracking.answers.feedback import RecordedAnswer
from tracking.engine.database import Database
from tracking.people.roles import Role
from tracking.tables.feedback_models import Feedback

axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-core is not installed")

pytestmark = BROWSER_TESTS
FINDINGS = (
    finding("lung_opacity", 0.91, (180, 150, 260, 280, 0.91), (60, 200, 130, 260, 0.5), map=hot_map()),
    finding("mass", 0.5, stated=False),
    finding("nodule", 0.1, stated=False),
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[tuple[Settings, Database]]:
    """A node with a study and its prior one."""
    with node(tmp_path_factory.mktemp("browser"), sqlite_template) as (settings, database):
        store(settings, database, "1.8", "1.0", [finding("lung_opacity", 0.1)], date="20250101")
        store(settings, database, "1.9", "1.1", FINDINGS, date="20260101")
        yield settings, database


@pytest.fixture(scope="module")
def address(site: tuple[Settings, Database]) -> Iterator[str]:
    """The address of its console."""
    with serving(*site) as address:
        yield address


@pytest.fixture
def database(site: tuple[Settings, Database]) -> Database:
    """The node's database, without an answer."""
    with site[1].transaction() as tx:
        tx.execute(delete(Feedback))
    return site[1]


def open_study(browser: Any, address: str, database: Database, **options: Any) -> tuple[Any, list[str]]:
    """Return the study's page as a radiologist sees it, and what the browser complains of."""
    page, complaints = page_of(browser, address, database, Role.RADIOLOGIST, **options)
    page.goto(f"{address}/study/1.9")
    page.wait_for_selector(".film .region", state="visible")
    page.wait_for_timeout(500)
    return page, complaints


def press(page: Any, key: str) -> None:
    """Press a key and wait until its answer is recorded."""
    with page.expect_response(lambda answer: answer.url.endswith("/answers")):
        page.keyboard.press(key)
    page.wait_for_selector("#answers:not([aria-busy])")


def answers(database: Database) -> list[RecordedAnswer]:
    with database.reading() as read:
        return feedback.current_answers(feedback.answers_of(read, "1.9"))


def told(database: Database) -> list[tuple[str, int, str]]:
    return [(one.subject.label, one.subject.position, one.answer.value) for one in answers(database)]


def test_one_key_answers_each_finding_and_goes_on(browser: Any, address: str, database: Database) -> None:
    page, complaints = open_study(browser, address, database)
    for key in "adu":
        press(page, key)
    assert told(database) == [
        ("lung_opacity", 0, "agree"), ("lung_opacity", 1, "disagree"), ("lung_opacity", 2, "unsure"),
    ]  # fmt: skip
    assert page.locator("[aria-current] .what b").inner_text() == "Mass", "the next finding is chosen"
    page.keyboard.press("k")
    assert page.locator(".film .region.chosen").count() == 1
    press(page, "z")
    assert len(answers(database)) == 2
    press(page, "n")
    assert told(database)[-1] == ("", 0, "nothing-missed")
    assert complaints == []


def test_keys_do_nothing_in_text_fields_and_can_be_switched_off(browser: Any, address: str, database: Database) -> None:
    page, complaints = open_study(browser, address, database)
    page.keyboard.press("c")
    page.keyboard.type("a dunzjk")
    assert page.locator("textarea").input_value() == "a dunzjk"
    page.click("button[value=comment]")
    page.wait_for_selector("blockquote")
    assert [(one.answer.value, one.comment) for one in answers(database)] == [("comment", "a dunzjk")]
    page.uncheck(".answer-keys input")
    page.locator("h1").click()
    page.keyboard.press("a")
    page.reload()
    page.wait_for_selector(".film .region", state="visible")
    assert not page.is_checked(".answer-keys input")
    page.keyboard.press("a")
    page.wait_for_timeout(300)
    assert len(answers(database)) == 1
    assert complaints == []


def test_a_box_is_drawn_with_the_mouse(browser: Any, address: str, database: Database) -> None:
    page, complaints = open_study(browser, address, database)
    page.keyboard.press("f")
    page.select_option("select[name=label]", "nodule")
    page.click(".add-form .draw")
    film = page.locator(".film").first.bounding_box()
    side = min(film["width"], film["height"])  # the image is square and stands in the middle
    left, top = film["x"] + (film["width"] - side) / 2, film["y"] + (film["height"] - side) / 2
    page.mouse.move(left + 0.5 * side, top + 0.25 * side)
    page.mouse.down()
    page.mouse.move(left + 0.6 * side, top + 0.4 * side, steps=4)
    page.mouse.move(left + 0.75 * side, top + 0.5 * side, steps=4)
    page.mouse.up()
    assert page.locator(".drawn-box").is_visible()
    press(page, "Enter")  # the button that adds the finding has the focus
    page.wait_for_selector(".film .reader-box")
    (added,) = answers(database)
    assert (added.subject.label, added.answer.value) == ("nodule", "added")
    assert added.box is not None
    sides = (added.box.x0, added.box.y0, added.box.x1, added.box.y1)
    assert sides == pytest.approx([share * SIDE for share in (0.5, 0.25, 0.75, 0.5)], abs=4)
    assert complaints == []


def test_a_box_is_corrected_by_the_keyboard_alone(browser: Any, address: str, database: Database) -> None:
    page, complaints = open_study(browser, address, database)
    page.keyboard.press("j")
    page.keyboard.press("b")
    assert page.evaluate("document.activeElement.name") == "x"
    assert page.locator(".drawn-box").is_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("Control+A")
    page.keyboard.type("100")
    for _ in range(3):
        page.keyboard.press("Tab")
    page.keyboard.press("ArrowUp")
    press(page, "Enter")
    (corrected,) = answers(database)
    assert (corrected.subject.position, corrected.answer.value) == (1, "corrected")
    assert corrected.box is not None
    assert (corrected.box.x0, corrected.box.x1, corrected.box.y1) == (100, 180, 281)
    assert complaints == []


def test_the_prior_radiograph_comes_when_it_is_asked_for(browser: Any, address: str, database: Database) -> None:
    page, complaints = open_study(browser, address, database)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    assert page.locator(".changes tbody td").all_inner_texts() == ["not found", "present 91\xa0%"]
    page.click(".prior-image summary")
    page.wait_for_selector(".prior-image .openseadragon-canvas")
    page.wait_for_timeout(500)
    assert any("/study/1.8/images/" in url for url in asked)
    first, second = (page.locator(".film").nth(index).bounding_box() for index in (0, 1))
    assert abs(first["y"] - second["y"]) < 60, "beside, not below"
    assert complaints == []


@pytest.mark.parametrize(("scheme", "width"), [("dark", "desk"), ("light", "phone")])
def test_no_violation_with_every_form_open(
    browser: Any, address: str, database: Database, scheme: str, width: str
) -> None:
    page, _ = open_study(browser, address, database, color_scheme=scheme)
    press(page, "a")
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    page.set_viewport_size(WIDTHS[width])
    page.wait_for_timeout(300)
    results = axe.Axe().run(page).response["violations"]
    found = [f"{entry['id']}: {entry['nodes'][0]['html'][:160]}" for entry in results]
    assert not page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
    assert found == []
