"""What a centre-point detector is asked to learn, and how far it is: boxes as heat and four sides on a grid.

The centre-point scheme of Zhou et al. 2019, "Objects as Points", with the sides learnt from all cells around a centre
as in Liu et al. 2019, "Training-Time-Friendly Network for Real-Time Object Detection", and the generalised overlap of
Rezatofighi et al. 2019 as their loss.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from training.data.examples import Example
from training.data.model_boxes import ModelBox

SPREAD = 0.14
"""Standard deviation of a box's heat, as a fraction of its side."""
LEAST_SPREAD = 0.4
"""... and in cells, at least."""
OVERLAP_SHARE = 0.75
"""Share of the overlap in a box's loss; the rest is how far its sides are off, which goes on teaching where boxes do
not meet at all."""

_TINY = 1e-6

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Targets:
    """Detector targets of one picture on a grid of ``cells`` by ``cells``.

    ``heat`` (cells, cells, channels): 1 at box centres, falling off around them. ``box`` (cells, cells, 5): how far
    the left, top, right and bottom sides are from the middle of the cell (fractions of the side), and what that counts.
    """

    heat: Floats
    box: Floats


def encode(boxes: Sequence[ModelBox], cells: int, channels: int = 1) -> Targets:
    """Draw boxes onto the grid; where two claim a cell, the nearer (then smaller) one has it."""
    heat = np.zeros((cells, cells, channels), np.float32)
    box = np.zeros((cells, cells, 5), np.float32)
    nearest = np.zeros((cells, cells), np.float32)
    ys, xs = np.mgrid[0:cells, 0:cells].astype(np.float32)
    for one in sorted(boxes, key=lambda one: -one.w * one.h):
        column, row = (int(np.clip(np.floor(value * cells), 0, cells - 1)) for value in (one.cx, one.cy))
        sx, sy = (max(LEAST_SPREAD, SPREAD * side * cells) for side in (one.w, one.h))
        bell = np.exp(-((xs - column) ** 2) / (2 * sx**2) - (ys - row) ** 2 / (2 * sy**2)).astype(np.float32)
        bell[bell < 0.01] = 0
        nearer = (bell >= nearest) & (bell > 0.1)
        nearer[row, column] = True
        # Each box weighs the same, however many cells it covers: else large ones outweigh small ones by their area,
        # and all boxes come out too large.
        share = bell / bell[bell > 0.1].sum()
        x, y = (xs + 0.5) / cells, (ys + 0.5) / cells
        sides = (
            x - one.cx + one.w / 2, y - one.cy + one.h / 2, one.cx + one.w / 2 - x, one.cy + one.h / 2 - y, share,
        )  # fmt: skip
        box[nearer] = np.stack(sides, axis=-1)[nearer]
        nearest = np.maximum(nearest, bell)
        heat[..., one.channel] = np.maximum(heat[..., one.channel], bell)
    box[..., :4] = box[..., :4].clip(0, 1)
    return Targets(heat, box)


def boxes_known(examples: Sequence[Example], labels: Sequence[str]) -> Floats:
    """Return how much each label's heat counts: 0 where its boxes are not known, 1 on average; (n, labels)."""
    known = np.asarray([[label in example.boxed for label in labels] for example in examples], np.float32)
    return known * (known.size / max(float(known.sum()), 1.0))


def batch(boxes: Sequence[Sequence[ModelBox]], known: Floats, cells: int) -> list[Floats]:
    """Return the targets of a batch: heat (n, cells, cells, 2 * labels) and box (n, cells, cells, 5).

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
    """Return 1 - generalised overlap, and the sides' L1 relative to the box, over the cells around centres.

    Summed over the map, so that each box counts 1; one number a picture.
    """
    truth, weight = target[..., :4], target[..., 4]
    true_size = truth[..., :2] + truth[..., 2:]
    size = box[..., :2] + box[..., 2:]
    shared = keras.ops.minimum(truth[..., :2], box[..., :2]) + keras.ops.minimum(truth[..., 2:], box[..., 2:])
    around = keras.ops.maximum(truth[..., :2], box[..., :2]) + keras.ops.maximum(truth[..., 2:], box[..., 2:])
    inside, hull = _area(keras.ops.maximum(shared, 0.0)), _area(around) + _TINY
    union = _area(true_size) + _area(size) - inside + _TINY
    overlap = inside / union - (hull - union) / hull
    off = keras.ops.mean(
        keras.ops.abs(truth - box) / keras.ops.tile(keras.ops.maximum(true_size, 0.02), [1, 1, 1, 2]), axis=-1
    )
    each = OVERLAP_SHARE * (1 - overlap) + (1 - OVERLAP_SHARE) * off
    return keras.ops.sum(each * weight, axis=(1, 2))


def _area(size: Any) -> Any:
    return size[..., 0] * size[..., 1]
