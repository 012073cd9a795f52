"""``cxrnode train`` for recipes of a kind of their own: a verdict, an anatomy, and heads on a package's networks."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from cxrnode.command import out, package_as_json
from cxrnode.progress import shown_progress

if TYPE_CHECKING:
    from inference.package import AnatomyPackage, AnyPackage, VerdictPackage
    from training.anatomy.anatomy_recipe import AnatomyRecipe
    from training.fit.result import Progress
    from training.heads.heads_recipe import HeadsRecipe
    from training.verdict.verdict_recipe import VerdictRecipe

    Produce = Callable[[Path, Path, bool, Progress], AnyPackage | AnatomyPackage | VerdictPackage]
    """Trains from a data folder and writes the package to another one; a few films only where quick."""


@dataclass(frozen=True, slots=True)
class OwnRecipe:
    """A recipe of a kind of its own, with what trains it, what its package is called and what to do with it."""

    kind: str
    produce: "Produce"
    package: str
    advice: str


def find_own_recipe(name_or_path: str, cache: Path | None) -> OwnRecipe | None:
    """Return a recipe of a kind of its own by a shipped one's name or a file's path, or None; needs the train extra.

    ``cache`` is the folder for intermediate results of the kinds that keep any. Raises SettingsError naming the file,
    the key and what is wrong with it.
    """
    from training.anatomy import anatomy_recipe
    from training.heads import heads_recipe
    from training.verdict import verdict_recipe

    if (verdict := verdict_recipe.find_recipe(name_or_path)) is not None:
        advice = "Set inference.verdict_package to use it."
        return OwnRecipe("a verdict", partial(_produce_verdict, verdict), "verdict package", advice)
    if (anatomy := anatomy_recipe.find_recipe(name_or_path)) is not None:
        advice = "Set inference.anatomy_package to use it."
        return OwnRecipe("an anatomy", partial(_produce_anatomy, anatomy), "anatomy package", advice)
    if (heads := heads_recipe.find_recipe(name_or_path)) is not None:
        advice = "Research use only: its card says what it cannot do."
        return OwnRecipe("a heads", partial(_produce_heads, heads, cache), "package", advice)
    return None


def train_own_recipe(recipe: OwnRecipe, data: Path, to: Path, *, quick: bool, as_json: bool) -> None:
    """Train a package and say where it is."""
    with shown_progress() as progress:
        package = recipe.produce(data, to, quick, progress)
    if as_json:
        out.print_json(data={"package": package_as_json(package, to), "quick": quick})
        return
    out.print(f"The {recipe.package} is in {to}. {recipe.advice}", markup=False)


def _produce_verdict(
    recipe: "VerdictRecipe", data: Path, to: Path, quick: bool, progress: "Progress"
) -> "VerdictPackage":
    from cxrnode.training_phantoms import draw_phantoms
    from training.verdict.pipeline import produce

    return produce(recipe, data, to, drawn=draw_phantoms(quick=quick), quick=quick, progress=progress)


def _produce_anatomy(
    recipe: "AnatomyRecipe", data: Path, to: Path, quick: bool, progress: "Progress"
) -> "AnatomyPackage":
    from training.anatomy.produce_anatomy import produce

    return produce(recipe, data, to, quick=quick, progress=progress)


def _produce_heads(
    recipe: "HeadsRecipe", cache: Path | None, data: Path, to: Path, quick: bool, progress: "Progress"
) -> "AnyPackage":
    from training.heads.produce_heads import produce
    from training.pipelines.train import CACHE

    return produce(recipe, data, to, work=cache or CACHE, quick=quick, progress=progress)
