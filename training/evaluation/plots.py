"""The report's charts: which curve goes where. What a chart shows always stands in a table too, or in its words."""

from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from training.evaluation import binary
from training.evaluation.boxes import Boxes
from training.evaluation.charts import Chart
from training.evaluation.resample import Resamples

Numbers = NDArray[np.float64]
Truths = NDArray[np.bool_]

_GRID = np.linspace(0, 1, 101)
_BAND_DRAWS = 300
_POINTS = (("sensitive", "dot"), ("specific", "square"))


def roc_plot(
    scores: Numbers, truth: Truths, points: dict[str, float], draws: Resamples, where: NDArray[np.intp]
) -> Markup:
    """Return the ROC curve with its 95 % band by patient and both operating points."""
    chart = Chart((0, 1), (0, 1), "1 − specificity", "sensitivity", "ROC curve; the area stands in the table above")
    weights = draws.weights[1 : 1 + _BAND_DRAWS][:, where].astype(np.float64)
    low, high = roc_band(scores, truth, weights)
    chart.band(_GRID, low, high, "band")
    chart.line(np.asarray([0, 1]), np.asarray([0, 1]), "chance")
    chart.line(*binary.roc(scores, truth), "curve")
    for name, kind in _POINTS:
        at = binary.counts(scores, truth, np.ones((1, len(scores))), points[name])
        x, y = 1 - at.specificity()[0], at.sensitivity()[0]
        draw = chart.dot if kind == "dot" else chart.square
        draw(x, y, "point", f"{name} point: sensitivity {y:.2f}, specificity {1 - x:.2f}")
    return chart.svg()


def roc_band(scores: Numbers, truth: Truths, weights: Numbers) -> tuple[Numbers, Numbers]:
    """Return the 2.5 and 97.5 percentiles of sensitivity at 101 false positive rates, over rows of weights (k, n)."""
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    hits = np.cumsum((weights * truth)[:, order], axis=1)[:, last]
    false = np.cumsum((weights * ~truth)[:, order], axis=1)[:, last]
    usable = (hits[:, -1] > 0) & (false[:, -1] > 0)
    curves = [
        np.interp(_GRID, np.append(0, along / along[-1]), np.append(0, up / up[-1]))
        for along, up in zip(false[usable], hits[usable], strict=True)
    ]
    if not curves:
        return np.zeros_like(_GRID), np.ones_like(_GRID)
    low, high = np.percentile(curves, [2.5, 97.5], axis=0)
    return np.asarray(low), np.asarray(high)


def pr_plot(scores: Numbers, truth: Truths, points: dict[str, float]) -> Markup:
    """Return the precision-recall curve, the share of positives as the line of chance, and both operating points."""
    chart = Chart((0, 1), (0, 1), "recall", "precision", "precision-recall curve; the area stands in the table above")
    share = float(truth.mean())
    chart.line(np.asarray([0, 1]), np.asarray([share, share]), "chance")
    chart.text(0.01, share + 0.02, f"{share:.2f} have it")
    recall, precision = binary.precision_recall(scores, truth)
    chart.line(np.append(0, recall), np.append(precision[:1], precision), "curve")
    for name, kind in _POINTS:
        at = binary.counts(scores, truth, np.ones((1, len(scores))), points[name])
        x, y = float(at.sensitivity()[0]), float(at.precision()[0])
        draw = chart.dot if kind == "dot" else chart.square
        if np.isfinite(y):
            draw(x, y, "point", f"{name} point: precision {y:.2f}, recall {x:.2f}")
    return chart.svg()


def reliability_plot(bins: list[dict[str, Any]]) -> Markup:
    """Return shares against mean scores of the bins, with 95 % intervals of the shares (Wilson)."""
    chart = Chart((0, 1), (0, 1), "mean probability said", "share that has it", "reliability diagram")
    chart.line(np.asarray([0, 1]), np.asarray([0, 1]), "chance")
    shown = [(row["mean_score"], row["share"], int(row["pictures"])) for row in bins]
    if len(shown) > 1:
        chart.line(np.asarray([row[0] for row in shown]), np.asarray([row[1] for row in shown]), "curve thin")
    for score, share, pictures in shown:
        low, high = wilson(share, pictures)
        chart.upright(score, (low, high), "whisker")
        chart.dot(score, share, "point", f"{pictures} pictures: said {score:.2f}, {share:.2f} have it", 3.5)
    return chart.svg()


