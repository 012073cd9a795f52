"""Training samples of a segmentation network: changes of each film, drawn once and learnt from in every epoch."""

import zlib
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from multiprocessing import get_context

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from training.anatomy.change import changed
from training.anatomy.masked_films import MaskedFilm, outlined


@dataclass(frozen=True, slots=True, eq=False)
class ChangedFilms:
    """Changed images and what is where on them."""

    images: NDArray[np.uint8]
    """(count, side, side, 1), 0 to 255."""
    shares: NDArray[np.uint8]
    """(count, side / 2, side / 2, structures): the share of each structure in each cell, 0 to 255."""


def draw_changes(
    films: Sequence[MaskedFilm], count: int, drawn_side: int, side: int, seed: int, processes: int = 1
) -> ChangedFilms:
    """Return ``count`` changes of each film, film by film.

    They are drawn in ``drawn_side`` and shrunk to ``side``, as serving shrinks an image. The changes of a film depend
    on its name, these sides and the seed alone, not on the other films.
    """
    work = (films, repeat(count), repeat(drawn_side), repeat(side), repeat(seed))
    if processes == 1:
        parts = [_changes(*each) for each in zip(*work, strict=False)]
    else:
        with ProcessPoolExecutor(processes, get_context("fork")) as pool:
            parts = list(pool.map(_changes, *work, chunksize=4))
    return ChangedFilms(
        np.concatenate([part.images for part in parts]), np.concatenate([part.shares for part in parts])
    )


def shrunk(planes: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Return an image of several planes, (rows, columns, planes), in the size (side, side, planes) by area means."""
    each = (Image.fromarray(np.ascontiguousarray(plane)) for plane in np.moveaxis(planes, -1, 0))
    return np.stack([np.asarray(plane.resize((side, side), Image.Resampling.BOX)) for plane in each], axis=-1)


def _changes(film: MaskedFilm, count: int, drawn_side: int, side: int, seed: int) -> ChangedFilms:
    drawn, name = outlined(film, drawn_side), zlib.crc32(film.film.file.encode())
    each = [changed(drawn, np.random.default_rng([seed, name, number])) for number in range(count)]
    return ChangedFilms(
        np.stack([shrunk(image, side) for image, _ in each]),
        np.stack([shrunk(shares, side // 2) for _, shares in each]),
    )
