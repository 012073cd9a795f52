"""Figures and intervals, against scikit-learn and by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from training.evaluation import measures


@given(st.lists(st.booleans(), min_size=3, max_size=60).filter(any))
def test_average_precision_is_never_below_the_one_without_monotone_precision(flags: list[bool]) -> None:
    truth = np.asarray(flags)
    scores = np.linspace(1, 0, len(truth))
    ours = measures.average_precision(scores, truth)
    assert ours >= average_precision_score(truth, scores) - 1e-12
    assert ours <= 1


def test_average_precision_counts_what_was_never_found() -> None:
    assert measures.average_precision(np.asarray([0.9]), np.asarray([True]), positives=4) == pytest.approx(0.25)
    assert measures.average_precision(np.asarray([]), np.asarray([], bool), positives=4) == 0
    assert np.isnan(measures.average_precision(np.asarray([0.9]), np.asarray([False])))


def test_overlap_is_intersection_over_union() -> None:
    a = np.asarray([[0, 0, 2, 2]], float)
    b = np.asarray([[0, 0, 2, 2], [1, 1, 3, 3], [5, 5, 6, 6]], float)
    assert measures.overlap(a, b)[0] == pytest.approx([1, 1 / 7, 0])


def test_a_true_box_is_found_once() -> None:
    truths = np.asarray([[0, 0, 10, 10]], float)
    boxes = np.asarray([[0, 0, 10, 9], [0, 0, 10, 10]], float)
    found = measures.match(boxes, np.asarray([0.9, 0.8]), truths)
    assert found.found[0.5].tolist() == [True, False]
    assert found.truths == 1


def test_intervals_draw_whole_patients() -> None:
    values = np.asarray([0.0] * 50 + [1.0])
    alone = measures.bootstrap(lambda k: float(values[k].mean()), ["a"] * 50 + ["b"], seed=0, resamples=300)
    assert alone.value == pytest.approx(1 / 51)
    assert (alone.low, alone.high) == (0, 1)  # two patients: a draw may hold either alone
    again = measures.bootstrap(lambda k: float(values[k].mean()), ["a"] * 50 + ["b"], seed=0, resamples=300)
    assert again == alone


def test_an_undefined_figure_is_null_in_the_file() -> None:
    undefined = measures.bootstrap(lambda _k: float("nan"), ["a", "b"], seed=0, resamples=10)
    assert undefined.as_json() == {"value": None, "interval": [None, None]}
