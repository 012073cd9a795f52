"""Recipes by name or by file: those that ship, and their variations for other data."""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Literal

from config.errors import SettingsError
from training.recipe.recipe import Recipe, experiment_name, parse_recipe


def shipped_recipes() -> dict[str, Traversable]:
    """Return the recipes that come with the program, by name."""
    folder = resources.files("training.recipe") / "shipped"
    return {entry.name.removesuffix(".toml"): entry for entry in folder.iterdir() if entry.name.endswith(".toml")}


def varied(name: str) -> tuple[str, str]:
    """Return the shipped recipe that a run's name stands for, and its experiment; empty for a recipe as it is."""
    return _experiments().get(name, (name, ""))


@cache
def _experiments() -> Mapping[str, tuple[str, str]]:
    """Return (recipe, experiment) of every experiment of the shipped recipes, by the name that its runs have."""
    return {
        experiment_name(recipe, experiment): (recipe, experiment)
        for recipe in shipped_recipes()
        for experiment in load_recipe(recipe).experiments
    }


def load_recipe(name_or_path: str) -> Recipe:
    """Read a recipe by the name of a shipped one or by the path of a file.

    Raises
    ------
    SettingsError
        Naming the file, the key and what is wrong with it.
    """
    shipped = shipped_recipes()
    source: Traversable = shipped[name_or_path] if name_or_path in shipped else Path(name_or_path)
    try:
        return parse_recipe(tomllib.loads(source.read_text(encoding="utf-8")), source.name)
    except (FileNotFoundError, IsADirectoryError):
        known = ", ".join(sorted(shipped))
        raise SettingsError(f"no recipe {name_or_path}: give a TOML file or one of {known}") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{source.name} is no valid TOML: {error}") from None


def with_reader(recipe: Recipe, reader: str) -> Recipe:
    """Return the recipe for a data folder of another layout than its own, without the list of its own folder."""
    document = recipe.model_dump(mode="json", by_alias=True)
    if reader != recipe.data.reader:
        document["data"] |= {"reader": reader, "list": ""}
    return parse_recipe(document, "--reader")


def with_by(recipe: Recipe, by: Literal["image", "patient"]) -> Recipe:
    """Return the recipe with its pictures dealt out another way.

    Raises :class:`SettingsError` where the data set's own folds are taken, which keep patients whole.
    """
    if not recipe.data.folds and by != "patient":
        raise SettingsError(
            f"{recipe.package.name} takes the data set's own folds, which keep patients whole: --by {by} is for "
            "recipes that deal pictures out (data.folds)"
        )
    return recipe.model_copy(update={"data": recipe.data.model_copy(update={"by": by})})
