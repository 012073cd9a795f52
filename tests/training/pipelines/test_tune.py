"""Tuning searches what a recipe declares, on its validation fold alone, and leaves a recipe that can be trained."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from config.errors import SettingsError
from training.fit.result import FitResult
from training.pipelines import tune as room
from training.pipelines.tune import BEST, TABLE, declared, tune, with_values
from training.recipe.recipe import Recipe
from training.recipe.shipped_recipes import load_recipe


def _recipe(**ranges: Any) -> Recipe:
    return Recipe.model_validate(
        {
            "package": {"name": "tiny", "version": "0.0.1", "title": "Tiny", "summary": "For tests."},
            "network": {"kind": "cnn-dropout", "side": 64, "width": 8, "dropout": 0.0},
            "heads": [{"name": "reads", "activation": "softmax", "classes": ["normal", "lung_opacity"]}],
            "findings": [{"label": "lung_opacity", "head": "reads"}],
            "augment": {"rotation_degrees": 0, "shift": 0, "zoom": 0, "contrast": 0, "brightness": 0},
            "fit": {
                "batch": 4, "epochs": 3, "optimizer": "adam", "schedule": "constant", "learning_rate": 1e-3,
                "average": 0.0,
            },
            "tune": ranges,
        }
    )  # fmt: skip


RANGES: Mapping[str, Any] = {"learning_rate": [1e-4, 1e-2], "dropout": [0.0, 0.5]}


def test_a_search_fits_within_its_ranges_and_leaves_a_recipe_and_a_table(
    write_data: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit, splits = room.fit_network, []

    def watched(recipe: Recipe, split: Any, *rest: Any, **options: Any) -> Any:
        splits.append(split)
        return fit(recipe, split, *rest, **options)

    monkeypatch.setattr(room, "fit_network", watched)
    data, recipe, work = write_data(), _recipe(**RANGES), tmp_path / "work"
    found = tune(recipe, data, tmp_path / "out", search="random", trials=2, work=work)
    assert len(found) == 2
    assert found[0].loss <= found[1].loss
    for trial in found:
        assert 1e-4 <= trial.values["learning_rate"] <= 1e-2
        assert 0 <= trial.values["dropout"] <= 0.5
    assert not any(split.test or split.validation for split in splits)
    best = load_recipe(str(tmp_path / "out" / BEST))
    assert best.fit.learning_rate == pytest.approx(found[0].values["learning_rate"])
    assert best.network.dropout == pytest.approx(found[0].values["dropout"])
    assert best.model_copy(update={"fit": recipe.fit, "network": recipe.network}) == recipe
    lines = (tmp_path / "out" / TABLE).read_text().splitlines()
    assert lines[0] == "trial,validation_loss,epochs,dropout,learning_rate"
    assert len(lines) == 3
    # Started again with more trials it goes on, and fits the new one only.
    assert len(tune(recipe, data, tmp_path / "out", search="random", trials=3, work=work)) == 3
    assert len(splits) == 3
    assert not list(work.iterdir()), "nothing is left that may be thrown away"


@pytest.mark.parametrize("search", ["bayesian", "hyperband"])
def test_every_search_is_there(
    search: str, write_data: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    epochs = []

    def fit(recipe: Recipe, *_rest: Any, **_options: Any) -> FitResult:
        epochs.append(recipe.fit.epochs)
        return FitResult(recipe, ())

    # The fit is played: what is asked here is which settings each search tries.
    monkeypatch.setattr(room, "fit_network", fit)
    monkeypatch.setattr(room, "validation_loss", lambda learnt, *_rest: abs(learnt.network.fit.learning_rate - 1e-3))
    found = tune(
        _recipe(**RANGES),
        write_data(),
        tmp_path / "out",
        search=search,
        work=tmp_path / "work",
        trials=1 if search == "hyperband" else 4,
    )
    assert len(found) >= 4
    assert len({trial.values["learning_rate"] for trial in found}) > 2
    if search == "hyperband":
        assert set(epochs) == {1, 3}
        assert found[0].epochs == 3


def test_a_fit_that_runs_away_is_a_bad_trial_and_all_of_them_an_error(
    write_data: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fit(*_rest: Any, **_options: Any) -> Any:
        raise SettingsError("the fit ran away")

    monkeypatch.setattr(room, "fit_network", fit)
    with pytest.raises(SettingsError, match="every fit ran away"):
        tune(_recipe(**RANGES), write_data(), tmp_path / "out", trials=2, work=tmp_path / "work")


def test_ranges_must_be_there_and_make_sense() -> None:
    with pytest.raises(SettingsError, match="declares no ranges"):
        declared(_recipe())
    with pytest.raises(SettingsError, match="learning_rate is no range"):
        declared(_recipe(learning_rate=[1e-2, 1e-4]))
    with pytest.raises(SettingsError, match=r"tuned: network\.dropout"):
        with_values(_recipe(), {"dropout": 1.5})


@pytest.mark.parametrize("name", ["darkcovidnet", "coronahack-cnn", "covid-binary-cnn", "vgg16-covid"])
def test_shipped_classifiers_declare_ranges_around_their_own_settings(name: str) -> None:
    recipe = load_recipe(name)
    document = recipe.model_dump()
    for setting, (low, high) in declared(recipe).items():
        assert low <= document[room.PLACES[setting]][setting] <= high


def test_a_trial_that_was_stopped_while_it_was_written_down_spoils_no_other(tmp_path: Path) -> None:
    kept = tmp_path / "trials.jsonl"
    room._note(kept, room.Trial("0", {"dropout": 0.1}, 3, 0.5))
    with kept.open("a") as stream:
        stream.write('{"name": "1", "val')
    room._note(kept, room.Trial("1", {"dropout": 0.2}, 3, 0.4))
    assert [(trial.name, trial.loss) for trial in room._noted(kept)] == [("0", 0.5), ("1", 0.4)]


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Path, Path | None]]:
    """Fits are played; where each kept what may be thrown away, and with which weights it started, is noted."""
    asked: list[tuple[Path, Path | None]] = []

    def fit(recipe: Recipe, _split: Any, _data: Path, work: Path, **options: Any) -> FitResult:
        asked.append((work, options["weights"]))
        (work / "maps-drawn").mkdir(parents=True, exist_ok=True)
        return FitResult(recipe, ())

    monkeypatch.setattr(room, "fit_network", fit)
    monkeypatch.setattr(room, "validation_loss", lambda *_rest: 0.5)
    return asked


def _mobilenet(**ranges: Any) -> Recipe:
    recipe = _recipe(**ranges)
    return recipe.model_copy(update={"network": recipe.network.model_copy(update={"kind": "mobilenet"})})


def test_tries_share_the_cache_and_its_maps_unless_each_alters_pictures_in_its_own_way(
    played: list[tuple[Path, Path | None]], write_data: Callable[..., Path], tmp_path: Path
) -> None:
    data, work, weights = write_data(), tmp_path / "work", tmp_path / "start.h5"
    weights.write_bytes(b"1")
    tune(_mobilenet(**RANGES), data, tmp_path / "a", trials=2, work=work, weights=weights)
    assert played == [(work, weights)] * 2
    assert (work / "maps-drawn").is_dir()
    tune(_mobilenet(zoom=[0.0, 0.1]), data, tmp_path / "b", trials=2, work=work)
    own = {folder for folder, _ in played[2:]}
    assert len(own) == 1
    assert work not in own
    assert not any(folder.exists() for folder in own), "maps of a zoom that no other try has are of no use"
    assert (work / "maps-drawn").is_dir()


def test_another_search_is_not_mixed_into_the_one_that_a_folder_holds(
    played: list[tuple[Path, Path | None]], write_data: Callable[..., Path], tmp_path: Path
) -> None:
    data, out, weights = write_data(), tmp_path / "out", tmp_path / "start.h5"
    weights.write_bytes(b"1")

    def search(recipe: Recipe, **options: Any) -> int:
        return len(tune(recipe, data, out, work=tmp_path / "work", **options))

    assert search(_recipe(**RANGES), trials=1) == 1
    assert search(_recipe(**RANGES), trials=2) == 2
    for recipe, options in (
        (_recipe(learning_rate=[1e-5, 1e-3]), {}),
        (_mobilenet(**RANGES), {}),
        (_recipe(**RANGES), {"weights": weights}),
    ):
        with pytest.raises(SettingsError, match=r"holds another search.*: give another folder"):
            search(recipe, trials=3, **options)
    assert len(played) == 2
    (out / room.SEARCH).unlink()
    with pytest.raises(SettingsError, match="holds another search"):
        search(_recipe(**RANGES), trials=3)


def test_a_search_that_goes_on_prints_nothing_where_answers_are_printed(
    played: list[tuple[Path, Path | None]],
    write_data: Callable[..., Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data = write_data()
    with capture_logs():  # which commands send to the other stream
        for trials in (1, 2):
            tune(_recipe(**RANGES), data, tmp_path / "out", trials=trials, work=tmp_path / "work")
    assert capsys.readouterr().out == ""