def wilson(share: float, count: int, z: float = 1.96) -> tuple[float, float]:
    """Return the 95 % interval of a share (Wilson 1927); it stays within 0 and 1 even for a share of nought."""
    below = 1 + z * z / count
    middle = (share + z * z / (2 * count)) / below
    half = z * np.sqrt(share * (1 - share) / count + z * z / (4 * count * count)) / below
    return max(0.0, float(middle - half)), min(1.0, float(middle + half))


def histogram_plot(scores: Numbers, truth: Truths, points: dict[str, float], bins: int = 25) -> Markup:
    """Return how the scores lie: pictures with the finding upwards, pictures without it downwards, as shares."""
    edges = np.linspace(0, 1, bins + 1)
    shares = [np.histogram(scores[part], edges)[0] / max(1, int(part.sum())) for part in (truth, ~truth)]
    top = max(0.1, float(np.ceil(max(float(share.max()) for share in shares) * 10) / 10))
    chart = Chart(
        (0, 1), (-top, top), "probability said", "share of pictures", "histogram of the scores",
        y_ticks=(-top, -top / 2, 0, top / 2, top),
    )  # fmt: skip
    for share, sign, css, words in ((shares[0], 1, "with", "with"), (shares[1], -1, "without", "without")):
        for left, right, value in zip(edges[:-1], edges[1:], share, strict=True):
            if value:
                told = f"{left:.2f} to {right:.2f}: {value:.0%} of pictures {words} it"
                chart.bar((left, right), (0, sign * value), css, told)
    chart.line(np.asarray([0, 1]), np.asarray([0, 0]), "axis")
    for name, _ in _POINTS:
        chart.upright(points[name], (-top, top), f"cut {name}")
    chart.text(0.98, top * 0.9, "with the finding ↑", "note with", "end")
    chart.text(0.98, -top * 0.96, "without it ↓", "note without", "end")
    return chart.svg()


def froc_plot(boxes: Boxes, points: dict[str, float]) -> Markup:
    """Return the share of true boxes found against false boxes a picture, with both operating points."""
    false, found = boxes.froc_curve()
    right = 1.0 if false[-1] <= 1 else 2.0
    inside = false <= right
    chart = Chart(
        (0, right), (0, 1), "false boxes a picture", "share of true boxes found", "FROC curve of the boxes",
        x_ticks=[right * step / 4 for step in range(5)],
    )  # fmt: skip
    chart.line(false[inside], found[inside], "curve")
    ones = np.ones((1, len(boxes.truths)))
    for name, kind in _POINTS:
        x = float(boxes.at_point(points[name], "false_a_picture", ones)[0])
        y = float(boxes.at_point(points[name], "found", ones)[0])
        draw = chart.dot if kind == "dot" else chart.square
        if x <= right:
            draw(x, y, "point", f"{name} point: {y:.2f} found at {x:.2f} false boxes a picture")
    return chart.svg()


def box_pr_plot(boxes: Boxes) -> Markup:
    """Return precision against recall of the boxes at overlaps of 0.4 and 0.5."""
    chart = Chart((0, 1), (0, 1), "share of true boxes found", "share of boxes that are true", "precision and recall")
    total = max(1.0, float(boxes.truths.sum()))
    for least, css in ((0.4, "curve second"), (0.5, "curve")):
        hits = np.cumsum(boxes.hit[least])
        if not len(hits):
            continue
        precision = np.maximum.accumulate((hits / np.arange(1, len(hits) + 1))[::-1])[::-1]
        chart.line(hits / total, precision, css)
        chart.text(float(hits[-1] / total), 0.02 if least == 0.4 else 0.1, f"overlap {least:g}", anchor="middle")
    return chart.svg()
