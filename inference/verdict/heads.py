"""The outputs of a verdict network, in the order in which its manifest lists them."""

from typing import Literal

Content = Literal["frontal", "lateral", "empty", "other"]
CONTENTS: tuple[Content, ...] = ("frontal", "lateral", "empty", "other")
TURNS: tuple[Literal[0, 90, 180, 270], ...] = (0, 90, 180, 270)
"""Degrees clockwise by which the image is stored turned."""
MISSING = ("side", "upper", "lower")
"""What may be cut off a frontal chest: one half, the apices, the bases."""

VERDICT_HEADS: dict[str, tuple[str, tuple[str, ...]]] = {
    "usable": ("sigmoid", ("usable",)),
    "content": ("softmax", CONTENTS),
    "turn": ("softmax", tuple(f"turned{degrees}" for degrees in TURNS)),
    "flaws": ("sigmoid", ("negative", *MISSING, "mirrored")),
}
"""Activation and names of each head that a verdict network has."""
