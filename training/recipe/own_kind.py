"""Recipes of a kind of their own: TOML files whose ``kind`` says which of the training room's models reads them."""

import tomllib
from collections.abc import Collection
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from config.errors import SettingsError

_R = TypeVar("_R", bound=BaseModel)


def find_recipe_of(model: type[_R], kind: str, name_or_path: str, *, shipped: Collection[str], room: str) -> _R | None:
    """Return a recipe by a shipped one's name or by a file's path; None for a recipe of another kind.

    Parameters
    ----------
    model
        What the file must say.
    kind
        What its ``kind`` must be.
    name_or_path
        As a command has it.
    shipped
        The names of the recipes that come with the program.
    room
        The package of ``training`` that holds their files.

    Raises
    ------
    SettingsError
        Naming the file, the key and what is wrong with it.
    """
    source: Traversable = Path(name_or_path)
    if name_or_path in shipped:
        source = resources.files(room) / f"{name_or_path}.toml"
    if not source.is_file():
        return None
    try:
        document: dict[str, Any] = tomllib.loads(source.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{source.name} is no valid TOML: {error}") from None
    if document.get("kind") != kind:
        return None
    try:
        return model.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise SettingsError(f"{source.name}: {key}: {first['msg']}") from None
