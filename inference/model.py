"""A model that is open: pictures in, findings out. Whoever asks, the worker, an evaluation or a page, asks here.

One network or an ensemble of several looks the same from outside: each network gets the picture in an input of its own
size, all answers are put together.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from config.errors import PackageError
from config.settings import InferenceSettings, OperatingPointSettings
from inference.engines import Engine, open_engine
from inference.findings import Box, Finding, ModelIdentity
from inference.interpret import Answer, boxes_of, interpret, scores_of
from inference.likeness.measure import LearntFeatures, share_nearer
from inference.manifest import InputSpec
from inference.package import LIKENESS, AnyPackage, load_package, with_site_points
from inference.pixels import Gray, Picture, to_model_input
from inference.placement import Placement


@dataclass(frozen=True, slots=True, eq=False)
class ModelInput:
    """A picture as one network takes it."""

    batch: Gray
    """(1, rows, columns, 1) float32, 0 to 1."""
    placement: Placement


class Model:
    """A package with every network in its engine, opened once; safe to share between threads."""

    def __init__(self, package: AnyPackage, engines: Sequence[Engine]) -> None:
        """Join a package and one engine for each of its members; :meth:`open` does both."""
        if len(engines) != len(package.members):
            msg = f"model package {package.manifest.name} has {len(package.members)} members, not {len(engines)}"
            raise PackageError(msg)
        self.package = package
        self._engines = tuple(engines)
        learnt = [LearntFeatures.load(member.path(LIKENESS)) for member in package.members if member.manifest.likeness]
        self._learnt = tuple(learnt)
        names = ", ".join(dict.fromkeys(engine.name for engine in engines))
        manifest = package.manifest
        self.identity = ModelIdentity(manifest.name, manifest.version, package.digest, names)

    @classmethod
    def open(cls, package: str | Path | AnyPackage, settings: InferenceSettings | None = None) -> "Model":
        """Load a package by name, folder or as loaded already, and open every network in it.

        Parameters
        ----------
        package
            What to open.
        settings
            Engine, threads and the site's operating points; the defaults where None is given. Its ``package`` does
            not count here.

        Raises :class:`PackageError` and :class:`SettingsError` as :func:`load_package`, :func:`with_site_points` and
        :func:`open_engine` do.
        """
        settings = settings or InferenceSettings()
        loaded = load_package(package) if isinstance(package, str | Path) else package
        if settings.operating_points:
            loaded = with_site_points(loaded, settings.operating_points)
        return cls(loaded, [open_engine(member, settings) for member in loaded.members])

    def with_points(self, points: Mapping[str, OperatingPointSettings]) -> "Model":
        """Return this model, the same networks in the same engines, with other operating points of the site."""
        other = copy.copy(self)
        other.package = with_site_points(self.package, points)
        return other

    def findings(self, picture: Picture | NDArray[Any]) -> tuple[Finding, ...]:
        """Return one finding for each entry of the manifest, in its order.

        ``picture`` is a :class:`Picture` or a (height, width) array as ``to_model_input`` takes it; boxes are in its
        pixels. Raises :class:`PackageError` when the model answers with what are no numbers.
        """
        return self.interpret(self.raw(picture))

    def raw(self, picture: Picture | NDArray[Any]) -> tuple[Answer, ...]:
        """Return what each network says, in the order of ``package.members``; one for a package of one network."""
        return self.forward(self.inputs(picture))

    def inputs(self, picture: Picture | NDArray[Any]) -> tuple[ModelInput, ...]:
        """Return the picture as each network takes it; networks of one kind of input share theirs."""
        made: dict[InputSpec, ModelInput] = {}
        specs = [member.manifest.input for member in self.package.members]
        for spec in specs:
            if spec not in made:
                canvas, placement = to_model_input(picture, spec.rows, spec.columns, spec.contrast)
                made[spec] = ModelInput(canvas[None], placement)
        return tuple(made[spec] for spec in specs)

    def forward(self, inputs: Sequence[ModelInput]) -> tuple[Answer, ...]:
        """Run each network on its input."""
        return tuple(
            Answer(engine.forward(entry.batch), entry.placement)
            for engine, entry in zip(self._engines, inputs, strict=True)
        )

    def interpret(self, answers: Sequence[Answer]) -> tuple[Finding, ...]:
        """Return the findings that follow from the answers; see :func:`inference.interpret.interpret`."""
        return interpret(self.package, answers)

    def raw_distance(self, answers: Sequence[Answer]) -> float:
        """Return how far an image lies from what was learnt, before it is made a share of held-out images.

        Raises :class:`PackageError` when the package has no measure of likeness.
        """
        specs = [member.manifest.likeness for member in self.package.members if member.manifest.likeness]
        if len(specs) != len(self.package.members):
            msg = f"model package {self.package.manifest.name} has no measure of how far an image lies from the learnt"
            raise PackageError(msg)
        return self.feature_distance(
            [answer.outputs[spec.features][0] for answer, spec in zip(answers, specs, strict=True)]
        )

    def feature_distance(self, features: Sequence[NDArray[Any]]) -> float:
        """Return the mean over the networks of :meth:`LearntFeatures.distance`, from each network's features (n,)."""
        return float(np.mean([learnt.distance(one) for learnt, one in zip(self._learnt, features, strict=True)]))

    def distance(self, answers: Sequence[Answer]) -> float | None:
        """Return the share of held-out images that lie nearer to what was learnt, 0 to 1; None without a measure."""
        likeness = self.package.manifest.likeness
        return None if likeness is None else share_nearer(self.raw_distance(answers), likeness.quantiles)

    def unlike(self, distance: float | None) -> bool:
        """Say whether an image at this distance is unlike those that the model learnt from."""
        likeness = self.package.manifest.likeness
        return likeness is not None and distance is not None and distance > likeness.threshold

    @property
    def holds_when_unlike(self) -> frozenset[str]:
        """Return the labels of the findings that were shown to hold on images unlike the learnt ones."""
        likeness = self.package.manifest.likeness
        return frozenset(likeness.holds if likeness else ())

    def scores(self, answers: Sequence[Answer]) -> dict[str, float]:
        """Return the calibrated probability of each finding, by label."""
        return scores_of(self.package, answers)

    def boxes(self, answers: Sequence[Answer], label: str) -> tuple[Box, ...]:
        """Return every box of a finding, however unsure; see :func:`inference.interpret.boxes_of`."""
        return boxes_of(self.package, answers, label)
