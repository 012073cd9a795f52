"""Each kind of network is fitted by its own fit, started from the weights that the recipe names."""

from pathlib import Path
from typing import Any

import pytest

from config.errors import DataError
from training.data.examples import Split
from training.fit import end_to_end, frozen_trunk, linear_probe
from training.fit import fit_network as room
from training.fit.fit_network import fit_network
from training.fit.result import FitResult
from training.networks import backbone
from training.recipe.recipe import Recipe
from training.recipe.shipped_recipes import load_recipe

NOTHING = Split((), (), ())


def _with_weights(name: str, weights: str) -> Recipe:
    recipe = load_recipe(name)
    return recipe.model_copy(update={"network": recipe.network.model_copy(update={"weights": weights})})


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """The fits themselves are played; who was asked, and with which weights, is noted."""
    asked: list[tuple[str, Any]] = []
    monkeypatch.setattr(
        end_to_end, "fit_end_to_end", lambda recipe, split, **rest: asked.append(("pictures", rest["weights"]))
    )
    monkeypatch.setattr(
        frozen_trunk, "fit_frozen_trunk", lambda recipe, some, **rest: asked.append(("trunk", rest["weights"]))
    )

    def probe(_recipe: Recipe, _examples: Any, **rest: Any) -> FitResult:
        asked.append(("levels", rest["weights"]))
        return FitResult(None, ({},))

    monkeypatch.setattr(linear_probe, "fit_linear_probe", probe)
    monkeypatch.setattr(backbone, "load_imagenet_weights", lambda path, cache: ["converted", path.name])
    return asked


def test_the_kind_of_network_chooses_the_fit(played: list[tuple[str, Any]], tmp_path: Path) -> None:
    named = tmp_path / load_recipe("chest-default").network.weights
    named.parent.mkdir()
    named.touch()
    for name in (
        "chest-default",
        "covid-transfer",
        "darkcovidnet",
        "vgg16-covid",
        "coronahack-cnn",
        "covid-binary-cnn",
    ):
        fit_network(load_recipe(name), NOTHING, tmp_path, tmp_path)
    converted = ["converted", "mobilenet_v2_1.0_224_imagenet_ptq.tflite"]
    assert played == [("trunk", converted), ("levels", converted), *[("pictures", None)] * 4]


def test_a_weights_file_must_be_there(played: list[tuple[str, Any]], tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"the weights file start\.weights\.h5 is not in the data folder"):
        fit_network(_with_weights("vgg16-covid", "start.weights.h5"), NOTHING, tmp_path, tmp_path)
    (tmp_path / "start.weights.h5").touch()
    fit_network(_with_weights("vgg16-covid", "start.weights.h5"), NOTHING, tmp_path, tmp_path)
    fit_network(load_recipe("vgg16-covid").experiment("imagenet"), NOTHING, tmp_path, tmp_path)
    assert played == [("pictures", tmp_path / "start.weights.h5"), ("pictures", Path(room.IMAGENET))]


def test_weights_that_are_given_win_over_the_recipes(played: list[tuple[str, Any]], tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere" / "start.tflite"
    with pytest.raises(DataError, match=r"the weights file .*start\.tflite is not there"):
        fit_network(load_recipe("chest-default"), NOTHING, tmp_path, tmp_path, weights=elsewhere)
    elsewhere.parent.mkdir()
    elsewhere.touch()
    fit_network(load_recipe("chest-default"), NOTHING, tmp_path, tmp_path, weights=elsewhere)
    fit_network(load_recipe("darkcovidnet"), NOTHING, tmp_path, tmp_path, weights=elsewhere)
    assert played == [("trunk", ["converted", "start.tflite"]), ("pictures", elsewhere)]
