"""From a recipe to the package that ships: networks, their mean, and the retraining on all.

::

    train each network → ensemble → retrain on all (where the recipe asks for it)

Each finished step is kept in the work folder until the package is written, so that a stopped run goes on with the
next step.
"""

import shutil
from pathlib import Path

from config.errors import PermanentError
from inference.package import load_package
from training.data.selection import Selection, select_examples
from training.fit.cache_key import of_file, whole_key
from training.fit.fit_network import starting_weights
from training.fit.result import Progress, silent
from training.packaging.package_manifest import require_place
from training.pipelines.ensemble import EnsembleResult, Names, make_ensemble, open_member
from training.pipelines.retrain_on_all import retrain_on_all
from training.pipelines.train import CACHE, TrainingResult, train
from training.recipe.recipe import Recipe


def produce(
    recipe: Recipe,
    data: Path,
    out: Path,
    *,
    work: Path | None = None,
    weights: Path | None = None,
    quick: bool = False,
    progress: Progress = silent,
) -> TrainingResult | EnsembleResult:
    """Make the package of a recipe and write it to ``out``, as a whole or not at all.

    Parameters and errors are those of :func:`training.pipelines.train.train`.
    """
    require_place(out)
    if not recipe.data.retrain_on_all:
        return _chosen(recipe, data, out, work=work, weights=weights, quick=quick, progress=progress)
    key = _key(recipe, select_examples(recipe, data), starting_weights(recipe, data, weights), quick=quick)
    twin = (work or CACHE) / "twins" / f"{recipe.package.name}-{key}"
    if not _is_whole(twin):
        shutil.rmtree(twin, ignore_errors=True)

        def first(what: str, done: int, of: int) -> None:
            progress(f"first, {what}", done, of)

        _chosen(recipe, data, twin, work=work, weights=weights, quick=quick, progress=first)
    result = retrain_on_all(twin, data, out, work=work, weights=weights, progress=progress)
    shutil.rmtree(twin)
    return result


def _chosen(
    recipe: Recipe, data: Path, out: Path, *, work: Path | None, weights: Path | None, quick: bool, progress: Progress
) -> TrainingResult | EnsembleResult:
    """Make one network's package or the mean of several, with all that is chosen on validation pictures."""
    if recipe.members == 1:
        return train(recipe, data, out, work=work, weights=weights, quick=quick, progress=progress)
    folders = []
    # Several members need folds of the data set's own, so that all of them have the same parts.
    start, selection = starting_weights(recipe, data, weights), select_examples(recipe, data)
    count = recipe.cut_down().members if quick else recipe.members
    for number in range(1, count + 1):
        member = recipe.member(number)
        folder = (work or CACHE) / "members" / f"{member.package.name}-{_key(member, selection, start, quick=quick)}"
        if not _is_whole(folder):
            shutil.rmtree(folder, ignore_errors=True)

            def shown(what: str, done: int, of: int, number: int = number) -> None:
                progress(f"network {number} of {count}: {what}", done, of)

            train(member, data, folder, work=work, weights=weights, quick=quick, progress=shown)
        folders.append(folder)
    names = Names(recipe.package.name, recipe.package.version, recipe.package.title)
    result = make_ensemble(out, folders, data, names=names, progress=progress)
    for folder in folders:
        shutil.rmtree(folder)
    return result


def _is_whole(folder: Path) -> bool:
    """Say whether a package was kept, and as it was written."""
    try:
        for member in load_package(folder).members:
            open_member(member.folder)
    except PermanentError:
        return False
    return True


def _key(recipe: Recipe, selection: Selection, start: Path | None, *, quick: bool) -> str:
    """Return what tells kept work from that of other settings, pictures, weights or versions of the program."""
    split = selection.split
    parts = {
        "training": split.training,
        "validation": split.validation,
        "test": split.test,
        "kept apart": selection.kept_apart,
        "dicom": selection.dicom,
    }
    named = "" if start is None else start.name  # which its figures say
    return whole_key(recipe, parts, of_file(start), named, sorted(selection.left_out.items()), quick)
