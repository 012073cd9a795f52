"""What is known about a training image, as targets and weights of the network's heads.

The truth is free: turned, negative, mirrored and cut images are made from upright frontal ones.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from inference.verdict.heads import CONTENTS, MISSING, TURNS, Content

Turn = Literal[0, 90, 180, 270]
TARGETS = 1 + len(CONTENTS) + len(TURNS) + 1 + len(MISSING) + 1
"""Numbers a truth: usable, content, turn, negative, missing, mirrored; in this order."""
_UNKNOWN = -1.0


@dataclass(frozen=True, slots=True)
class Truth:
    """What an image shows and how it is stored."""

    content: Content
    turned: Turn = 0
    """Degrees clockwise by which it is stored turned, after any mirroring."""
    negative: bool = False
    mirrored: bool = False
    missing: tuple[str, ...] = ()
    """Names of :data:`inference.verdict.heads.MISSING`."""
    doubtful: bool = False
    """Neither good nor bad: it teaches the heads, but not whether it is usable."""

    @property
    def usable(self) -> bool:
        """Say whether findings may be looked for in it as it is stored."""
        return self.content == "frontal" and not (self.turned or self.negative or self.missing)

    def turn(self, degrees: Turn) -> "Truth":
        """Return the truth of the image stored turned by so much."""
        return replace(self, turned=degrees)


def targets(truth: Truth) -> NDArray[np.float32]:
    """Return (TARGETS,) float32: 0 or 1, and -1 where a head learns nothing from this image."""
    chest = truth.content in {"frontal", "lateral"}
    frontal = truth.content == "frontal"
    upright = frontal and not truth.turned
    numbers = [_UNKNOWN if truth.doubtful else float(truth.usable)]
    numbers += [float(truth.content == name) for name in CONTENTS]
    numbers += [float(truth.turned == turn) if chest else _UNKNOWN for turn in TURNS]
    numbers += [float(truth.negative) if chest else _UNKNOWN]
    numbers += [float(name in truth.missing) if upright and not truth.doubtful else _UNKNOWN for name in MISSING]
    numbers += [float(truth.mirrored) if upright and not truth.missing else _UNKNOWN]
    return np.asarray(numbers, np.float32)
