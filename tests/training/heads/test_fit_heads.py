"""Linear heads: what they learn from partial labels, and that a left-out source teaches nothing."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from config.errors import SettingsError
from inference.pixels import Picture
from training.data.examples import Example
from training.heads.fit_heads import Directions, fit_head, margins
from training.heads.heads_recipe import HeadsFit, HeadsRecipe, find_recipe
from training.heads.left_out import left_out_margins
from training.heads.pooled_features import Copies
from training.heads.soften import SIDE, is_shown_soft, soften
from training.recipe.recipe import HeadSettings

_HEAD = HeadSettings(name="conditions", activation="sigmoid", classes=("mass", "nodule"))
_FIT = HeadsFit(directions=6, strength=1.0)


def film(number: int, source: str = "nih", **truths: bool) -> Example:
    return Example(
        file=f"{source}/{number}", path=Path(str(number)), patient=f"{source}{number // 2}", source=source,
        fold=number // 2 % 5, truths=truths,
    )  # fmt: skip


@pytest.fixture
def features() -> NDArray[np.float32]:
    """Eighty films of which the first feature tells a mass, the second a nodule."""
    return np.random.default_rng(4).normal(size=(80, 8)).astype(np.float32)


def labelled(features: NDArray[np.float32], source: str = "nih") -> list[Example]:
    """Films of which every third says nothing about a nodule."""
    return [
        film(number, source, mass=bool(row[0] > 0), **({} if number % 3 == 0 else {"nodule": bool(row[1] > 0)}))
        for number, row in enumerate(features)
    ]


def test_partial_labels_teach(features: NDArray[np.float32]) -> None:
    layer = fit_head(features, labelled(features), _HEAD, _FIT, Directions.of(features, 6))
    for place, name in enumerate(_HEAD.classes):
        said = margins(layer, features, _HEAD, name)
        assert np.corrcoef(said, features[:, place])[0, 1] > 0.8
        assert np.allclose(said, layer(features)[:, place], atol=1e-4)


def test_a_class_that_nothing_is_known_of_is_not_fitted(features: NDArray[np.float32]) -> None:
    films = [film(number, mass=bool(row[0] > 0)) for number, row in enumerate(features)]
    layer = fit_head(features, films, _HEAD, _FIT, Directions.of(features, 6))
    assert np.isfinite(layer.bias[0])
    assert np.isnan(layer.bias[1])
    assert np.isnan(layer.kernel[:, 1]).all()


def test_exclusive_classes_are_fitted_together(features: NDArray[np.float32]) -> None:
    head = HeadSettings(name="reads", activation="softmax", classes=("normal", "lung_opacity"))
    films = [
        film(number, normal=bool(row[0] > 0), lung_opacity=bool(row[0] <= 0)) for number, row in enumerate(features)
    ]
    three = head.model_copy(update={"classes": ("normal", "not_normal", "lung_opacity")})
    films[:9] = [film(number, not_normal=True) for number in range(9)]
    said = margins(fit_head(features, films, three, _FIT, Directions.of(features, 6)), features, three, "normal")
    assert np.corrcoef(said[9:], features[9:, 0])[0, 1] > 0.6


def test_a_left_out_source_and_a_patient_teach_nothing_about_themselves(features: NDArray[np.float32]) -> None:
    recipe = find_recipe("chest-heads")
    assert recipe is not None
    data = recipe.data.model_copy(update={"sources": ("nih", "jsrt"), "left_out": ("jsrt",), "measured": ()})
    recipe = recipe.model_copy(update={"data": data, "fit": _FIT})
    films = labelled(features[:60]) + labelled(features[60:], "jsrt")
    copies = Copies(features[None], np.arange(80))
    before = left_out_margins(copies, films, _HEAD, recipe)
    assert before.shape == (1, 80, 2)
    assert np.isfinite(before).all()
    # Other labels in the left-out source change nothing about it, those of a patient nothing about his own films.
    lied = [*films[:60], *(film(number, "jsrt", mass=True, nodule=number % 2 == 0) for number in range(20))]
    assert np.array_equal(before[0, 60:], left_out_margins(copies, lied, _HEAD, recipe)[0, 60:])
    lied = [film(number, mass=True, nodule=True) if number in {4, 5} else one for number, one in enumerate(films)]
    after = left_out_margins(copies, lied, _HEAD, recipe)
    assert np.array_equal(before[0, 4:6], after[0, 4:6])
    assert not np.array_equal(before[0, 20:40], after[0, 20:40])


def test_soft_films_are_small_and_the_same_each_time() -> None:
    picture = Picture(np.random.default_rng(1).random((500, 400), np.float32))
    first, again = soften(picture, "a"), soften(picture, "a")
    assert max(first.shape) == SIDE
    assert np.array_equal(first, again)
    assert not np.array_equal(first, soften(picture, "b"))
    assert soften(Picture(np.zeros((100, 80), np.float32)), "a").shape == (100, 80)


def test_the_share_of_soft_films_is_about_what_was_asked() -> None:
    names = [f"nih/{number}.jpg" for number in range(2000)]
    assert 0.25 < sum(is_shown_soft(name, 0.3) for name in names) / len(names) < 0.35
    assert all(is_shown_soft(name, 1.0) for name in names)
    assert not any(is_shown_soft(name, 0.0) for name in names)


def test_recipes_of_other_kinds_are_none_of_heads(tmp_path: Path) -> None:
    assert find_recipe("chest-default") is None
    assert isinstance(find_recipe("chest-heads"), HeadsRecipe)
    wrong = tmp_path / "wrong.toml"
    wrong.write_text('kind = "heads"\nunknown = 1\n')
    with pytest.raises(SettingsError, match=r"wrong\.toml"):
        find_recipe(str(wrong))
