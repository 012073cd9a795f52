"""What the frozen trunk makes of every picture, and of its altered copies: computed once, kept in a file.

The lower third of the network never changes while a recipe is fitted, so its maps are worth more than pictures: an
epoch then costs only the layers that learn, and a second run of the same data and settings starts at once.
"""

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import keras
import numpy as np
from numpy.typing import NDArray

from inference.pixels import to_model_input
from training.data.augment import augment
from training.data.examples import Example, TruthBox
from training.data.image_files import read_picture
from training.data.model_boxes import ModelBox, to_model_box
from training.fit import cache_key
from training.fit.result import Progress
from training.recipe.recipe import Recipe

_LAYOUT = "4"
"""Changed whenever the same settings would give other maps in one version of the program."""

_BYTES = np.dtype(np.float16).itemsize


class Maps(Protocol):
    """One picture's maps, (variants, side/8, side/8, 32) float16: an array, or the file that holds it."""

    def __len__(self) -> int:
        """Return how many copies there are."""

    def __getitem__(self, copy: int, /) -> NDArray[np.float16]:
        """Return one copy's maps."""


@dataclass(frozen=True, slots=True)
class StoredMaps:
    """Maps in a file that is open only while a copy is read: a data set has more pictures than a process has files."""

    path: Path
    shape: tuple[int, ...]
    start: int
    """Where the numbers begin in the file, in bytes."""

    @classmethod
    def open(cls, path: Path) -> "StoredMaps":
        """Read a file's head once: copies are read thousands of times, and the head costs more than they do."""
        with path.open("rb") as stream:
            np.lib.format.read_magic(stream)
            shape, _, _ = np.lib.format.read_array_header_1_0(stream)
            return cls(path, tuple(shape), stream.tell())

    def __len__(self) -> int:
        """Return how many copies there are."""
        return self.shape[0]

    def __getitem__(self, copy: int, /) -> NDArray[np.float16]:
        """Return one copy's maps."""
        count = math.prod(self.shape[1:])
        offset = self.start + copy * count * _BYTES
        return np.fromfile(self.path, np.float16, count, offset=offset).reshape(self.shape[1:])


@dataclass(frozen=True, slots=True)
class Features:
    """Trunk maps of pictures and the boxes of each of their copies in the model's square."""

    maps: tuple[Maps, ...]
    """Of each picture."""
    boxes: tuple[tuple[tuple[ModelBox, ...], ...], ...]

    @property
    def variants(self) -> int:
        """How many copies each picture has."""
        return len(self.maps[0])

    def batch(self, pictures: Iterable[int], copies: Iterable[int]) -> NDArray[np.float32]:
        """Return the maps of these pictures' copies, one of each: (n, side/8, side/8, 32)."""
        chosen = [self.maps[picture][copy] for picture, copy in zip(pictures, copies, strict=True)]
        return np.stack(chosen).astype(np.float32)


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

    Copy k of a picture depends on the seed, the picture's name and k alone, so each picture's maps are a file of their
    own: another fold of the same data finds them, and a run that was stopped goes on at the picture it had reached.
    """
    folder = cache / f"maps-{_digest(trunk, recipe, altered=altered)}"
    folder.mkdir(parents=True, exist_ok=True)
    maps: list[Maps] = []
    boxes: list[tuple[tuple[ModelBox, ...], ...]] = []
    for done, example in enumerate(examples, 1):
        stored = folder / f"{_key(example)}.npy"
        known = stored.is_file()
        copies, copy_boxes = _copies(recipe, example, altered=altered, pictures=not known)
        if not known:
            partial = stored.with_suffix(".part")
            with partial.open("wb") as stream:
                seen = trunk.predict_on_batch(np.stack(copies)[..., None])
                np.lib.format.write_array(stream, np.asarray(seen, np.float16))
            partial.replace(stored)
        progress(what, done, len(examples))
        maps.append(StoredMaps.open(stored))
        boxes.append(copy_boxes)
    return Features(tuple(maps), tuple(boxes))


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


def _digest(trunk: keras.Model, recipe: Recipe, *, altered: bool) -> str:
    settings = recipe.augment if altered else None
    seed = recipe.seed if altered else None
    words = (cache_key.program(), _LAYOUT, settings, seed, recipe.network.contrast, trunk.input_shape)
    return hashlib.sha256(f"{words!r}/{cache_key.of_arrays(trunk.get_weights())}".encode()).hexdigest()[:20]


def _key(example: Example) -> str:
    """Name a picture's file by all that its maps follow from, together with the folder's digest."""
    return hashlib.sha256(cache_key.of_picture(example).encode()).hexdigest()[:32]
