"""Score maps on a study's page: offered where there is one, drawn when looked at, noted, and never in a conflict."""

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from config.settings import Settings
from inference.findings import Finding, ModelIdentity
from reporting.capture.layout import Layout
from reporting.identity import capture_uid
from tests.accounts import finding, mapped_findings
from tests.phantoms import phantom_dataset
from tracking.audit_log import audit
from tracking.audit_log.audit import AuditEventType
from tracking.engine.database import Database

Record = Callable[..., None]
MODEL = ModelIdentity("opacity", "1.0", "d" * 64, "litert")
PLACE = "/study/1.9/maps/1.1/lung_opacity.png"


def views(database: Database) -> list[str]:
    with database.reading() as read:
        return [str(line.detail["what"]) for line in audit.lines(read) if line.type == AuditEventType.STUDY_VIEWED]


@pytest.fixture
def image(settings: Settings) -> None:
    """The image of every record, where the instance store has it."""
    path = settings.instance_dir / "ab" / "cd"
    path.parent.mkdir(parents=True)
    phantom_dataset(1, size=256).save_as(path, enforce_file_format=True)


@pytest.fixture
def study(receive: Record, analyse: Record, capture: Record) -> Callable[[tuple[Finding, ...]], None]:
    """Return a function that puts a study of one image with these findings, and its capture, on record."""

    def record(findings: tuple[Finding, ...]) -> None:
        receive("1.1")
        analyse("1.9", 1, "1.1", findings=findings)
        capture(1, capture_uid(["1.1"], MODEL, 1, "1.1"))

    return record


def test_a_map_is_a_layer_that_is_switched_without_a_script(browser: TestClient, study: Record) -> None:
    study(mapped_findings())
    answer = browser.get("/study/1.9")
    assert (
        f'<img src="{PLACE}" alt="Radiograph with the score map of Lung opacity over it" loading="lazy">' in answer.text
    )
    assert answer.text.count('type="radio" name="capture-1"') == 2
    assert answer.text.count("<script") == 1, "that of open pages"


@pytest.mark.parametrize(
    "findings",
    [mapped_findings(0.1), (finding("lung_opacity", 0.9),), (*mapped_findings()[1:],)],
    ids=["not found", "without a map", "good news alone"],
)
def test_where_there_is_no_map_to_show_the_page_has_the_capture_alone(
    browser: TestClient, study: Record, image: None, findings: tuple[Finding, ...], database: Database
) -> None:
    study(findings)
    page = browser.get("/study/1.9").text
    assert "<figure>" in page
    assert 'type="radio"' not in page
    assert browser.get(PLACE).status_code == 404
    assert views(database) == ["study"]


def test_a_map_is_drawn_over_its_image_in_the_capture_s_layout_and_who_looked_is_noted(
    browser: TestClient, study: Record, image: None, settings: Settings, database: Database
) -> None:
    study(mapped_findings())
    answers = [browser.get(PLACE), browser.get(f"{PLACE}?full=1")]
    assert [answer.headers["content-type"] for answer in answers] == ["image/png"] * 2
    drawn = [np.asarray(Image.open(io.BytesIO(answer.content))) for answer in answers]
    layout = Layout.of(256, 256, 1.0, settings.report.capture_longest_side)
    assert drawn[1].shape == (layout.height, layout.width, 3)
    assert max(drawn[0].shape) <= 1400
    area = layout.picture
    y, x = area.top + round(20.5 / 32 * area.height), area.left + round(6.5 / 26 * area.width)
    red, _, blue = drawn[1][y, x].astype(int)
    assert red - blue > 60
    assert views(database) == ["score map"] * 2


@pytest.mark.parametrize(
    "place",
    [
        "/study/1.9/maps/1.1/normal.png",
        "/study/1.9/maps/1.1/other.png",
        "/study/1.9/maps/1.2/lung_opacity.png",
        "/study/1.8/maps/1.1/lung_opacity.png",
        "/study/1.9/maps/..%2F1.1/lung_opacity.png",
        "/study/1.9/maps/1.1%00/lung_opacity.png",
    ],
)
def test_no_other_map_is_shown(browser: TestClient, study: Record, image: None, database: Database, place: str) -> None:
    study(mapped_findings())
    assert browser.get(place).status_code == 404
    assert views(database) == []


def test_a_map_over_an_image_that_is_gone_or_broken_is_not_shown(
    browser: TestClient, study: Record, image: None, settings: Settings
) -> None:
    study(mapped_findings())
    path = settings.instance_dir / "ab" / "cd"
    path.write_bytes(b"no DICOM")
    assert browser.get(PLACE).status_code == 410
    path.unlink()
    assert browser.get(PLACE).status_code == 410


def test_in_a_conflict_no_map_is_shown(browser: TestClient, study: Record, receive: Record, image: None) -> None:
    study(mapped_findings())
    receive("1.2", patient_name="Roe^Mary", patient_id="OTHER")
    assert 'type="radio"' not in browser.get("/study/1.9").text
    assert browser.get(PLACE).status_code == 404


def test_a_map_needs_the_login(browse: Callable[..., TestClient], study: Record, image: None) -> None:
    study(mapped_findings())
    assert browse(role=None).get(PLACE, follow_redirects=False).status_code == 303
