"""Operating points: thresholds for a wanted sensitivity, specificity or number of false boxes an image."""

import math

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
_ROUNDED = 10_000
"""Thresholds have four decimals."""
_TINY = 1e-9


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
