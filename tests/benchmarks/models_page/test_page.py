"""The page of models and the cards: written from files alone, complete, and up to date."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.models_page import anatomy_section as anatomy
from benchmarks.models_page import heads_section as heads
from benchmarks.models_page.attempts import read_tried
from benchmarks.models_page.fold_tables import read_folds
from benchmarks.models_page.goals import Goal, goals, obstacles
from benchmarks.models_page.page import (
    CURVES,
    FOLDS,
    RUNS,
    TRIED,
    Reported,
    built_in,
    goals_table,
    main,
    page,
    read_curves,
    recipes_table,
    reported,
)
from benchmarks.models_page.verdict_section import RESULTS, read_results
from config.errors import DataError
from inference.package import load_package
from training.evaluation.markdown import shown, table
from training.evaluation.metric import Metric
from training.evaluation.run_file import FIGURE_NAMES, RunFile, plain, read_runs, write_run
from training.packaging.cards.model_card import card
from training.recipe.shipped_recipes import shipped_recipes

ROOT = Path(__file__).parents[3]


def _figure(value: float | None, low: float | None = None, high: float | None = None) -> dict[str, Any]:
    return {"value": value, "interval": [low, high]}


def _run(by: str, accuracy: float, **changes: Any) -> RunFile:
    entries: dict[str, Any] = {
        "recipe": "a-recipe", "kind": "crossvalidation", "by": by, "folds": 5,
        "figures": {"accuracy": Metric(accuracy, accuracy - 0.05, accuracy + 0.05), "parameters": plain(48795457)},
        "protocol": {"pictures": 1119, "patients": 940, "seed": 1, "list": "darkcovidnet.csv", "epochs": 20},
    }  # fmt: skip
    return RunFile(**{**entries, **changes})


KNOWN = Reported("a-recipe", "somebody's paper", "by image", {"accuracy": 0.95, "f1": 0.9125})


def test_the_page_of_models_is_up_to_date() -> None:
    written = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    files = (read_runs(ROOT / RUNS), read_folds(ROOT / FOLDS), read_curves(ROOT / CURVES), read_tried(ROOT / TRIED))
    judged, outlined = read_results(ROOT / RESULTS), anatomy.read_results(ROOT / anatomy.RESULTS)
    refitted = heads.read_results(ROOT / heads.RESULTS)
    today = page(built_in(), *files, judged, outlined, refitted)
    assert written == today, "run: python -m benchmarks.models_page docs/models.md"


def test_what_stands_in_the_way_of_goals_is_said_below_them() -> None:
    text = page(built_in(), [])
    below = text.index("What stands in the way of those that are missed")
    assert text.index("| figure, by patient, fold never trained on | goal |") < below
    for entry in obstacles():
        assert entry.package in {goal.package for goal in goals()}
        assert text.index(f"- **{entry.title}**: {entry.words}") > below


def test_every_recipe_that_is_shipped_has_a_row() -> None:
    text = recipes_table(reported(), [])
    for name in shipped_recipes():
        assert f"| `{name}` |" in text


def test_reported_figures_have_words() -> None:
    assert all(figure in FIGURE_NAMES for entry in reported() for figure in entry.figures)


def test_figures_by_image_stand_beside_those_by_patient_and_what_was_reported() -> None:
    rows = recipes_table([KNOWN], [_run("image", 0.9), _run("patient", 0.8)]).splitlines()
    accuracy = next(row for row in rows if row.startswith("| `a-recipe`"))
    assert accuracy.split(" | ")[1:5] == [
        "accuracy", "95.00 %", "90.0 % [85.0–95.0]", "80.0 % [75.0–85.0]",
    ]  # fmt: skip
    assert "by image: 5 folds, 1119 pictures of 940 patients" in accuracy
    assert any("| F1 | 91.25 % | – | – |" in row for row in rows)
    assert any("48,795,457" in row for row in rows)


def test_a_full_run_is_shown_before_a_quick_one_and_a_quick_one_is_called_so() -> None:
    quick, full = _run("image", 0.5, quick=True), _run("image", 0.9)
    assert "50.0 %" not in recipes_table([KNOWN], [quick, full])
    assert "which shows only that the recipe works" in recipes_table([KNOWN], [quick])


def test_an_experiment_stands_in_its_recipes_row_until_the_recipe_as_it_is_was_run() -> None:
    known = Reported("darkcovidnet", "a paper", "", {"accuracy": 0.8702})
    short, full = _run("image", 0.8, recipe="darkcovidnet-short"), _run("image", 0.9, recipe="darkcovidnet")
    text = recipes_table([known], [short])
    assert "| `darkcovidnet` | accuracy | 87.02 % | 80.0 % [75.0–85.0] |" in text
    assert "by image: 5 folds, experiment `short`" in text
    assert "`darkcovidnet-short`" not in text
    assert "80.0 %" not in recipes_table([known], [short, full])


def test_a_recipe_that_was_not_run_says_so_and_an_unknown_one_has_its_rows() -> None:
    assert "not run yet" in recipes_table([KNOWN], [])
    assert "| not run: why |" in recipes_table([replace(KNOWN, absent="not run: why")], [])
    assert "| `new` |" in recipes_table([KNOWN], [_run("image", 0.9, recipe="new")])


def test_the_page_can_be_written_from_the_command_line(tmp_path: Path) -> None:
    write_run(tmp_path / "runs", _run("image", 0.9))
    assert main([str(tmp_path / "models.md"), "--runs", str(tmp_path / "runs")]) == 0
    text = (tmp_path / "models.md").read_text(encoding="utf-8")
    assert "## chest-default 1.3.0" in text
    assert "`a-recipe`" in text


@pytest.mark.parametrize(
    ("figure", "verdict"),
    [
        (_figure(0.99, 0.98, 1.0), "**yes**"),
        (_figure(0.99, 0.95, 1.0), "yes; the interval reaches past it"),
        (_figure(0.95, 0.9, 0.98), "no; the interval reaches it"),
        (_figure(0.9, 0.88, 0.92), "no |"),
        (_figure(None), "not measured"),
        (None, "not measured"),
    ],
)
def test_a_goal_is_met_or_not(figure: dict[str, Any] | None, verdict: str) -> None:
    goal = Goal("p", "what", ("a", "b"), at_least=0.97)
    assert verdict in goals_table([goal], {"a": {"b": figure}})
    least = Goal("p", "error", ("a",), at_most=0.03)
    assert "**yes**" in goals_table([least], {"a": _figure(0.02, 0.01, 0.03)})


def test_the_goals_of_the_shipped_package_are_the_nine() -> None:
    wanted = goals()
    assert len(wanted) == 9
    assert {goal.package for goal in wanted} == {"chest-default"}
    assert all((goal.at_least is None) != (goal.at_most is None) for goal in wanted)


def test_tables_and_figures_are_shown_as_people_write_them() -> None:
    assert shown(_figure(0.12345, 0.1, 0.2)) == "0.123 [0.100–0.200]"
    assert shown(_figure(0.5)) == "0.500"
    assert shown(None) == "–"
    assert table(("a",), [("x|y",)]).splitlines()[2] == "| x\\|y |"


def _document(test: dict[str, Any], **changes: Any) -> dict[str, Any]:
    part = {
        "folds": [0], "pictures": 10, "patients": 8, "labels": {"normal": {"yes": 4, "no": 6, "read": 10}},
        "boxes": {}, "sources": {"nih": 8, "ieee8023": 2}, "licences": {"NIH, attribution": 8, "CC BY 4.0": 2},
    }  # fmt: skip
    return {
        "format": 2,
        "protocol": {"quick": False, "seed": 1, "split": "by patient", "intervals": "95 %", "left_out": {"lateral": 3},
                     "parts": {"training": {**part, "folds": [2, 3]}, "test": part}},
        "recipe": {"data": {"by": "patient"}, "network": {"weights": "weights/mobilenet.tflite"}},
        "engines_differ_at_most": 1e-6,
        "test": test,
        **changes,
    }  # fmt: skip


def _measured() -> dict[str, Any]:
    point = {name: _figure(0.9, 0.8, 0.95) for name in ("sensitivity", "specificity", "precision", "accuracy", "f1")}
    finding = {
        "title": "Normal", "pictures": 10, "positives": 4,
        **{name: _figure(0.91, 0.8, 0.97) for name in ("auroc", "auprc", "ece")},
        "points": {name: {"threshold": 0.4, **point} for name in ("sensitive", "specific")},
        "subgroups": {"view PA": {"positives": 4, "negatives": 5, "auroc": _figure(0.8, 0.7, 0.9), "sensitive": point}},
    }  # fmt: skip
    apart = {"pictures": 5, "patients": 5, "findings": {},
             "contrasts": {"covid_others": {"words": "COVID-19 there", "positives": 2, "negatives": 3,
                                            "auroc": _figure(0.38, 0.2, 0.5)}}}  # fmt: skip
    return {
        "pictures": 10, "patients": 8, "intervals": "95 %, bootstrap", "findings": {"normal": finding},
        "contrasts": {}, "groups": {}, "classes": {}, "boxes": {}, "kept_apart": apart,
    }  # fmt: skip


def test_a_card_says_what_was_used_measured_and_not_known() -> None:
    manifest = load_package("chest-default").manifest
    text = card(manifest, _document(_measured()))
    assert text.startswith("# chest-default 1.3.0\n")
    for words in ("## Protocol", "## Data and licences", "## Known failures", "Research use only",
                  "No patient is in two",
                  "0.910 [0.800–0.970]", "NIH ChestX-ray14", "COVID-19 Image Data Collection", "MobileNetV2",
                  "CC BY 4.0", "Children, lateral views", "0.380 [0.200–0.500]", "below chance", "lateral: 3",
                  "0.90 / 0.90"):  # fmt: skip
        assert words in text, words
    assert "quick run" not in text
    assert "\n\n\n" not in text


def test_a_card_of_a_quick_run_or_of_a_split_by_picture_warns() -> None:
    manifest = load_package("chest-default").manifest
    document = _document(_measured(), recipe={"data": {"by": "image"}})
    document["protocol"]["quick"] = True
    text = card(manifest, document)
    assert "Not a model to use" in text
    assert "stand on both sides, which flatters" in text


def test_a_learning_curve_is_a_column_for_each_share() -> None:
    curve = {
        "schema": 1, "recipe": "a-recipe", "seed": 1, "quick": False,
        "measured_on": {"part": "validation fold", "pictures": 700, "patients": 500},
        "points": [
            {"share": 0.5, "pictures": 1000, "patients": 800, "figures": {"auroc_mean": _figure(0.7, 0.6, 0.8)}},
            {"share": 1.0, "pictures": 2000, "patients": 1600, "figures": {"auroc_mean": _figure(0.72, 0.62, 0.82)}},
        ],
    }  # fmt: skip
    text = page([], [], curves=[curve])
    assert "## Learning curve of `a-recipe`" in text
    assert "| 1000 pictures, 800 patients | 2000 pictures, 1600 patients |" in text
    assert "0.700 [0.600–0.800] | 0.720 [0.620–0.820]" in text


def test_a_file_that_is_no_learning_curve_is_named(tmp_path: Path) -> None:
    (tmp_path / "chest.json").write_text('{"points": []}', encoding="utf-8")
    with pytest.raises(DataError, match=r"chest\.json is no learning curve"):
        read_curves(tmp_path)


def test_an_ensembles_figures_stand_beside_those_of_each_of_its_networks() -> None:
    section = page(built_in(), []).partition("## chest-default")[2]
    header, _, first, *_ = section.partition("| figure, test pictures")[2].splitlines()
    assert header == " | measured here | network 1 alone | network 2 alone |"
    assert len(first.split(" | ")) == 4
    assert "–" not in first.split(" | ")[2:]
