"""Figures of one yes-or-no question, for many weightings of the same pictures at once.

Every function takes scores (n), truth (n) and weights (k, n) and returns one value a row of weights, (k): NaN where
a figure is undefined, such as sensitivity without positives. Whole-number weights mean the same as repeated pictures.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Truths = NDArray[np.bool_]

SMALLEST_PROBABILITY = 1e-7
"""Below which, and above one less which, a probability is taken as this much: the logarithm must stay finite."""
BINS = 10


class Counts(NamedTuple):
    """Weighted numbers of pictures, each (k)."""

    true_positive: Numbers
    false_positive: Numbers
    false_negative: Numbers
    true_negative: Numbers

    def accuracy(self) -> Numbers:
        """Return the share of right calls."""
        right = self.true_positive + self.true_negative
        return ratio(right, right + self.false_positive + self.false_negative)

    def precision(self) -> Numbers:
        """Return the share of calls that are right."""
        return ratio(self.true_positive, self.true_positive + self.false_positive)

    def sensitivity(self) -> Numbers:
        """Return the share of positives that are called; the same as recall."""
        return ratio(self.true_positive, self.true_positive + self.false_negative)

    def specificity(self) -> Numbers:
        """Return the share of negatives that are not called."""
        return ratio(self.true_negative, self.true_negative + self.false_positive)

    def f1(self) -> Numbers:
        """Return the harmonic mean of precision and recall; 0 where nothing is called that should be."""
        return ratio(2 * self.true_positive, 2 * self.true_positive + self.false_positive + self.false_negative)


def ratio(above: Numbers, below: Numbers) -> Numbers:
    """Return a quotient; NaN where there is nothing to divide by."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(below > 0, above / below, np.nan))


def counts(scores: Numbers, truth: Truths, weights: Numbers, threshold: float) -> Counts:
    """Count right and wrong calls at or above a threshold."""
    called = scores >= threshold
    table = np.column_stack([called & truth, called & ~truth, ~called & truth, ~called & ~truth]).astype(np.float64)
    return Counts(*(weights @ table).T)


POINT_FIGURES: Mapping[str, Callable[[Counts], Numbers]] = MappingProxyType(
    {
        "accuracy": Counts.accuracy,
        "precision": Counts.precision,
        "sensitivity": Counts.sensitivity,
        "specificity": Counts.specificity,
        "f1": Counts.f1,
    }
)
"""What is reported at an operating point."""


def at_threshold(scores: Numbers, truth: Truths, threshold: float, weights: Numbers) -> dict[str, Numbers]:
    """Return all of :data:`POINT_FIGURES` at a threshold, by name."""
    counted = counts(scores, truth, weights, threshold)
    return {name: figure(counted) for name, figure in POINT_FIGURES.items()}


def auroc(scores: Numbers, truth: Truths, weights: Numbers) -> Numbers:
    """Return the area under the ROC curve; ties count half."""
    order = np.argsort(scores, kind="stable")
    positive, negative = _by_score(scores[order], truth[order], weights[:, order])
    below = np.cumsum(negative, axis=1) - negative
    return ratio((positive * (below + negative / 2)).sum(axis=1), positive.sum(axis=1) * negative.sum(axis=1))


def auprc(scores: Numbers, truth: Truths, weights: Numbers) -> Numbers:
    """Return average precision: precision at each score, weighted by the recall gained there (no interpolation)."""
    order = np.argsort(-scores, kind="stable")
    positive, negative = _by_score(scores[order], truth[order], weights[:, order])
    hits = np.cumsum(positive, axis=1)
    calls = hits + np.cumsum(negative, axis=1)
    precision = np.divide(hits, calls, out=np.zeros_like(hits), where=calls > 0)
    return ratio((precision * positive).sum(axis=1), positive.sum(axis=1))


def log_loss(scores: Numbers, truth: Truths, weights: Numbers) -> Numbers:
    """Return the mean binary cross-entropy, in nats."""
    right = np.where(truth, scores, 1 - scores).clip(SMALLEST_PROBABILITY, 1)
    return ratio(weights @ -np.log(right), weights.sum(axis=1))


def brier(scores: Numbers, truth: Truths, weights: Numbers) -> Numbers:
    """Return the mean squared distance of probability and truth."""
    return ratio(weights @ (scores - truth) ** 2, weights.sum(axis=1))


def calibration_error(scores: Numbers, truth: Truths, weights: Numbers, bins: int = BINS) -> Numbers:
    """Return the expected calibration error over bins that hold equally many pictures when unweighted.

    It is never negative, so that chance alone makes it positive, and a bootstrap's draws lean upwards once more:
    recentre their interval.
    """
    gaps = np.abs((weights * (scores - truth)) @ bin_of(scores, bins)).sum(axis=1)
    return ratio(gaps, weights.sum(axis=1))


def calibration_error_by_chance(scores: Numbers, draws: int, bins: int = BINS) -> Numbers:
    """Return, (draws), what :func:`calibration_error` would be were every score the true probability.

    With few pictures a perfect calibration does not measure 0 either: this is what an error is to be held against.
    """
    truths = np.random.default_rng(1).random((draws, len(scores))) < scores
    return np.asarray(np.abs((scores - truths) @ bin_of(scores, bins)).sum(axis=1) / len(scores))


def bin_of(scores: Numbers, bins: int = BINS) -> Numbers:
    """Return (n, bins): 1 where a picture is in a bin. Bins hold equally many pictures, in order of score.

    Pictures of one score stay in one bin, that of their middle: the order of the data must not tell them apart.
    """
    ranks = np.arange(len(scores))
    bin_at = np.concatenate([np.full(len(part), number) for number, part in enumerate(np.array_split(ranks, bins))])
    _, inverse, counted = np.unique(scores, return_inverse=True, return_counts=True)
    middle = np.cumsum(counted) - counted + (counted - 1) // 2
    member = np.zeros((len(scores), bins))
    member[ranks, bin_at.astype(np.intp)[middle[inverse]]] = 1
    return member


def roc(scores: Numbers, truth: Truths) -> tuple[Numbers, Numbers]:
    """Return the ROC curve's (false positive rate, sensitivity), from (0, 0) to (1, 1)."""
    hits, false = _running(scores, truth)
    return false / max(1, int((~truth).sum())), hits / max(1, int(truth.sum()))


def precision_recall(scores: Numbers, truth: Truths) -> tuple[Numbers, Numbers]:
    """Return (recall, precision) at each score, the surest first."""
    hits, false = _running(scores, truth)
    return hits[1:] / max(1, int(truth.sum())), hits[1:] / (hits[1:] + false[1:])


def _running(scores: Numbers, truth: Truths) -> tuple[Numbers, Numbers]:
    """Return true and false calls at each score, the surest first, beginning with none."""
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    hits = np.cumsum(truth[order])[last]
    return np.concatenate([[0], hits]), np.concatenate([[0], last + 1 - hits])


def _by_score(scores: Numbers, truth: Truths, weights: Numbers) -> tuple[Numbers, Numbers]:
    """Return the weights of positives and of negatives at each different score, (k, scores), in the order given."""
    starts = np.concatenate([[0], np.flatnonzero(np.diff(scores)) + 1]) if len(scores) else np.zeros(0, np.intp)
    positive = weights * truth
    negative = weights - positive
    if len(starts) == len(scores):
        return positive, negative
    return np.add.reduceat(positive, starts, axis=1), np.add.reduceat(negative, starts, axis=1)
