"""Training pictures moved a little: turned, zoomed, shifted, their grey changed, bars added; mirrored on demand."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from training.data.model_boxes import ModelBox
from training.recipe.recipe import AugmentSettings

_VISIBLE = 0.4
"""A box of which less than this share is left in the picture is dropped."""


def augment(
    picture: NDArray[np.float32], boxes: Sequence[ModelBox], settings: AugmentSettings, rng: np.random.Generator
) -> tuple[NDArray[np.float32], tuple[ModelBox, ...]]:
    """Return an altered copy of a square grey picture (side, side), 0..1, and where its boxes went.

    A turned box keeps its size: at these angles the circumscribed one would only grow.
    """
    side = picture.shape[0]
    angle = math.radians(rng.uniform(-1, 1) * settings.rotation_degrees)
    zoom = math.exp(rng.uniform(-1, 1) * settings.zoom)
    dx, dy = rng.uniform(-1, 1, 2) * settings.shift
    cos, sin = math.cos(angle), math.sin(angle)
    # Pillow asks where each new pixel comes from: undo shift, then zoom and rotation about the middle.
    middle, a, b = side / 2, cos / zoom, sin / zoom
    tx, ty = middle + dx * side, middle + dy * side
    back = (a, b, middle - a * tx - b * ty, -b, a, middle + b * tx - a * ty)
    turned = Image.fromarray(picture).transform((side, side), Image.Transform.AFFINE, back, Image.Resampling.BICUBIC)
    grey = np.clip(np.asarray(turned, np.float32), 0, 1)
    grey = grey ** math.exp(rng.uniform(-1, 1) * settings.gamma)
    grey = (grey - 0.5) * (1 + rng.uniform(-1, 1) * settings.contrast) + 0.5
    grey = np.clip(grey + rng.uniform(-1, 1) * settings.brightness, 0, 1)
    moved = [
        ModelBox(
            cx=0.5 + dx + zoom * (cos * (box.cx - 0.5) - sin * (box.cy - 0.5)),
            cy=0.5 + dy + zoom * (sin * (box.cx - 0.5) + cos * (box.cy - 0.5)),
            w=box.w * zoom,
            h=box.h * zoom,
            channel=box.channel,
        )
        for box in boxes
    ]
    x0 = y0 = 0.0
    if rng.random() < 0.3:
        bar = rng.uniform(0, settings.bars)
        width = round(bar * side)
        if rng.random() < 0.5:
            x0 = bar
            grey[:, :width] = grey[:, side - width :] = 0
        else:
            y0 = bar
            grey[:width] = grey[side - width :] = 0
    if settings.mirror and rng.random() < 0.5:
        grey = np.ascontiguousarray(grey[:, ::-1])
        moved = [replace(box, cx=1 - box.cx) for box in moved]
    kept = (_clip(box, x0, y0) for box in moved)
    return grey.astype(np.float32), tuple(box for box in kept if box is not None)


def _clip(box: ModelBox, x0: float, y0: float) -> ModelBox | None:
    """Cut a box to the visible part of the picture, which is symmetric about the middle."""
    left, right = max(box.cx - box.w / 2, x0), min(box.cx + box.w / 2, 1 - x0)
    top, bottom = max(box.cy - box.h / 2, y0), min(box.cy + box.h / 2, 1 - y0)
    if right <= left or bottom <= top or (right - left) * (bottom - top) < _VISIBLE * box.w * box.h:
        return None
    return ModelBox((left + right) / 2, (top + bottom) / 2, right - left, bottom - top, box.channel)
