"""What the decoder process is asked to do, and what it may cost."""

from dataclasses import asdict, dataclass
from typing import Any

from inference.codec.stream import Codec

HEADROOM = 512 << 20
"""Bytes of address space that decoding one image may take."""
_LEAST_SECONDS, _MOST_SECONDS, _SECONDS_A_MEGAPIXEL = 10.0, 60.0, 1.0
"""An idle machine decodes a megapixel of lossless JPEG 2000, the slowest codec, in 0.1 to 0.3 s."""


@dataclass(frozen=True, slots=True)
class Task:
    """One codestream to decode, and what its data set and its own header agree on."""

    codec: Codec
    rows: int
    columns: int
    samples: int
    bits_allocated: int
    """Of the data set; RLE alone depends on it."""
    precision: int
    signed: bool = False
    halvings: int = 0
    """How often to halve the image in each direction while it is decoded."""

    @property
    def seconds(self) -> float:
        """Return the longest time that decoding may take."""
        megapixels = self.rows * self.columns / 1e6
        return min(_MOST_SECONDS, _LEAST_SECONDS + _SECONDS_A_MEGAPIXEL * megapixels)

    def to_json(self) -> dict[str, Any]:
        """Return the task as plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "Task":
        """Return the task that :meth:`to_json` wrote."""
        return cls(**{**document, "codec": Codec(document["codec"])})
