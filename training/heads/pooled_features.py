"""What a package's networks make of films before their heads: pooled features, of each film as it is and soft."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from config.errors import PackageError
from inference.model import Model
from inference.package import AnyPackage
from training.data.examples import Example
from training.data.image_files import read_picture
from training.fit.result import Progress
from training.heads.soften import soften
from training.packaging.likeness.feature_cache import Features, KeptFeatures

_SOFT = "soft/"
_SAVED_EVERY = 200


@dataclass(frozen=True, slots=True, eq=False)
class Copies:
    """Features of films as they are, one row each, and then of those that are also shown soft."""

    features: NDArray[np.float32]
    """(networks, rows, features)."""
    film: NDArray[np.intp]
    """(rows): which film each row shows; the first rows are the films themselves, in their order."""


def pooled_features(
    package: AnyPackage, films: Sequence[Example], soft: Sequence[Example], keep: Path | None, progress: Progress
) -> Copies:
    """Return the features of films, and of ``soft`` ones among them shown soft, through the code that serves.

    Parameters
    ----------
    package
        Every network of it has its pooled features as an output, as those with a measure of likeness do.
    films, soft
        What is looked at; ``soft`` is a part of ``films``.
    keep
        A file to keep features in, and to take them from where it holds some of the same networks.
    progress
        Told how many films are done.

    Raises
    ------
    PackageError
        When a network has no pooled features.
    DataError
        When a film cannot be read.
    """
    places = [_output(package, number) for number in range(len(package.members))]
    model, digest = Model.open(package), "/".join(member.digest for member in package.members)
    kept = KeptFeatures.open(keep, digest)
    row = {film.file: index for index, film in enumerate(films)}
    wanted = [(film.file, film) for film in films] + [(_SOFT + film.file, film) for film in soft]
    for done, (name, film) in enumerate(wanted, 1):
        if name not in kept.by_file:
            kept.by_file[name] = _features(model, places, film, soft=name.startswith(_SOFT))
            if keep is not None and done % _SAVED_EVERY == 0:
                kept.save(keep)
        progress("films", done, len(wanted))
    if keep is not None:
        kept.save(keep)
    features = np.stack([kept.by_file[name] for name, _ in wanted], axis=1).astype(np.float32)
    return Copies(features, np.asarray([row[film.file] for _, film in wanted], np.intp))


def kept_names(keep: Path) -> frozenset[str]:
    """Return of which films a file holds features; soft copies are called otherwise."""
    return frozenset(KeptFeatures.load(keep).by_file)


def _output(package: AnyPackage, number: int) -> int:
    likeness = package.members[number].manifest.likeness
    if likeness is None:
        raise PackageError(
            f"model package {package.manifest.name} does not give its pooled features: measure its likeness first "
            "(python -m training.packaging.likeness)"
        )
    return likeness.features


def _features(model: Model, places: Sequence[int], film: Example, *, soft: bool) -> Features:
    picture = read_picture(film.path)
    answers = model.raw(soften(picture, film.file) if soft else picture)
    return np.asarray([answer.outputs[place][0] for answer, place in zip(answers, places, strict=True)], np.float16)
