"""Recipes load, and wrong ones are refused by key."""

from pathlib import Path

import pytest

from config.errors import SettingsError
from training.recipe.shipped_recipes import load_recipe, shipped_recipes, with_by


@pytest.mark.parametrize("name", sorted(shipped_recipes()))
def test_every_shipped_recipe_loads(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.data.test_fold != recipe.data.validation_fold
    assert recipe.cut_down().fit.epochs <= recipe.fit.epochs


def test_an_unknown_recipe_names_those_there_are() -> None:
    with pytest.raises(SettingsError, match=r"no recipe nothing: .*opacity"):
        load_recipe("nothing")


REST = """
[[heads]]
name = "reads"
activation = "softmax"
classes = ["normal", "lung_opacity"]
[[findings]]
label = "normal"
head = "reads"
"""


def test_pictures_can_be_dealt_out_another_way_where_the_recipe_deals_them_out() -> None:
    assert with_by(load_recipe("coronahack-cnn"), "image").data.by == "image"
    assert with_by(load_recipe("chest-default"), "patient") == load_recipe("chest-default")
    with pytest.raises(SettingsError, match="chest-default takes the data set's own folds"):
        with_by(load_recipe("chest-default"), "image")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed = ", "no valid TOML"),
        ("[package]\nname = 'x'", r"recipe.toml: package\.version"),
        (
            "[package]\nname='x'\nversion='1.0.0'\ntitle='t'\nsummary='s'\n[fit]\nepochs = -1\n" + REST,
            r"recipe.toml: fit\.epochs: .*greater than or equal to 1",
        ),
        (
            "[package]\nname='x'\nversion='1.0.0'\ntitle='t'\nsummary='s'\nflip = true\n" + REST,
            r"recipe.toml: package\.flip",
        ),
        (
            "[package]\nname='x'\nversion='1.0.0'\ntitle='t'\nsummary='s'\n"
            + REST.replace('label = "normal"', 'label = "mass"'),
            "finding mass: there is no class mass in head reads",
        ),
        (
            "members = 2\n[package]\nname='x'\nversion='1.0.0'\ntitle='t'\nsummary='s'\n[data]\nfolds = 5\n" + REST,
            "several members need folds that the data set itself has",
        ),
        (
            "[package]\nname='x'\nversion='1.0.0'\ntitle='t'\nsummary='s'\n" + REST + "boxes = true",
            "finding normal: heat and boxes need normal among maps",
        ),
    ],
)
def test_a_wrong_recipe_is_refused_by_file_and_key(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=message):
        load_recipe(str(path))
