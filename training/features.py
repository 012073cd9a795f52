"""What the frozen trunk makes of every picture, and of its altered copies: computed once, kept in a file.

The lower third of the network never changes while a recipe is fitted, so its maps are worth more than pictures: an
epoch then costs only the layers that learn, and a second run of the same data and settings starts at once.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from inference.pixels import to_model_input
from training.augment import augment
from training.data.examples import Example, TruthBox
from training.data.pictures import read_picture, to_model_box
from training.detector_targets import ModelBox
from training.learnt import Progress
from training.recipe import Recipe

_BATCH = 16
_LAYOUT = "3"
"""Changed whenever the same settings would give other maps."""


@dataclass(frozen=True, slots=True)
class Features:
    """Trunk maps (n, variants, side/8, side/8, 32) in float16 and the boxes of each copy in the model's square."""

    maps: NDArray[np.float16]
    boxes: tuple[tuple[tuple[ModelBox, ...], ...], ...]


def compute(
    trunk: keras.Model,
    recipe: Recipe,
    examples: Sequence[Example],
    *,
    altered: bool,
    cache: Path,
    progress: Progress,
    what: str,
) -> Features:
    """Run the trunk over the recipe's altered copies of each picture, or over the pictures themselves.

    Copy k of a picture depends on the seed, the picture's name and k alone, so it does not matter who else is there.
    """
    variants = recipe.augment.variants if altered else 1
    maps_shape = (len(examples), variants, *trunk.output_shape[1:])
    stored = cache / f"features-{_digest(trunk, recipe, examples, altered=altered)}.npy"
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
    for index, example in enumerate(examples):
        copies, copy_boxes = _copies(recipe, example, altered=altered, pictures=not known)
        boxes.append(copy_boxes)
        waiting += copies
        while len(waiting) >= _BATCH or (waiting and index == len(examples) - 1):
            batch, waiting = np.stack(waiting[:_BATCH]), waiting[_BATCH:]
            flat[filled : filled + len(batch)] = np.asarray(trunk.predict_on_batch(batch[..., None]), np.float16)
            filled += len(batch)
        if not known:
            progress(what, index + 1, len(examples))
    if not known:
        maps.flush()
        working.rename(stored)
    return Features(maps=maps, boxes=tuple(boxes))


def _copies(
    recipe: Recipe, example: Example, *, altered: bool, pictures: bool
) -> tuple[list[NDArray[np.float32]], tuple[tuple[ModelBox, ...], ...]]:
    variants = recipe.augment.variants if altered else 1
    wanted = _wanted(recipe, example)
    # Where boxes go follows from the same random numbers as the grey values: a cached run draws them again, but
    # only for pictures that have boxes.
    if not pictures and not wanted:
        return [], ((),) * variants
    side = recipe.network.side
    whole, placement = to_model_input(read_picture(example.path), side, side, recipe.network.contrast)
    grey = whole[..., 0]
    boxes = tuple(to_model_box(box, placement, recipe.maps.index(box.label)) for box in wanted)
    if not altered:
        return ([grey] if pictures else []), (boxes,)
    made = []
    for variant in range(variants):
        key = hashlib.sha256(f"{recipe.seed}/{example.file}/{variant}".encode()).digest()[:8]
        made.append(augment(grey, boxes, recipe.augment, np.random.default_rng(int.from_bytes(key, "big"))))
    return ([picture for picture, _ in made] if pictures else []), tuple(moved for _, moved in made)


def _wanted(recipe: Recipe, example: Example) -> tuple[TruthBox, ...]:
    return tuple(box for box in example.boxes if box.label in recipe.maps)


def _digest(trunk: keras.Model, recipe: Recipe, examples: Sequence[Example], *, altered: bool) -> str:
    settings = recipe.augment if altered else None
    sums = hashlib.sha256(
        f"{_LAYOUT}/{settings!r}/{recipe.seed}/{recipe.network.contrast}/{trunk.input_shape}".encode()
    )
    for example in examples:
        sums.update(f"{example.file}/{example.path.stat().st_size}/{_wanted(recipe, example)!r}".encode())
    for weight in trunk.get_weights():
        sums.update(weight.tobytes())
    return sums.hexdigest()[:20]
