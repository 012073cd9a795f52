"""What was tried for goals: kept from what runs left, shown beside what is shipped, never typed."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.models_page.attempts import Tried, keep, main, read_tried, tried, tried_section
from benchmarks.models_page.goals import Goal, goals
from benchmarks.models_page.page import RUNS, TRIED
from config.errors import DataError
from inference.package import BUILT_IN

ROOT = Path(__file__).parents[3]
GOAL = Goal("p", "AUROC of what", ("contrasts", "what", "auroc"), at_least=0.9)
OTHER = Goal("p", "error of that", ("findings", "that", "ece"), at_most=0.1)
LISTED = (Tried("p", "a", "the first way", "it was so"), Tried("q", "b", "of another package", "no"))


def _figures(value: float) -> dict[str, Any]:
    return {"contrasts": {"what": {"auroc": {"value": value, "interval": [value - 0.1, value + 0.1]}}}}


def test_what_was_tried_stands_beside_what_is_shipped_with_goal_and_words() -> None:
    text = tried_section("p", [GOAL, OTHER], _figures(0.8), LISTED, {"a": {"test": _figures(0.7)}})
    assert "| figure, on pictures of the same fold | goal | shipped | the first way |" in text
    assert "| AUROC of what | ≥ 0.9 | 0.800 [0.700–0.900] | 0.700 [0.600–0.800] |" in text
    assert "- **the first way**: it was so" in text
    assert "another package" not in text


def test_a_figure_that_nothing_tried_has_is_no_row_and_nothing_tried_is_no_section() -> None:
    assert "error of that" not in tried_section("p", [GOAL, OTHER], _figures(0.8), LISTED, {"a": {"test": _figures(1)}})
    assert tried_section("p", [GOAL], _figures(0.8), LISTED, {}) == ""


def test_of_a_packages_figures_what_goals_ask_for_is_kept_and_no_patient(tmp_path: Path) -> None:
    figures = BUILT_IN / "chest-default" / "figures.json"
    assert main([str(figures), str(tmp_path / "tried" / "now.json")]) == 0
    (name, kept), *others = read_tried(tmp_path / "tried").items()
    assert (name, others) == ("now", [])
    assert kept["parts"]["test"]["pictures"] == 717
    assert "patient_marks" not in json.dumps(kept)
    test = json.loads(figures.read_text(encoding="utf-8"))["test"]
    wanted = [goal for goal in goals() if goal.package == "chest-default"]
    entry = Tried("chest-default", "now", "again", "the same")
    text = tried_section("chest-default", wanted, test, [entry], {"now": kept})
    for goal in wanted:
        row = next(line for line in text.splitlines() if line.startswith(f"| {goal.words} |"))
        assert row.split(" | ")[2] == row.split(" | ")[3].removesuffix(" |") != "–"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"package": {}, "protocol": {"parts": {"test": 1}}, "test": {}}'])
def test_what_is_no_packages_figures_is_refused_by_name_and_nothing_is_written(tmp_path: Path, text: str) -> None:
    path = tmp_path / "figures.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=r"figures\.json holds no figures"):
        keep(path, tmp_path / "out.json")
    assert not (tmp_path / "out.json").exists()


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"test": {"contrasts": {"opacity_normal": {"auroc": {"value": "high"}}}}}']
)
def test_a_broken_file_among_what_was_tried_is_refused_by_name(tmp_path: Path, text: str) -> None:
    (tmp_path / "odd.json").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=r"odd\.json"):
        read_tried(tmp_path)


def test_words_and_files_of_what_was_tried_belong_together() -> None:
    assert {entry.run for entry in tried()} == set(read_tried(ROOT / TRIED))
    assert TRIED.parent == RUNS
