"""Recipes: one TOML file says what is learnt from what, and how; two runs of one recipe give one package."""

import tomllib
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from config.errors import SettingsError

Fraction = Annotated[float, Field(ge=0, le=1)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PackageSettings(_Part):
    """What the package is called."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")]
    version: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$")]
    title: Annotated[str, Field(min_length=1, max_length=64)]
    summary: Annotated[str, Field(min_length=1)]
    """One paragraph: what the model does and how it is built."""


class DataSettings(_Part):
    """Which rows are used for what."""

    test_fold: Annotated[int, Field(ge=0)] = 0
    """Reported on; never trained on, never tuned on."""
    validation_fold: Annotated[int, Field(ge=0)] = 1
    """Calibration and operating points."""
    weak_weight: Fraction = 0.2
    """Loss weight of a picture that only has labels mined from a report; 0 leaves such pictures out."""
    weak_share: Fraction = 0.5
    """How many such pictures an epoch has, as a fraction of the pictures that radiologists read."""
    test_history: str = ""
    """Sentences for the card: how often the test fold was measured before, and what came of it."""
    dicom_check: str = ""
    """Folder of DICOM files with an index.csv, relative to the data folder, that the package is also tried on."""


class ModelSettings(_Part):
    """The network's free numbers."""

    side: Annotated[int, Field(multiple_of=32, ge=96)] = 384
    """Input side in pixels; the heat map has a sixteenth of it."""
    weights: str = ""
    """Full-integer MobileNetV2 TFLite file to start from, relative to the data folder; empty starts at random."""
    neck: Annotated[int, Field(ge=8)] = 128
    dropout: Fraction = 0.3
    """Share of pooled features hidden from the classes in training."""
    map_dropout: Fraction = 0.1
    """Share of neck maps hidden from the detector in training."""


class AugmentSettings(_Part):
    """How far a training picture may be moved. Never mirrored: the heart has a side, and nobody stands upside down."""

    variants: Annotated[int, Field(ge=1)] = 8
    """Altered copies of a picture that radiologists read, one an epoch in turn."""
    weak_variants: Annotated[int, Field(ge=1)] = 3
    rotation_degrees: Annotated[float, Field(ge=0, le=30)] = 7
    shift: Fraction = 0.05
    zoom: Fraction = 0.1
    gamma: Fraction = 0.3
    """Largest natural logarithm of the exponent."""
    contrast: Fraction = 0.2
    brightness: Fraction = 0.08
    bars: Fraction = 0.12
    """Widest black bar on each of two opposite sides, as other aspect ratios have when letterboxed."""


class FitSettings(_Part):
    """How the weights are found."""

    batch: Annotated[int, Field(ge=1)] = 16
    epochs: Annotated[int, Field(ge=1)] = 6
    learning_rate: Annotated[float, Field(gt=0)] = 2e-4
    """Of the backbone above the trunk."""
    head_learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    """Of the new layers."""
    weight_decay: Annotated[float, Field(ge=0)] = 1e-3
    average: Annotated[float, Field(ge=0, lt=1)] = 0.99
    """Momentum of the moving average of the weights that is shipped; 0 ships the last weights."""
    mined_weight: Annotated[float, Field(ge=0)] = 2.0
    """Loss weight of guessing the mined labels, which only fitting does."""
    class_weight: Annotated[float, Field(ge=0)] = 1.0
    heat_weight: Annotated[float, Field(ge=0)] = 1.0
    box_weight: Annotated[float, Field(ge=0)] = 0.5


class PointSettings(_Part):
    """What the operating points are chosen for, on validation pictures."""

    sensitivity: Fraction = 0.95
    specificity: Fraction = 0.95
    box_false_sensitive: Annotated[float, Field(gt=0)] = 0.5
    """False boxes a picture (overlap below 0.4) that the sensitive box point may have."""
    box_false_specific: Annotated[float, Field(gt=0)] = 0.1
    """... and the specific one."""


class QuickSettings(_Part):
    """What ``--quick`` cuts the recipe down to: a run to see that everything works, not a model."""

    pictures: Annotated[int, Field(ge=3)] = 48
    """Pictures in each part of the split."""
    epochs: Annotated[int, Field(ge=1)] = 1
    side: Annotated[int, Field(multiple_of=32, ge=96)] = 192


class Recipe(_Part):
    """A whole recipe, as its file has it."""

    seed: int = 1
    package: PackageSettings
    data: DataSettings = DataSettings()
    model: ModelSettings = ModelSettings()
    augment: AugmentSettings = AugmentSettings()
    fit: FitSettings = FitSettings()
    points: PointSettings = PointSettings()
    quick: QuickSettings = QuickSettings()

    def cut_down(self) -> "Recipe":
        """Return the recipe that ``--quick`` runs."""
        return self.model_copy(
            update={
                "model": self.model.model_copy(update={"side": self.quick.side}),
                "augment": self.augment.model_copy(update={"variants": 1, "weak_variants": 1}),
                "fit": self.fit.model_copy(update={"epochs": self.quick.epochs}),
            }
        )


def shipped_recipes() -> dict[str, Traversable]:
    """Return the recipes that come with the program, by name."""
    folder = resources.files("training") / "recipes"
    return {entry.name.removesuffix(".toml"): entry for entry in folder.iterdir() if entry.name.endswith(".toml")}


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
        return Recipe.model_validate(tomllib.loads(source.read_text(encoding="utf-8")))
    except FileNotFoundError:
        known = ", ".join(sorted(shipped))
        raise SettingsError(f"no recipe {name_or_path}: give a TOML file or one of {known}") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{source.name} is no valid TOML: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise SettingsError(f"{source.name}: {key}: {first['msg']}") from None
