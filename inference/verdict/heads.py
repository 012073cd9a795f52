"""The outputs of a verdict network, in the order in which its manifest lists them."""

from typing import Literal

Content = Literal["frontal", "lateral", "empty", "other"]
CONTENTS: tuple[Content, ...] = ("frontal", "lateral", "empty", "other")
TURNS: tuple[Literal[0, 90, 180, 270], ...] = (0, 90, 180, 270)
"""Degrees clockwise by which the image is stored turned."""
MISSING = ("side", "upper", "lower")
"""What may be cut off a frontal chest: one half, the apices, the bases."""
