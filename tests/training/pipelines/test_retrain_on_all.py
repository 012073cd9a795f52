"""What was chosen without the validation pictures stays; what ships learnt from them, too, never from the test part."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.models_page.page import page
from config.errors import DataError
from inference.package import CARD, FIGURES, LITERT_MODEL, EnsemblePackage, ModelPackage, load_package
from training.data.examples import Split
from training.evaluation.evaluate import Choice, choose, record_of
from training.pipelines import production
from training.pipelines import retrain_on_all as pipeline
from training.pipelines.ensemble import make_ensemble
from training.pipelines.production import produce
from training.pipelines.retrain_on_all import retrain_on_all
from training.pipelines.train import train
from training.recipe.recipe import Recipe

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras saves so

RECIPE = Recipe.model_validate(
    {
        "maps": ["lung_opacity"],
        "package": {"name": "twice", "version": "1.2.3", "title": "Learns twice", "summary": "For tests."},
        "data": {"retrain_on_all": True},
        "network": {"side": 96, "width": 16},
        "heads": [{"name": "reads", "activation": "softmax", "classes": ["normal", "not_normal", "lung_opacity"]}],
        "findings": [
            {"label": "lung_opacity", "head": "reads", "heat": True, "boxes": True},
            {"label": "normal", "head": "reads"},
        ],
        "augment": {"variants": 1},
        "fit": {"batch": 4, "epochs": 1},
    }
)
Runs = tuple[ModelPackage, ModelPackage, Path, list[Split]]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, write_data_to: Callable[..., Path]) -> Runs:
    """A twin, what learnt again after it, the data folder, and what was learnt from again."""
    folder = tmp_path_factory.mktemp("again")
    data, work = write_data_to(folder, per_class=4), folder / "work"
    train(RECIPE, data, folder / "twin", work=work)
    asked: list[Split] = []
    plain = pipeline.fit_network

    def fit(recipe: Recipe, split: Split, *arguments: Any, **options: Any) -> Any:
        asked.append(split)
        return plain(recipe, split, *arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "fit_network", fit)
        retrain_on_all(folder / "twin", data, folder / "out", work=work)
    twin, out = load_package(folder / "twin"), load_package(folder / "out")
    assert isinstance(twin, ModelPackage)
    assert isinstance(out, ModelPackage)
    return twin, out, data, asked


def test_other_weights_with_the_same_probabilities_and_points(runs: Runs) -> None:
    twin, out, _, _ = runs
    assert out.path(LITERT_MODEL).read_bytes() != twin.path(LITERT_MODEL).read_bytes()
    assert out.manifest.model_copy(update={"files": twin.manifest.files}) == twin.manifest
    there, here = (json.loads(package.path(FIGURES).read_text()) for package in (twin, out))
    for finding, part in here["test"]["findings"].items():
        thresholds = [there["test"]["findings"][finding]["points"][name]["threshold"] for name in part["points"]]
        assert [point["threshold"] for point in part["points"].values()] == thresholds
    assert here["losses"] != there["losses"]


def test_it_is_learnt_from_all_but_the_test_part(runs: Runs) -> None:
    _, out, _, (split,) = runs
    assert {example.fold for example in split.training} == {1, 2, 3, 4}
    assert {example.fold for example in split.test} == {0}
    figures = json.loads(out.path(FIGURES).read_text())
    assert figures["protocol"]["parts"]["training"]["folds"] == [1, 2, 3, 4]
    assert figures["protocol"]["twin"]["folds"] == [2, 3, 4]
    assert figures["protocol"]["twin"]["digest"] == runs[0].digest


def test_the_card_and_the_page_of_models_say_who_chose_and_who_learnt(runs: Runs) -> None:
    _, out, _, _ = runs
    fitted = json.loads(out.path(FIGURES).read_text())["protocol"]["parts"]["training"]["pictures"]
    card = out.path(CARD).read_text()
    assert "chosen on fold 1 by a twin of the same settings and seed that was fitted without it" in card
    assert "No patient is in two parts" not in card
    assert "calibration, operating points, by its twin" in card
    assert f"drawn here: {fitted + 12}" in card, "every picture counts once"
    text = page([out.folder], [])
    assert f"fitted on {fitted} pictures" in text
    assert "by twins fitted without them" in text


def test_nobody_measures_it_on_pictures_that_chose_or_taught_it(runs: Runs) -> None:
    _, out, data, (split,) = runs
    chosen = {example.patient for example in choose(record_of(out), Choice(data))}
    assert not chosen & {example.patient for example in split.training}
    assert chosen >= {example.patient for example in split.test}


def test_no_ensemble_is_made_of_networks_that_learnt_from_what_would_choose_its_points(
    runs: Runs, tmp_path: Path
) -> None:
    twin, out, data, _ = runs
    with pytest.raises(DataError, match="learnt from its validation pictures, too"):
        make_ensemble(tmp_path / "both", [out.folder, out.folder], data)
    with pytest.raises(DataError, match="fitted on different folds"):
        make_ensemble(tmp_path / "both", [twin.folder, out.folder], data)
    assert not (tmp_path / "both").exists()


@pytest.mark.timeout(900)
@pytest.mark.long  # what one network that learnt again shows, for the mean of two
def test_the_mean_of_two_networks_that_learnt_again_has_the_points_of_their_twins(
    write_data: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that is killed when its twins stand goes on with them."""
    data, out, work = write_data(per_class=4), tmp_path / "package", tmp_path / "work"
    recipe = RECIPE.model_copy(update={"members": 2})

    def killed(*_what: Any, **_options: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(production, "retrain_on_all", killed)
        with pytest.raises(KeyboardInterrupt):
            produce(recipe, data, out, work=work)
    assert not out.exists()
    (kept,) = (work / "twins").iterdir()
    twin = load_package(kept)
    with monkeypatch.context() as patch:
        patch.setattr(production, "train", killed)
        made = produce(recipe, data, out, work=work)
    package = load_package(out)
    assert isinstance(package, EnsemblePackage)
    assert isinstance(twin, EnsemblePackage)
    assert package.manifest.findings == twin.manifest.findings
    assert package.manifest.detectors == twin.manifest.detectors
    assert made.figures["protocol"]["twin"]["digest"] == twin.digest
    assert [member["fitted_on"]["pictures"] for member in made.figures["members"]] == [48, 48]
    assert not list((work / "twins").iterdir())
    assert not list(work.glob("run-*")), "nothing that a stopped run would go on with is left"
