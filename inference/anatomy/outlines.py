"""From a network's logits to clean outlines of lungs and heart; pure numpy and scipy."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from inference.anatomy.structures import BACKGROUND, HEART, LUNGS, STRUCTURES
from inference.placement import Placement

Structures = NDArray[np.uint8]
"""(rows, columns): the index of each cell's structure."""
LEAST_SHARE = 0.005
"""Less than this share of the image is no lung and no heart: on 247 JSRT films the smallest structure, a heart, takes
0.03."""


GRID = 256
"""Cells of the grid along the image's longer side. A ratio of two widths is then right to 0.005 of the thorax's."""


@dataclass(frozen=True, slots=True, eq=False)
class Outlines:
    """Which structure each cell of a grid over an image belongs to."""

    structures: Structures
    """The grid covers the whole stored image evenly."""
    image_rows: int
    image_columns: int

    def mask(self, *structures: int) -> NDArray[np.bool_]:
        """Return which cells belong to any of these structures."""
        return np.isin(self.structures, structures)

    def has(self, *structures: int) -> bool:
        """Say whether each of these structures is on the image."""
        return all(bool((self.structures == structure).any()) for structure in structures)

    def to_image(self, x: float, y: float) -> tuple[float, float]:
        """Map a point of the grid, 0 at the outer edge of its first cell, to the image's pixels."""
        rows, columns = self.structures.shape
        return x / columns * self.image_columns, y / rows * self.image_rows

    def to_grid(self, x: float, y: float) -> tuple[float, float]:
        """Map a point of the image to the grid."""
        rows, columns = self.structures.shape
        return x / self.image_columns * columns, y / self.image_rows * rows


def outlines_of(logits: NDArray[np.float32], placement: Placement) -> Outlines:
    """Return the outlines that follow from logits, (rows, columns, structures), over a letterboxed image.

    The border around the image is cut off, the logits are interpolated to a grid of :data:`GRID` cells along the
    image's longer side, and of each structure one piece is left, its holes filled.
    """
    down, across = logits.shape[0] / placement.rows, logits.shape[1] / placement.columns
    scale = GRID / max(placement.height, placement.width)
    size = (max(1, round(placement.width * scale)), max(1, round(placement.height * scale)))
    left, top = placement.left * across, placement.top * down
    box = (left, top, left + placement.width * across, top + placement.height * down)
    fine = [
        np.asarray(Image.fromarray(np.ascontiguousarray(plane)).resize(size, Image.Resampling.BILINEAR, box=box))
        for plane in np.moveaxis(logits, -1, 0)
    ]
    structures = np.argmax(fine, axis=0).astype(np.uint8)
    return Outlines(cleaned(structures), placement.picture_rows, placement.picture_columns)


def cleaned(structures: Structures) -> Structures:
    """Return structures of one piece each, the largest, without holes; one that is too small is left out."""
    clean = np.full(structures.shape, BACKGROUND, np.uint8)
    for structure in (*LUNGS, HEART):
        parts, count = ndimage.label(structures == structure)
        if not count:
            continue
        sizes = np.bincount(parts.ravel())[1:]
        if sizes.max() >= LEAST_SHARE * structures.size:
            clean[ndimage.binary_fill_holes(parts == 1 + int(sizes.argmax())) & (clean == BACKGROUND)] = structure
    return clean


def require_structures(logits: NDArray[np.float32]) -> None:
    """Raise ValueError where logits are no numbers or of another shape than (rows, columns, structures)."""
    if logits.ndim != 3 or logits.shape[-1] != len(STRUCTURES) or not np.isfinite(logits).all():
        raise ValueError("its network answers with what are no outlines")
