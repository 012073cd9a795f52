"""A recipe of several networks becomes one package from one command, and goes on where it was stopped."""

from collections.abc import Callable
from pathlib import Path

import pytest

from inference.package import EnsemblePackage, load_package
from training import ensemble
from training.ensemble import train_all
from training.recipe import Recipe

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras saves so

RECIPE = Recipe.model_validate(
    {
        "members": 2,
        "maps": ["lung_opacity"],
        "package": {"name": "pair", "version": "1.2.3", "title": "A pair", "summary": "For tests."},
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


def test_a_stopped_run_keeps_the_networks_that_are_done(
    write_data: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, out, work = write_data(per_class=4), tmp_path / "package", tmp_path / "work"
    fitted: list[int] = []
    plain = ensemble.train

    def train(recipe: Recipe, *arguments: object, **options: object) -> object:
        if len(fitted) == 1 and not (work / "stopped").exists():
            (work / "stopped").touch()
            raise KeyboardInterrupt
        fitted.append(recipe.seed)
        return plain(recipe, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(ensemble, "train", train)
    with pytest.raises(KeyboardInterrupt):
        train_all(RECIPE, data, out, work=work)
    assert not out.exists()
    made = train_all(RECIPE, data, out, work=work)
    assert fitted == [1, 2], "the first network was not fitted twice"
    package = load_package(out)
    assert isinstance(package, EnsemblePackage)
    assert (package.manifest.name, package.manifest.version, len(package.members)) == ("pair", "1.2.3", 2)
    assert made.figures["test"]["findings"]["lung_opacity"]
    assert not list((work / "members").iterdir())
