"""Answers in a real browser: by keys, by mouse and by keyboard alone, and no violation that axe-core knows."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from config.settings import Settings
from console.server import Console
from cxrnode.phantom import View
from inference.findings import Finding, finding_to_json
from tests.accounts import finding, hot_map
from tests.console.visitors import PASSWORD, begin_session
from tests.phantoms import phantom_dataset
from tracking import feedback
from tracking.analyses import AnalysisRecord, FindingRecord, OutcomeRecord, record_analysis
from tracking.database import Database
from tracking.feedback import RecordedAnswer
from tracking.instances import IncomingInstance, StudyHeader, register_instance
from tracking.roles import Role

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-core is not installed")

pytestmark = [
    pytest.mark.peers,
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
    # Playwright's own event loop warns of what it leaves to the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]
SIDE = 512
FINDINGS = (
    finding("lung_opacity", 0.91, (180, 150, 260, 280, 0.91), (60, 200, 130, 260, 0.5), map=hot_map()),
    finding("mass", 0.5, stated=False),
    finding("nodule", 0.1, stated=False),
)


def store(settings: Settings, database: Database, study: str, instance: str, date: str, *found: Finding) -> None:
    """Store a study of one phantom with these findings."""
    path = settings.instance_dir / instance
    path.parent.mkdir(parents=True, exist_ok=True)
    phantom_dataset(1, view=View.PA, opacity=True, size=SIDE).save_as(path, enforce_file_format=True)
    incoming = IncomingInstance(
        instance_uid=instance, sop_class_uid="1.2.840.10008.5.1.4.1.1.1", series_uid="1.8",
        transfer_syntax_uid="1.2.840.10008.1.2.1", modality="CR", sha256="a" * 64, size=7, path=instance,
        calling_ae="MODALITY", called_ae="CXRNODE", address="127.0.0.1",
        study=StudyHeader(study, "ACC", "PAT", study_date=date),
    )  # fmt: skip
    records = tuple(
        FindingRecord(made.label, made.code.value, made.code.scheme, made.code.meaning, made.score, made.level.value,
                      made.abnormal, finding_to_json(made))
        for made in found
    )  # fmt: skip
    outcome = OutcomeRecord(instance, None, None, records)
    with database.transaction() as tx:
        register_instance(tx, incoming, settle_seconds=0)
        record_analysis(tx, AnalysisRecord(study, 1, "opacity", "1.0", "d" * 64, "litert", 0.1, (outcome,), {}))


@pytest.fixture
def address(settings: Settings, database: Database, free_port: Callable[[], int]) -> Iterator[str]:
    """The address of a running console with a radiologist, a study and its prior one."""
    store(settings, database, "1.8", "1.0", "20250101", finding("lung_opacity", 0.1))
    store(settings, database, "1.9", "1.1", "20260101", *FINDINGS)
    begin_session(database, Role.RADIOLOGIST)
    port = free_port()
    console = Console(
        settings.model_copy(update={"console": settings.console.model_copy(update={"port": port})}), database
    )
    console.start()
    yield f"http://127.0.0.1:{port}"
    console.stop()


@pytest.fixture
def browser(program: Callable[[str], str]) -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=program("chromium"), args=["--no-sandbox"])
        yield chromium
        chromium.close()


def open_study(browser: Any, address: str, **options: Any) -> tuple[Any, list[str]]:
    """Return the study's page as a radiologist sees it, and what the browser complains of."""
    page = browser.new_page(viewport={"width": 1280, "height": 1000}, **options)
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(address)
    page.fill("input[name=user]", "dr.radiologist")
    page.fill("input[name=password]", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_selector("table.list")
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
    page, complaints = open_study(browser, address)
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
    page, complaints = open_study(browser, address)
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
    page, complaints = open_study(browser, address)
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
    page, complaints = open_study(browser, address)
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


def test_the_prior_radiograph_comes_when_it_is_asked_for(browser: Any, address: str) -> None:
    page, complaints = open_study(browser, address)
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


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_no_violation_with_every_form_open(browser: Any, address: str, scheme: str) -> None:
    page, _ = open_study(browser, address, color_scheme=scheme)
    press(page, "a")
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    found: list[str] = []
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_timeout(300)
        results = axe.Axe().run(page).response["violations"]
        found += [f"{width}: {one['id']}: {one['nodes'][0]['html'][:160]}" for one in results]
        wide = page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
        found += [f"{width}: scrolls sideways"] if wide else []
    assert found == []
