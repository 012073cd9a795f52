"""What the detector is asked to learn: boxes as centre heat, offset and size on a grid.

The centre-point scheme of Zhou et al. 2019, "Objects as Points", with the wider size supervision of Liu et al. 2019,
"Training-Time-Friendly Network for Real-Time Object Detection".
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SPREAD = 0.14
"""Standard deviation of a box's heat, as a fraction of its side."""
LEAST_SPREAD = 0.4
"""... and in cells, at least."""
SIZE_WEIGHT = 4.0
"""Loss weight of one box's size, all its cells together; its offset, at one cell, weighs 1."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ModelBox:
    """A box in the model's square input: centre and size as fractions of its side."""

    cx: float
    cy: float
    w: float
    h: float


@dataclass(frozen=True, slots=True)
class Targets:
    """Detector targets of one picture on a grid of ``cells`` by ``cells``.

    ``heat`` (cells, cells, 1): 1 at box centres, falling off around them. ``box`` (cells, cells, 6): offset of the
    centre within its cell (x, y: 0..1), width and height (fractions of the side), weight of the offset, weight of
    the size.
    """

    heat: Floats
    box: Floats


def encode(boxes: Sequence[ModelBox], cells: int) -> Targets:
    """Draw boxes onto the grid; where two claim a cell, the nearer (then smaller) one has it."""
    heat = np.zeros((cells, cells), np.float32)
    box = np.zeros((cells, cells, 6), np.float32)
    ys, xs = np.mgrid[0:cells, 0:cells].astype(np.float32)
    for one in sorted(boxes, key=lambda one: -one.w * one.h):
        column, row = (int(np.clip(np.floor(value * cells), 0, cells - 1)) for value in (one.cx, one.cy))
        sx, sy = (max(LEAST_SPREAD, SPREAD * side * cells) for side in (one.w, one.h))
        bell = np.exp(-((xs - column) ** 2) / (2 * sx**2) - (ys - row) ** 2 / (2 * sy**2)).astype(np.float32)
        bell[bell < 0.01] = 0
        around = bell > 0.1
        # Each box weighs the same, however many cells it covers: else large ones outweigh small ones by their area,
        # and all boxes come out too large.
        share = SIZE_WEIGHT * bell / bell[around].sum()
        nearer = (bell >= heat) & around
        box[nearer, 2], box[nearer, 3], box[nearer, 5] = one.w, one.h, share[nearer]
        box[row, column] = (one.cx * cells - column, one.cy * cells - row, one.w, one.h, 1, share[row, column])
        heat = np.maximum(heat, bell)
    return Targets(heat[..., None], box)
