"""Which films a measure of likeness is fitted on, and on which held-out ones its scale rests."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from config.errors import DataError
from inference.package import AnyPackage
from training.data.examples import Example
from training.data.films import films
from training.evaluation.record import record_of


@dataclass(frozen=True, slots=True)
class Parts:
    """Frontal films of adults."""

    learnt: tuple[Example, ...]
    """Of patients that the package's networks learnt from."""
    held_out: tuple[Example, ...]
    """Of patients that they did not learn from."""


def choose(
    package: AnyPackage, data: Path, outside: Sequence[Path], *, learnt: int, held_out: int, seed: int = 1
) -> Parts:
    """Choose films at random, the same ones for the same folders.

    Parameters
    ----------
    package
        Whose measure it will be.
    data
        The data folder that it learnt from; films of it that were not learnt from are held out.
    outside
        Further data folders.
    learnt
        At most so many films that were learnt from.
    held_out
        At most so many films of each held-out source.
    seed
        Of the choice.

    Raises
    ------
    DataError
        When fewer than 100 films were learnt from, or none are held out.
    """
    record = record_of(package)
    adults = [film for root in (data, *outside) for film in films(root) if film.is_frontal_adult]
    random = np.random.default_rng(seed)
    fitted_on = _sample([film for film in adults if record.learnt(film)], learnt, random)
    sources: dict[str, list[Example]] = defaultdict(list)
    for film in adults:
        if not record.learnt(film):
            sources[film.source].append(film)
    held = [film for name in sorted(sources) for film in _sample(sources[name], held_out, random)]
    if len(fitted_on) < 100 or not held:
        raise DataError(
            f"{len(fitted_on)} films were learnt from and {len(held)} are held out: give the folder that the package "
            "learnt from, and others that it did not"
        )
    return Parts(fitted_on, tuple(held))


def _sample(candidates: Iterable[Example], most: int, random: np.random.Generator) -> tuple[Example, ...]:
    by_file = sorted(candidates, key=lambda film: film.file)
    indices = sorted(random.permutation(len(by_file))[:most].tolist())
    return tuple(by_file[index] for index in indices)
