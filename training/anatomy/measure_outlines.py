"""A network's outlines beside those that readers drew, film by film."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

import numpy as np
from PIL import Image

from inference.anatomy.measures import cardiothoracic_ratio
from inference.anatomy.network import AnatomyNetwork
from inference.anatomy.outlines import Outlines
from inference.anatomy.structures import HEART, LUNGS
from training.anatomy.masked_films import MaskedFilm, read_mask
from training.anatomy.overlap import dice, surface_distance
from training.data.image_files import read_picture

REFERENCE_SIDE = 256
"""Distances are given in pixels of an image whose longer side has so many."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far the outlines of one film agree."""

    file: str
    lungs_dice: float
    lungs_distance: float
    heart_dice: float | None = None
    """None where nobody outlined the heart; so are the next ones."""
    heart_distance: float | None = None
    ratio_error: float | None = None
    """Network's cardiothoracic ratio less that of the drawn outlines; None also where the network finds none."""

    def as_json(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return asdict(self)


def agreements(network: AnatomyNetwork, films: Iterable[MaskedFilm]) -> Iterator[Agreement]:
    """Measure a network on films."""
    for film in films:
        yield agreement(film.film.file, network.outlines(read_picture(film.film.path)), read_mask(film.mask))


def agreement(file: str, outlines: Outlines, drawn: np.ndarray) -> Agreement:
    """Hold a film's outlines against drawn ones, (rows, columns) of structures, on the grid of the drawn ones."""
    rows, columns = drawn.shape
    resized = Image.fromarray(outlines.structures).resize((columns, rows), Image.Resampling.NEAREST)
    ours = Outlines(np.asarray(resized), rows, columns)
    theirs = Outlines(drawn, rows, columns)
    scale = REFERENCE_SIDE / max(rows, columns)
    lungs = ours.mask(*LUNGS), theirs.mask(*LUNGS)
    lungs_dice, lungs_distance = dice(*lungs), scale * surface_distance(*lungs)
    if not theirs.has(HEART):
        return Agreement(file, lungs_dice, lungs_distance)
    hearts = ours.mask(HEART), theirs.mask(HEART)
    found, true = cardiothoracic_ratio(outlines), cardiothoracic_ratio(theirs)
    error = found.ratio - true.ratio if found is not None and true is not None else None
    return Agreement(file, lungs_dice, lungs_distance, dice(*hearts), scale * surface_distance(*hearts), error)


def summary(rows: Iterable[Agreement]) -> dict[str, float | int | None]:
    """Return means over films, and how many there are."""
    films = list(rows)
    hearts = [row for row in films if row.heart_dice is not None]
    errors = [abs(row.ratio_error) for row in hearts if row.ratio_error is not None]
    return {
        "films": len(films),
        "lungs_dice": fmean(row.lungs_dice for row in films) if films else None,
        "lungs_distance": fmean(row.lungs_distance for row in films) if films else None,
        "hearts": len(hearts),
        "heart_dice": fmean(row.heart_dice or 0.0 for row in hearts) if hearts else None,
        "heart_distance": fmean(row.heart_distance or 0.0 for row in hearts) if hearts else None,
        "ratios": len(errors),
        "ratio_error": fmean(errors) if errors else None,
    }
