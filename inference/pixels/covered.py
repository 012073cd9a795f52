"""Whether something of one tone lies over a part of an image: a box over a lung, or a side that is blacked out.

Radiographs have noise everywhere, saturated parts have no straight edges, and collimation takes margins away. Of 3,831
good frontal films of adults from eight public collections one is stopped; a strip along the lower edge is left alone,
because two more have one below a whole chest. Of 192 films 97 % with a black box over a lung are found, 85 % with
a grey one, and 99 % with a blacked-out quarter on the left, on the right or above (``benchmarks.covered``).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from inference.not_analysed import ReasonCode
from inference.pixels.picture import Gray

_BLOCKS = 48
"""Blocks a side that are looked at."""
_SAMPLES_A_SIDE = 256
_ONE_TONE = 3.5 / 255.0
"""Spread of grey levels, 0 to 1, within which they are one tone: 3 of 255, and rounding."""
_LEAST_FILLED = 0.95
"""Share of its bounding box that a rectangle fills, or of a column that has the tone of a strip."""
_INSIDE = 5
"""Blocks: the shorter side of a box that touches no edge."""
_AT_EDGE, _LONGEST_AT_EDGE = 9, 36
"""Blocks: the shorter and the longer side of a box that touches one edge."""
_STRIP = 10
"""Blocks: the depth of a strip along one edge, where the opposite edge has none of half that depth."""
_LEFT, _RIGHT, _UPPER = 0, 2, 3
"""Edges by the quarter turns that make each the left one. A whole chest often ends high above the lower edge."""


@dataclass(frozen=True, slots=True)
class _Even:
    """A rectangle of one tone, in blocks."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def sides(self) -> tuple[int, int]:
        """Return the shorter and the longer side."""
        height, width = self.bottom - self.top, self.right - self.left
        return min(height, width), max(height, width)

    @property
    def edges(self) -> frozenset[str]:
        """Return which edges of the image it touches."""
        touched = {
            "top": self.top == 0,
            "bottom": self.bottom == _BLOCKS,
            "left": self.left == 0,
            "right": self.right == _BLOCKS,
        }
        return frozenset(edge for edge, touches in touched.items() if touches)

    @property
    def is_box(self) -> bool:
        """Tell whether it is larger than any such rectangle on a good film."""
        shorter, longer = self.sides
        if not self.edges:
            return shorter >= _INSIDE
        return len(self.edges) == 1 and shorter >= _AT_EDGE and longer <= _LONGEST_AT_EDGE


def covered(gray: Gray) -> ReasonCode | None:
    """Return what covers a part of an image (rows, columns), 0 to 1, as the reason for a refusal; None for nothing."""
    step = max(1, max(gray.shape) // _SAMPLES_A_SIDE)
    values = gray[::step, ::step]
    if min(values.shape) < _BLOCKS:
        return None
    starts = [np.linspace(0, side, _BLOCKS, endpoint=False).astype(int) for side in values.shape]
    highest = np.maximum.reduceat(np.maximum.reduceat(values, starts[0], 0), starts[1], 1)
    lowest = np.minimum.reduceat(np.minimum.reduceat(values, starts[0], 0), starts[1], 1)
    if any(rectangle.is_box for rectangle in _even_rectangles(lowest, highest)):
        return ReasonCode.BOX
    depths = [_strip(np.rot90(lowest, -turns), np.rot90(highest, -turns)) for turns in range(4)]
    deep = any(depths[edge] >= _STRIP and depths[(edge + 2) % 4] < _STRIP // 2 for edge in (_LEFT, _RIGHT, _UPPER))
    return ReasonCode.STRIP if deep else None


def _even_rectangles(lowest: Gray, highest: Gray) -> Iterator[_Even]:
    labels, _ = ndimage.label(highest - lowest <= _ONE_TONE)
    for number, (down, across) in enumerate(ndimage.find_objects(labels), 1):
        inside = labels[down, across] == number
        if inside.mean() < _LEAST_FILLED:
            continue
        if highest[down, across][inside].max() - lowest[down, across][inside].min() <= 2 * _ONE_TONE:
            yield _Even(down.start, down.stop, across.start, across.stop)


def _strip(lowest: Gray, highest: Gray) -> int:
    """Return how many columns of blocks from the left on have one tone, the same in all of them."""
    tone = np.median(lowest[:, 0])
    even = (highest - tone <= _ONE_TONE) & (tone - lowest <= _ONE_TONE)
    columns = even.mean(axis=0) >= _LEAST_FILLED
    return int(np.argmin(columns)) if not columns.all() else _BLOCKS
