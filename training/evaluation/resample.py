"""Bootstrap over patients, all draws at once: a draw is a row of weights, how often each picture's patient came up."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.evaluation.metric import RESAMPLES, Metric

Numbers = NDArray[np.float64]
Measure = Callable[[Numbers], Numbers]
"""From weights (k, n) to one value a row (k); NaN where it is undefined."""

OMITTED: Mapping[str, bool] = MappingProxyType({"omitted_when_none": True})
"""Metadata of a field that has no place in a file where it is None."""
_CHUNK = 1_000_000
"""Weights that are worked on at a time: what a processor's cache and a laptop's memory bear."""


@dataclass(frozen=True, slots=True, eq=False)
class Draws:
    """A figure's value and its values over the draws; two of the same pictures can be subtracted, draw by draw."""

    value: float
    samples: Numbers
    recentre: bool = False
    """Whether the draws lean to one side, so that their interval is shifted back to where the value is."""

    def figure(self) -> Metric:
        """Return the value with its 95 % interval (percentiles)."""
        usable = self.samples[np.isfinite(self.samples)]
        if not len(usable) or not np.isfinite(self.value):
            return Metric(self.value, float("nan"), float("nan"))
        shift = float(usable.mean()) - self.value if self.recentre else 0.0
        low, high = (float(bound) - shift for bound in np.percentile(usable, [2.5, 97.5]))
        return Metric(self.value, max(low, 0.0) if self.recentre else low, high)

    def less(self, other: "Draws") -> "Draws":
        """Return the paired difference, this less the other."""
        return Draws(self.value - other.value, self.samples - other.samples)


@dataclass(frozen=True, slots=True, eq=False)
class Resamples:
    """The draws of one set of pictures."""

    weights: NDArray[np.float32]
    """(1 + draws, pictures). The first row is all ones: the set as it is."""

    @classmethod
    def of(cls, patients: Sequence[str], seed: int, draws: int = RESAMPLES) -> "Resamples":
        """Draw patients with replacement, as many as there are; all of a patient's pictures come along."""
        names, owner = np.unique(np.asarray(patients, str), return_inverse=True)
        if not len(names):
            return cls(np.ones((draws + 1, 0), np.float32))
        times = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), size=draws)
        return cls(np.concatenate([np.ones((1, len(owner))), times[:, owner]]).astype(np.float32))

    def on(self, where: NDArray[np.intp]) -> "Drawn":
        """Return the draws of the pictures with these indices, in that order."""
        return Drawn(self.weights[:, where].astype(np.float64))

    def measure(self, measure: Measure, where: NDArray[np.intp], *, recentre: bool = False) -> Draws:
        """Measure once on the pictures with these indices; for several figures of the same ones use :meth:`on`."""
        return self.on(where).measure(measure, recentre=recentre)


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """The draws of some of the pictures."""

    weights: Numbers
    """(1 + draws, pictures)."""

    def measure(self, measure: Measure, *, recentre: bool = False) -> Draws:
        """Measure in every draw."""
        step = max(1, _CHUNK // max(1, self.weights.shape[1]))
        starts = range(0, len(self.weights), step)
        values = np.concatenate([np.asarray(measure(self.weights[at : at + step]), np.float64) for at in starts])
        return Draws(float(values[0]), values[1:], recentre)

    def measure_all(self, measure: Callable[[Numbers], Mapping[str, Numbers]]) -> dict[str, Draws]:
        """Measure figures that follow from the same sums, by name."""
        return {name: Draws(float(values[0]), values[1:]) for name, values in measure(self.weights).items()}


def mean_of(draws: Sequence[Draws]) -> Draws:
    """Return the mean of several figures, draw by draw; one that is undefined in a draw makes the mean so."""
    return Draws(
        float(np.mean([one.value for one in draws])), np.mean(np.stack([one.samples for one in draws]), axis=0)
    )


def as_json(tree: Any) -> Any:
    """Return results as plain JSON values: :class:`Draws` and metrics become a value and an interval."""
    if isinstance(tree, Draws):
        return tree.figure().as_json()
    if isinstance(tree, Metric):
        return tree.as_json()
    if is_dataclass(tree) or isinstance(tree, dict):
        return {str(name): as_json(part) for name, part in parts_of(tree).items()}
    if isinstance(tree, list | tuple):
        return [as_json(part) for part in tree]
    return round(tree, 6) if isinstance(tree, float) else tree


def leaves(tree: Any, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Draws]:
    """Return the metrics of results by their paths."""
    if isinstance(tree, Draws):
        return {path: tree}
    if not isinstance(tree, Metric) and (is_dataclass(tree) or isinstance(tree, dict)):
        named = parts_of(tree)
        return {key: one for name, part in named.items() for key, one in leaves(part, (*path, str(name))).items()}
    return {}


def parts_of(tree: Any) -> Mapping[Any, Any]:
    """Return what results of a dataclass or of a dictionary hold, by name, without what is omitted."""
    if isinstance(tree, dict):
        return tree
    held = {one.name: (getattr(tree, one.name), one.metadata) for one in fields(tree)}
    return {
        name: value
        for name, (value, metadata) in held.items()
        if value is not None or not metadata.get("omitted_when_none")
    }
