"""What is measured on outlines: the cardiothoracic ratio with its lines, areas, and what is cut off; pure functions."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.anatomy.outlines import Outlines
from inference.anatomy.structures import HEART, LEFT_LUNG, LUNGS, RIGHT_LUNG

_HEIGHT = (0.5, 99.5)
"""Percentiles of a lung's cells between which its height counts: thin tips do not move its thirds."""
WHOLE = 0.02
"""Up to this share of its outline may lie on the image's edge while a lung counts as wholly on the image."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line on the stored image, in its pixels as :class:`inference.findings.Box` counts them."""

    x0: float
    y0: float
    x1: float
    y1: float


@dataclass(frozen=True, slots=True)
class CardiothoracicRatio:
    """The heart's greatest width over the thorax's (Danzer 1919)."""

    ratio: float
    heart: Line
    """Horizontal on the upright image, from its rightmost to its leftmost border, as the patient has them."""
    thorax: Line
    """Horizontal on the upright image, between the outer borders of the lungs where these are furthest apart."""


@dataclass(frozen=True, slots=True)
class LungShown:
    """How much of a lung is on the image."""

    area: float
    """Share of the image, 0 to 1."""
    at_edge: float
    """Share of its outline that lies on the image's edge, 0 for a lung that is wholly on it."""
    extent: Line | None = None
    """Its diagonal: the columns that it reaches over, and the rows but for the 0.5 % of its area at either end."""

    @property
    def whole(self) -> bool:
        """Say whether the whole lung is on the image."""
        return self.area > 0 and self.at_edge <= WHOLE


def cardiothoracic_ratio(outlines: Outlines) -> CardiothoracicRatio | None:
    """Return the ratio and its lines; None where heart or a lung is missing, or the thorax is not wholly across.

    Both widths are of one image, so the pixels need not be of a known size.
    """
    if not outlines.has(RIGHT_LUNG, LEFT_LUNG, HEART):
        return None
    heart = outlines.mask(HEART)
    across = np.nonzero(heart.any(axis=0))[0]
    first, last = int(across[0]), int(across[-1]) + 1
    level = (np.nonzero(heart[:, first])[0].mean() + np.nonzero(heart[:, last - 1])[0].mean() + 1) / 2
    thorax = _widest(outlines)
    if thorax is None:
        return None
    row, left, right = thorax
    return CardiothoracicRatio(
        (last - first) / (right - left),
        _line(outlines, first, last, level),
        _line(outlines, left, right, row + 0.5),
    )


def heart_share(outlines: Outlines) -> float | None:
    """Return the heart's area over that of heart and lungs; None where one of them is missing."""
    if not outlines.has(RIGHT_LUNG, LEFT_LUNG, HEART):
        return None
    heart = np.count_nonzero(outlines.mask(HEART))
    return float(heart / (heart + np.count_nonzero(outlines.mask(*LUNGS))))


def lung_shown(outlines: Outlines, lung: int) -> LungShown:
    """Return how much of a lung is on the image."""
    mask = outlines.mask(lung)
    if not mask.any():
        return LungShown(0.0, 0.0)
    padded = np.pad(mask, 1)
    sides = [padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:]]
    outline = sum(int(np.count_nonzero(mask & ~side)) for side in sides)
    edge = sum(int(np.count_nonzero(line)) for line in (mask[0], mask[-1], mask[:, 0], mask[:, -1]))
    rows, columns = np.nonzero(mask)
    top, bottom = np.percentile(rows, _HEIGHT)
    extent = _line_between(outlines, (columns.min(), top), (columns.max() + 1, bottom + 1))
    return LungShown(float(mask.mean()), edge / outline, extent)


def _widest(outlines: Outlines) -> tuple[int, int, int] | None:
    """Return the row in which the lungs' outer borders are furthest apart, and those borders; None without such a row.

    Where a border lies on the image's edge the thorax is cut off there.
    """
    right, left = outlines.mask(RIGHT_LUNG), outlines.mask(LEFT_LUNG)
    rows = np.nonzero(right.any(axis=1) & left.any(axis=1))[0]
    if not len(rows):
        return None
    starts = right[rows].argmax(axis=1)
    ends = left.shape[1] - left[rows, ::-1].argmax(axis=1)
    widths: NDArray[np.int64] = ends - starts
    at = int(widths.argmax())
    start, end = int(starts[at]), int(ends[at])
    if end <= start or start == 0 or end == left.shape[1]:
        return None
    return int(rows[at]), start, end


def _line_between(outlines: Outlines, start: tuple[float, float], end: tuple[float, float]) -> Line:
    return Line(*outlines.to_image(*start), *outlines.to_image(*end))


def _line(outlines: Outlines, x0: float, x1: float, y: float) -> Line:
    return Line(*outlines.to_image(x0, y), *outlines.to_image(x1, y))
