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
from training.data.pictures import read_picture
from training.export import keras_bytes, litert_bytes
from training.likeness.features_output import with_features
from training.likeness.fit import fit_learnt, quantiles
from training.likeness.parts import Parts

THRESHOLD = 0.99
"""An image is unlike the learnt ones beyond this share of the held-out films."""
Features = NDArray[np.float32]
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


def measure_package(folder: Path, parts: Parts, progress: Progress = lambda _done, _all: None) -> AnyPackage:
    """Give a package, and each of its networks, a measure of likeness; weights, findings and points stay as they are.

    Parameters
    ----------
    folder
        The package; it is replaced as a whole or not at all.
    parts
        What it is fitted on, and what its scale rests on.
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
    with tempfile.TemporaryDirectory() as scratch:
        exported = [
            _exported(member, Path(scratch) / f"exported-{number}") for number, member in enumerate(package.members, 1)
        ]
        features = _features([Model.open(member) for member in exported], (*parts.learnt, *parts.held_out), progress)
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
            for number, (member, measure, of_member) in enumerate(zip(exported, measures, distances, strict=True), 1)
        ]
        if isinstance(package, ModelPackage):
            return write_package(folder, members[0].manifest, _files(members[0]))
        return _write_ensemble(folder, package, members, Scale(distances.mean(axis=0), sources))


def _exported(member: ModelPackage, folder: Path) -> ModelPackage:
    """Write a network with its features as one more output and a measure that is still to be fitted."""
    manifest = member.manifest
    outputs = len(manifest.heads) + (2 if manifest.maps else 0)
    network = with_features(keras.saving.load_model(member.path(KERAS_MODEL), compile=False), outputs)
    empty = LearntFeatures(*(np.ones(shape, np.float32) for shape in ((1,), (1, 1), (1,))), rest=1.0)
    scale = LikenessSpec(quantiles=(0.0, 1.0), threshold=1.0, images=1, sources=("none",), features=outputs)
    files = _files(member) | {
        KERAS_MODEL: keras_bytes(network), LITERT_MODEL: litert_bytes(network), LIKENESS: empty.to_bytes(),
    }  # fmt: skip
    return write_package(folder, manifest.model_copy(update={"likeness": scale}), files)


def _features(models: Sequence[Model], films: Sequence[Example], progress: Progress) -> list[Features]:
    """Return each network's features of each film, (films, n), through the code that serves."""
    found: list[list[Features]] = [[] for _ in models]
    for count, film in enumerate(films, 1):
        image = read_picture(film.path)
        for model, rows in zip(models, found, strict=True):
            (answer,) = model.raw(image)
            likeness = model.package.members[0].manifest.likeness
            assert likeness is not None  # noqa: S101 - written just now
            rows.append(np.asarray(answer.outputs[likeness.features][0], np.float32))
        progress(count, len(films))
    return [np.stack(rows) for rows in found]


def _write_network(folder: Path, member: ModelPackage, measure: LearntFeatures, scale: Scale) -> ModelPackage:
    likeness = member.manifest.likeness
    assert likeness is not None  # noqa: S101 - written just now
    spec = LikenessSpec(**scale.spec().model_dump(), features=likeness.features)
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
