"""Films with outlines of lungs and heart, as ``masks.csv`` of a data folder lists them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from config.errors import DataError
from inference.anatomy.structures import BACKGROUND, HEART, LEFT_LUNG, RIGHT_LUNG
from inference.pixels import to_model_input
from training.data.csv_rows import existing, rows
from training.data.examples import Example
from training.data.films import all_films
from training.data.image_files import read_picture

_COLUMNS = ("file", "mask", "source")
_CURE = "give a data folder with masks.csv, masks/ and manifest.csv, or one that has it all in more/"
_LUNG, _HEART = 1, 2
"""Grey levels in a mask file; everything else is background."""


@dataclass(frozen=True, slots=True)
class MaskedFilm:
    """A film and the file of its mask."""

    film: Example
    mask: Path


@dataclass(frozen=True, slots=True, eq=False)
class Outlined:
    """An image in the size of the network's input with the structure of each of its pixels."""

    gray: NDArray[np.uint8]
    """(side, side), 0 to 255."""
    structures: NDArray[np.uint8]
    """(side, side), indices of :data:`inference.anatomy.structures.STRUCTURES`."""


def masked_films(data: Path, sources: Sequence[str]) -> tuple[MaskedFilm, ...]:
    """Return the films of these collections that have a mask, in the order of ``masks.csv``.

    Raises :class:`DataError` where the folder has no masks, or a file is missing.
    """
    folder = data if (data / "masks.csv").is_file() else data / "more"
    known = {film.path: film for film in all_films(data)}
    found = []
    for place, row in rows(folder / "masks.csv", _COLUMNS, _CURE):
        film = known.get(folder / "images" / row["file"]) or known.get(data / "images" / row["file"])
        if film is not None and film.source in sources:
            found.append(MaskedFilm(film, existing(place, folder / row["mask"])))
    return tuple(found)


def read_mask(path: Path) -> NDArray[np.uint8]:
    """Return the structure of each pixel of a mask file, (rows, columns).

    The lung whose middle lies further to the left of the image is the right one. Raises :class:`DataError` where the
    file holds other grey levels than 0, 1 for lung and 2 for heart, or no two lungs.
    """
    with Image.open(path) as image:
        drawn = np.asarray(image)
    if drawn.ndim != 2 or not set(np.unique(drawn)) <= {0, _LUNG, _HEART}:
        raise DataError(f"{path.name} is no mask: give a grey PNG of 0, {_LUNG} for lung and {_HEART} for heart")
    parts, count = ndimage.label(drawn == _LUNG)
    sizes = ndimage.sum_labels(drawn == _LUNG, parts, range(1, count + 1))
    if count < 2:
        raise DataError(f"{path.name} shows fewer than two lungs: correct the mask or remove its row")
    middles = np.array(ndimage.center_of_mass(drawn == _LUNG, parts, range(1, count + 1)))[:, 1]
    first, second = np.argsort(sizes)[-2:]
    divide = (middles[first] + middles[second]) / 2
    structures = np.full(drawn.shape, BACKGROUND, np.uint8)
    for part in range(count):
        structures[parts == part + 1] = RIGHT_LUNG if middles[part] < divide else LEFT_LUNG
    structures[drawn == _HEART] = HEART
    return structures


def outlined(film: MaskedFilm, side: int) -> Outlined:
    """Return a film and its mask in the network's input, grey levels stretched as serving stretches them."""
    picture = read_picture(film.film.path)
    canvas, placement = to_model_input(picture, side, side, "stretched")
    fitted = Image.fromarray(read_mask(film.mask)).resize((placement.width, placement.height), Image.Resampling.NEAREST)
    structures = np.full((side, side), BACKGROUND, np.uint8)
    bottom, right = placement.top + placement.height, placement.left + placement.width
    structures[placement.top : bottom, placement.left : right] = np.asarray(fitted)
    return Outlined((canvas[..., 0] * 255 + 0.5).astype(np.uint8), structures)
