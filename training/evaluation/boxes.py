"""Figures of boxes against boxes that somebody drew, for many weightings of the same pictures at once.

A picture's weight is that of all its boxes, true and found. Overlap is intersection over union; the surest box is
paired first, each true box once.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.evaluation.binary import ratio

Numbers = NDArray[np.float64]
Truths = NDArray[np.bool_]

RSNA_OVERLAPS = tuple(round(0.40 + 0.05 * k, 2) for k in range(8))
"""The overlaps of the RSNA 2018 challenge's score."""
FALSE_BOXES = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0)
"""False boxes a picture at which the FROC is read."""
FROC_OVERLAP = 0.4
"""From which overlap on a box counts as true in the FROC and at the operating points."""
BOX_FIGURES = ("found", "precision", "false_a_picture")
"""At an operating point: share of true boxes found, share of shown boxes that are true, false boxes a picture."""


@dataclass(frozen=True, slots=True)
class Match:
    """One image's boxes: scores, best first, whether each found a true box, and how many true ones there are."""

    scores: Numbers
    found: dict[float, Truths]
    """By overlap."""
    truths: int


def overlap(a: Numbers, b: Numbers) -> Numbers:
    """Return intersection over union of boxes (n, 4) and (m, 4), each x0, y0, x1, y1: (n, m)."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    inside = np.clip(high - low, 0, None).prod(axis=2)
    areas = [(box[:, 2:] - box[:, :2]).prod(axis=1) for box in (a, b)]
    return np.asarray(inside / np.maximum(areas[0][:, None] + areas[1][None] - inside, 1e-12))


def match(boxes: Numbers, scores: Numbers, truths: Numbers, overlaps: Sequence[float] = RSNA_OVERLAPS) -> Match:
    """Pair an image's boxes with its true boxes: best score first, each true box once, at each overlap.

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


