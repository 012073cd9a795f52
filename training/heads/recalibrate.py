"""Probabilities and operating points of a new head's findings, on films that taught neither head nor trunk."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from inference.manifest import FindingCalibration, FindingSpec, PointsSpec
from training.calibration.logistic import Logistic, fit_logistic
from training.calibration.operating_points import points_of
from training.data.examples import Example
from training.recipe.recipe import PointSettings

FEWEST = 3
"""With fewer films that have a finding, or have it not, its probability stays as it was."""
_POINTS = PointSettings()
_MOST_FALSE = 0.2
"""Share of films without a finding that its sensitive point may call at most."""


def recalibrated(
    spec: FindingSpec, said: NDArray[np.float64], films: Sequence[Example], calibrated: NDArray[np.bool_]
) -> FindingSpec:
    """Return a finding with probabilities and points of its own; without evidence, for its calls are other ones now."""
    rows, truth = truth_of(films, calibrated & np.isfinite(said), spec.class_)
    if min(truth.sum(), (~truth).sum()) < FEWEST:
        return spec.model_copy(update={"evidence": None})
    logistic: Logistic = fit_logistic(said[rows, None], truth)
    if logistic.weights[0] <= 0:  # it ranks the wrong way round: the finding keeps its prevalence
        logistic = Logistic((0.0,), float(np.log(truth.mean() / (1 - truth.mean()))))
    scores = logistic(said[rows, None])
    calibration = FindingCalibration.model_validate({"class": logistic.weights[0], "bias": logistic.bias})
    return spec.model_copy(update={"calibration": calibration, "points": points_for(scores, truth), "evidence": None})


def points_for(scores: NDArray[np.float64], truth: NDArray[np.bool_]) -> PointsSpec:
    """Return the operating points on probabilities of films whose truth is known."""
    sensitive, specific = points_of(scores, truth, _POINTS, _MOST_FALSE)
    return PointsSpec(sensitive=sensitive, specific=specific)


def truth_of(
    films: Sequence[Example], asked: NDArray[np.bool_], label: str
) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Return which of the asked films say something about a label, and what."""
    rows = np.asarray([row for row in np.flatnonzero(asked).tolist() if label in films[row].truths], np.intp)
    return rows, np.asarray([films[row].truths[label] for row in rows.tolist()], bool)
