"""The pointing game: how often the greatest cell of a map lies in a true box, beside the best constant point.

Zhang et al. 2016, "Top-down neural attention by excitation backprop". The constant point is the one that lies in true
boxes on the most of these very images, so it is chosen in its own favour; what beats it has looked at the image.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.findings import ScoreMap
from training.data.examples import TruthBox
from training.evaluation.metric import Metric
from training.evaluation.resample import Drawn, Resamples

POINTS = 64
"""The constant points that are tried are the middles of so many rows and columns."""

Point = tuple[float, float]
"""x and y in fractions of the image's width and height."""


@dataclass(frozen=True, slots=True)
class Pointing:
    """How a way to make maps points, beside the best constant point of the same images."""

    images: int
    patients: int
    pointing: Metric
    constant: Metric
    margin: Metric
    """The paired difference."""

    @property
    def beats(self) -> bool:
        """Whether the lower bound of the difference is above 0."""
        return self.margin.low > 0


def peak(cells: NDArray[np.floating]) -> Point:
    """Return the middle of the greatest of the (rows, columns) cells that cover an image evenly."""
    rows, columns = cells.shape
    row, column = divmod(int(np.argmax(cells)), columns)
    return (column + 0.5) / columns, (row + 0.5) / rows


def cells_of(score_map: ScoreMap) -> NDArray[np.float64]:
    """Return a map's cells, (rows, columns)."""
    return np.asarray(score_map.values, np.float64).reshape(score_map.rows, score_map.columns)


def hits(point: Point, boxes: Sequence[TruthBox]) -> bool:
    """Say whether a point lies in one of the boxes."""
    x, y = point
    return any(box.x <= x <= box.x + box.w and box.y <= y <= box.y + box.h for box in boxes)


def best_constant(boxes: Sequence[Sequence[TruthBox]]) -> Point:
    """Return the point that lies in a box on the most images; of equal ones the middle of them."""
    counts = np.zeros((POINTS, POINTS))
    middles = (np.arange(POINTS) + 0.5) / POINTS
    for of_image in boxes:
        covered = np.zeros((POINTS, POINTS), bool)
        for box in of_image:
            across = (middles >= box.x) & (middles <= box.x + box.w)
            down = (middles >= box.y) & (middles <= box.y + box.h)
            covered |= down[:, None] & across[None, :]
        counts += covered
    best = np.argwhere(counts == counts.max())
    row, column = best[np.argmin(np.abs(best - best.mean(axis=0)).sum(axis=1))]
    return float(middles[column]), float(middles[row])


def measure(
    points: Sequence[Point], boxes: Sequence[Sequence[TruthBox]], patients: Sequence[str], seed: int = 1
) -> Pointing:
    """Return how often these points, one an image, lie in a box of their image, with 95 % intervals by patient."""
    constant = best_constant(boxes)
    map_hits = np.asarray([hits(point, of_image) for point, of_image in zip(points, boxes, strict=True)], np.float64)
    constant_hits = np.asarray([hits(constant, of_image) for of_image in boxes], np.float64)
    resamples = Resamples.of(patients, seed).on(np.arange(len(map_hits)))
    return Pointing(
        images=len(map_hits),
        patients=len(set(patients)),
        pointing=_share(resamples, map_hits),
        constant=_share(resamples, constant_hits),
        margin=_share(resamples, map_hits - constant_hits),
    )


def _share(resamples: Drawn, values: NDArray[np.float64]) -> Metric:
    return resamples.measure(lambda weights: weights @ values / weights.sum(axis=1)).figure()
