"""From a file of a data set to the model's input, through the same letterbox that serving uses."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from config.errors import DataError
from inference.placement import Placement
from training.dataset import Radiograph, TruthBox
from training.detector_targets import ModelBox


def read_grey(path: Path) -> NDArray[np.float32]:
    """Read a picture file as grey (rows, columns), 0..1, air dark.

    Raises
    ------
    DataError
        When the file is no picture or breaks off.
    """
    try:
        with Image.open(path) as picture:
            return np.asarray(picture.convert("L"), np.float32) / np.float32(255)
    except (UnidentifiedImageError, OSError) as error:
        raise DataError(f"{path.name} cannot be read as a picture ({type(error).__name__}): replace the file") from None


def require_readable(rows: Iterable[Radiograph]) -> None:
    """Raise :class:`DataError` for the first picture that cannot be read: better now than after an hour of fitting."""
    for row in rows:
        read_grey(row.path)


def to_model_box(box: TruthBox, placement: Placement) -> ModelBox:
    """Carry a box, in fractions of its picture, into the model's square."""
    x0, y0 = placement.to_model(box.x * placement.picture_columns, box.y * placement.picture_rows)
    x1, y1 = placement.to_model((box.x + box.w) * placement.picture_columns, (box.y + box.h) * placement.picture_rows)
    side = placement.columns
    return ModelBox((x0 + x1) / 2 / side, (y0 + y1) / 2 / side, (x1 - x0) / side, (y1 - y0) / side)
