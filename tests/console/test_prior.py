"""A prior study on the page of a later one: what changed, and that looking at it is noted."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from starlette.testclient import TestClient

from config.settings import Settings
from console.prior import changes_of
from cxrnode.phantom import View
from inference.findings import Finding, finding_to_json
from tests.accounts import finding
from tests.phantoms import phantom_dataset
from tracking.audit_log import audit
from tracking.engine.database import Database
from tracking.lists.study_page import FindingDetail
from tracking.people.roles import Role

OPACITY = finding("lung_opacity", 0.9)
MASS = finding("mass", 0.5)


def details(*made: Finding) -> list[FindingDetail]:
    return [
        FindingDetail(
            "1.1", one.label, one.code.meaning, one.score, one.level.value, one.abnormal, finding_to_json(one)
        )
        for one in made
    ]


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        ((finding("lung_opacity", 0.1),), (OPACITY,), [("Lung opacity", "not found", "present 90 %", True)]),
        ((OPACITY,), (OPACITY,), [("Lung opacity", "present 90 %", "present 90 %", False)]),
        ((MASS, OPACITY), (OPACITY,), [
            ("Lung opacity", "present 90 %", "present 90 %", False), ("Mass", "undetermined 50 %", "–", True)]),
        ((replace(OPACITY, stated=False),), (OPACITY,), [("Lung opacity", "–", "present 90 %", True)]),
        ((replace(OPACITY, stated=False),), (), []),
    ],
)  # fmt: skip
def test_what_changed_is_told_of_what_is_stated(
    before: Sequence[Finding], now: Sequence[Finding], told: list[tuple[str, str, str, bool]]
) -> None:
    changes = changes_of(details(*before), details(*now))
    found = [(one.name, one.before.replace("\xa0", " "), one.now.replace("\xa0", " "), one.changed) for one in changes]
    assert found == told


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_page_shows_the_prior_study_and_notes_who_sees_it(
    receive: Callable[..., None], analyse: Callable[..., None], browse: Callable[..., TestClient], database: Database,
    settings: Settings,
) -> None:  # fmt: skip
    path = settings.instance_dir / "ab" / "cd"
    path.parent.mkdir(parents=True)
    phantom_dataset(1, view=View.PA, size=64).save_as(path, enforce_file_format=True)
    receive("1.1", study="1.8", patient_id="P1", study_date="20250101")
    analyse("1.8", 1, "1.1", findings=(finding("lung_opacity", 0.1),))
    receive("1.2", study="1.9", patient_id="P1", study_date="20260101")
    browser = browse(role=Role.VIEWER)
    assert "Prior study" not in browser.get("/study/1.9").text, "there is nothing yet to compare it with"
    analyse("1.9", 1, "1.2", findings=(OPACITY,))
    page = browser.get("/study/1.9").text
    assert 'href="/study/1.8"' in page
    assert "not found</td><td>present 90" in page
    assert 'data-image="/study/1.8/images/1.1.png"' in page
    with database.reading() as read:
        (line,) = audit.last_lines(read, 1, study_uid="1.8")
    assert (line.detail["what"], line.detail["beside"]) == ("prior study", "1.9")
    assert line.detail["user"] == "dr.viewer"
    assert "Prior study" not in browser.get("/study/1.8").text
