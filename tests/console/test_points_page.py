"""The page of the operating points: what a move would have done here, the move, its audit line, and the way back."""

import json
from collections.abc import Callable

import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from config.settings import OperatingPointSettings, Settings
from inference.package import load_package
from inference.site_points import points_in_force, take_settings
from tests.console.visitors import SAME_SITE
from tracking.audit_log.audit import AuditEventType
from tracking.engine.database import Database
from tracking.people.roles import Role
from tracking.results.analyses import AnalysisRecord, FindingRecord, OutcomeRecord, record_analysis
from tracking.tables.models import AuditEvent

LABEL = "lung_opacity"
PLACE = f"/models/points/{LABEL}"
PACKAGE = load_package("chest-default")
OWN = next(finding for finding in PACKAGE.manifest.findings if finding.label == LABEL).points


@pytest.fixture
def scored(database: Database, receive: Callable[..., None]) -> list[float]:
    """Four studies of the package in use, with the scores of opacity."""
    scores = [0.05, 0.5, 0.95, 0.99]
    for number, score in enumerate(scores):
        study = f"1.9.{number}"
        receive(f"1.1.{number}", study=study)
        found = FindingRecord(LABEL, "112001", "DCM", "Opacity", score, "present", True, {"stated": True})
        outcome = OutcomeRecord(f"1.1.{number}", None, None, (found,))
        with database.transaction() as tx:
            record_analysis(
                tx,
                AnalysisRecord(study, 1, PACKAGE.manifest.name, "1.0", "d" * 64, "litert", 0.1, (outcome,), {}),
            )
    return scores


def noted(database: Database) -> list[dict[str, object]]:
    with database.reading() as read:
        rows = read.scalars(select(AuditEvent).where(AuditEvent.type == AuditEventType.POINTS_CHANGED))
        return [json.loads(row.detail) for row in rows]


def in_force(database: Database) -> dict[str, OperatingPointSettings]:
    with database.reading() as read:
        return points_in_force(read, PACKAGE.manifest.name)


def test_the_list_names_each_finding_its_points_and_who_set_them(browser: TestClient) -> None:
    page = browser.get("/models/points").text
    assert page.count("the package</td>") == len(PACKAGE.manifest.findings)
    assert f"{100 * OWN.specific:.1f}%" in page
    assert "never makes one stated" in page
    assert 'href="/models/points"' in browser.get("/models").text


def test_a_move_says_what_it_would_have_done_before_anything_is_done(
    browser: TestClient, database: Database, scored: list[float]
) -> None:
    changed = sum(OWN.points().level(score).value != ("present" if score >= 0.97 else "absent") for score in scored)
    page = browser.get(PLACE, params={"sensitive": "97", "specific": "97"})
    assert page.status_code == 200
    assert f"{changed} of the newest 4 studies" in page.text
    assert f"<b>{25 * changed:.1f}</b>" in page.text
    assert "No reader has answered" in page.text
    part = browser.get(f"{PLACE}/effect", params={"sensitive": "97", "specific": "97"})
    assert f"{changed} of the newest 4 studies" in part.text
    assert "<html" not in part.text
    assert (noted(database), in_force(database)) == ([], {})


def test_points_are_set_shown_and_taken_back(browser: TestClient, database: Database) -> None:
    answer = browser.post(PLACE, data={"sensitive": "30", "specific": "97.5"}, headers=SAME_SITE)
    assert "set for new analyses" in answer.text
    assert in_force(database)[LABEL] == OperatingPointSettings(sensitive=0.3, specific=0.975)
    assert "97.5%" in browser.get("/models").text
    assert "dr.administrator" in browser.get("/models/points").text
    answer = browser.post(f"{PLACE}/reset", headers=SAME_SITE)
    assert "what the package says holds again" in answer.text
    assert in_force(database) == {}
    assert [line["user"] for line in noted(database)] == ["dr.administrator"] * 2


def test_the_way_back_leads_to_the_settings_file(
    browse: Callable[..., TestClient], settings: Settings, database: Database
) -> None:
    own = {LABEL: OperatingPointSettings(sensitive=0.2, specific=0.9)}
    inference = settings.inference.model_copy(update={"operating_points": own})
    take_settings(inference, database)
    assert "the settings file" in browse().get("/models/points").text
    assert in_force(database) == own


@pytest.mark.parametrize(
    ("sensitive", "specific"), [("90", "10"), ("-1", "10"), ("x", "10"), ("", ""), ("nan", "50"), ("1" * 99, "50")]
)
def test_what_are_no_points_is_refused_in_words(
    browser: TestClient, database: Database, sensitive: str, specific: str
) -> None:
    answer = browser.post(PLACE, data={"sensitive": sensitive, "specific": specific}, headers=SAME_SITE)
    assert answer.status_code == 409
    assert "point" in answer.text
    assert browser.get(f"{PLACE}/effect", params={"sensitive": sensitive, "specific": specific}).status_code == 400
    assert in_force(database) == {}


def test_a_finding_that_the_package_does_not_have_is_no_page(browser: TestClient) -> None:
    for path in ("/models/points/tumour", "/models/points/tumour/effect?sensitive=1&specific=2"):
        assert browser.get(path).status_code == 404
    for path in ("/models/points/tumour", "/models/points/tumour/reset"):
        assert browser.post(path, data={"sensitive": "1", "specific": "2"}, headers=SAME_SITE).status_code == 404


def test_only_administrators_move_points(browse: Callable[..., TestClient]) -> None:
    radiologist = browse(role=Role.RADIOLOGIST)
    assert radiologist.get("/models/points").status_code == 403
    assert radiologist.post(PLACE, data={"sensitive": "1", "specific": "2"}, headers=SAME_SITE).status_code == 403
    assert "/models/points" not in radiologist.get("/models").text


def test_the_slider_is_a_script_of_ours_and_the_number_works_without_it(browser: TestClient) -> None:
    page = browser.get(PLACE)
    assert page.text.count('type="number"') == 2
    assert '<script src="/static/points.js" defer></script>' in page.text
    assert "style=" not in page.text
    assert browser.get("/static/points.js").headers["Content-Type"].startswith("text/javascript")
