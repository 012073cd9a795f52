"""What the phantom is drawn with: smooth curves, soft masks and noise, on a square of ``GRID`` pixels.

Shapes are given in fractions of the picture, x to the right and y down, as ``(n, 2)`` arrays. Masks are
``(GRID, GRID)`` arrays between 0 and 1, drawn at twice the grid and averaged, so that edges are smooth.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

GRID = 1024
"""Side of the grid in pixels; the finished picture is enlarged from it before the noise is added."""

Plane = NDArray[np.floating[Any]]
Points = NDArray[np.float64]
Pairs = Sequence[tuple[float, float]]


def curve(points: Pairs | Points, *, closed: bool = False, steps: int = 10) -> Points:
    """Return a Catmull-Rom curve through the points; a point given twice makes a corner."""
    knots = np.asarray(points, dtype=np.float64)
    if closed:
        knots = np.concatenate([knots[-1:], knots, knots[:2]])
    else:
        knots = np.concatenate([2 * knots[:1] - knots[1:2], knots, 2 * knots[-1:] - knots[-2:-1]])
    before, start, end, after = knots[:-3], knots[1:-2], knots[2:-1], knots[3:]
    t = np.linspace(0, 1, steps, endpoint=False)[:, None, None]
    path = 0.5 * (
        2 * start
        + (end - before) * t
        + (2 * before - 5 * start + 4 * end - after) * t**2
        + (3 * start - before - 3 * end + after) * t**3
    )
    return np.concatenate([path.transpose(1, 0, 2).reshape(-1, 2), knots[-2:-1]])


def band(centre: Points, half_width: float | Points) -> Points:
    """Return the outline of a strip along a centre line; half_width is one value or one a point."""
    along = np.gradient(centre, axis=0)
    length = np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-9)
    across = np.stack([-along[:, 1], along[:, 0]], axis=1) / length[:, None]
    offset = across * np.reshape(np.broadcast_to(half_width, len(centre)), (-1, 1))
    return np.concatenate([centre + offset, (centre - offset)[::-1]])


def ellipse(x: float, y: float, width: float, height: float, turn: float = 0.0) -> Points:
    """Return an ellipse's outline; width and height are the half axes, turn is in radians, clockwise."""
    t = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    u, v = width * np.cos(t), height * np.sin(t)
    return np.stack([x + u * np.cos(turn) - v * np.sin(turn), y + u * np.sin(turn) + v * np.cos(turn)], axis=1)


class Layer:
    """One drawing in grey; later shapes cover earlier ones, :meth:`plane` returns it softened."""

    def __init__(self) -> None:
        self._image = Image.new("L", (2 * GRID, 2 * GRID))
        self._draw = ImageDraw.Draw(self._image)

    def fill(self, outlines: Iterable[Points], value: float = 1.0) -> "Layer":
        """Fill outlines with a value between 0 and 1."""
        for outline in outlines:
            self._draw.polygon((outline * 2 * GRID).ravel().tolist(), fill=round(255 * value))
        return self

    def stroke(self, path: Points, width: float, value: float = 1.0) -> "Layer":
        """Draw a line; its width is a fraction of the picture."""
        pixels = max(1, round(width * 2 * GRID))
        joint = "curve" if pixels > 8 else None
        self._draw.line((path * 2 * GRID).ravel().tolist(), fill=round(255 * value), width=pixels, joint=joint)
        return self

    def write(self, place: tuple[float, float], text: str, height: float, value: float = 1.0) -> "Layer":
        """Write text with its upper left corner at a place; height is a fraction of the picture."""
        font = ImageFont.load_default(size=height * 2 * GRID)
        self._draw.text((place[0] * 2 * GRID, place[1] * 2 * GRID), text, fill=round(255 * value), font=font)
        return self

    def plane(self, blur: float = 1.0) -> Plane:
        """Return the drawing as a plane; blur is a Gaussian's standard deviation in grid pixels."""
        if blur >= 7:  # what is this soft loses nothing at a quarter of the size
            return enlarge(_plane(self._image.reduce(8).filter(ImageFilter.GaussianBlur(blur / 4))), GRID)
        return _plane(self._image.reduce(2).filter(ImageFilter.GaussianBlur(blur)))


def _plane(image: Image.Image) -> Plane:
    return np.asarray(image, dtype=np.float32) / 255


def soften(plane: Plane, blur: float) -> Plane:
    """Return a mask blurred by a Gaussian of that standard deviation in grid pixels, done at quarter size."""
    small = Image.fromarray(np.rint(plane * 255).astype(np.uint8)).reduce(4)
    return enlarge(_plane(small.filter(ImageFilter.GaussianBlur(blur / 4))), GRID)


def chord(mask: Plane, reach: float) -> Plane:
    """Return how deep a rounded body with this outline is, 0 at the edge to 1 inside (reach in grid pixels)."""
    return mask * np.sqrt(np.clip(2 * soften(mask, reach) - 1, 0, 1))


def enlarge(plane: Plane, size: int) -> Plane:
    """Return the plane resampled to ``(size, size)``."""
    if plane.shape == (size, size):
        return plane
    return np.asarray(Image.fromarray(plane).resize((size, size), Image.Resampling.BICUBIC), dtype=np.float32)


def clouds(rng: np.random.Generator, cells: int, size: int = GRID) -> Plane:
    """Return smooth noise with about unit variance and ``cells`` grains along a side."""
    return enlarge(1.3 * rng.standard_normal((cells, cells), dtype=np.float32), size)


def axes() -> tuple[Plane, Plane]:
    """Return the x (as a row) and y (as a column) of the grid's pixel centres, in fractions."""
    line = ((np.arange(GRID) + 0.5) / GRID).astype(np.float32)
    return line[None, :], line[:, None]
