"""Cross-validation: the same folds for every recipe and task, every picture predicted once, nothing fitted twice."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from config.errors import DataError, SettingsError
from training.evaluation.resample import Resamples
from training.evaluation.run_file import read_run, write_json
from training.fit import cache_key
from training.pipelines import crossvalidate as room
from training.pipelines import crossvalidation_results
from training.pipelines.crossvalidate import Fold, Prediction, Protocol, crossvalidate, for_task, listed
from training.recipe.recipe import Recipe
from training.recipe.shipped_recipes import load_recipe

LABELS = {"Normal": "no_finding", "Lung Opacity": "covid19", "No Lung Opacity / Not Normal": "pneumonia"}
PROTOCOL = Protocol(task="three", by="patient", folds=2)


def _recipe(name: str = "tiny", head: dict[str, Any] | None = None) -> Recipe:
    head = head or {
        "name": "reads", "activation": "softmax", "classes": ["no_finding", "pneumonia", "covid19"],
    }  # fmt: skip
    return Recipe.model_validate(
        {
            "package": {"name": name, "version": "0.0.1", "title": "Tiny", "summary": "For tests."},
            "data": {"list": "list.csv", "frontal_adults": False},
            "network": {"kind": "cnn-dropout", "side": 64, "width": 8, "dropout": 0.0},
            "heads": [head],
            "findings": [{"label": "covid19", "head": head["name"]}],
            "augment": {"rotation_degrees": 0, "shift": 0, "zoom": 0, "contrast": 0, "brightness": 0},
            "fit": {
                "batch": 5, "epochs": 1, "optimizer": "adam", "schedule": "constant", "learning_rate": 1e-3,
                "average": 0.0,
            },
            "quick": {"pictures": 6, "side": 64},
        }
    )  # fmt: skip


SIGMOID = {"name": "covid", "activation": "sigmoid", "classes": ["covid19"]}


@pytest.fixture
def data(write_data: Callable[..., Path]) -> Path:
    root = write_data()
    with (root / "manifest.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    lines = [f"{row['file']},{LABELS[row['rsna_class']]}" for row in rows if row["rsna_class"]]
    (root / "list.csv").write_text("\n".join(["file,label", *lines]) + "\n")
    return root


def test_folds_depend_on_the_list_and_the_seed_alone(data: Path) -> None:
    folds = {one.file: one.fold for one in listed(_recipe(), data, PROTOCOL)}
    binary = {one.file: one.fold for one in listed(_recipe("b", SIGMOID), data, Protocol("binary", "patient", 2))}
    other = {one.file: one.fold for one in listed(_recipe(), data, Protocol("three", "patient", 2, seed=2))}
    assert len(folds) == 30
    assert len(binary) == 20
    assert all(folds[file] == fold for file, fold in binary.items())
    assert other != folds


def test_every_picture_is_predicted_once_and_finished_folds_are_not_fitted_again(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fits: list[str] = []
    fit = room.fit_network

    def counted(recipe: Recipe, split: Any, *rest: Any, **options: Any) -> Any:
        if len(fits) == 3 and not (tmp_path / "stopped").exists():
            (tmp_path / "stopped").touch()
            raise KeyboardInterrupt
        fits.append(recipe.package.name)
        assert not split.test
        return fit(recipe, split, *rest, **options)

    monkeypatch.setattr(room, "fit_network", counted)
    recipes = [_recipe("ours"), _recipe("peer", SIGMOID)]
    with pytest.raises(KeyboardInterrupt):
        crossvalidate(recipes, data, PROTOCOL, work=tmp_path / "work")
    runs = crossvalidate(recipes, data, PROTOCOL, work=tmp_path / "work")
    assert fits == ["ours", "ours", "peer", "peer"]
    for folds in runs.values():
        files = [one.file for fold in folds for one in fold.predictions]
        assert len(files) == len(set(files)) == 30
        assert all(abs(sum(one.probabilities) - 1) < 1e-4 for fold in folds for one in fold.predictions)
    assert [[one.file for one in fold.predictions] for fold in runs["ours"]] == [
        [one.file for one in fold.predictions] for fold in runs["peer"]
    ]
    made = crossvalidation_results.document(runs, recipes, PROTOCOL, resamples=20)
    write_json(tmp_path / "out.json", made)
    kept = json.loads((tmp_path / "out.json").read_text())
    assert kept["protocol"]["pictures"] == 30
    assert set(kept["differences"]) == {"ours less peer"}
    assert [part["test_pictures"] for part in kept["recipes"]["ours"]["folds"]] == [15, 15]
    assert sorted(kept["recipes"]["ours"]["predictions"][0]) == ["file", "fold", "patient", "probabilities", "truth"]


def test_a_recipe_answers_the_task_with_its_own_head_where_it_has_one() -> None:
    softmax, sigmoid = _recipe(), _recipe("b", SIGMOID)
    assert for_task(softmax, PROTOCOL).heads == softmax.heads
    assert for_task(sigmoid, Protocol("binary")).heads == sigmoid.heads
    assert for_task(sigmoid, PROTOCOL).heads[0].classes == ("no_finding", "pneumonia", "covid19")
    assert for_task(softmax, Protocol("binary")).heads[0].classes == ("no_finding", "covid19")
    assert for_task(load_recipe("darkcovidnet"), PROTOCOL).heads == load_recipe("darkcovidnet").heads


def test_quick_fits_a_few_pictures(data: Path, tmp_path: Path) -> None:
    quick = Protocol("binary", "image", 2, quick=True)
    runs = crossvalidate([_recipe()], data, quick, work=tmp_path / "work")
    assert [(fold.training, len(fold.predictions)) for fold in runs["tiny"]] == [(6, 6), (6, 6)]


def test_recipes_without_a_common_list_and_broken_predictions_are_refused(data: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="same name"):
        crossvalidate([_recipe(), _recipe()], data, PROTOCOL)
    other = _recipe("other").model_copy(update={"data": _recipe().data.model_copy(update={"list": "b.csv"})})
    with pytest.raises(SettingsError, match="same reader and list"):
        crossvalidate([_recipe(), other], data, PROTOCOL)
    crossvalidate([_recipe()], data, Protocol("binary", "image", 2, quick=True), work=tmp_path / "work")
    next((tmp_path / "work").glob("*/fold-0.json")).write_text("{}")
    with pytest.raises(DataError, match="delete it"):
        crossvalidate([_recipe()], data, Protocol("binary", "image", 2, quick=True), work=tmp_path / "work")


# --- figures of predictions made up here -----------------------------------------------------------------------


def _predictions() -> tuple[Prediction, ...]:
    """Ten pictures of two classes: one no finding called COVID-19, one COVID-19 missed."""
    rows = [(0, 0.1)] * 4 + [(0, 0.6)] + [(1, 0.9)] * 4 + [(1, 0.4)]
    return tuple(
        Prediction(
            file=f"{place:02d}", patient=str(place), truth=truth, probabilities=(1 - share, share), fold=place % 2
        )
        for place, (truth, share) in enumerate(rows)
    )


def test_figures_are_those_of_the_table() -> None:
    predictions = _predictions()
    draws = Resamples.of([one.patient for one in predictions], 1, 50)
    made = crossvalidation_results.figures(predictions, ("no_finding", "covid19"), draws, np.arange(10))
    assert made["accuracy"].value == pytest.approx(0.8)
    assert made["precision:covid19"].value == made["recall:covid19"].value == pytest.approx(0.8)
    assert made["f1:covid19"].value == made["f1"].value == pytest.approx(0.8)
    assert made["auroc:covid19"].value == pytest.approx(24 / 25)
    figure = made["accuracy"].figure()
    assert figure.low < 0.8 < figure.high


def test_a_run_file_keeps_the_binary_accuracy_beside_three_classes(tmp_path: Path) -> None:
    recipe = _recipe()
    for task, classes in (("binary", 2), ("three", 3)):
        predictions = [
            Prediction(one.file, one.patient, one.truth, (*one.probabilities, *[0.0] * (classes - 2)), one.fold)
            for one in _predictions()
        ]
        predictions += [
            Prediction(f"x{place}", f"x{place}", 2, (0.0, 0.0, 1.0), place % 2) for place in range(4 * (classes - 2))
        ]
        folds = tuple(
            Fold(tuple(one for one in predictions if one.fold == fold), 5, 1.0, 100, ({"loss": 0.5},))
            for fold in range(2)
        )
        protocol = Protocol(task, "image", 2)  # type: ignore[arg-type]
        made = crossvalidation_results.document({"tiny": folds}, [recipe], protocol, resamples=20)
        (path,) = crossvalidation_results.write_runs(tmp_path, made, [recipe])
    run = read_run(path)
    assert run.figures["accuracy_binary"].value == pytest.approx(0.8)
    assert run.figures["accuracy"].value == pytest.approx(12 / 14, abs=1e-4)
    assert run.figures["parameters"].value == 100
    assert run.by == "image"
    assert run.protocol["classes"] == ["no_finding", "pneumonia", "covid19"]


def test_folds_of_other_labels_or_another_program_are_fitted_anew(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_arguments: Any, **_options: Any) -> Any:
        raise KeyboardInterrupt

    def work() -> set[str]:
        """Return the folders that folds are kept in, this run's and earlier ones'."""
        with pytest.raises(KeyboardInterrupt):
            crossvalidate([_recipe()], data, PROTOCOL, work=tmp_path / "work")
        return {folder.name for folder in (tmp_path / "work").iterdir()}

    monkeypatch.setattr(room, "fit_network", stop)
    assert len(work()) == len(work()) == 1
    monkeypatch.setattr(cache_key, "program", lambda: "99.0.0")
    assert len(work()) == 2
    monkeypatch.undo()
    monkeypatch.setattr(room, "fit_network", stop)
    rows = (data / "list.csv").read_text().splitlines()
    rows[1] = rows[1].replace("no_finding", "pneumonia")
    (data / "list.csv").write_text("\n".join(rows) + "\n")
    assert len(work()) == 3
