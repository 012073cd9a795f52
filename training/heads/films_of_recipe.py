"""The films of a recipe of heads: which are looked at, which teach, and which say how common a finding is."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from config.errors import DataError
from inference.package import AnyPackage
from training.data.examples import Example
from training.data.many_sources import many_sources
from training.evaluation.record import Record, record_of
from training.fit.result import Progress, silent
from training.heads.heads_recipe import HeadsRecipe
from training.heads.left_out import teaching
from training.heads.pooled_features import Copies, pooled_features
from training.heads.soften import is_shown_soft


@dataclass(frozen=True, slots=True, eq=False)
class Films:
    """The films of a recipe, what the trunk knows of them, and what is seen of them."""

    films: tuple[Example, ...]
    trunk_learnt: NDArray[np.bool_]
    """Whether the trunk learnt from a film's patient."""
    copies: Copies


def open_films(
    recipe: HeadsRecipe,
    base: AnyPackage,
    data: Path,
    *,
    work: Path | None = None,
    quick: bool = False,
    progress: Progress = silent,
) -> Films:
    """Read the films of a recipe, and let the base's networks look at them.

    Raises :class:`DataError` where there is none, or a table or an image is broken, and :class:`PackageError` where the
    base does not give its features.
    """
    films = choose_films(recipe, base, many_sources(data))
    if quick:
        films = _few(films, recipe)
    if not any(film.source in recipe.data.sources for film in films):
        raise DataError(f"there is no film of {', '.join(recipe.data.sources)}: give a data folder with more/ in it")
    keep = None if work is None else work / f"pooled-{base.manifest.name}.npz"
    if keep is not None:
        keep.parent.mkdir(parents=True, exist_ok=True)
    return seen_films(recipe, base, films, keep, progress)


def choose_films(recipe: HeadsRecipe, base: AnyPackage, films: Sequence[Example]) -> list[Example]:
    """Return the films that a recipe names: of adults, none known to be lateral, none of a place kept apart."""
    record, wanted = record_of(base), {*recipe.data.sources, *recipe.data.measured}
    return [
        film for film in films if film.source in wanted and _is_frontal_adult(film) and not _is_kept_apart(film, record)
    ]


def seen_films(
    recipe: HeadsRecipe, base: AnyPackage, films: Sequence[Example], keep: Path | None, progress: Progress
) -> Films:
    """Return films with the features that the base's networks make of them and of their soft copies."""
    record = record_of(base)
    soft = [film for film in films if film.source in recipe.data.sources and is_shown_soft(film.file, recipe.fit.soft)]
    copies = pooled_features(base, films, soft, keep, progress)
    return Films(tuple(films), np.asarray([record.learnt(film) for film in films]), copies)


def _is_frontal_adult(film: Example) -> bool:
    return film.view.value != "L" and film.is_adult


def _is_kept_apart(film: Example, record: Record) -> bool:
    return bool(record.kept_apart) and film.file.startswith(record.kept_apart)


def _few(films: Sequence[Example], recipe: HeadsRecipe) -> list[Example]:
    """Return some films of each collection, in another order for each seed."""
    order = np.random.default_rng(recipe.seed).permutation(len(films))
    counts: dict[str, int] = {}
    chosen = []
    for index in order:
        source = films[index].source
        counts[source] = counts.get(source, 0) + 1
        if counts[source] <= recipe.quick_films:
            chosen.append(films[index])
    return chosen


def may_teach(chosen: Films, recipe: HeadsRecipe) -> NDArray[np.bool_]:
    """Return which films the heads of the package are fitted on."""
    return teaching(chosen.films, recipe) & ~_in_test_fold(chosen, recipe)


def may_calibrate(chosen: Films, recipe: HeadsRecipe) -> NDArray[np.bool_]:
    """Return which films probabilities and operating points rest on: those of patients that the trunk never saw."""
    sources = np.isin([film.source for film in chosen.films], recipe.data.calibrated_on)
    return sources & ~chosen.trunk_learnt & ~_in_test_fold(chosen, recipe)


def _in_test_fold(chosen: Films, recipe: HeadsRecipe) -> NDArray[np.bool_]:
    if recipe.data.test_fold is None:
        return np.zeros(len(chosen.films), bool)
    return np.asarray([film.fold == recipe.data.test_fold for film in chosen.films])
