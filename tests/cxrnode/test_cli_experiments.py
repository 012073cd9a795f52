"""Cross-validation and tuning from the command line: what they print, leave behind, and refuse."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from cxrnode import cli
from training.evaluation.run_file import read_runs
from training.pipelines import crossvalidate as room
from training.pipelines import tune as tuning
from training.pipelines.crossvalidate import Fold, Prediction, Protocol
from training.recipe.recipe import Recipe

RUNNER = CliRunner()


def _run(*arguments: object) -> Any:
    cli._assemble()
    return RUNNER.invoke(cli.app, [str(one) for one in arguments])


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], Protocol]]:
    """Cross-validation without fits: what is asked for is noted, and answered by chance."""
    asked: list[tuple[list[str], Protocol]] = []

    def crossvalidate(recipes: list[Recipe], data: Path, protocol: Protocol, **_options: Any) -> dict[str, Any]:
        asked.append(([recipe.package.name for recipe in recipes], protocol))
        count, rng = len(protocol.classes), np.random.default_rng(0)
        predictions = [
            Prediction(str(k), str(k), k % count, tuple(rng.dirichlet(np.ones(count)).tolist()), k // 6)
            for k in range(12)
        ]
        folds = tuple(
            Fold(tuple(one for one in predictions if one.fold == fold), 6, 1.0, 10, ({"loss": 1.0},)) for fold in (0, 1)
        )
        return {recipe.package.name: folds for recipe in recipes}

    monkeypatch.setattr(room, "crossvalidate", crossvalidate)
    return asked


def test_crossvalidate_shows_figures_and_leaves_predictions_and_run_files(
    played: list[tuple[list[str], Protocol]], tmp_path: Path
) -> None:
    answer = _run(
        "crossvalidate", "covid-transfer", "darkcovidnet:short", "--data", tmp_path, "--out", tmp_path / "cv.json",
        "--by", "patient", "--task", "three", "--folds", 2, "--runs", tmp_path / "runs",
    )  # fmt: skip
    assert answer.exit_code == 0, answer.output
    assert played == [(["covid-transfer", "darkcovidnet-short"], Protocol("three", "patient", 2))]
    document = json.loads((tmp_path / "cv.json").read_text())
    assert list(document["recipes"]) == ["covid-transfer", "darkcovidnet-short"]
    assert list(document["differences"]) == ["covid-transfer less darkcovidnet-short"]
    assert [run.recipe for run in read_runs(tmp_path / "runs")] == ["covid-transfer", "darkcovidnet-short"]
    assert "2 folds by patient, 3 classes, 12 pictures" in answer.output


def test_what_is_no_task_or_way_of_dealing_out_is_refused(tmp_path: Path) -> None:
    for option, value in (("--task", "four"), ("--by", "hospital")):
        answer = _run("crossvalidate", "darkcovidnet", "--data", tmp_path, "--out", tmp_path / "cv.json", option, value)
        assert "--task is three or binary, --by is image or patient" in str(answer.exception)
    answer = _run("tune", "darkcovidnet", "--data", tmp_path, "--out", tmp_path / "out", "--search", "luck")
    assert "--search is one of random, hyperband, bayesian" in str(answer.exception)


def test_tune_shows_the_best_trials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def tune(recipe: Recipe, data: Path, out: Path, **options: Any) -> tuple[tuning.Trial, ...]:
        assert options["search"] == "bayesian"
        assert options["trials"] == 2
        return (tuning.Trial("0001", {"zoom": 0.1}, 3, 0.25), tuning.Trial("0000", {"zoom": 0.2}, 3, 0.5))

    monkeypatch.setattr(tuning, "tune", tune)
    answer = _run(
        "tune", "darkcovidnet", "--data", tmp_path, "--out", tmp_path / "out", "--search", "bayesian", "--trials", 2
    )
    assert answer.exit_code == 0, answer.output
    assert answer.output.index("0001") < answer.output.index("0000")
    assert "0.2500" in answer.output


def test_scripts_get_one_json_document_without_pictures_and_patients(
    played: list[tuple[list[str], Protocol]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    answer = _run(
        "crossvalidate", "darkcovidnet", "--data", tmp_path, "--out", tmp_path / "cv.json", "--folds", 2, "--json"
    )
    assert answer.exit_code == 0, answer.output
    told, kept = json.loads(answer.stdout), json.loads((tmp_path / "cv.json").read_text())
    assert kept["recipes"]["darkcovidnet"].pop("predictions")
    assert told == kept
    trials = (tuning.Trial("1", {"zoom": 0.1}, 3, 0.25), tuning.Trial("0", {"zoom": 0.2}, 3, math.inf))
    monkeypatch.setattr(tuning, "tune", lambda *_what, **_options: trials)
    answer = _run("tune", "darkcovidnet", "--data", tmp_path, "--out", tmp_path / "out", "--json")
    assert answer.exit_code == 0, answer.output
    told = json.loads(answer.stdout)
    assert told["best"] == str(tmp_path / "out" / "best.toml")
    assert [(trial["name"], trial["values"], trial["loss"]) for trial in told["trials"]] == [
        ("1", {"zoom": 0.1}, 0.25), ("0", {"zoom": 0.2}, None),
    ]  # fmt: skip
