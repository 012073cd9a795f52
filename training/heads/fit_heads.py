"""Linear heads by logistic regression on pooled features, from what is known about each film."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh
from sklearn.linear_model import LogisticRegression

from training.data.examples import Example
from training.data.known_labels import known_classes
from training.heads.heads_recipe import HeadsFit
from training.recipe.recipe import HeadSettings

Floats = NDArray[np.float32]
Rows = NDArray[np.intp]
_LEAST_SPREAD = 1e-3
_MOST_STEPS = 200
_FEWEST = 2
"""With fewer films that have a class, or have it not, its head stays as it was."""


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """One dense layer: logits = features · kernel + bias; columns that were not fitted hold NaN."""

    kernel: Floats
    """(features, classes)."""
    bias: Floats
    """(classes)."""

    def __call__(self, features: Floats) -> Floats:
        """Return logits (n, classes) of features (n, f)."""
        logits: Floats = features @ self.kernel + self.bias
        return logits


@dataclass(frozen=True, slots=True, eq=False)
class Directions:
    """The principal directions of standardised features: a linear layer on them is one on the features."""

    middle: Floats
    spread: Floats
    axes: Floats
    """(features, directions)."""

    @classmethod
    def of(cls, features: Floats, count: int) -> Self:
        """Find the ``count`` strongest directions of features (n, f)."""
        middle = features.mean(axis=0)
        spread = np.asarray(features.std(axis=0) + _LEAST_SPREAD, np.float32)
        standard = np.asarray((features - middle) / spread, np.float32)
        kept, size = min(count, len(features)), features.shape[1]
        _, axes = eigh(standard.T @ standard, subset_by_index=[max(0, size - kept), size - 1])
        return cls(middle, spread, np.ascontiguousarray(axes))

    def project(self, features: Floats) -> Floats:
        """Return the features' coordinates, (n, directions)."""
        return np.asarray(((features - self.middle) / self.spread) @ self.axes, np.float32)

    def layer(self, weights: NDArray[np.float64], bias: NDArray[np.float64]) -> Layer:
        """Return a layer on coordinates, weights (directions, classes), as one on the features."""
        kernel = (self.axes @ weights) / self.spread[:, None]
        return Layer(kernel.astype(np.float32), (bias - self.middle @ kernel).astype(np.float32))


def fit_head(
    features: Floats, examples: Sequence[Example], head: HeadSettings, settings: HeadsFit, directions: Directions
) -> Layer:
    """Fit a head on features (n, f) of examples (n), along directions; one film may stand there several times.

    Exclusive classes are fitted together, independent ones each for itself; in either, what is there and what is not
    weigh alike. A truth that no radiologist read counts ``mined_weight``.
    """
    return _layer(directions, directions.project(features), examples, head, settings)


def margins(layer: Layer, features: Floats, head: HeadSettings, label: str) -> NDArray[np.float64]:
    """Return the log-odds of one class on features (n, f), as serving takes them from a head's logits."""
    logits, index = layer(features).astype(np.float64), head.classes.index(label)
    if head.activation == "sigmoid":
        return np.asarray(logits[:, index])
    others = np.delete(logits, index, axis=1)
    peak = others.max(axis=1, keepdims=True)
    rest = peak[:, 0] + np.log(np.exp(others - peak).sum(axis=1))
    return np.asarray(logits[:, index] - rest)


def _layer(
    directions: Directions, seen: Floats, examples: Sequence[Example], head: HeadSettings, settings: HeadsFit
) -> Layer:
    known = np.asarray([known_classes(example, head) for example in examples])
    if head.activation == "softmax":
        rows = np.flatnonzero(known[:, 0])
        shown = [examples[row] for row in rows.tolist()]
        classes = [one.class_of(head.classes) or 0 for one in shown]
        weight = _weights(shown, [head.classes[index] for index in classes], settings)
        fitted = _fit(seen[rows], np.asarray(classes), weight, settings)
        return directions.layer(fitted.coef_.T, fitted.intercept_)
    weights = np.full((seen.shape[1], len(head.classes)), np.nan)
    bias = np.full(len(head.classes), np.nan)
    for place, name in enumerate(head.classes):
        rows = np.flatnonzero(known[:, place])
        shown = [examples[row] for row in rows.tolist()]
        truth = np.asarray([int(one.truths[name]) for one in shown])
        if min((truth == 1).sum(), (truth == 0).sum()) < _FEWEST:
            continue
        weight = _weights(shown, [name] * len(shown), settings)
        fitted = _fit(seen[rows], truth, weight, settings)
        weights[:, place], bias[place] = fitted.coef_[0], fitted.intercept_[0]
    return directions.layer(weights, bias)


def _weights(examples: Sequence[Example], names: Sequence[str], settings: HeadsFit) -> NDArray[np.float64]:
    return np.asarray(
        [1.0 if name in one.read else settings.mined_weight for one, name in zip(examples, names, strict=True)]
    )


def _fit(seen: Floats, truth: NDArray[np.int_], weight: NDArray[np.float64], settings: HeadsFit) -> LogisticRegression:
    weight = weight.copy()
    for answer in np.unique(truth):
        weight[truth == answer] /= weight[truth == answer].sum()
    ridge = LogisticRegression(C=settings.strength, max_iter=_MOST_STEPS, solver="newton-cholesky")
    return ridge.fit(seen, truth, sample_weight=weight / weight.mean())
