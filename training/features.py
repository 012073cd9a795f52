"""What the frozen trunk makes of every picture, and of its altered copies: computed once, kept in a file.

The lower third of the network never changes while a recipe is fitted, so its maps are worth more than pictures: an
epoch then costs only the layers that learn, and a second run of the same data and settings starts at once.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from inference.pixels import to_model_input
from training.augment import augment
from training.dataset import Radiograph
from training.model import STRIDE
from training.pictures import read_grey, to_model_box
from training.recipe import AugmentSettings
from training.targets import ModelBox, encode

Progress = Callable[[str, int, int], None]
"""Called with (what, done, of)."""
_BATCH = 16
_LAYOUT = "2"
"""Changed whenever the same settings would give other maps."""


@dataclass(frozen=True, slots=True)
class Features:
    """Trunk maps (n, variants, side/8, side/8, 32) in float16 and the boxes of each copy in the model's square."""

    maps: NDArray[np.float16]
    boxes: tuple[tuple[tuple[ModelBox, ...], ...], ...]

    def detector_targets(self, cells: int, index: int, variant: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return (heat, box) targets of one copy."""
        targets = encode(self.boxes[index][variant], cells)
        return targets.heat, targets.box


def compute(
    trunk: keras.Model,
    rows: Sequence[Radiograph],
    *,
    variants: int,
    settings: AugmentSettings | None,
    seed: int,
    cache: Path,
    progress: Progress,
    what: str,
) -> Features:
    """Run the trunk over ``variants`` altered copies of each picture; without ``settings``, over the picture itself.

    Copy k of picture i depends on the seed, the picture's name and k alone, so it does not matter who else is there.
    """
    side = int(trunk.input_shape[1])
    maps_shape = (len(rows), variants, *trunk.output_shape[1:])
    stored = cache / f"features-{_digest(trunk, rows, variants, settings, seed)}.npy"
    cache.mkdir(parents=True, exist_ok=True)
    known = stored.is_file()
    working = stored if known else stored.with_suffix(".part")
    maps = np.lib.format.open_memmap(
        working, mode="r" if known else "w+", dtype=np.float16, shape=None if known else maps_shape
    )
    boxes: list[tuple[tuple[ModelBox, ...], ...]] = []
    waiting: list[NDArray[np.float32]] = []
    filled = 0
    flat = maps.reshape(-1, *maps_shape[2:])
    for index, row in enumerate(rows):
        copies, copy_boxes = _copies(row, side, variants, settings, seed, pictures=not known)
        boxes.append(copy_boxes)
        waiting += copies
        while len(waiting) >= _BATCH or (waiting and index == len(rows) - 1):
            batch, waiting = np.stack(waiting[:_BATCH]), waiting[_BATCH:]
            flat[filled : filled + len(batch)] = np.asarray(trunk.predict_on_batch(batch[..., None]), np.float16)
            filled += len(batch)
        if not known:
            progress(what, index + 1, len(rows))
    if not known:
        maps.flush()
        working.rename(stored)
    return Features(maps=maps, boxes=tuple(boxes))


def cells_of(side: int) -> int:
    """Return how many cells the heat map of an input side has."""
    return side // STRIDE


def _copies(
    row: Radiograph, side: int, variants: int, settings: AugmentSettings | None, seed: int, *, pictures: bool
) -> tuple[list[NDArray[np.float32]], tuple[tuple[ModelBox, ...], ...]]:
    # Where boxes go follows from the same random numbers as the grey values: a cached run draws them again, but
    # only for pictures that have boxes.
    if not pictures and not row.opacities:
        return [], ((),) * variants
    whole, placement = to_model_input(read_grey(row.path), side, side)
    grey = whole[..., 0]
    boxes = tuple(to_model_box(box, placement) for box in row.opacities)
    if settings is None:
        return ([grey] if pictures else []), (boxes,)
    made = []
    for variant in range(variants):
        key = hashlib.sha256(f"{seed}/{row.file}/{variant}".encode()).digest()[:8]
        made.append(augment(grey, boxes, settings, np.random.default_rng(int.from_bytes(key, "big"))))
    return ([picture for picture, _ in made] if pictures else []), tuple(moved for _, moved in made)


def _digest(
    trunk: keras.Model, rows: Sequence[Radiograph], variants: int, settings: AugmentSettings | None, seed: int
) -> str:
    sums = hashlib.sha256(f"{_LAYOUT}/{variants}/{settings!r}/{seed}/{trunk.input_shape}".encode())
    for row in rows:
        sums.update(f"{row.file}/{row.path.stat().st_size}/{row.opacities!r}".encode())
    for weight in trunk.get_weights():
        sums.update(weight.tobytes())
    return sums.hexdigest()[:20]
