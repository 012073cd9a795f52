"""What a centre-point detector is asked to learn, and how far it is: boxes as heat, offset and size on a grid.

The centre-point scheme of Zhou et al. 2019, "Objects as Points", with the wider size supervision of Liu et al. 2019,
"Training-Time-Friendly Network for Real-Time Object Detection".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from training.data.examples import Example

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
    channel: int = 0
    """Which of the heat map's labels it has."""


@dataclass(frozen=True, slots=True)
class Targets:
    """Detector targets of one picture on a grid of ``cells`` by ``cells``.

    ``heat`` (cells, cells, channels): 1 at box centres, falling off around them. ``box`` (cells, cells, 6): offset of
    the centre within its cell (x, y: 0..1), width and height (fractions of the side), weight of the offset, weight of
    the size.
    """

    heat: Floats
    box: Floats


def encode(boxes: Sequence[ModelBox], cells: int, channels: int = 1) -> Targets:
    """Draw boxes onto the grid; where two claim a cell, the nearer (then smaller) one has it."""
    heat = np.zeros((cells, cells, channels), np.float32)
    box = np.zeros((cells, cells, 6), np.float32)
    nearest = np.zeros((cells, cells), np.float32)
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
        nearer = (bell >= nearest) & around
        box[nearer, 2], box[nearer, 3], box[nearer, 5] = one.w, one.h, share[nearer]
        box[row, column] = (one.cx * cells - column, one.cy * cells - row, one.w, one.h, 1, share[row, column])
        nearest = np.maximum(nearest, bell)
        heat[..., one.channel] = np.maximum(heat[..., one.channel], bell)
    return Targets(heat, box)


def boxes_known(examples: Sequence[Example], labels: Sequence[str]) -> Floats:
    """Return how much each label's heat counts: 0 where its boxes are not known, 1 on average; (n, labels)."""
    known = np.asarray([[label in example.boxed for label in labels] for example in examples], np.float32)
    return known * (known.size / max(float(known.sum()), 1.0))


def batch(boxes: Sequence[Sequence[ModelBox]], known: Floats, cells: int) -> list[Floats]:
    """Return the targets of a batch: heat (n, cells, cells, 2 * labels) and box (n, cells, cells, 6).

    The second half of the heat's channels are weights, one a label for the whole map.
    """
    labels = known.shape[1]
    targets = [encode(some, cells, labels) for some in boxes]
    weights = np.broadcast_to(known[:, None, None], (len(boxes), cells, cells, labels))
    heat = np.concatenate([np.stack([one.heat for one in targets]), weights], axis=-1)
    drawn = known.max(axis=1)[:, None, None, None]
    box = np.stack([one.box for one in targets])
    box[..., 4:] *= drawn
    return [heat, box]


def heat_loss(target: Any, logits: Any) -> Any:
    """Penalty-reduced focal loss of "Objects as Points" (alpha 2, beta 4), summed over the map; one a picture."""
    labels = logits.shape[-1]
    truth, weight = target[..., :labels], target[..., labels:]
    log_p, log_q = -keras.ops.softplus(-logits), -keras.ops.softplus(logits)
    p = keras.ops.sigmoid(logits)
    at_centre = keras.ops.cast(truth >= 0.999, logits.dtype)
    positive = at_centre * (1 - p) ** 2 * log_p
    negative = (1 - at_centre) * (1 - truth) ** 4 * p**2 * log_q
    return -keras.ops.sum((positive + negative) * weight, axis=(1, 2, 3))


def box_loss(target: Any, box: Any) -> Any:
    """Offset L1 at the centres plus L1 of log size around them, summed over the map; one number a picture."""
    offset = keras.ops.abs(target[..., :2] - box[..., :2]) * target[..., 4:5]
    known = keras.ops.maximum(target[..., 2:4], 1e-3)
    size = keras.ops.abs(keras.ops.log(known) - keras.ops.log(box[..., 2:4] + 1e-6)) * target[..., 5:6]
    return 0.5 * keras.ops.sum(offset, axis=(1, 2, 3)) + 0.5 * keras.ops.sum(size, axis=(1, 2, 3))
