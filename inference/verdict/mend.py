"""Putting a turned or negative image right, and carrying what is found there back to the stored image."""

from dataclasses import dataclass, replace

import numpy as np

from inference.findings import Box, Finding
from inference.pixels import Picture
from inference.verdict.decide import Turn, Verdict


@dataclass(frozen=True, slots=True)
class Mending:
    """What was done to a stored image before it was analysed."""

    turned: Turn
    """Degrees clockwise by which it is stored turned; it was turned back by as many."""
    negative: bool
    rows: int
    columns: int
    """Of the stored image."""

    @classmethod
    def of(cls, verdict: Verdict, picture: Picture) -> "Mending":
        """Return what puts an image right that this verdict was given on."""
        return cls(verdict.turned, verdict.negative, picture.rows, picture.columns)

    def apply(self, picture: Picture) -> Picture:
        """Return the image put right; the stored one is left as it is."""
        gray = np.rot90(picture.gray, self.turned // 90)
        if self.negative:
            gray = np.float32(1) - gray
        aspect = 1 / picture.pixel_aspect if self.turned in {90, 270} else picture.pixel_aspect
        return Picture(np.ascontiguousarray(gray, np.float32), aspect)

    def to_stored(self, x: float, y: float) -> tuple[float, float]:
        """Map a point of the image put right, x along its columns, to the stored image; in pixels, edges at 0."""
        match self.turned:
            case 0:
                return x, y
            case 90:
                return self.columns - y, x
            case 180:
                return self.columns - x, self.rows - y
            case 270:
                return y, self.rows - x

    def stored_findings(self, findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
        """Return findings on the image put right with their boxes on the stored image."""
        return tuple(
            replace(finding, boxes=tuple(self._stored_box(box) for box in finding.boxes)) for finding in findings
        )

    @property
    def words(self) -> str:
        """Return what was done, a sentence for every document, without its full stop."""
        parts = []
        if self.turned:
            parts.append(f"turned by {self.turned} degrees clockwise")
        if self.negative:
            parts.append("a negative")
        return f"The stored image is {' and '.join(parts)}; it was put right before it was analysed"

    def _stored_box(self, box: Box) -> Box:
        corners = [self.to_stored(box.x0, box.y0), self.to_stored(box.x1, box.y1)]
        (x0, x1), (y0, y1) = (sorted(side) for side in zip(*corners, strict=True))
        return replace(box, x0=x0, y0=y0, x1=x1, y1=y1)
