"""Windows on modality values, and whether one is to be believed (PS3.3 C.11.2.1.2)."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

_MOST_SATURATED = 0.85
"""A stored window that leaves more of the image than this plain black or white is not believed."""
_LEAST_RANGE = 0.2
"""A stored window whose image keeps its middle 98 % within less of the range than this is not believed."""
_TAIL_PERCENT = 0.5
"""How much of either end the automatic window gives up, against markers, borders and hot pixels."""


class VoiFunction(StrEnum):
    """VOI LUT Function (0028,1056)."""

    LINEAR = "LINEAR"
    LINEAR_EXACT = "LINEAR_EXACT"
    SIGMOID = "SIGMOID"


@dataclass(frozen=True, slots=True)
class Window:
    """A window on modality values (PS3.3 C.11.2.1.2)."""

    center: float
    width: float
    function: VoiFunction = VoiFunction.LINEAR

    def apply(self, values: Values) -> Values:
        """Return 0 to 1 for each modality value."""
        if self.function is VoiFunction.SIGMOID:
            exponent = np.clip(-4.0 * (values - self.center) / self.width, -60.0, 60.0)
            return np.asarray(1.0 / (1.0 + np.exp(exponent)))
        if self.function is VoiFunction.LINEAR_EXACT:
            return np.clip((values - self.center) / self.width + 0.5, 0.0, 1.0)
        if self.width <= 1.0:
            return (values > self.center - 0.5).astype(np.float64)
        return np.clip((values - (self.center - 0.5)) / (self.width - 1.0) + 0.5, 0.0, 1.0)


def saturated(shown: Values) -> bool:
    """Say whether grey levels, 0 to 1, are nearly all black or white."""
    return bool(shown.size and np.mean((shown <= 0.001) | (shown >= 0.999)) > _MOST_SATURATED)


def squeezed(shown: Values) -> bool:
    """Say whether grey levels, 0 to 1, keep within a little of the range."""
    return bool(shown.size and middle_range(shown) < _LEAST_RANGE)


def middle_range(values: NDArray[Any]) -> float:
    """Return how far apart the ends of the middle 98 % of some values lie."""
    low, high = np.percentile(values, [1.0, 99.0])
    return float(high - low)


def automatic(values: Values, inside: Values, bits_stored: int) -> Values:
    """Return 0 to 1 for each modality value, without a window.

    Images of 8 bits are shown as they are, for they were made to be shown; deeper ones are stretched between
    percentiles of ``inside``, modality values of the image.
    """
    if bits_stored <= 8 and len(values) <= 256:
        low, high = float(values.min()), float(values.max())
    elif inside.size:
        low, high = (float(end) for end in np.percentile(inside, [_TAIL_PERCENT, 100.0 - _TAIL_PERCENT]))
    else:
        low, high = 0.0, 0.0
    if high <= low:
        return np.full(values.shape, 0.5)
    return np.clip((values - low) / (high - low), 0.0, 1.0)