@dataclass(frozen=True, slots=True, eq=False)
class Boxes:
    """All found boxes of one finding on some pictures, the surest first, and whether each is right."""

    scores: Numbers
    """(b)"""
    picture: NDArray[np.intp]
    """(b) which picture a box is on."""
    hit: dict[float, Truths]
    """(b) by overlap: whether it found a true box that no surer one had."""
    truths: Numbers
    """(n) how many true boxes each picture has."""

    @classmethod
    def of(
        cls,
        found: Sequence[tuple[Numbers, Numbers]],
        true: Sequence[Numbers],
        overlaps: Sequence[float] = RSNA_OVERLAPS,
    ) -> "Boxes":
        """Pair boxes: for each picture found boxes (b, 4) with scores (b), and true ones (t, 4), x0, y0, x1, y1."""
        scores, pictures = [np.zeros(0)], [np.zeros(0, np.intp)]
        hits = {least: [np.zeros(0, bool)] for least in overlaps}
        for index, ((boxes, sure), drawn) in enumerate(zip(found, true, strict=True)):
            one = match(boxes, sure, drawn, overlaps if len(drawn) else ())
            scores.append(one.scores)
            pictures.append(np.full(len(one.scores), index, np.intp))
            for least in overlaps:
                hits[least].append(one.found.get(least, np.zeros(len(one.scores), bool)))
        together = np.concatenate(scores)
        order = np.argsort(-together, kind="stable")
        return cls(
            together[order],
            np.concatenate(pictures)[order],
            {least: np.concatenate(flags)[order] for least, flags in hits.items()},
            np.asarray([len(drawn) for drawn in true], np.float64),
        )

    def average_precision(self, least: float, weights: Numbers) -> Numbers:
        """Return the area under the precision-recall curve, precision made monotone (PASCAL VOC, all points)."""
        hit = self.hit[least]
        total = weights @ self.truths
        if not hit.any():
            return ratio(np.zeros(len(weights)), total)
        last = int(np.flatnonzero(hit)[-1]) + 1  # what comes after the last right box changes nothing
        each = weights[:, self.picture[:last]]
        right = each * hit[:last]
        hits, calls = np.cumsum(right, axis=1), np.cumsum(each, axis=1)
        precision = np.divide(hits, calls, out=np.zeros_like(hits), where=calls > 0)
        monotone = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        return ratio((monotone * right).sum(axis=1), total)

    def rsna_values(self, threshold: float) -> Numbers:
        """Return each picture's TP / (TP + FP + FN), averaged over the overlaps; NaN with no box, true or found.

        The score of the RSNA Pneumonia Detection Challenge 2018 is their mean.
        """
        kept = self.scores >= threshold
        pictures = len(self.truths)
        shown = np.bincount(self.picture[kept], minlength=pictures)
        hits = [np.bincount(self.picture[kept & self.hit[least]], minlength=pictures) for least in RSNA_OVERLAPS]
        shares = [ratio(hit.astype(np.float64), shown + self.truths - hit) for hit in hits]
        return np.asarray(np.mean(shares, axis=0))

    def rsna(self, threshold: float, weights: Numbers) -> Numbers:
        """Return the RSNA score, boxes counted from ``threshold`` on."""
        values = self.rsna_values(threshold)
        known = np.isfinite(values)
        return ratio(weights[:, known] @ values[known], weights[:, known].sum(axis=1))

    def best_rsna_threshold(self) -> float:
        """Return the score, to two digits, from which on boxes should count for the best RSNA score."""
        ones = np.ones((1, len(self.truths)))
        choices = np.unique(self.scores.round(2))
        values = np.asarray([self.rsna(float(choice), ones)[0] for choice in choices])
        return float(choices[int(np.nanargmax(values))]) if np.isfinite(values).any() else 0.5

    def froc(self, allowed: float, weights: Numbers, least: float = FROC_OVERLAP) -> Numbers:
        """Return the share of true boxes found at so many false boxes a picture."""
        each = weights[:, self.picture]
        right = each * self.hit[least]
        hits, false = np.cumsum(right, axis=1), np.cumsum(each - right, axis=1)
        usable = (false <= allowed * weights.sum(axis=1)[:, None]).sum(axis=1)
        found = np.take_along_axis(np.pad(hits, ((0, 0), (1, 0))), usable[:, None], axis=1)[:, 0]
        return ratio(found, weights @ self.truths)

    def froc_curve(self, least: float = FROC_OVERLAP) -> tuple[Numbers, Numbers]:
        """Return (false boxes a picture, share of true boxes found), from none shown to all."""
        hit = self.hit[least]
        pictures, total = max(1, len(self.truths)), max(1.0, float(self.truths.sum()))
        return (
            np.concatenate([[0], np.cumsum(~hit) / pictures]),
            np.concatenate([[0], np.cumsum(hit) / total]),
        )

    def at_point(self, threshold: float, figure: str, weights: Numbers) -> Numbers:
        """Return one of :data:`BOX_FIGURES` of the boxes from ``threshold`` on."""
        kept = self.scores >= threshold
        each = weights[:, self.picture[kept]]
        hits, shown = (each * self.hit[FROC_OVERLAP][kept]).sum(axis=1), each.sum(axis=1)
        if figure == "found":
            return ratio(hits, weights @ self.truths)
        return ratio(hits, shown) if figure == "precision" else ratio(shown - hits, weights.sum(axis=1))


def points_inside(found: Sequence[tuple[Numbers, Numbers]], true: Sequence[Numbers]) -> Numbers:
    """Play the pointing game: 1 where the middle of the surest box lies in a true one, NaN without a true one."""
    values = np.full(len(true), np.nan)
    for index, ((boxes, scores), drawn) in enumerate(zip(found, true, strict=True)):
        if len(drawn):
            values[index] = 0.0
        if len(drawn) and len(boxes):
            x0, y0, x1, y1 = boxes[int(np.argmax(scores))]
            x, y = (x0 + x1) / 2, (y0 + y1) / 2
            inside = (drawn[:, 0] <= x) & (x <= drawn[:, 2]) & (drawn[:, 1] <= y) & (y <= drawn[:, 3])
            values[index] = float(inside.any())
    return values
