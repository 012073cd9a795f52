"""One command from a data folder to a package: whole, calibrated, measured, or nothing."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from config.errors import DataError
from inference.model import Model
from inference.package import CARD, FIGURES, load_network
from training.data.image_files import read_picture
from training.data.selection import select_examples
from training.fit import frozen_trunk
from training.pipelines import train as pipeline
from training.pipelines.train import TrainingResult, train
from training.recipe.recipe import Recipe

# Keras saves with a call that its NumPy no longer likes.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

WriteData = Callable[..., Path]
RECIPE = Recipe.model_validate(
    {
        "maps": ["lung_opacity"],
        "package": {"name": "tiny", "version": "0.0.1", "title": "Tiny", "summary": "For tests."},
        "network": {"side": 96, "width": 16, "contrast": "stretched"},
        "heads": [
            {"name": "reads", "activation": "softmax", "classes": ["normal", "not_normal", "lung_opacity"]},
            {
                "name": "conditions", "activation": "sigmoid", "classes": ["infiltration", "no_finding"],
                "refit": 1e-3,
            },
        ],
        "findings": [
            {"label": "lung_opacity", "head": "reads", "heat": True, "boxes": True},
            {"label": "infiltration", "head": "conditions", "given": "lung_opacity"},
            {"label": "normal", "head": "reads"},
        ],
        "augment": {"variants": 2},
        "fit": {"batch": 4, "epochs": 2},
    }
)  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, write_data_to: WriteData) -> tuple[TrainingResult, Path]:
    folder = tmp_path_factory.mktemp("run")
    data = write_data_to(folder, per_class=4)
    return train(RECIPE, data, folder / "package", work=folder / "work"), data


def test_the_package_is_whole_and_says_what_the_recipe_asks_for(trained: tuple[TrainingResult, Path]) -> None:
    package = load_network(trained[0].package.folder)
    assert [finding.label for finding in package.manifest.findings] == ["lung_opacity", "infiltration", "normal"]
    assert package.manifest.input.contrast == "stretched"
    assert package.manifest.finding("infiltration").given == "lung_opacity"
    assert "research use" in package.path(CARD).read_text(encoding="utf-8").lower()


@pytest.mark.long  # each fit goes on after a kill, as the tests of the fits show at every run
def test_a_run_that_was_killed_before_its_package_stood_learns_nothing_again(
    write_data: WriteData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, work = write_data(per_class=4), tmp_path / "work"

    def killed(*_what: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(pipeline, "described", killed)
        with pytest.raises(KeyboardInterrupt):
            train(RECIPE, data, tmp_path / "package", work=work)
    assert not (tmp_path / "package").exists()
    (state,) = work.glob("run-*")
    monkeypatch.setattr(frozen_trunk.Learner, "step", killed)
    made = train(RECIPE, data, tmp_path / "package", work=work)
    assert len(made.figures["losses"]) == RECIPE.fit.epochs
    assert not state.exists()


def test_points_stand_in_order_and_are_chosen_on_validation_pictures_only(trained: tuple[TrainingResult, Path]) -> None:
    made, data = trained
    model = Model.open(made.package)
    validation = select_examples(RECIPE, data).split.validation
    for finding in made.package.manifest.findings:
        assert finding.points.sensitive <= finding.points.specific
    called = [model.findings(read_picture(example.path))[0].level != "absent" for example in validation]
    true = [bool(example.truths.get("lung_opacity")) for example in validation]
    assert all(call for call, truth in zip(called, true, strict=True) if truth), "0.95 of four is all of them"


def test_the_figures_say_who_was_used_for_what(trained: tuple[TrainingResult, Path]) -> None:
    figures: dict[str, Any] = json.loads(trained[0].package.path(FIGURES).read_text(encoding="utf-8"))
    parts = figures["protocol"]["parts"]
    assert parts["training"]["folds"] == [2, 3, 4]
    assert parts["test"]["folds"] == [0]
    assert figures["test"]["pictures"] == parts["test"]["pictures"]
    assert {"lung_opacity", "normal"} <= set(figures["test"]["findings"])
    assert len(figures["losses"]) == RECIPE.fit.epochs
    assert figures["engines_differ_at_most"] < 1e-3


def test_bad_data_leave_nothing_behind_and_the_package_that_was_there(write_data: WriteData, tmp_path: Path) -> None:
    def change(rows: Any, boxes: Any) -> None:
        boxes[0]["x"] = 1.5

    out = tmp_path / "package"
    out.mkdir()
    (out / "kept").write_text("as it was")
    with pytest.raises(DataError, match="outside the picture"):
        train(RECIPE, write_data(change), out, work=tmp_path / "work")
    assert [entry.name for entry in out.iterdir()] == ["kept"]


def test_a_corrupt_picture_is_named_before_anything_is_fitted(write_data: WriteData, tmp_path: Path) -> None:
    data = write_data(per_class=4)
    broken = min((data / "images" / "nih").iterdir())
    broken.write_bytes(broken.read_bytes()[:200])
    with pytest.raises(DataError, match=broken.name):
        train(RECIPE, data, tmp_path / "package", work=tmp_path / "work")
    assert not (tmp_path / "package").exists()
    assert not (tmp_path / "work").exists()


def test_a_finding_that_no_validation_picture_tells_about_is_refused_before_anything_is_fitted(
    write_data: WriteData, tmp_path: Path
) -> None:
    def change(rows: list[dict[str, Any]], _boxes: list[dict[str, Any]]) -> None:
        for row in rows:
            if row["fold"] == 1:
                row["nih_labels"] = ""

    with pytest.raises(DataError, match="no validation picture says anything about infiltration"):
        train(RECIPE, write_data(change), tmp_path / "package", work=tmp_path / "work")
    assert not (tmp_path / "work").exists()


def test_a_folder_that_is_no_package_is_never_replaced_and_said_before_anything_is_fitted(
    write_data: WriteData, tmp_path: Path
) -> None:
    data = write_data(per_class=4)
    for out in (data, data / "manifest.csv"):
        with pytest.raises(DataError, match="is there and is no model package"):
            train(RECIPE, data, out, work=tmp_path / "work")
    assert (data / "manifest.csv").is_file()
    assert not (tmp_path / "work").exists()
