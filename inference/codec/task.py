"""What the decoder process is asked to do, and what it may cost."""

from dataclasses import asdict, dataclass
from typing import Any

from inference.codec.stream import Codec

HEADROOM = 512 << 20
"""Bytes of address space that decoding one image may take."""
SECONDS = 30.0
"""Longest time for one image; 100 megapixels of JPEG 2000 take 10."""


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

    def to_json(self) -> dict[str, Any]:
        """Return the task as plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "Task":
        """Return the task that :meth:`to_json` wrote."""
        return cls(**{**document, "codec": Codec(document["codec"])})
