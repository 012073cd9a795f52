"""Training, ensembles and learning curves from the command line: what people and scripts are told."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from config.errors import SettingsError
from cxrnode import cli
from inference.package import FIGURES, EnsemblePackage, load_package
from training.evaluation.metric import Metric
from training.evaluation.run_file import read_runs
from training.pipelines import ensemble, production
from training.pipelines import learning_curve as curve_room
from training.pipelines.ensemble import EnsembleResult
from training.pipelines.learning_curve import CurvePoint, LearningCurve
from training.recipe.recipe import Recipe
from training.recipe.shipped_recipes import load_recipe

RUNNER = CliRunner()


def _run(*arguments: object) -> Any:
    cli._assemble()
    return RUNNER.invoke(cli.app, [str(one) for one in arguments])


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> EnsembleResult:
    """What was made long ago is given for what training and joining would make."""
    package = load_package("chest-default")
    assert isinstance(package, EnsemblePackage)
    there = EnsembleResult(package, json.loads(package.path(FIGURES).read_text(encoding="utf-8")))

    def told(*_what: object, progress: Callable[[str, int, int], None], **_options: object) -> EnsembleResult:
        progress("training steps", 1, 1)
        return there

    monkeypatch.setattr(production, "produce", told)
    monkeypatch.setattr(ensemble, "make_ensemble", told)
    return there


@pytest.mark.parametrize(
    "command",
    [("train", "chest-default", "--data", "data", "--out", "there"), ("ensemble", "there", "a", "b", "--data", "data")],
)
def test_scripts_get_one_json_document_and_people_a_table(made: EnsembleResult, command: tuple[str, ...]) -> None:
    answer = _run(*command, "--json")
    assert answer.exit_code == 0, answer.output
    told = json.loads(answer.stdout)
    assert told["package"] == {
        "name": made.package.manifest.name, "version": made.package.manifest.version, "digest": made.package.digest,
        "folder": "there",
    }  # fmt: skip
    assert told["quick"] is False
    assert told["findings"] == [finding.label for finding in made.package.manifest.findings]
    assert 0 < told["figures"]["auroc:lung_opacity"]["value"] < 1
    assert "training steps: 1 of 1" in answer.stderr
    answer = _run(*command)
    assert answer.exit_code == 0, answer.output
    assert "The package is in there. Research use only" in answer.stdout


@pytest.mark.parametrize(
    ("recipe", "room", "kind", "words"),
    [
        (
            "verdict",
            "training.verdict.pipeline",
            "a verdict",
            "The verdict package is in there. Set inference.verdict_",
        ),
        (
            "anatomy",
            "training.anatomy.produce_anatomy",
            "an anatomy",
            "The anatomy package is in there. Set inference.",
        ),
        ("chest-heads", "training.heads.produce_heads", "a heads", "The package is in there. Research use only"),
    ],
)
def test_a_recipe_of_its_own_kind_is_trained_by_its_own_room(
    monkeypatch: pytest.MonkeyPatch, recipe: str, room: str, kind: str, words: str
) -> None:
    package = load_package("chest-default")
    options: list[dict[str, Any]] = []

    def produce(*_where: object, **given: Any) -> object:
        options.append(given)
        return package

    monkeypatch.setattr(f"{room}.produce", produce)
    command = ("train", recipe, "--data", "data", "--out", "there", "--quick")
    answer = _run(*command, "--json")
    assert answer.exit_code == 0, answer.output
    assert json.loads(answer.stdout) == {
        "package": {
            "name": package.manifest.name, "version": package.manifest.version, "digest": package.digest,
            "folder": "there",
        },
        "quick": True,
    }  # fmt: skip
    assert words in _run(*command).stdout.replace("\n", " ")
    assert [given["quick"] for given in options] == [True, True]
    refused = _run(*command, "--by", "patient")
    assert f"{kind} recipe takes --data, --out, --quick and --json only" in str(refused.exception)
    assert len(options) == 2


def test_a_run_file_names_the_weights_that_were_started_from(made: EnsembleResult, tmp_path: Path) -> None:
    options = ("--data", tmp_path, "--out", tmp_path / "there", "--runs", tmp_path / "runs")
    assert _run("train", "covid-transfer", *options).exit_code == 0
    (run,) = read_runs(tmp_path / "runs")
    assert run.protocol["weights"] == load_recipe("covid-transfer").network.weights
    assert _run("train", "covid-transfer", *options, "--weights", tmp_path / "other.h5").exit_code == 0
    (run,) = read_runs(tmp_path / "runs")
    assert run.protocol["weights"] == "other.h5"


def test_a_learning_curve_is_json_for_scripts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    point = CurvePoint(9, 8, {"auroc:lung_opacity": Metric(0.75, 0.5, 0.9)})
    asked: list[tuple[str, Path | None]] = []

    def curve(recipe: Recipe, *_what: object, weights: Path | None, **_options: object) -> LearningCurve:
        asked.append((recipe.package.name, weights))
        return LearningCurve("tiny", 1, None, False, (5, 4), {1.0: point})

    monkeypatch.setattr(curve_room, "curve", curve)
    options = ("--data", tmp_path, "--out", tmp_path / "curve.json")
    answer = _run("curve", "chest-default", *options, "--json")
    document = json.loads((tmp_path / "curve.json").read_text())
    assert json.loads(answer.stdout) == document
    figures = {"auroc:lung_opacity": {"value": 0.75, "interval": [0.5, 0.9]}}
    assert document["points"] == [{"share": 1.0, "pictures": 9, "patients": 8, "figures": figures}]
    assert document["measured_on"] == {"part": "validation fold", "pictures": 5, "patients": 4}
    assert "0.750" in _run("curve", "darkcovidnet", *options, "--experiment", "short", "--weights", "w.h5").stdout
    assert asked == [("chest-default", None), ("darkcovidnet-short", Path("w.h5"))]


@pytest.mark.parametrize(
    ("missing", "command"),
    [
        ("training.pipelines.production", ("train", "chest-default", "--data", "x", "--out", "y")),
        ("training.pipelines.ensemble", ("ensemble", "y", "a", "b", "--data", "x")),
        ("training.pipelines.learning_curve", ("curve", "chest-default", "--data", "x", "--out", "y")),
        ("training.pipelines.tune", ("tune", "chest-default", "--data", "x", "--out", "y")),
        ("training.pipelines.crossvalidate", ("crossvalidate", "chest-default", "--data", "x", "--out", "y")),
        ("training.evaluation.evaluate", ("evaluate", "chest-default", "--data", "x")),
        ("training.evaluation.compare", ("compare", "a", "b")),
    ],
)
def test_every_command_says_the_same_of_a_missing_train_extra(
    monkeypatch: pytest.MonkeyPatch, missing: str, command: tuple[str, ...]
) -> None:
    room, _, name = missing.rpartition(".")
    if room in sys.modules:
        monkeypatch.delattr(sys.modules[room], name, raising=False)
    monkeypatch.setitem(sys.modules, missing, None)
    error = _run(*command).exception
    assert isinstance(error, SettingsError)
    assert str(error) == f"this needs {missing}, which is not installed: pip install 'cxrnode[train]'"
