"""The recipe of an anatomy network: one TOML file that says what it learns from, and how."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from training.recipe.own_kind import find_recipe_of
from training.recipe.recipe import PackageSettings

SHIPPED = ("anatomy",)
"""The recipe of the package that ships."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class AnatomyData(_Part):
    """Which outlined films are used for what."""

    sources: tuple[str, ...] = Field(min_length=1)
    """Collections whose outlines of lungs and heart are learnt from."""
    fold_left_out: int | None = None
    """This fold of them is not learnt from."""
    measured_sources: tuple[str, ...] = ()
    """Collections whose outlines of lungs the network is measured on and never learns from."""


class AnatomyNetworkSettings(_Part):
    """The network's shape."""

    side: Annotated[int, Field(ge=64, le=512, multiple_of=32)] = 128
    widths: tuple[Annotated[int, Field(ge=4, le=512)], ...] = Field(
        default=(16, 32, 48, 64, 96), min_length=2, max_length=5
    )
    """Channels at a quarter of the resolution and after each further halving; ``side`` can be halved so often."""


class FitSettings(_Part):
    """How long and how fast it learns."""

    changes: Annotated[int, Field(ge=1)] = 16
    """How many changed images are drawn of each film."""
    drawn_side: Annotated[int, Field(ge=64, le=1024, multiple_of=32)] = 192
    """In which size they are drawn before they are shrunk to the network's input."""
    epochs: Annotated[int, Field(ge=1)] = 1
    batch: Annotated[int, Field(ge=1)] = 8
    learning_rate: Annotated[float, Field(gt=0)] = 3e-3


class AnatomyRecipe(_Part):
    """All of it."""

    kind: Literal["anatomy"]
    seed: int = 1
    package: PackageSettings
    data: AnatomyData
    network: AnatomyNetworkSettings = AnatomyNetworkSettings()
    fit: FitSettings = FitSettings()

    def quick(self) -> "AnatomyRecipe":
        """Return the recipe with so little to learn, by so small a network, that a run only shows that all works."""
        fit = self.fit.model_copy(update={"changes": 2, "drawn_side": 64, "epochs": 1, "batch": 4})
        network = self.network.model_copy(update={"side": 64, "widths": (8, 8)})
        return self.model_copy(update={"fit": fit, "network": network})

    def without_fold(self, fold: int) -> "AnatomyRecipe":
        """Return the recipe that leaves a fold out, to be measured on it."""
        return self.model_copy(update={"data": self.data.model_copy(update={"fold_left_out": fold})})


def find_recipe(name_or_path: str) -> AnatomyRecipe | None:
    """Return an anatomy recipe by a shipped one's name or by a file's path; None for a recipe of another kind.

    Raises :class:`SettingsError` naming the file, the key and what is wrong with it.
    """
    return find_recipe_of(AnatomyRecipe, "anatomy", name_or_path, shipped=SHIPPED, room="training.anatomy")
