"""Giving a package its measure: the features as an output, what was learnt, and the scale of held-out films."""

import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from inference.likeness.measure import LearntFeatures
from inference.manifest import LikenessScale, LikenessSpec, Manifest
from inference.model import Model
from inference.package import (
    KERAS_MODEL,
    LIKENESS,
    LITERT_MODEL,
    AnyPackage,
    EnsemblePackage,
    ModelPackage,
    load_package,
    write_ensemble,
    write_package,
)
from training.data.examples import Example
from training.data.image_files import read_picture
from training.packaging.export import keras_bytes, litert_bytes
from training.packaging.likeness.feature_cache import Features, KeptFeatures, weights_digest
from training.packaging.likeness.features_output import with_features
from training.packaging.likeness.film_choice import Parts
from training.packaging.likeness.statistics import fit_learnt, quantiles

THRESHOLD = 0.99
"""An image is unlike the learnt ones beyond this share of the held-out films."""
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, eq=False)
class Scale:
    """Distances of held-out films and where each comes from."""

    distances: NDArray[np.float64]
    sources: tuple[str, ...]

    def spec(self) -> LikenessScale:
        """Return the scale as a manifest holds it."""
        return LikenessScale(
            quantiles=tuple(quantiles(self.distances, self.sources)),
            threshold=THRESHOLD,
            images=len(self.distances),
            sources=tuple(sorted(set(self.sources))),
        )


def measure_package(
    folder: Path, parts: Parts, *, keep: Path | None = None, progress: Progress = lambda _done, _all: None
) -> AnyPackage:
    """Give a package, and each of its networks, a measure of likeness; weights, findings and points stay as they are.

    Parameters
    ----------
    folder
        The package; it is replaced as a whole or not at all.
    parts
        What it is fitted on, and what its scale rests on.
    keep
        A file to keep features in, and to take them from where it holds some of the same weights.
    progress
        Told how many films are read, of how many.

    Raises
    ------
    PackageError
        When a network has no pooled features.
    DataError
        When a film cannot be read.
    """
    package = load_package(folder)
    films = (*parts.learnt, *parts.held_out)
    with tempfile.TemporaryDirectory() as scratch:
        networks = [
            with_features(keras.saving.load_model(member.path(KERAS_MODEL), compile=False), _outputs(member.manifest))
            for member in package.members
        ]
        exported = [
            _exported(member, network, Path(scratch) / f"exported-{number}")
            for number, (member, network) in enumerate(zip(package.members, networks, strict=True))
        ]
        kept = KeptFeatures.open(keep, weights_digest(networks))
        features = _features(kept, exported, films, progress).astype(np.float32)
        if keep is not None:
            kept.save(keep)
        measures = [fit_learnt(of_member[: len(parts.learnt)]) for of_member in features]
        distances = np.asarray(
            [
                [measure.distance(row) for row in of_member[len(parts.learnt) :]]
                for measure, of_member in zip(measures, features, strict=True)
            ]
        )
        sources = tuple(film.source for film in parts.held_out)
        members = [
            _write_network(Path(scratch) / f"member-{number}", member, measure, Scale(of_member, sources))
            for number, (member, measure, of_member) in enumerate(zip(exported, measures, distances, strict=True))
        ]
        if isinstance(package, ModelPackage):
            return write_package(folder, members[0].manifest, _files(members[0]))
        return _write_ensemble(folder, package, members, Scale(distances.mean(axis=0), sources))


def _outputs(manifest: Manifest) -> int:
    """Return how many outputs the heads and maps are."""
    return len(manifest.heads) + (2 if manifest.maps else 0)


def _exported(member: ModelPackage, network: keras.Model, folder: Path) -> ModelPackage:
    """Write a network with its features as one more output and a measure that is still to be fitted."""
    unit = np.ones(1, np.float32)
    empty = LearntFeatures(mean=unit, directions=unit[:, None], deviations=unit, rest=1.0)
    features = _outputs(member.manifest)
    scale = LikenessSpec(quantiles=(0.0, 1.0), threshold=1.0, images=1, sources=("none",), features=features)
    files = _files(member) | {LIKENESS: empty.to_bytes()}
    if member.manifest.likeness is None:  # else its files have the output, and stay the same bytes
        files |= {KERAS_MODEL: keras_bytes(network), LITERT_MODEL: litert_bytes(network)}
    return write_package(folder, member.manifest.model_copy(update={"likeness": scale}), files)


def _features(
    kept: KeptFeatures, networks: Sequence[ModelPackage], films: Sequence[Example], progress: Progress
) -> Features:
    """Return each network's features of each film, (networks, films, n), through the code that serves."""
    models = [Model.open(network) for network in networks]
    count = 0

    def compute(film: Example) -> Features:
        nonlocal count
        count += 1
        progress(count, len(films))
        image = read_picture(film.path)
        answers = [model.raw(image)[0] for model in models]
        rows = [
            answer.outputs[_likeness(network).features][0] for answer, network in zip(answers, networks, strict=True)
        ]
        return np.asarray(rows, np.float16)

    return kept.of(films, compute)


def _likeness(network: ModelPackage) -> LikenessSpec:
    assert network.manifest.likeness is not None  # noqa: S101 - written by _exported
    return network.manifest.likeness


def _write_network(folder: Path, member: ModelPackage, measure: LearntFeatures, scale: Scale) -> ModelPackage:
    spec = LikenessSpec(**scale.spec().model_dump(), features=_likeness(member).features)
    manifest: Manifest = member.manifest.model_copy(update={"likeness": spec})
    return write_package(folder, manifest, _files(member) | {LIKENESS: measure.to_bytes()})


def _write_ensemble(
    folder: Path, package: EnsemblePackage, members: Sequence[ModelPackage], scale: Scale
) -> EnsemblePackage:
    manifest = package.manifest.model_copy(update={"likeness": scale.spec()})
    own = {name: (package.folder / name).read_bytes() for name in package.manifest.files if "/" not in name}
    return write_ensemble(folder, manifest, [member.folder for member in members], own)


def _files(package: ModelPackage) -> dict[str, bytes | Path]:
    return {name: package.folder / name for name in package.manifest.files}


def summary(package: AnyPackage) -> str:
    """Return what was measured, as one JSON line."""
    likeness = package.manifest.likeness
    return json.dumps({} if likeness is None else likeness.model_dump(mode="json", exclude={"quantiles"}))
