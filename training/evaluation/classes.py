"""Figures of exclusive classes, for many weightings of the same pictures at once."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from training.evaluation.binary import SMALLEST_PROBABILITY, ratio
from training.evaluation.predictions import Head, Predictions
from training.evaluation.resample import Draws, Resamples
from training.evaluation.results import HeadMetrics

Numbers = NDArray[np.float64]
Indices = NDArray[np.intp]


def class_truth(predictions: Predictions, head: Head) -> tuple[Indices, Indices]:
    """Return the pictures of which one class is known to be true, and the index of that class."""
    classes = [example.class_of(head.classes) for example in predictions.examples]
    where = [index for index, one in enumerate(classes) if one is not None]
    return np.asarray(where, np.intp), np.asarray([classes[index] for index in where], np.intp)


def confusion(truth: Indices, called: Indices, weights: Numbers, classes: int) -> Numbers:
    """Return how often each class (second axis) was called each class (third axis), (k, classes, classes)."""
    cells = np.zeros((len(truth), classes * classes))
    cells[np.arange(len(truth)), truth * classes + called] = 1
    return np.asarray((weights @ cells).reshape(-1, classes, classes))


def accuracy(table: Numbers) -> Numbers:
    """Return the share of right calls from confusion tables (k, c, c)."""
    return ratio(np.trace(table, axis1=1, axis2=2), table.sum(axis=(1, 2)))


def macro(table: Numbers, figure: str) -> Numbers:
    """Return the mean over the classes of ``precision``, ``recall``, ``specificity`` or ``f1``.

    A class that is never called counts with precision 0; one that no picture has is left out.
    """
    right = np.diagonal(table, axis1=1, axis2=2)
    true, called, total = table.sum(axis=2), table.sum(axis=1), table.sum(axis=(1, 2))[:, None]
    values = {
        "precision": np.nan_to_num(ratio(right, called)),
        "recall": ratio(right, true),
        "specificity": ratio(total - true - called + right, total - true),
        "f1": ratio(2 * right, true + called),
    }[figure]
    present = true > 0
    return ratio(np.where(present, np.nan_to_num(values), 0).sum(axis=1), present.sum(axis=1).astype(np.float64))


def head_figures(predictions: Predictions, head: Head, resamples: Resamples) -> HeadMetrics | None:
    """Return the confusion table and figures of a softmax head; None where fewer than two classes have pictures."""
    where, truth = class_truth(predictions, head)
    if len(set(truth.tolist())) < 2:
        return None
    probabilities = predictions.probabilities(head.name)[where]
    called, count = probabilities.argmax(axis=1), len(head.classes)
    loss = -np.log(probabilities[np.arange(len(truth)), truth].clip(SMALLEST_PROBABILITY, 1))
    right = (called == truth).astype(np.float64)

    def of(figure: str) -> Draws:
        return resamples.measure(lambda w: macro(confusion(truth, called, w, count), figure), where)

    return HeadMetrics(
        classes=list(head.classes),
        pictures=len(where),
        truth_by_row_call_by_column=table_of(truth, called, count),
        accuracy=resamples.measure(lambda w: ratio(w @ right, w.sum(axis=1)), where),
        log_loss=resamples.measure(lambda w: ratio(w @ loss, w.sum(axis=1)), where),
        precision=of("precision"),
        recall=of("recall"),
        specificity=of("specificity"),
        f1=of("f1"),
    )


def table_of(truth: Indices, called: Indices, count: int) -> list[list[int]]:
    """Return the confusion table of the pictures as they are: rows are true classes, columns are calls."""
    rows: Sequence[Sequence[float]] = confusion(truth, called, np.ones((1, len(truth))), count)[0].tolist()
    return [[int(cell) for cell in row] for row in rows]
