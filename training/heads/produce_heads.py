"""``cxrnode train chest-heads``: from a package and the films of many sources to the package with new heads."""

import tempfile
from pathlib import Path

from config.errors import SettingsError
from inference.package import AnyPackage, EnsemblePackage, load_package, write_package
from training.evaluation.record import figures_of
from training.fit.result import Progress, silent
from training.heads.films_of_recipe import may_calibrate, may_teach, open_films
from training.heads.heads_recipe import HeadsRecipe
from training.heads.left_out import directions_of, fit_networks, left_out_margins
from training.heads.write_heads import figures_for, write_mean, write_network
from training.packaging.package_manifest import require_place
from training.recipe.recipe import HeadSettings, Recipe

_AGREEMENT = 4
"""So many films are asked of both engines, which must agree on them."""


def produce(
    recipe: HeadsRecipe,
    data: Path,
    out: Path,
    *,
    work: Path | None = None,
    quick: bool = False,
    progress: Progress = silent,
) -> AnyPackage:
    """Fit the heads and write the package, as a whole or not at all.

    Parameters
    ----------
    recipe
        On which trunk, from which collections.
    data
        The data folder, with ``more/`` in it.
    out
        The package's folder; one that is there is replaced.
    work
        A folder for features, which another run takes from there.
    quick
        A few films of each collection: to see that all works.
    progress
        Told how far each step is.

    Raises
    ------
    DataError
        When the data are incomplete or too few, or ``out`` is taken; before anything is written.
    PackageError
        When the base package has no pooled features.
    """
    require_place(out)
    base = load_package(recipe.base)
    head = head_of(base, recipe)
    chosen = open_films(recipe, base, data, work=work, quick=quick, progress=progress)
    said = left_out_margins(chosen.copies, chosen.films, head, recipe, progress)[:, : len(chosen.films)]
    directions = directions_of(chosen.copies, chosen.films, recipe)
    fitted = fit_networks(chosen.copies, chosen.films, may_teach(chosen, recipe), head, recipe, directions)
    calibrated = may_calibrate(chosen, recipe)
    figures = figures_for(recipe, base, chosen, quick=quick)
    with tempfile.TemporaryDirectory() as scratch:
        few = [film.path for film in chosen.films[:_AGREEMENT]]
        members = [
            write_network(
                member, recipe, head, fitted[number], said[number], chosen.films, calibrated,
                Path(scratch) / str(number), few, figures,
            )
            for number, member in enumerate(base.members)
        ]  # fmt: skip
        if isinstance(base, EnsemblePackage):
            return write_mean(base, recipe, head, members, said, chosen.films, calibrated, out, figures)
        files: dict[str, bytes | Path] = {name: members[0].folder / name for name in members[0].manifest.files}
        renamed = members[0].manifest.model_copy(update={"name": recipe.package.name})
        return write_package(out, renamed, files)


def head_of(base: AnyPackage, recipe: HeadsRecipe) -> HeadSettings:
    """Return the head to fit, with those of its classes that are findings."""
    trained = Recipe.model_validate(figures_of(base)["recipe"])
    found = next((head for head in trained.heads if head.name == recipe.head), None)
    if found is None:
        raise SettingsError(f"{base.manifest.name} has no head {recipe.head}: name one of its heads")
    labels = [finding.source for finding in trained.findings if finding.head == recipe.head]
    return found.model_copy(update={"classes": tuple(name for name in found.classes if name in labels)})
