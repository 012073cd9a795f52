"""The display shutter (PS3.3 C.7.6.11): what lies outside is to be black."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from pydicom.dataset import Dataset

from inference.attributes import numbers_of, texts_of

_LEAST_VISIBLE = 0.2
"""A shutter that leaves less than this of the picture is taken for an error and ignored."""


def outside_shutter(dataset: Dataset, rows: int, columns: int) -> NDArray[np.bool_] | None:
    """Return which pixels every shutter hides, (rows, columns); None when there is no believable shutter."""
    shapes = {shape.upper() for shape in texts_of(dataset, "ShutterShape")}
    hidden: NDArray[np.bool_] | None = None
    for name, draw in (("RECTANGULAR", _rectangle), ("CIRCULAR", _circle), ("POLYGONAL", _polygon)):
        shape = draw(dataset, rows, columns) if name in shapes else None
        if shape is not None:
            outside = ~np.asarray(shape)
            hidden = outside if hidden is None else hidden | outside
    if hidden is None or hidden.mean() > 1.0 - _LEAST_VISIBLE:
        return None
    return hidden


def _rectangle(dataset: Dataset, rows: int, columns: int) -> Image.Image | None:
    """Edges are the first columns and rows hidden, counted from 1; edges outside the picture hide nothing."""
    edges = [
        numbers_of(dataset, f"Shutter{side}Edge")
        for side in ("LeftVertical", "UpperHorizontal", "RightVertical", "LowerHorizontal")
    ]
    if not all(edges):
        return None
    left, upper, right, lower = (int(edge[0]) for edge in edges)
    left, upper, right, lower = max(left, 0), max(upper, 0), min(right - 2, columns - 1), min(lower - 2, rows - 1)
    if right <= left or lower <= upper:
        return None
    image = Image.new("1", (columns, rows), 0)
    ImageDraw.Draw(image).rectangle((left, upper, right, lower), fill=1)
    return image


def _circle(dataset: Dataset, rows: int, columns: int) -> Image.Image | None:
    center, radius = numbers_of(dataset, "CenterOfCircularShutter"), numbers_of(dataset, "RadiusOfCircularShutter")
    if len(center) != 2 or not radius or radius[0] <= 0:
        return None
    y, x, r = center[0] - 1, center[1] - 1, min(radius[0], float(rows + columns))
    image = Image.new("1", (columns, rows), 0)
    ImageDraw.Draw(image).ellipse((x - r, y - r, x + r, y + r), fill=1)
    return image


def _polygon(dataset: Dataset, rows: int, columns: int) -> Image.Image | None:
    """Vertices are row and column pairs, counted from 1."""
    flat = numbers_of(dataset, "VerticesOfThePolygonalShutter")
    if len(flat) < 6 or len(flat) % 2:
        return None
    image = Image.new("1", (columns, rows), 0)
    points = [(x - 1, y - 1) for y, x in zip(flat[::2], flat[1::2], strict=True)]
    ImageDraw.Draw(image).polygon(points, fill=1)
    return image
