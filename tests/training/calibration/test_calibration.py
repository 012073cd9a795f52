"""Probabilities and operating points."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.errors import DataError
from training.calibration import logistic, thresholds
from training.calibration.operating_points import points_of
from training.recipe.recipe import PointSettings


def test_a_logistic_is_found_again() -> None:
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(20_000, 2))
    truth = rng.random(20_000) < logistic.sigmoid(1.5 * inputs[:, 0] - 0.5 * inputs[:, 1] - 1)
    found = logistic.fit_logistic(inputs, truth)
    assert found.weights == pytest.approx((1.5, -0.5), abs=0.08)
    assert found.bias == pytest.approx(-1, abs=0.08)


def test_perfect_separation_stays_finite() -> None:
    inputs = np.linspace(-1, 1, 40)[:, None]
    found = logistic.fit_logistic(inputs, inputs[:, 0] > 0)
    assert np.isfinite([*found.weights, found.bias]).all()
    assert found(inputs)[-1] > 0.99


def test_calibration_refuses_a_fold_with_one_answer() -> None:
    with pytest.raises(DataError, match="with and without"):
        logistic.fit_logistic(np.zeros((5, 1)), np.ones(5, bool))


scored = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=4, max_size=80).filter(
    lambda pairs: {flag for _, flag in pairs} == {True, False}
)


@given(scored, st.sampled_from([0.5, 0.9, 0.95, 1.0]))
def test_operating_points_keep_what_they_promise(pairs: list[tuple[float, bool]], wanted: float) -> None:
    scores, truth = np.asarray([score for score, _ in pairs]), np.asarray([flag for _, flag in pairs])
    sensitive = thresholds.threshold_for_sensitivity(scores, truth, wanted)
    assert (scores[truth] >= sensitive).mean() >= wanted - 1e-9
    specific = thresholds.threshold_for_specificity(scores, truth, wanted)
    if scores[truth].max() > scores[~truth].max():
        assert (scores[~truth] < specific).mean() >= wanted - 1e-9


def test_box_points_keep_to_the_false_boxes_allowed() -> None:
    scores = np.asarray([0.9, 0.8, 0.7, 0.6, 0.5])
    true = np.asarray([True, False, True, False, False])
    assert thresholds.threshold_for_false_boxes(scores, true, pictures=4, wanted=0.25) == 0.7
    assert thresholds.threshold_for_false_boxes(scores, true, pictures=4, wanted=5) == 0.5
    assert thresholds.threshold_for_false_boxes(scores, true, pictures=100, wanted=0.001) == 0.9


def test_points_are_put_in_order() -> None:
    assert thresholds.ordered(0.7, 0.2) == (0.2, 0.7)


def test_rounding_does_not_take_from_a_point_what_it_was_chosen_for() -> None:
    scores, truth = np.full(8, 0.03456), np.asarray([True, False] * 4)  # of a finding that keeps its prevalence
    sensitive, _ = points_of(scores, truth, PointSettings())
    assert (scores[truth] >= sensitive).all()
    scores, truth = np.asarray([0.00031, 0.00033] * 4), np.asarray([False, True] * 4)
    _, specific = points_of(scores, truth, PointSettings())
    assert not (scores[~truth] >= specific).any()


def test_a_weak_findings_sensitive_point_calls_no_more_than_the_share_allowed() -> None:
    rng = np.random.default_rng(2)
    truth = rng.random(600) < 0.2
    scores = np.clip(0.4 + 0.05 * truth + 0.1 * rng.standard_normal(600), 0, 1)
    wide, _ = points_of(scores, truth, PointSettings(sensitivity=0.95, specificity=0.95))
    narrow, specific = points_of(scores, truth, PointSettings(sensitivity=0.95, specificity=0.95), most_false=0.2)
    assert (scores[~truth] >= wide).mean() > 0.6
    assert (scores[~truth] >= narrow).mean() <= 0.2
    assert narrow <= specific


def test_an_even_calibration_is_that_of_as_many_with_as_without() -> None:
    rng = np.random.default_rng(5)
    truth = rng.random(40_000) < 0.8
    inputs = (rng.standard_normal(40_000) + truth)[:, None]
    as_found, even = (logistic.fit_logistic(inputs, truth, even=wanted) for wanted in (False, True))
    assert as_found.weights == even.weights
    assert as_found(inputs).mean() == pytest.approx(0.8, abs=0.01)
    weight = np.where(truth, 1 / truth.sum(), 1 / (~truth).sum()) / 2
    assert (even(inputs) * weight).sum() == pytest.approx(0.5, abs=0.01)


def _newton(inputs: np.ndarray, truth: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    """Return (weights, bias) of the same regression by Newton's method, as packages that ship were calibrated."""
    centre, spread = inputs.mean(axis=0), inputs.std(axis=0) + 1e-9
    design = np.column_stack([(inputs - centre) / spread, np.ones(len(inputs))])
    ridge = 1e-3 * len(inputs) * np.diag([1.0] * inputs.shape[1] + [0.0])
    beta = np.zeros(design.shape[1])
    for _ in range(100):
        p = logistic.sigmoid(design @ beta)
        curvature = design.T @ (design * (p * (1 - p) + 1e-9)[:, None]) + ridge
        step = np.linalg.solve(curvature, design.T @ (truth - p) - ridge @ beta)
        beta = beta + step * min(1.0, 2.0 / float(np.abs(step).max() + 1e-12))
    weights = beta[:-1] / spread
    return np.asarray([*weights, beta[-1] - weights @ centre])


@given(seed=st.integers(0, 10_000), size=st.integers(6, 200), spread=st.floats(0.05, 20))
def test_a_recipe_is_calibrated_as_packages_that_ship_were(seed: int, size: int, spread: float) -> None:
    rng = np.random.default_rng(seed)
    inputs = spread * rng.standard_normal((size, 2)) + rng.standard_normal(2)
    truth = rng.random(size) < logistic.sigmoid(inputs[:, 0])
    truth[:2] = [True, False]
    weights = _newton(inputs, truth)
    before = logistic.sigmoid(inputs @ weights[:-1] + weights[-1])
    assert logistic.fit_logistic(inputs, truth)(inputs) == pytest.approx(before, abs=1e-6)
