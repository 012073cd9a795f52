"""Changes of an outlined film that other patients, positions and machines bring; image and outlines move together.

Hearts grow, lungs fill with shadows, films are turned, stretched, cut and shifted; then the grey levels change as
:mod:`training.verdict.disturb` changes them.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from inference.anatomy.structures import BACKGROUND, HEART, LEFT_LUNG, LUNGS, RIGHT_LUNG, STRUCTURES
from training.anatomy.masked_films import Outlined
from training.verdict.disturb import Gray, disturb, spread

Grid = NDArray[np.float32]


def changed(film: Outlined, rng: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return a changed image, (side, side, 1), and the share of each structure in cells of two by two pixels.

    Shares are (side / 2, side / 2, structures), 0 to 255.
    """
    gray, structures = film.gray.astype(np.float32) / np.float32(255), film.structures
    if rng.random() < 0.5:
        gray = _shadowed(gray, structures, rng)
    if rng.random() < 0.08:
        gray, structures = gray[:, ::-1], _other_side(structures[:, ::-1])
    y, x = _field(structures, rng)
    tone = float(rng.choice([0.0, 0.0, 0.0, float(np.median(gray[:2])), 1.0]))
    gray = ndimage.map_coordinates(gray, (y, x), order=1, cval=tone)
    structures = ndimage.map_coordinates(structures, (y, x), order=0, cval=BACKGROUND)
    gray = spread(disturb(np.clip(gray, 0, 1).astype(np.float32), rng, margins=False))
    return (gray[..., None] * 255 + 0.5).astype(np.uint8), shares(structures)


def shares(structures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the share, 0 to 255, of each structure in cells of two by two pixels."""
    rows, columns = structures.shape
    each = structures[..., None] == np.arange(len(STRUCTURES), dtype=np.uint8)
    cells = each.reshape(rows // 2, 2, columns // 2, 2, len(STRUCTURES)).mean((1, 3), dtype=np.float32)
    return np.asarray(cells * 255 + 0.5, np.uint8)


def _other_side(structures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    names = np.arange(len(STRUCTURES), dtype=np.uint8)
    names[[RIGHT_LUNG, LEFT_LUNG]] = names[[LEFT_LUNG, RIGHT_LUNG]]
    renamed: NDArray[np.uint8] = names[structures]
    return renamed


def _field(structures: NDArray[np.uint8], rng: np.random.Generator) -> tuple[Grid, Grid]:
    """Return from which row and column of the film each pixel of the changed image is taken."""
    side = structures.shape[0]
    rows, columns = np.mgrid[:side, :side].astype(np.float32) - side / 2
    angle = np.deg2rad(np.clip(rng.normal(0, 5), -15, 15))
    zoom = np.exp(rng.normal(-0.03, 0.16))
    tall, wide = zoom * np.exp(rng.normal(0, 0.07)), zoom / np.exp(rng.normal(0, 0.07))
    shift_y, shift_x = rng.normal(0, 0.05 * side, 2)
    y = tall * (np.cos(angle) * rows - np.sin(angle) * columns) + side / 2 + shift_y
    x = wide * (np.sin(angle) * rows + np.cos(angle) * columns) + side / 2 + shift_x
    if rng.random() < 0.7:
        bend = rng.normal(0, 0.02 * side, (2, 4, 4)).astype(np.float32)
        y += ndimage.zoom(bend[0], side / 4, order=3)
        x += ndimage.zoom(bend[1], side / 4, order=3)
    if rng.random() < 0.6 and (structures == HEART).any():
        y, x = _heart_grown(structures, y, x, rng)
    return y.astype(np.float32), x.astype(np.float32)


def _heart_grown(structures: NDArray[np.uint8], y: Grid, x: Grid, rng: np.random.Generator) -> tuple[Grid, Grid]:
    """Magnify the film about the heart, mostly across, and leave the chest wall where it is."""
    rows, columns = np.nonzero(structures == HEART)
    middle_y, middle_x = rows.mean(), columns.mean()
    reach_y, reach_x = 1.1 * (np.ptp(rows) + 1), 0.85 * (np.ptp(columns) + 1)
    near = np.exp(-0.5 * (((y - middle_y) / reach_y) ** 2 + ((x - middle_x) / reach_x) ** 2))
    across, down = rng.uniform(-0.2, 0.7), rng.uniform(-0.15, 0.35)
    return middle_y + (y - middle_y) / (1 + down * near), middle_x + (x - middle_x) / (1 + across * near)


def _shadowed(gray: Gray, structures: NDArray[np.uint8], rng: np.random.Generator) -> Gray:
    """Brighten parts of the lungs as opacities, or their bases as effusions; the outlines stay."""
    gray, side = gray.copy(), gray.shape[0]
    rows, columns = np.mgrid[:side, :side].astype(np.float32)
    lungs = np.isin(structures, LUNGS)
    soft = float(np.percentile(gray[lungs], 95)) if lungs.any() else 0.7
    for lung in LUNGS:
        inside = np.nonzero(structures == lung)
        if rng.random() < 0.35 or not len(inside[0]):
            continue
        weight = np.zeros_like(gray)
        for _ in range(int(rng.integers(1, 5))):
            at = int(rng.integers(len(inside[0])))
            reach = rng.uniform(0.02, 0.12, 2) * side
            far = ((rows - inside[0][at]) / reach[0]) ** 2 + ((columns - inside[1][at]) / reach[1]) ** 2
            weight = np.maximum(weight, np.float32(rng.uniform(0.2, 1.0)) * np.exp(-0.5 * far))
        if rng.random() < 0.4:
            level = float(np.quantile(inside[0], rng.uniform(0.6, 0.95)))
            slope = np.clip((rows - level) / (0.04 * side) + 0.5, 0, 1)
            weight = np.maximum(weight, np.float32(rng.uniform(0.4, 1.0)) * slope)
        weight = weight * ndimage.gaussian_filter((structures == lung).astype(np.float32), 0.008 * side)
        gray += weight * np.maximum(np.float32(soft * rng.uniform(0.85, 1.15)) - gray, 0)
    return np.clip(gray, 0, 1)
