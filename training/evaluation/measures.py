"""Figures and their intervals: pure functions of scores, truths and patients."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Truths = NDArray[np.bool_]
RESAMPLES = 1000
RSNA_OVERLAPS = tuple(round(0.40 + 0.05 * k, 2) for k in range(8))
"""The overlaps of the RSNA 2018 challenge's score."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure with its 95 % interval from a bootstrap over patients."""

    value: float
    low: float
    high: float

    def as_json(self) -> dict[str, Any]:
        """Return it as the figures file has it, four decimals; null where it is undefined."""
        value, low, high = (round(one, 4) if np.isfinite(one) else None for one in (self.value, self.low, self.high))
        return {"value": value, "interval": [low, high]}


@dataclass(frozen=True, slots=True)
class Match:
    """One picture's boxes: scores, best first, whether each found a true box, and how many true ones there are."""

    scores: Numbers
    found: dict[float, Truths]
    """By overlap."""
    truths: int


def bootstrap(
    measure: Callable[[NDArray[np.intp]], float], patients: Sequence[str], seed: int, resamples: int = RESAMPLES
) -> Figure:
    """Measure on all pictures, and on ``resamples`` draws of patients with replacement.

    ``measure`` takes indices of pictures and may return NaN where it is undefined.
    """
    groups: dict[str, list[int]] = {}
    for index, patient in enumerate(patients):
        groups.setdefault(patient, []).append(index)
    members = [np.asarray(group, np.intp) for group in groups.values()]
    rng = np.random.default_rng(seed)
    draws = []
    for _ in range(resamples):
        chosen = rng.integers(0, len(members), len(members))
        draws.append(measure(np.concatenate([members[k] for k in chosen])))
    usable = np.asarray([draw for draw in draws if np.isfinite(draw)])
    low, high = np.percentile(usable, [2.5, 97.5]) if len(usable) else (np.nan, np.nan)
    return Figure(measure(np.arange(len(patients))), float(low), float(high))


def average_precision(scores: Numbers, truth: Truths, positives: int | None = None) -> float:
    """Return the area under the precision-recall curve, precision made monotone (PASCAL VOC, all points).

    ``positives`` is how many there are to find when not all of them have a score.
    """
    total = int(truth.sum()) if positives is None else positives
    if not total:
        return float("nan")
    hits = np.cumsum(truth[np.argsort(-scores, kind="stable")])
    if not len(hits):
        return 0.0
    precision = np.maximum.accumulate((hits / np.arange(1, len(hits) + 1))[::-1])[::-1]
    recall = np.concatenate([[0], hits / total])
    return float(np.sum(np.diff(recall) * precision))


def overlap(a: Numbers, b: Numbers) -> Numbers:
    """Return intersection over union of boxes (n, 4) and (m, 4), each x0, y0, x1, y1: (n, m)."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    inside = np.clip(high - low, 0, None).prod(axis=2)
    areas = [(box[:, 2:] - box[:, :2]).prod(axis=1) for box in (a, b)]
    return np.asarray(inside / np.maximum(areas[0][:, None] + areas[1][None] - inside, 1e-12))


def match(boxes: Numbers, scores: Numbers, truths: Numbers, overlaps: Sequence[float] = RSNA_OVERLAPS) -> Match:
    """Pair a picture's boxes with its true boxes: best score first, each true box once, at each overlap.

    Boxes are (n, 4), truths (m, 4), x0, y0, x1, y1 in any one unit.
    """
    order = np.argsort(-scores, kind="stable")
    shared = overlap(boxes[order], truths) if len(boxes) and len(truths) else np.zeros((len(boxes), len(truths)))
    found = {}
    for least in overlaps:
        free = np.ones(len(truths), bool)
        flags = np.zeros(len(boxes), bool)
        for k, row in enumerate(shared):
            candidates = np.where(free & (row >= least), row, -1.0)
            if len(candidates) and candidates.max() >= 0:
                free[int(candidates.argmax())] = False
                flags[k] = True
        found[least] = flags
    return Match(scores[order], found, len(truths))


def box_average_precision(matches: Sequence[Match], least: float) -> float:
    """Return average precision over all pictures' boxes at one overlap."""
    scores = np.concatenate([match.scores for match in matches])
    flags = np.concatenate([match.found[least] for match in matches])
    return average_precision(scores, flags, sum(match.truths for match in matches))
