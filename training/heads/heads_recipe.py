"""The recipe of new heads: one TOML file that says on which package's trunk, from which sources, and how."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from training.recipe.own_kind import find_recipe_of
from training.recipe.recipe import Label, PackageSettings

SHIPPED = ("chest-heads",)
"""The recipes that come with the program."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class HeadsData(_Part):
    """Which films teach, and which only measure."""

    sources: tuple[str, ...] = Field(min_length=1)
    """Collections that the heads are fitted on."""
    left_out: tuple[str, ...] = ()
    """Those of them that are left out in turn, to be measured as collections never seen."""
    measured: tuple[str, ...] = ()
    """Collections that are measured and never learnt from."""
    calibrated_on: tuple[str, ...] = Field(min_length=1)
    """Collections whose films, where the trunk did not learn from their patients, say how often a finding is there."""
    test_fold: int | None = 0
    """Nobody of this fold of the sources is learnt from or calibrated on; the package is measured on it."""


class HeadsFit(_Part):
    """How the heads are fitted."""

    directions: Annotated[int, Field(ge=2)] = 300
    """So many principal directions of the features are looked at."""
    strength: Annotated[float, Field(gt=0)] = 1e-3
    """Inverse strength of the ridge."""
    mined_weight: Annotated[float, Field(gt=0, le=1)] = 0.3
    """What a label mined from a report counts, beside one that radiologists read."""
    soft_only: tuple[str, ...] = ()
    """Collections that are shown soft alone: they are softer than all others, and would teach that soft is normal."""
    soft: Annotated[float, Field(ge=0, le=1)] = 1.0
    """Share of the films that are also shown soft (:mod:`training.heads.soften`)."""


class HeadsRecipe(_Part):
    """All of it."""

    kind: Literal["heads"]
    seed: int = 1
    base: str = "chest-default"
    """The package whose trunk stays as it is: a built-in name, or a folder."""
    head: Label
    """The head that is fitted anew; its classes that are no finding stay as they were."""
    package: PackageSettings
    data: HeadsData
    fit: HeadsFit = HeadsFit()
    quick_films: Annotated[int, Field(ge=20)] = 60
    """How many films of each collection a quick run takes."""


def find_recipe(name_or_path: str) -> HeadsRecipe | None:
    """Return a recipe of heads by a shipped one's name or by a file's path; None for a recipe of another kind.

    Raises :class:`SettingsError` naming the file, the key and what is wrong with it.
    """
    return find_recipe_of(HeadsRecipe, "heads", name_or_path, shipped=SHIPPED, room="training.heads")
