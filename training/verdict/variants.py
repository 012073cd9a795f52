"""From an upright chest film to one training image and its truth: good, turned, negative, mirrored or cut off."""

from dataclasses import replace
from typing import cast

import numpy as np
from PIL import Image

from inference.verdict.heads import Content
from training.verdict.disturb import Gray
from training.verdict.truth import Truth, Turn

SIDE = 112
"""Rows and columns of an image that is drawn on a field of its own."""
_CUTS = ("left", "right", "upper", "lower")


def good(film: Gray, rng: np.random.Generator, content: Content = "frontal") -> tuple[Gray, Truth]:
    """Return the film as another technologist might have taken it: tilted, cropped or with more air around."""
    gray = tilt(film, rng, 9.0)
    rows, columns = gray.shape
    top, bottom = (rng.uniform(0, 0.05) * rows for _ in range(2))
    left, right = (rng.uniform(0, 0.06) * columns for _ in range(2))
    if rng.random() < 0.5:
        top = bottom = left = right = 0.0
    gray = gray[int(top) : rows - int(bottom), int(left) : columns - int(right)]
    if rng.random() < 0.25:
        gray = loose(gray, rng, 0.18)
    mirrored = bool(rng.random() < 0.4)
    return (gray[:, ::-1] if mirrored else gray), Truth(content, mirrored=mirrored)


def negative(gray: Gray, truth: Truth) -> tuple[Gray, Truth]:
    """Return the negative."""
    return 1 - gray, replace(truth, negative=True)


def turned(gray: Gray, truth: Truth, rng: np.random.Generator) -> tuple[Gray, Truth]:
    """Return the image stored turned by a quarter, a half or three quarters, clockwise."""
    degrees = cast("Turn", int(rng.choice([90, 180, 270])))
    return np.rot90(gray, -degrees // 90), truth.turn(degrees)


def cut(film: Gray, rng: np.random.Generator) -> tuple[Gray, Truth]:
    """Return a film of which a half, the apices, the bases or a quarter are missing, or so little that none can say."""
    gray = tilt(film, rng, 6.0)
    rows, columns = gray.shape
    sides = [str(rng.choice(_CUTS))]
    if rng.random() < 0.15:
        sides = [str(rng.choice(_CUTS[:2])), str(rng.choice(_CUTS[2:]))]
    doubtful = bool(rng.random() < 0.12)
    box = [0, 0, rows, columns]  # top, left, bottom, right
    names = []
    for side in sides:
        across = side in {"left", "right"}
        # A film's margin is air; a third of its width or height always takes lung away.
        fraction = rng.uniform(0.70, 0.86) if doubtful else rng.uniform(0.40, 0.66 if across else 0.68)
        if side == "left":
            box[1] = int(columns * (1 - fraction))
        elif side == "right":
            box[3] = int(columns * fraction)
        elif side == "upper":
            box[0] = int(rows * (1 - fraction))
        else:
            box[2] = int(rows * fraction)
        names.append("side" if across else side)
    crop = gray[box[0] : box[2], box[1] : box[3]]
    if rng.random() < 0.35:  # the sensor was larger than what it saw
        tone = np.float32(rng.choice([0.0, 0.0, 1.0, rng.random()]))
        whole = np.full_like(gray, tone)
        whole[box[0] : box[2], box[1] : box[3]] = crop
        crop = whole
    elif rng.random() < 0.25:
        crop = loose(crop, rng, 0.15)
    mirrored = bool(rng.random() < 0.3)
    truth = Truth("frontal", mirrored=mirrored, missing=tuple(names), doubtful=doubtful)
    return (crop[:, ::-1] if mirrored else crop), truth


def nearly_empty(film: Gray, rng: np.random.Generator) -> tuple[Gray, Truth]:
    """Return an image that is almost all one tone, with a small, faint or cut-off film in it."""
    canvas = np.full((SIDE, SIDE), rng.choice([0.0, 1.0, rng.random()]), np.float32)
    side = int(rng.uniform(0.12, 0.34) * SIDE)
    small = np.asarray(Image.fromarray(film).resize((side, side), Image.Resampling.BOX), np.float32)
    top, left = (int(rng.uniform(-0.5 * side, SIDE - 0.5 * side)) for _ in range(2))
    y0, x0 = max(top, 0), max(left, 0)
    visible = small[y0 - top : min(side, SIDE - top), x0 - left : min(side, SIDE - left)]
    canvas[y0 : y0 + visible.shape[0], x0 : x0 + visible.shape[1]] = visible
    return canvas, Truth("empty")


def tilt(gray: Gray, rng: np.random.Generator, most: float) -> Gray:
    """Return the image turned by a few degrees, and stretched a little along one side."""
    rows, columns = gray.shape
    stretch = float(np.exp(rng.normal(0, 0.05)))
    image = Image.fromarray(gray)
    degrees = float(np.clip(rng.normal(0, most / 2.5), -most, most)) if rng.random() < 0.6 else 0.0
    if degrees:
        tone = float(rng.choice([0.0, 0.0, float(np.median(gray[:2])), 1.0]))
        image = image.rotate(degrees, Image.Resampling.BILINEAR, fillcolor=tone)
    size = (max(16, round(columns * stretch)), rows) if stretch <= 1 else (columns, max(16, round(rows / stretch)))
    return np.asarray(image.resize(size, Image.Resampling.BILINEAR), np.float32)


def loose(gray: Gray, rng: np.random.Generator, most: float) -> Gray:
    """Return the image on a larger field of one tone."""
    rows, columns = gray.shape
    pads = [int(rng.uniform(0, most) * side) for side in (rows, rows, columns, columns)]
    tone = np.float32(rng.choice([0.0, 0.0, 1.0, float(gray[0].mean())]))
    return np.pad(gray, ((pads[0], pads[1]), (pads[2], pads[3])), constant_values=tone)
