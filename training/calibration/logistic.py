"""Probabilities from logits: logistic regression on validation images."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from config.errors import DataError

Numbers = NDArray[np.float64]
_RIDGE = 1e-3
_STEPS = 100


@dataclass(frozen=True, slots=True)
class Logistic:
    """probability = sigmoid(weights · inputs + bias)."""

    weights: tuple[float, ...]
    bias: float

    def __call__(self, inputs: Numbers) -> Numbers:
        """Return probabilities (n) for inputs (n, k)."""
        return sigmoid(inputs @ np.asarray(self.weights) + self.bias)


def sigmoid(x: Numbers) -> Numbers:
    """Return the logistic function, without overflow."""
    return np.asarray(0.5 * (1 + np.tanh(x / 2)))


def fit_logistic(inputs: Numbers, truth: NDArray[np.bool_], *, even: bool = False) -> Logistic:
    """Fit a logistic regression (Newton's method, a touch of ridge so that perfect separation stays finite).

    With ``even`` it is moved to where pictures with and without the finding are equally many.

    Raises
    ------
    DataError
        When one of the two answers is absent.
    """
    if truth.all() or not truth.any():
        raise DataError("calibration needs pictures with and without the finding: enlarge the validation fold")
    centre, spread = inputs.mean(axis=0), inputs.std(axis=0) + 1e-9
    design = np.column_stack([(inputs - centre) / spread, np.ones(len(inputs))])
    ridge = _RIDGE * len(inputs) * np.diag([1.0] * inputs.shape[1] + [0.0])
    beta = np.zeros(design.shape[1])
    for _ in range(_STEPS):
        p = sigmoid(design @ beta)
        curvature = design.T @ (design * (p * (1 - p) + 1e-9)[:, None]) + ridge
        step = np.linalg.solve(curvature, design.T @ (truth - p) - ridge @ beta)
        beta = beta + step * min(1.0, 2.0 / float(np.abs(step).max() + 1e-12))
        if float(np.abs(step).max()) < 1e-9:
            break
    weights = beta[:-1] / spread
    odds = float(truth.mean() / (1 - truth.mean())) if even else 1.0
    return Logistic(tuple(float(weight) for weight in weights), float(beta[-1] - weights @ centre) - math.log(odds))
