"""From logits to probabilities and operating points, on validation pictures only."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from config.errors import DataError

Numbers = NDArray[np.float64]
_RIDGE = 1e-3
_STEPS = 100
_ROUNDED = 10_000
"""Thresholds have four decimals."""
_TINY = 1e-9


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


def threshold_for_sensitivity(scores: Numbers, truth: NDArray[np.bool_], wanted: float) -> float:
    """Return the highest threshold at which at least this share of the pictures with the finding is called."""
    positives = np.sort(scores[truth])[::-1]
    needed = max(1, int(np.ceil(wanted * len(positives) - 1e-9)))
    return _between(scores, float(positives[needed - 1]))


def threshold_for_specificity(scores: Numbers, truth: NDArray[np.bool_], wanted: float) -> float:
    """Return the lowest threshold at which at least this share of the pictures without the finding is not called."""
    negatives = np.sort(scores[~truth])
    needed = max(1, int(np.ceil(wanted * len(negatives) - 1e-9)))
    above = scores[scores > negatives[needed - 1]]
    lowest = float(above.min()) if len(above) else 1.0
    return _between(scores, lowest)


def threshold_for_false_boxes(scores: Numbers, true: NDArray[np.bool_], pictures: int, wanted: float) -> float:
    """Return the lowest threshold at which there are at most ``wanted`` false boxes a picture."""
    false = np.sort(scores[~true])[::-1]
    allowed = int(np.floor(wanted * pictures))
    if allowed >= len(false):
        return float(scores.min()) if len(scores) else 0.5
    above = scores[scores > false[allowed]]
    return float(above.min()) if len(above) else 1.0


def ordered(sensitive: float, specific: float) -> tuple[float, float]:
    """Return both thresholds, rounded, in order: with a very good model the specific one can be the lower.

    The lower one is rounded down and the higher one up, so that neither loses what it was chosen for.
    """
    low, high = sorted((sensitive, specific))
    return math.floor(low * _ROUNDED + _TINY) / _ROUNDED, math.ceil(high * _ROUNDED - _TINY) / _ROUNDED


def _between(scores: Numbers, lowest: float) -> float:
    """Place a threshold midway between the lowest called score and the next below, so rounding changes nothing."""
    below = scores[scores < lowest]
    return (lowest + float(below.max())) / 2 if len(below) else lowest
