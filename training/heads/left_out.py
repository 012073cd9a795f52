"""What heads say about films that taught them nothing: by patient, and by whole source."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from training.data.examples import Example
from training.fit.result import Progress, silent
from training.heads.fit_heads import Directions, Layer, fit_head, margins
from training.heads.heads_recipe import HeadsRecipe
from training.heads.pooled_features import Copies
from training.recipe.recipe import HeadSettings

Mask = NDArray[np.bool_]


def fit_networks(
    copies: Copies,
    films: Sequence[Example],
    taught: Mask,
    head: HeadSettings,
    recipe: HeadsRecipe,
    directions: Sequence[Directions],
) -> tuple[Layer, ...]:
    """Return a head for each network, fitted on the films of a mask and on their soft copies."""
    rows = np.flatnonzero(taught[copies.film] & _shown(copies, films, recipe))
    examples = [films[index] for index in copies.film[rows].tolist()]
    return tuple(
        fit_head(part[rows], examples, head, recipe.fit, along)
        for part, along in zip(copies.features, directions, strict=True)
    )


def left_out_margins(
    copies: Copies, films: Sequence[Example], head: HeadSettings, recipe: HeadsRecipe, progress: Progress = silent
) -> NDArray[np.float64]:
    """Return each network's log-odds of each class of a head, (networks, rows, classes).

    Each film is asked of heads that did not learn from its patient, nor from its source where the recipe leaves that
    out.
    """
    answers = np.full((*copies.features.shape[:2], len(head.classes)), np.nan)
    parts, directions = list(_parts(films, recipe)), directions_of(copies, films, recipe)
    for done, (asked, taught) in enumerate(parts, 1):
        fitted = fit_networks(copies, films, taught, head, recipe, directions)
        rows = np.flatnonzero(asked[copies.film])
        for network, layer in enumerate(fitted):
            for place, name in enumerate(head.classes):
                answers[network, rows, place] = margins(layer, copies.features[network, rows], head, name)
        progress("heads that leave a part out", done, len(parts))
    return answers


def directions_of(copies: Copies, films: Sequence[Example], recipe: HeadsRecipe) -> tuple[Directions, ...]:
    """Return the directions of each network's features, which follow from no label and from no source left out."""
    sources = np.asarray([film.source for film in films])
    inside = teaching(films, recipe) & ~np.isin(sources, recipe.data.left_out)
    rows = np.flatnonzero(inside[copies.film] & _shown(copies, films, recipe))
    return tuple(Directions.of(part[rows], recipe.fit.directions) for part in copies.features)


def _shown(copies: Copies, films: Sequence[Example], recipe: HeadsRecipe) -> Mask:
    """Return which rows may be learnt from: all but the films as they are of collections that are shown soft alone."""
    is_plain = np.arange(len(copies.film)) < len(films)
    hidden = np.isin([film.source for film in films], recipe.fit.soft_only)[copies.film]
    return ~(hidden & is_plain)


def teaching(films: Sequence[Example], recipe: HeadsRecipe) -> Mask:
    """Return which films are of the collections that teach."""
    return np.isin([film.source for film in films], recipe.data.sources)


def _parts(films: Sequence[Example], recipe: HeadsRecipe) -> Iterator[tuple[Mask, Mask]]:
    """Yield (whom to ask about, whom to learn from)."""
    sources = np.asarray([film.source for film in films])
    patients = np.asarray([film.patient for film in films])
    folds = np.asarray([-1 if film.fold is None else film.fold for film in films])
    teaches = teaching(films, recipe)
    whole = np.isin(sources, (*recipe.data.left_out, *recipe.data.measured))
    for source in (*recipe.data.left_out, *recipe.data.measured):
        asked = sources == source
        if asked.any():
            yield asked, teaches & ~asked
    for fold in sorted(set(folds[~whole])):
        asked = ~whole & (folds == fold)
        yield asked, teaches & ~np.isin(patients, patients[asked])
