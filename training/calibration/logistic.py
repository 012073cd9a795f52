"""Probabilities from logits: logistic regression on validation images."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from config.errors import DataError

Numbers = NDArray[np.float64]
_RIDGE = 1e-3
_TOLERANCE = 1e-9


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
    """Fit a logistic regression, with a touch of ridge so that perfect separation stays finite.

    With ``even`` it is moved to where pictures with and without the finding are equally many.

    Raises
    ------
    DataError
        When one of the two answers is absent.
    """
    if truth.all() or not truth.any():
        raise DataError("calibration needs pictures with and without the finding: enlarge the validation fold")
    from sklearn.linear_model import LogisticRegression

    centre, spread = inputs.mean(axis=0), inputs.std(axis=0) + 1e-9
    # scikit-learn's C weighs the loss against half the squared weights.
    fitted = LogisticRegression(C=1 / (_RIDGE * len(inputs)), solver="newton-cholesky", tol=_TOLERANCE)
    fitted.fit((inputs - centre) / spread, truth)
    weights, bias = fitted.coef_[0] / spread, float(fitted.intercept_[0])
    odds = float(truth.mean() / (1 - truth.mean())) if even else 1.0
    return Logistic(tuple(float(weight) for weight in weights), bias - float(weights @ centre) - math.log(odds))
