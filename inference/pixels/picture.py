"""A decoded radiograph."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.findings import Remark

Gray = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A decoded radiograph in presentation polarity: bone bright, air dark."""

    gray: Gray
    """(rows, columns) float32, 0 to 1, the stored pixels in their stored places; do not write to it.

    Where ``reduction`` is not 1, one value for each square of ``reduction`` stored pixels on a side."""
    pixel_aspect: float = 1.0
    """Height of a pixel over its width."""
    remarks: tuple[Remark, ...] = ()
    """What a reader must know about how the image was read."""
    reduction: int = 1
    """Stored pixels along a side of one value of ``gray``: a power of 2."""
    lead: float = 0.0
    """How far each value of ``gray`` lies up and left of the middle of its square, in sides of that square.

    A wavelet's low-pass samples lie on the first of the pixels that they stand for: 0.375 at ``reduction`` 4."""
    stored_size: tuple[int, int] | None = None
    """Stored rows and columns; None where they are those of ``gray``."""

    @property
    def rows(self) -> int:
        """Return the number of stored rows."""
        return int(self.gray.shape[0]) if self.stored_size is None else self.stored_size[0]

    @property
    def columns(self) -> int:
        """Return the number of stored columns."""
        return int(self.gray.shape[1]) if self.stored_size is None else self.stored_size[1]

    def resampling_source(self) -> tuple[Gray, tuple[float, float, float, float]]:
        """Return values to resample, and the box in them that covers the whole stored image evenly.

        The box is (left, upper, right, lower) in values, as Pillow's ``resize`` takes it, wherever a reduced decoding
        laid them. What reaches beyond the last values repeats them.
        """
        gray, lead = self.gray, self.lead
        if lead:
            gray = np.pad(gray, ((0, 1), (0, 1)), "edge")
        return gray, (lead, lead, lead + self.columns / self.reduction, lead + self.rows / self.reduction)
