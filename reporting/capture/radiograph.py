"""The radiograph of a capture: a decoded image in the size in which its captures show it, 8 bits deep.

Drawing it takes most of the time of a capture and asks for the image alone: no finding, no patient, no study.
"""

from dataclasses import dataclass
from typing import Self

from PIL import Image

from inference.pixels import Picture, to_display
from reporting.capture.layout import Layout


@dataclass(frozen=True, slots=True, eq=False)
class Radiograph:
    """An image as its captures show it; do not draw on it."""

    layout: Layout
    """Where it stands on the captures, and how many rows and columns are stored."""
    shades: Image.Image
    """8 bits grey (Pillow's mode L), in the size of ``layout.picture``."""

    @classmethod
    def of(cls, picture: Picture, longest_side: int) -> Self:
        """Resample an image for its captures.

        Parameters
        ----------
        picture
            The image in presentation polarity, whole or at a reduced resolution.
        longest_side
            No side of the captures is longer than this many pixels.
        """
        layout = Layout.of(picture.rows, picture.columns, picture.pixel_aspect, longest_side)
        return cls(layout, Image.fromarray(to_display(picture, layout.picture.width, layout.picture.height)))

    @property
    def nbytes(self) -> int:
        """Return how many bytes of memory the shades take."""
        return self.shades.width * self.shades.height
