"""Figures of yes and no agree with scikit-learn, weighted and not, and are NaN where they are undefined."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn import metrics

from training.evaluation import binary

Numbers = NDArray[np.float64]
Case = tuple[Numbers, NDArray[np.bool_], Numbers]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Scores with ties, both classes, and three rows of whole-number weights that keep both classes."""
    size = draw(st.integers(4, 40))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    scores = rng.integers(1, 12, size) / 12
    truth = rng.random(size) < 0.4
    truth[:2] = (True, False)
    weights = rng.integers(0, 4, (3, size)).astype(np.float64)
    weights[0] = 1
    weights[:, :2] = 1
    return scores, truth, weights


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (binary.auroc, lambda t, s, w: metrics.roc_auc_score(t, s, sample_weight=w)),
        (binary.auprc, lambda t, s, w: metrics.average_precision_score(t, s, sample_weight=w)),
        (binary.log_loss, lambda t, s, w: metrics.log_loss(t, s, sample_weight=w)),
        (binary.brier, lambda t, s, w: metrics.brier_score_loss(t, s, sample_weight=w)),
    ],
)
@given(case=cases())
def test_threshold_free_figures_are_those_of_scikit_learn(
    ours: Callable[[Numbers, NDArray[np.bool_], Numbers], Numbers],
    theirs: Callable[[NDArray[np.bool_], Numbers, Numbers], float],
    case: Case,
) -> None:
    scores, truth, weights = case
    scores = scores.clip(0.01, 0.99)
    expected = [theirs(truth, scores, row) for row in weights]
    assert ours(scores, truth, weights) == pytest.approx(expected)


@given(case=cases(), threshold=st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]))
def test_figures_at_a_threshold_are_those_of_scikit_learn(case: Case, threshold: float) -> None:
    scores, truth, weights = case
    found = binary.counts(scores, truth, weights, threshold)
    called = scores >= threshold
    for row, weight in enumerate(weights):
        options = {"sample_weight": weight, "zero_division": np.nan}
        assert found.accuracy()[row] == pytest.approx(metrics.accuracy_score(truth, called, sample_weight=weight))
        assert found.sensitivity()[row] == pytest.approx(metrics.recall_score(truth, called, **options))
        assert found.specificity()[row] == pytest.approx(metrics.recall_score(~truth, ~called, **options))
        assert found.precision()[row] == pytest.approx(metrics.precision_score(truth, called, **options), nan_ok=True)
        assert found.f1()[row] == pytest.approx(metrics.f1_score(truth, called, sample_weight=weight))


@given(case=cases())
def test_weights_mean_repeated_pictures(case: Case) -> None:
    scores, truth, weights = case
    for row in weights.astype(int):
        again = np.repeat(np.arange(len(scores)), row)
        one = np.ones((1, len(again)))
        for figure in (binary.auroc, binary.auprc, binary.log_loss, binary.brier):
            weighted = figure(scores, truth, row[None].astype(float))
            assert weighted == pytest.approx(figure(scores[again], truth[again], one))


@given(case=cases())
def test_curves_are_those_of_scikit_learn(case: Case) -> None:
    scores, truth, _ = case
    false, hits = binary.roc(scores, truth)
    theirs = metrics.roc_curve(truth, scores, drop_intermediate=False)
    assert false == pytest.approx(theirs[0])
    assert hits == pytest.approx(theirs[1])
    recall, precision = binary.precision_recall(scores, truth)
    their_precision, their_recall, _ = metrics.precision_recall_curve(truth, scores)
    assert recall == pytest.approx(their_recall[-2::-1])
    assert precision == pytest.approx(their_precision[-2::-1])


def test_figures_without_one_of_the_classes_are_undefined() -> None:
    scores, ones = np.asarray([0.2, 0.8]), np.ones((1, 2))
    for truth in (np.asarray([True, True]), np.asarray([False, False])):
        assert np.isnan(binary.auroc(scores, truth, ones))
    none = np.asarray([False, False])
    assert np.isnan(binary.auprc(scores, none, ones))
    assert np.isnan(binary.counts(scores, none, ones, 0.5).sensitivity())
    assert np.isnan(binary.counts(scores, ~none, ones, 0.5).specificity())
    assert np.isnan(binary.counts(scores, none, ones, 0.9).precision())
    for figure in (binary.auroc, binary.auprc, binary.log_loss, binary.brier):
        assert np.isnan(figure(np.zeros(0), np.zeros(0, bool), np.ones((1, 0))))


def test_a_score_of_nought_for_a_positive_has_a_finite_loss() -> None:
    assert np.isfinite(binary.log_loss(np.asarray([0.0, 1.0]), np.asarray([True, False]), np.ones((1, 2)))).all()


def test_a_calibrated_score_has_no_calibration_error_and_a_bent_one_has() -> None:
    rng = np.random.default_rng(0)
    scores = rng.random(20_000)
    truth = rng.random(20_000) < scores
    ones = np.ones((1, len(scores)))
    assert binary.calibration_error(scores, truth, ones)[0] < 0.02
    assert binary.calibration_error(scores**3, truth, ones)[0] > 0.1


def test_even_a_perfect_calibration_measures_an_error_on_few_pictures_and_hardly_one_on_many() -> None:
    scores = np.random.default_rng(3).random(20_000)
    few, many = (binary.calibration_error_by_chance(part, 200) for part in (scores[:100], scores))
    assert 0.05 < few.mean() < 0.2
    assert many.mean() < 0.015
    assert binary.calibration_error_by_chance(np.tile([0.0, 1.0], 50), 200).max() == 0


def test_an_error_by_chance_is_what_drawn_truths_measure() -> None:
    scores = np.random.default_rng(4).random(150)
    truth = np.random.default_rng(1).random((3, 150)) < scores  # the function's own draws
    errors = [binary.calibration_error(scores, one, np.ones((1, 150)))[0] for one in truth]
    assert binary.calibration_error_by_chance(scores, 3) == pytest.approx(errors)


def test_bins_hold_equally_many_pictures_in_order_of_score() -> None:
    member = binary.bin_of(np.random.default_rng(0).random(95), 10)
    assert set(member.sum(axis=0)) == {9, 10}
    assert (member.sum(axis=1) == 1).all()


def test_pictures_of_one_score_are_in_one_bin_however_the_data_are_ordered() -> None:
    truth = np.asarray([True] * 5 + [False] * 15)
    constant = np.full(20, 0.25)
    assert binary.calibration_error(constant, truth, np.ones((1, 20))) == pytest.approx([0.0])
    scores = np.repeat([0.1, 0.5, 0.9], [3, 14, 3])
    order = np.random.default_rng(0).permutation(20)
    one = binary.calibration_error(scores, truth, np.ones((1, 20)))
    assert one == pytest.approx(binary.calibration_error(scores[order], truth[order], np.ones((1, 20))))
