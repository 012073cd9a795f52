"""A recipe of several networks becomes one package from one command, and goes on where it was stopped."""

from collections.abc import Callable
from pathlib import Path

import pytest

from inference.package import FIGURES, EnsemblePackage, load_package
from training.fit import cache_key
from training.pipelines import production
from training.pipelines.production import produce
from training.pipelines.train import train
from training.recipe.recipe import Recipe

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


@pytest.mark.long  # six fits; the tests of the fits show at every run that one goes on
def test_a_stopped_run_keeps_the_networks_that_are_done(
    write_data: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, out, work = write_data(per_class=4), tmp_path / "package", tmp_path / "work"
    fitted: list[int] = []
    plain = production.train

    def train(recipe: Recipe, *arguments: object, **options: object) -> object:
        if len(fitted) == 1 and not (work / "stopped").exists():
            (work / "stopped").touch()
            raise KeyboardInterrupt
        fitted.append(recipe.seed)
        return plain(recipe, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(production, "train", train)
    with pytest.raises(KeyboardInterrupt):
        produce(RECIPE, data, out, work=work)
    assert not out.exists()
    made = produce(RECIPE, data, out, work=work)
    assert fitted == [1, 2], "the first network was not fitted twice"
    package = load_package(out)
    assert isinstance(package, EnsemblePackage)
    assert (package.manifest.name, package.manifest.version, len(package.members)) == ("pair", "1.2.3", 2)
    assert made.figures["test"]["findings"]["lung_opacity"]
    assert not list((work / "members").iterdir())


def test_kept_networks_of_other_labels_weights_or_another_program_are_not_taken(
    write_data: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, weights, folders = write_data(per_class=4), tmp_path / "start.h5", []
    weights.write_bytes(b"1")

    def train(_recipe: Recipe, _data: Path, folder: Path, **_options: object) -> None:
        folders.append(folder)
        raise KeyboardInterrupt

    def folder() -> Path:
        with pytest.raises(KeyboardInterrupt):
            produce(RECIPE, data, tmp_path / "package", work=tmp_path / "work", weights=weights)
        return folders[-1]

    monkeypatch.setattr(production, "train", train)
    first = folder()
    assert folder() == first
    weights.write_bytes(b"2")
    assert folder() != first
    weights.write_bytes(b"1")
    with monkeypatch.context() as other:
        other.setattr(cache_key, "program", lambda: "99.0.0")
        assert folder() != first
    assert folder() == first
    rows = (data / "manifest.csv").read_text()
    (data / "manifest.csv").write_text(rows.replace("Infiltration", "Effusion", 1))
    assert folder() != first


@pytest.mark.long  # three fits
def test_what_was_kept_and_damaged_is_not_taken(write_data: Callable[..., Path], tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    train(RECIPE.member(1), write_data(per_class=4), kept, work=tmp_path / "work")
    assert production._is_whole(kept)
    (kept / FIGURES).write_bytes((kept / FIGURES).read_bytes()[:100])
    assert not production._is_whole(kept)
    assert not production._is_whole(tmp_path / "nothing")
