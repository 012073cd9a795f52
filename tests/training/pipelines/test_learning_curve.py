"""Learning curves: nested shares of patients, measured on the validation fold."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from config.errors import SettingsError
from training.data.examples import Example, Split
from training.evaluation.metric import Metric
from training.fit.result import FitResult
from training.pipelines import learning_curve as room
from training.pipelines.learning_curve import CurvePoint, curve, part_of
from training.recipe.recipe import Recipe

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras saves so

RECIPE = Recipe.model_validate(
    {
        "package": {"name": "tiny", "version": "0.0.1", "title": "Tiny", "summary": "For tests."},
        "network": {"side": 96, "width": 16},
        "heads": [{"name": "reads", "activation": "softmax", "classes": ["normal", "not_normal", "lung_opacity"]}],
        "findings": [{"label": "lung_opacity", "head": "reads"}],
        "augment": {"variants": 1},
        "fit": {"batch": 4, "epochs": 1},
    }
)


def test_smaller_shares_are_part_of_larger_ones_and_keep_patients_whole() -> None:
    examples = [Example(f"{patient}-{k}", Path("x"), f"p{patient}") for patient in range(20) for k in range(3)]
    quarter, half, whole = (part_of(examples, share, seed=1) for share in (0.25, 0.5, 1.0))
    assert (len(quarter), len(half), len(whole)) == (15, 30, 60)
    files = [{one.file for one in part} for part in (quarter, half, whole)]
    assert files[0] < files[1] < files[2]


@pytest.mark.long  # three fits, which tests of their own show at every run
def test_every_share_is_fitted_anew_and_measured_on_the_validation_fold(write_data, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    document: Any = curve(RECIPE, write_data(per_class=4), [1.0, 0.5], work=tmp_path / "work").as_json()
    assert [point["share"] for point in document["points"]] == [0.5, 1.0]
    assert document["points"][0]["pictures"] < document["points"][1]["pictures"]
    assert document["measured_on"]["part"] == "validation fold"
    assert "auroc:lung_opacity" in document["points"][0]["figures"]


@pytest.mark.parametrize("shares", [[], [0.0], [1.5]])
def test_a_share_outside_its_bounds_is_refused(shares: list[float], tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="shares of the training patients"):
        curve(RECIPE, tmp_path, shares)


def test_finished_shares_are_kept_and_begun_anew_when_something_else_is_asked_for(
    write_data: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, work, fitted = write_data(per_class=4), tmp_path / "work", []
    weights = tmp_path / "start.h5"
    weights.write_bytes(b"1")
    point = CurvePoint(9, 9, {"auroc:lung_opacity": Metric(0.5, 0.4, 0.6)})

    def fit(recipe: Recipe, part: Split, *_rest: Any, **options: Any) -> FitResult:
        if len(fitted) == 1 and not (tmp_path / "stopped").exists():
            (tmp_path / "stopped").touch()
            raise KeyboardInterrupt
        fitted.append((len(part.training), options["weights"]))
        return FitResult(recipe, ())

    monkeypatch.setattr(room, "fit_network", fit)
    monkeypatch.setattr(room, "_point", lambda *_rest: point)
    with pytest.raises(KeyboardInterrupt):
        curve(RECIPE, data, [0.5, 1.0], work=work)
    assert curve(RECIPE, data, [0.5, 1.0], work=work).points == {0.5: point, 1.0: point}
    assert len(fitted) == 2, "the first share was not fitted again"
    assert curve(RECIPE, data, [1.0], work=work, weights=weights).weights == "start.h5"
    assert fitted[2:] == [(fitted[1][0], weights)]
    for kept in (work / "curves").iterdir():
        kept.write_text("{")
    curve(RECIPE, data, [1.0], work=work)
    assert len(fitted) == 4, "a broken file is none"
