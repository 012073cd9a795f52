"""Training images drawn from films: which kinds, how often, and the same ones for the same seed."""

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inference.pixels import to_model_input
from training.verdict import others, variants
from training.verdict.disturb import Gray, disturb
from training.verdict.truth import TARGETS, Truth, targets
from training.verdict.upright_films import STORED_SIDE

SHARES: dict[str, float] = {
    "good": 0.40,
    "negative": 0.09,
    "turned": 0.15,
    "cut": 0.16,
    "lateral": 0.06,
    "drawn": 0.08,
    "unmade": 0.05,
    "empty": 0.01,
}
"""How often a training image is of each kind."""
_CHUNK = 500


@dataclass(frozen=True, slots=True)
class Films:
    """Upright films to draw from, (rows, columns) uint8."""

    frontals: Sequence[NDArray[np.uint8]]
    laterals: Sequence[NDArray[np.uint8]]
    rest: Sequence[NDArray[np.uint8]] = ()
    """Images of no chest, such as photographs."""


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Images as the network takes them and what is known of each."""

    images: NDArray[np.uint8]
    """(count, side, side, 1), 0 to 255."""
    targets: NDArray[np.float32]
    """(count, TARGETS), see :func:`training.verdict.truth.targets`."""


def draw_samples(films: Films, count: int, side: int, seed: int, processes: int = 1) -> Samples:
    """Draw ``count`` training images; the same for the same films and seed, however many processes draw."""
    starts = list(range(0, count, _CHUNK))
    jobs = [(side, seed, start, min(_CHUNK, count - start)) for start in starts]
    if processes == 1:
        _take(films)
        parts = [_chunk(*job) for job in jobs]
    else:
        with ProcessPoolExecutor(processes, get_context("fork"), initializer=_take, initargs=(films,)) as pool:
            parts = list(pool.map(_chunk, *zip(*jobs, strict=True)))
    return Samples(np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts]))


def draw_one(films: Films, kind: str, rng: np.random.Generator) -> tuple[Gray, Truth]:
    """Draw one image of a kind, a key of :data:`SHARES`, before it is fitted into the network's input."""
    if kind == "drawn":
        if films.rest and rng.random() < 0.1:
            return disturb(_piece(_any(films.rest, rng), rng), rng), Truth("other")
        return disturb(_shrunk(others.draw_any(rng)), rng), Truth("other")
    if kind == "unmade":
        gray = others.unmade([_any(films.frontals, rng) for _ in range(4)], rng)
        return disturb(_shrunk(gray), rng), Truth("other")
    if kind == "lateral":
        gray, truth = _stored(variants.good(_any(films.laterals, rng), rng, "lateral"), rng)
        return disturb(np.ascontiguousarray(gray), rng), truth
    film = _any(films.frontals, rng)
    gray, truth = film, Truth("frontal")
    if kind == "empty":
        gray, truth = variants.nearly_empty(film, rng)
    elif kind == "cut":
        gray, truth = variants.cut(film, rng)
    else:
        gray, truth = variants.good(film, rng)
    if kind == "turned":
        gray, truth = variants.turned(gray, truth, rng)
    if kind == "negative" or (kind == "turned" and rng.random() < 0.15):
        gray, truth = variants.negative(gray, truth)
    return disturb(np.ascontiguousarray(gray), rng), truth


def _stored(pair: tuple[Gray, Truth], rng: np.random.Generator) -> tuple[Gray, Truth]:
    """Store some laterals turned or as negatives, for they come so too."""
    gray, truth = pair
    if rng.random() < 0.1:
        gray, truth = variants.turned(gray, truth, rng)
    if rng.random() < 0.1:
        gray, truth = variants.negative(gray, truth)
    return gray, truth


def _piece(gray: Gray, rng: np.random.Generator) -> Gray:
    rows, columns = gray.shape
    height, width = int(rows * rng.uniform(0.3, 1)), int(columns * rng.uniform(0.3, 1))
    top, left = int(rng.uniform(0, rows - height + 1)), int(rng.uniform(0, columns - width + 1))
    return np.ascontiguousarray(np.rot90(gray[top : top + height, left : left + width], int(rng.integers(4))))


def _shrunk(gray: Gray) -> Gray:
    """Return the image as large as films are kept, so that every image is disturbed at one scale."""
    rows, columns = gray.shape
    scale = STORED_SIDE / max(rows, columns)
    size = (max(8, round(columns * scale)), max(8, round(rows * scale)))
    return np.asarray(Image.fromarray(np.ascontiguousarray(gray)).resize(size, Image.Resampling.BILINEAR), np.float32)


def _any(films: Sequence[NDArray[np.uint8]], rng: np.random.Generator) -> Gray:
    return films[int(rng.integers(len(films)))].astype(np.float32) / np.float32(255)


_taken: list[Films] = []


def _take(films: Films) -> None:
    _taken[:] = [films]


def _chunk(side: int, seed: int, start: int, count: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    rng = np.random.default_rng([seed, start])
    kinds, shares = list(SHARES), np.array(list(SHARES.values()))
    images, truths = np.empty((count, side, side, 1), np.uint8), np.empty((count, TARGETS), np.float32)
    for number in range(count):
        gray, truth = draw_one(_taken[0], str(rng.choice(kinds, p=shares / shares.sum())), rng)
        canvas, _ = to_model_input(gray, side, side, "stretched")
        images[number] = np.asarray(canvas * 255 + 0.5, np.uint8)
        truths[number] = targets(truth)
    return images, truths
