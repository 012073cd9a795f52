"""The web pages in a real browser: the viewer by mouse and by keys, every page without a violation axe-core knows."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from config.language.translation import ENDONYMS
from config.settings import Settings
from console.server import Console
from cxrnode.phantom import View
from inference.findings import finding_to_json
from tests.accounts import mapped_findings
from tests.console.visitors import PASSWORD, begin_session
from tests.phantoms import draw, phantom_dataset
from tracking.analyses import AnalysisRecord, FindingRecord, OutcomeRecord, record_analysis
from tracking.database import Database
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
PAGES = (
    "/", "/study/1.9", "/study/1.9/withdraw", "/study/1.9/accept", "/analyse", "/destinations", "/refusals", "/audit",
    "/models/points", "/models/points/lung_opacity?sensitive=20&specific=90", "/password", "/nothing",
)  # fmt: skip
WIDTHS = {"desk": {"width": 1280, "height": 1000}, "phone": {"width": 390, "height": 844}}


@pytest.fixture
def study(settings: Settings, database: Database) -> None:
    """A study of one image with a finding that has a region and a score map."""
    path = settings.instance_dir / "ab" / "cd"
    path.parent.mkdir(parents=True)
    phantom_dataset(1, view=View.PA, opacity=True, size=512).save_as(path, enforce_file_format=True)
    incoming = IncomingInstance(
        instance_uid="1.1", sop_class_uid="1.2.840.10008.5.1.4.1.1.1", series_uid="1.8",
        transfer_syntax_uid="1.2.840.10008.1.2.1", modality="CR", sha256="a" * 64, size=7, path="ab/cd",
        calling_ae="MODALITY", called_ae="CXRNODE", address="127.0.0.1", study=StudyHeader("1.9", "ACC", "PAT"),
    )  # fmt: skip
    findings = tuple(
        FindingRecord(made.label, made.code.value, made.code.scheme, made.code.meaning, made.score, made.level.value,
                      made.abnormal, finding_to_json(made))
        for made in mapped_findings()
    )  # fmt: skip
    outcome = OutcomeRecord("1.1", None, None, findings)
    with database.transaction() as tx:
        register_instance(tx, incoming, settle_seconds=0)
        record_analysis(tx, AnalysisRecord("1.9", 1, "opacity", "1.0", "d" * 64, "litert", 0.1, (outcome,), {}))


@pytest.fixture
def address(settings: Settings, database: Database, study: None, free_port: Callable[[], int]) -> Iterator[str]:
    """The address of a running console with one administrator."""
    begin_session(database, Role.ADMINISTRATOR)
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


def logged_in(browser: Any, address: str, **options: Any) -> tuple[Any, list[str]]:
    """Return a page whose visitor has logged in, and what its browser complains of."""
    page = browser.new_page(viewport=WIDTHS["desk"], **options)
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(address)
    page.fill("input[name=user]", "dr.administrator")
    page.fill("input[name=password]", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_selector("table.list")
    return page, complaints


def brightness(page: Any) -> float:
    """Return the mean grey of what is on the film, 0 to 255, as the screen shows it."""
    from io import BytesIO

    import numpy as np
    from PIL import Image

    return float(np.asarray(Image.open(BytesIO(page.locator(".film").screenshot())).convert("L")).mean())


def test_the_viewer_obeys_keys_and_mouse(browser: Any, address: str) -> None:
    page, complaints = logged_in(browser, address)
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


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_no_page_has_a_violation(browser: Any, address: str, scheme: str) -> None:
    page, _ = logged_in(browser, address, color_scheme=scheme)
    found: list[str] = []
    for width in WIDTHS.values():
        page.set_viewport_size(width)
        for place in PAGES:
            page.goto(address + place)
            results = axe.Axe().run(page).response["violations"]
            found += [f"{place} {width['width']}: {one['id']}: {one['nodes'][0]['html'][:120]}" for one in results]
            wide = page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
            found += [f"{place} {width['width']}: scrolls sideways"] if wide else []
    page.context.clear_cookies()
    page.goto(f"{address}/login")
    found += [f"/login: {one['id']}" for one in axe.Axe().run(page).response["violations"]]
    assert found == []


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
