"""The recipe of a verdict network: one TOML file that says what it learns from, and how."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from training.recipe.own_kind import find_recipe_of
from training.recipe.recipe import Fraction, PackageSettings

SHIPPED = ("verdict", "verdict-twin")
"""The recipe of the package that ships, and of the twin that it is measured with."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class VerdictData(_Part):
    """Which films are used for what."""

    sources: tuple[str, ...] = Field(min_length=1)
    """Collections whose adults' frontal films are learnt from."""
    validation_sources: tuple[str, ...] = ()
    validation_fold: int = 4
    """This fold of the validation sources is not learnt from."""
    lateral_sources: tuple[str, ...] = ()
    """Collections whose lateral films are learnt from; those of ``sources`` where none is named."""
    lateral_folds: tuple[int, ...] = (0, 1, 2, 3, 4)
    """Folds whose lateral films are learnt from."""


class VerdictNetworkSettings(_Part):
    """The network's shape."""

    side: Annotated[int, Field(ge=32, le=512)] = 64
    widths: tuple[Annotated[int, Field(ge=4, le=512)], ...] = Field(default=(16, 32, 64, 96), min_length=2)
    """Channels after each halving of the resolution."""
    dropout: Fraction = 0.2


class FitSettings(_Part):
    """How long and how fast it learns."""

    samples: Annotated[int, Field(ge=1)] = 50000
    """Images that are drawn from the films."""
    epochs: Annotated[int, Field(ge=1)] = 3
    batch: Annotated[int, Field(ge=1)] = 64
    learning_rate: Annotated[float, Field(gt=0)] = 3e-3


class MarginSettings(_Part):
    """From which probability on an image is accepted; see :class:`inference.verdict.decide.Margin`."""

    accept: Fraction = 0.5
    sure: Fraction = 0.9


class VerdictRecipe(_Part):
    """All of it."""

    kind: Literal["verdict"]
    seed: int = 1
    package: PackageSettings
    data: VerdictData
    network: VerdictNetworkSettings = VerdictNetworkSettings()
    fit: FitSettings = FitSettings()
    margin: MarginSettings = MarginSettings()

    def quick(self) -> "VerdictRecipe":
        """Return the recipe with so few samples that a run only shows that all works."""
        fit = self.fit.model_copy(update={"samples": 128, "epochs": 1, "batch": 32})
        return self.model_copy(update={"fit": fit})


def find_recipe(name_or_path: str) -> VerdictRecipe | None:
    """Return a verdict recipe by a shipped one's name or by a file's path; None for a recipe of another kind.

    Raises :class:`SettingsError` naming the file, the key and what is wrong with it.
    """
    return find_recipe_of(VerdictRecipe, "verdict", name_or_path, shipped=SHIPPED, room="training.verdict")
