"""Fitting the measure: where the features of learnt images lie, and how far those of held-out images are from it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from inference.likeness.measure import LearntFeatures

DIRECTIONS = 32
"""Of 32, 64, 128 and 256 this found the most odd images at the same share of good films; see docs/explanations.md."""
STEPS = 201
"""Quantiles that a package keeps: every half per cent."""

Features = NDArray[np.floating]


def fit_learnt(features: Features, directions: int = DIRECTIONS) -> LearntFeatures:
    """Return the mean and the covariance of the learnt images' features (images, n), with that many free directions.

    The variance that is left is shared by all other directions; where fewer images are given than would be needed,
    fewer directions are free.
    """
    mean = features.mean(axis=0, dtype=np.float64)
    offsets = features.astype(np.float64) - mean
    count = min(directions, len(offsets) - 2, offsets.shape[1] - 1)
    _, singular, rows = np.linalg.svd(offsets, full_matrices=False)
    variances = singular**2 / (len(offsets) - 1)
    rest = variances[count:].sum() / (offsets.shape[1] - count)
    return LearntFeatures(
        mean=mean.astype(np.float32),
        directions=rows[:count].T.astype(np.float16).astype(np.float32),
        deviations=np.sqrt(variances[:count]).astype(np.float32),
        rest=float(np.sqrt(rest)),
    )


def quantiles(
    distances: Sequence[float] | NDArray[np.float64], sources: Sequence[str], steps: int = STEPS
) -> list[float]:
    """Return distances at evenly spaced shares from 0 to 1, where every source counts the same.

    Parameters
    ----------
    distances
        Of held-out images.
    sources
        Where each image comes from; a source of many images counts no more than one of few.
    steps
        How many quantiles.
    """
    values, names = np.asarray(distances, np.float64), np.asarray(sources)
    order = np.argsort(values, kind="stable")
    _, owner, counts = np.unique(names, return_inverse=True, return_counts=True)
    weights = (1.0 / counts[owner])[order]
    shares = np.cumsum(weights) - weights / 2
    shares = (shares - shares[0]) / (shares[-1] - shares[0])
    return [round(float(value), 4) for value in np.interp(np.linspace(0, 1, steps), shares, values[order])]
