"""Eleven findings on the web pages: what is claimed first and whole, what was not found in one place."""

import re
from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient

from console import words
from inference.findings import Finding, finding_to_json
from tests.accounts import CHESTS
from tracking.engine.database import Database
from tracking.results.analyses import AnalysisRecord, FindingRecord, OutcomeRecord, record_analysis

Receive = Callable[..., None]


@pytest.fixture
def chest(database: Database, receive: Receive) -> Callable[..., None]:
    """A function that records a study whose images have these findings."""

    def record(*images: tuple[Finding, ...]) -> None:
        outcomes = []
        for number, found in enumerate(images, 1):
            receive(f"1.{number}")
            records = tuple(
                FindingRecord(
                    one.label, one.code.value, one.code.scheme, one.code.meaning, one.score, one.level, one.abnormal,
                    finding_to_json(one),
                )
                for one in found
            )  # fmt: skip
            outcomes.append(OutcomeRecord(f"1.{number}", None, None, records))
        with database.transaction() as tx:
            record_analysis(
                tx, AnalysisRecord("1.9", len(images), "chest", "1.0", "d" * 64, "litert", 0.1, tuple(outcomes), {})
            )

    return record


def plain(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


def test_a_study_shows_what_was_found_before_normal_and_what_was_not_found_last(
    browser: TestClient, chest: Callable[..., None]
) -> None:
    chest(CHESTS["eleven findings"])
    text = plain(browser.get("/study/1.9").text)
    places = [
        text.index(word)
        for word in ("Cardiomegaly present; 5 findings undetermined", "Pleural effusion present",
                     "Pneumonia undetermined", "Normal unlikely", "Not found", "Mass", "Pneumothorax")
    ]  # fmt: skip
    assert places == sorted(places)
    assert "Only a pattern on top of an opacity, not a test for infection." in text
    assert "2 regions marked" in text


def test_normal_is_not_stated_beside_a_finding_that_is_present(browser: TestClient, chest: Callable[..., None]) -> None:
    chest(CHESTS["eleven, all present"])
    text = plain(browser.get("/study/1.9").text)
    assert "Normal not stated" in text
    assert "Normal likely" not in text


def test_the_worklist_names_what_was_found_and_counts_what_was_not(
    browser: TestClient, chest: Callable[..., None]
) -> None:
    chest(CHESTS["eleven findings"])
    page = browser.get("/").text
    text = plain(page)
    assert "Opacity 91% present" in text
    assert "2 not found" in text
    assert "Normal" not in text
    assert 'title="Mass, Pneumothorax"' in page


def test_a_study_is_no_more_normal_than_its_least_normal_image(browser: TestClient, chest: Callable[..., None]) -> None:
    chest(CHESTS["none abnormal"], CHESTS["eleven findings"])
    text = plain(browser.get("/").text)
    assert "Opacity 91% present" in text
    assert "Normal" not in text


def test_a_study_with_nothing_found_says_whether_it_is_normal(browser: TestClient, chest: Callable[..., None]) -> None:
    chest(CHESTS["none abnormal"])
    text = plain(browser.get("/").text)
    assert "Normal 97% likely" in text
    assert "10 not found" in text


def test_a_finding_recorded_without_meaning_or_note_still_reads() -> None:
    from tracking.lists.study_page import FindingDetail

    old = FindingDetail("1.1", "lung_opacity", "", 0.9, "present", True, {"boxes": [{}, {}]})
    (entry,) = words.image_claims([old], "1.1")
    assert (words.name(old), words.note(entry), words.boxes(entry), words.tone(entry)) == (
        "lung opacity",
        "",
        0,
        "absent",
    )


def test_what_is_scored_only_is_in_no_word_of_a_list_and_apart_on_a_study(
    browser: TestClient, chest: Callable[..., None]
) -> None:
    chest(CHESTS["only opacity stated"])
    worklist, study = (plain(browser.get(page).text) for page in ("/", "/study/1.9"))
    assert "Opacity 91% present" in worklist
    assert "effusion" not in worklist
    before, apart = study.split("Scored only: such calls were not shown to be right")
    assert "effusion" not in before
    assert "Nothing is said of any other finding." in before
    assert "Pleural effusion 71.0%" in apart
    assert "AI result, not verified by a radiologist, research use only" in before


def test_a_package_that_may_state_nothing_says_so(browser: TestClient, chest: Callable[..., None]) -> None:
    chest(CHESTS["nothing stated"])
    for page in ("/", "/study/1.9"):
        assert "no finding is stated" in plain(browser.get(page).text)
