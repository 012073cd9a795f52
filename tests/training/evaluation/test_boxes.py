"""Figures of boxes: paired once, weighted as repeated pictures, and as the challenge defines its score."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from training.evaluation import boxes as box_metrics
from training.evaluation.boxes import Boxes, points_inside

Numbers = NDArray[np.float64]
TRUE = np.asarray([[0.1, 0.1, 0.4, 0.4]])
AWAY = np.asarray([[0.6, 0.6, 0.9, 0.9]])
NONE = np.zeros((0, 4))
ONE = np.ones((1, 1))


def _found(*boxes: tuple[Numbers, float]) -> tuple[Numbers, Numbers]:
    return (
        np.concatenate([box for box, _ in boxes]) if boxes else NONE,
        np.asarray([score for _, score in boxes]),
    )


def _scene(seed: int, pictures: int = 12) -> tuple[list[tuple[Numbers, Numbers]], list[Numbers]]:
    rng = np.random.default_rng(seed)

    def some(count: int) -> Numbers:
        corner = rng.random((count, 2)) * 0.6
        return np.concatenate([corner, corner + 0.1 + 0.3 * rng.random((count, 2))], axis=1)

    found, true = [], []
    for _ in range(pictures):
        drawn = some(int(rng.integers(0, 3)))
        near = drawn + rng.normal(0, 0.02, drawn.shape)
        boxes = np.concatenate([near, some(int(rng.integers(0, 4)))])
        found.append((boxes, rng.random(len(boxes))))
        true.append(drawn)
    return found, true


def _plain_rsna(matches: Sequence[box_metrics.Match], threshold: float) -> float:
    """Return the RSNA 2018 score at one score threshold: TP / (TP + FP + FN) a picture, over 8 overlaps, averaged.

    Pictures with neither a true nor a predicted box are left out, as in the challenge.
    """
    values = []
    for one in matches:
        kept = one.scores >= threshold
        predicted = int(kept.sum())
        if not predicted and not one.truths:
            continue
        hits = [int(one.found[least][kept].sum()) for least in box_metrics.RSNA_OVERLAPS]
        values.append(np.mean([hit / (predicted + one.truths - hit) for hit in hits]))
    return float(np.mean(values)) if values else float("nan")


def _plain_froc(matches: Sequence[box_metrics.Match], least: float, false_boxes: Sequence[float]) -> list[float]:
    """Return the share of true boxes found at each number of false boxes a picture."""
    scores = np.concatenate([match.scores for match in matches])
    flags = np.concatenate([match.found[least] for match in matches])
    order = np.argsort(-scores, kind="stable")
    hits, false = np.cumsum(flags[order]), np.cumsum(~flags[order])
    total = sum(match.truths for match in matches)
    shares = []
    for allowed in false_boxes:
        usable = np.flatnonzero(false <= allowed * len(matches))
        shares.append(float(hits[usable[-1]] / total) if len(usable) and total else 0.0)
    return shares


def _plain_average_precision(matches: Sequence[box_metrics.Match], least: float) -> float:
    """Return the area under the precision-recall curve, precision made monotone (PASCAL VOC, all points)."""
    scores = np.concatenate([match.scores for match in matches])
    flags = np.concatenate([match.found[least] for match in matches])
    total = sum(match.truths for match in matches)
    if not total:
        return float("nan")
    hits = np.cumsum(flags[np.argsort(-scores, kind="stable")])
    if not len(hits):
        return 0.0
    precision = np.maximum.accumulate((hits / np.arange(1, len(hits) + 1))[::-1])[::-1]
    return float(np.sum(np.diff(np.concatenate([[0], hits / total])) * precision))


@given(seed=st.integers(0, 10_000))
def test_box_figures_are_those_of_the_plain_definitions(seed: int) -> None:
    found, true = _scene(seed)
    boxes = Boxes.of(found, true)
    plain = [box_metrics.match(corners, scores, drawn) for (corners, scores), drawn in zip(found, true, strict=True)]
    ones = np.ones((1, len(true)))
    for least in (0.4, 0.5, 0.75):
        expected = _plain_average_precision(plain, least)
        assert boxes.average_precision(least, ones)[0] == pytest.approx(expected, nan_ok=True)
    assert boxes.rsna(0.3, ones)[0] == pytest.approx(_plain_rsna(plain, 0.3), nan_ok=True)
    allowed = [0.125, 0.5, 1.0]
    if boxes.truths.any():
        ours = [boxes.froc(one, ones, 0.5)[0] for one in allowed]
        assert ours == pytest.approx(_plain_froc(plain, 0.5, allowed))


@given(seed=st.integers(0, 10_000))
def test_a_weight_of_two_is_the_picture_twice(seed: int) -> None:
    found, true = _scene(seed, 6)
    weights = np.random.default_rng(seed).integers(0, 3, 6)
    again = [int(k) for k in np.repeat(np.arange(6), weights)]
    weighted, repeated = Boxes.of(found, true), Boxes.of([found[k] for k in again], [true[k] for k in again])
    w, ones = weights[None].astype(float), np.ones((1, len(again)))
    assert weighted.average_precision(0.5, w) == pytest.approx(repeated.average_precision(0.5, ones), nan_ok=True)
    assert weighted.rsna(0.3, w) == pytest.approx(repeated.rsna(0.3, ones), nan_ok=True)
    for figure in ("found", "precision", "false_a_picture"):
        assert weighted.at_point(0.4, figure, w) == pytest.approx(repeated.at_point(0.4, figure, ones), nan_ok=True)


def test_the_rsna_score_punishes_false_boxes_and_skips_empty_pictures() -> None:
    def score(*pictures: tuple[tuple[Numbers, Numbers], Numbers], at: float = 0.5) -> Any:
        boxes = Boxes.of([found for found, _ in pictures], [true for _, true in pictures])
        return boxes.rsna(at, np.ones((1, len(pictures))))[0]

    right, wrong, empty = (_found((TRUE, 0.9)), TRUE), (_found((TRUE, 0.9)), NONE), (_found(), NONE)
    assert score(right) == 1
    assert score(right, wrong) == 0.5
    assert score(right, empty) == 1
    assert score(right, at=0.95) == 0
    half = (_found((np.asarray([[0.1, 0.1, 0.4, 0.262]]), 0.9)), TRUE)
    assert score(half) == pytest.approx(3 / 8)  # overlap 0.54: right at 0.40, 0.45 and 0.50


def test_a_true_box_is_found_once_and_the_second_finder_is_false() -> None:
    boxes = Boxes.of([_found((TRUE, 0.9), (TRUE, 0.8))], [TRUE])
    assert boxes.hit[0.5].tolist() == [True, False]
    assert boxes.at_point(0.5, "precision", ONE)[0] == 0.5
    assert boxes.at_point(0.85, "precision", ONE)[0] == 1


def test_the_best_threshold_for_the_rsna_score_leaves_the_false_boxes_out() -> None:
    boxes = Boxes.of([_found((TRUE, 0.9), (AWAY, 0.3)), _found((AWAY, 0.4))], [TRUE, NONE])
    assert 0.4 < boxes.best_rsna_threshold() <= 0.9
    assert Boxes.of([_found()], [NONE]).best_rsna_threshold() == 0.5


def test_froc_reads_the_share_found_at_each_number_of_false_boxes() -> None:
    boxes = Boxes.of([_found((AWAY, 0.9), (TRUE, 0.8)), _found((TRUE, 0.95))], [TRUE, TRUE])
    ones = np.ones((1, 2))
    assert [float(boxes.froc(allowed, ones)[0]) for allowed in (0.0, 0.5)] == [0.5, 1.0]
    false, share = boxes.froc_curve()
    assert false.tolist() == [0, 0, 0.5, 0.5]
    assert share.tolist() == [0, 0.5, 0.5, 1.0]


def test_no_boxes_at_all_are_no_accident() -> None:
    nothing = Boxes.of([_found()], [TRUE])
    assert nothing.average_precision(0.5, ONE)[0] == 0
    assert nothing.froc(1.0, ONE)[0] == 0
    assert np.isnan(Boxes.of([_found()], [NONE]).average_precision(0.5, ONE)[0])


def test_the_pointing_game_asks_for_the_middle_of_the_surest_box() -> None:
    found = [_found((AWAY, 0.4), (TRUE, 0.9)), _found((AWAY, 0.9), (TRUE, 0.4)), _found(), _found((TRUE, 0.9))]
    hits = points_inside(found, [TRUE, TRUE, TRUE, NONE])
    assert hits[:3].tolist() == [1, 0, 0]
    assert np.isnan(hits[3])


def test_overlap_is_intersection_over_union() -> None:
    a = np.asarray([[0, 0, 2, 2]], float)
    b = np.asarray([[0, 0, 2, 2], [1, 1, 3, 3], [5, 5, 6, 6]], float)
    assert box_metrics.overlap(a, b)[0] == pytest.approx([1, 1 / 7, 0])


def test_a_true_box_is_found_once() -> None:
    truths = np.asarray([[0, 0, 10, 10]], float)
    boxes = np.asarray([[0, 0, 10, 9], [0, 0, 10, 10]], float)
    found = box_metrics.match(boxes, np.asarray([0.9, 0.8]), truths)
    assert found.found[0.5].tolist() == [True, False]
    assert found.truths == 1
