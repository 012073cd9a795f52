"""The bootstrap draws whole patients, in one go, the same for the same seed; differences are paired."""

import time

import numpy as np
import pytest

from training.evaluation import binary
from training.evaluation.resample import Draws, Resamples, as_json, leaves, mean_of


def _share(values: np.ndarray) -> object:  # type: ignore[type-arg]
    return lambda w: binary.ratio(w @ values, w.sum(axis=1))


def test_a_draw_takes_whole_patients_and_as_many_as_there_are() -> None:
    draws = Resamples.of(["a", "b", "a", "c"], seed=0, draws=200)
    assert (draws.weights[0] == 1).all()
    assert (draws.weights[:, 0] == draws.weights[:, 2]).all()
    assert (draws.weights[:, [0, 1, 3]].sum(axis=1) == 3).all()


def test_intervals_are_by_patient_not_by_picture() -> None:
    values = np.asarray([0.0] * 50 + [1.0])
    draws = Resamples.of(["a"] * 50 + ["b"], seed=0, draws=300)
    figure = draws.measure(_share(values), np.arange(51)).figure()  # type: ignore[arg-type]
    assert figure.value == pytest.approx(1 / 51)
    assert (figure.low, figure.high) == (0, 1)  # two patients: a draw may hold either alone


def test_the_same_seed_gives_the_same_interval() -> None:
    values = np.random.default_rng(1).random(40)
    patients = [str(k % 20) for k in range(40)]
    one, two = (
        Resamples.of(patients, seed=7).measure(_share(values), np.arange(40)).figure()
        for _ in range(2)  # type: ignore[arg-type]
    )
    assert one == two


def test_the_interval_of_a_mean_is_as_wide_as_theory_has_it() -> None:
    values = np.random.default_rng(1).normal(size=400)
    draws = Resamples.of([str(k) for k in range(400)], seed=1, draws=2000)
    figure = draws.measure(_share(values), np.arange(400)).figure()  # type: ignore[arg-type]
    assert figure.high - figure.low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.08)


def test_an_undefined_figure_is_null_in_the_file() -> None:
    draws = Resamples.of(["a", "b"], seed=0, draws=10)
    undefined = draws.measure(lambda w: np.full(len(w), np.nan), np.arange(2))
    assert as_json({"x": undefined}) == {"x": {"value": None, "interval": [None, None]}}


def test_the_interval_of_the_calibration_error_surrounds_its_value() -> None:
    rng = np.random.default_rng(3)
    scores = rng.random(300)
    truth = rng.random(300) < scores
    draws = Resamples.of([str(k) for k in range(300)], seed=1)
    one = draws.measure(lambda w: binary.calibration_error(scores, truth, w), np.arange(300), recentre=True)
    figure = one.figure()
    assert 0 <= figure.low <= figure.value <= figure.high
    assert Draws(one.value, one.samples).figure().low > figure.low  # the plain percentiles lean upwards


def test_a_package_against_itself_differs_by_nothing() -> None:
    rng = np.random.default_rng(5)
    scores, truth = rng.random(60), rng.random(60) < 0.5
    draws = Resamples.of([str(k) for k in range(60)], seed=1)
    one = draws.measure(lambda w: binary.auroc(scores, truth, w), np.arange(60))
    difference = one.less(one).figure()
    assert (difference.value, difference.low, difference.high) == (0, 0, 0)


def test_a_mean_of_figures_and_the_leaves_of_a_tree() -> None:
    one, two = Draws(1.0, np.asarray([1.0, 2.0])), Draws(3.0, np.asarray([3.0, np.nan]))
    mean = mean_of([one, two])
    assert mean.value == 2
    assert mean.samples[0] == 2
    assert np.isnan(mean.samples[1])
    assert leaves({"a": {"b": one}, "n": 3, "c": two}) == {("a", "b"): one, ("c",): two}


def test_a_thousand_draws_over_a_whole_fold_take_a_moment() -> None:
    rng = np.random.default_rng(0)
    scores, truth = rng.random(800), rng.random(800) < 0.2
    draws = Resamples.of([str(k // 2) for k in range(800)], seed=1)
    started = time.process_time()
    for _ in range(10):
        draws.measure(lambda w: binary.auroc(scores, truth, w), np.arange(800))
    assert time.process_time() - started < 5
