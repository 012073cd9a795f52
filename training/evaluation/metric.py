"""A metric: a value with its interval."""

from dataclasses import dataclass
from typing import Any

import numpy as np

RESAMPLES = 1000
"""Draws of patients behind an interval."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A value with its 95 % interval from a bootstrap over patients."""

    value: float
    low: float
    high: float

    def as_json(self) -> dict[str, Any]:
        """Return it as the figures file has it, four decimals; null where it is undefined."""
        value, low, high = (round(one, 4) if np.isfinite(one) else None for one in (self.value, self.low, self.high))
        return {"value": value, "interval": [low, high]}
