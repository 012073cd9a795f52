"""Putting a turned or negative image right, and carrying what is found there back to the stored image."""

from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from inference.findings import Box, Finding, ScoreMap
from inference.pixels import Gray, Picture
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
    values: tuple[int, int]
    """Rows and columns of the image put right, which may have fewer pixels where it was decoded at a reduced size."""
    mirrored: bool = False
    """Whether the upright image is stored mirrored, as its Patient Orientation says."""

    @classmethod
    def of(cls, verdict: Verdict, picture: Picture, *, mirrored: bool = False) -> "Mending":
        """Return what puts an image right that this verdict was given on."""
        rows, columns = _shape(picture)
        values = (columns, rows) if verdict.turned in {90, 270} else (rows, columns)
        return cls(verdict.turned, verdict.negative, picture.rows, picture.columns, values, mirrored)

    def apply(self, picture: Picture) -> Picture:
        """Return the image put right, in pixels of its own; the stored one is left as it is."""
        gray = _even(picture)
        aspect = picture.pixel_aspect * (picture.rows / gray.shape[0]) / (picture.columns / gray.shape[1])
        gray = np.rot90(gray, self.turned // 90)
        if self.mirrored:
            gray = gray[:, ::-1]
        if self.negative:
            gray = np.float32(1) - gray
        return Picture(np.ascontiguousarray(gray, np.float32), 1 / aspect if self.turned in {90, 270} else aspect)

    def to_stored(self, x: float, y: float) -> tuple[float, float]:
        """Map a point of the image put right, x along its columns, to the stored image; in pixels, edges at 0."""
        across, down = x / self.values[1], y / self.values[0]
        if self.mirrored:
            across = 1 - across
        match self.turned:
            case 0:
                return across * self.columns, down * self.rows
            case 90:
                return (1 - down) * self.columns, across * self.rows
            case 180:
                return (1 - across) * self.columns, (1 - down) * self.rows
            case 270:
                return down * self.columns, (1 - across) * self.rows

    def stored_findings(self, findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
        """Return findings on the image put right with their boxes and maps on the stored image."""
        return tuple(
            replace(
                finding,
                boxes=tuple(self._stored_box(box) for box in finding.boxes),
                map=None if finding.map is None else self._stored_map(finding.map),
            )
            for finding in findings
        )

    @property
    def words(self) -> str:
        """Return what was done, a sentence for every document, without its full stop."""
        parts = []
        if self.turned:
            parts.append(f"turned by {self.turned} degrees clockwise")
        if self.negative:
            parts.append("a negative")
        if self.mirrored:
            parts.append("mirrored as its Patient Orientation says")
        *others, last = parts
        stored = f"{', '.join(others)} and {last}" if others else last
        return f"The stored image is {stored}; it was put right before it was analysed"

    def _stored_map(self, score_map: ScoreMap) -> ScoreMap:
        cells = np.asarray(score_map.values).reshape(score_map.rows, score_map.columns)
        stored = np.rot90(cells[:, ::-1] if self.mirrored else cells, -(self.turned // 90))
        rows, columns = stored.shape
        return replace(score_map, rows=rows, columns=columns, values=tuple(stored.ravel().tolist()))

    def _stored_box(self, box: Box) -> Box:
        corners = [self.to_stored(box.x0, box.y0), self.to_stored(box.x1, box.y1)]
        (x0, x1), (y0, y1) = (sorted(side) for side in zip(*corners, strict=True))
        return replace(box, x0=x0, y0=y0, x1=x1, y1=y1)


def _shape(picture: Picture) -> tuple[int, int]:
    """Return rows and columns of values that cover the whole image evenly."""
    return max(1, round(picture.rows / picture.reduction)), max(1, round(picture.columns / picture.reduction))


def _even(picture: Picture) -> Gray:
    """Return values that cover the whole image evenly, wherever a reduced decoding laid them."""
    if picture.reduction == 1:
        return picture.gray
    rows, columns = _shape(picture)
    gray, box = picture.resampling_source()
    resized = Image.fromarray(gray).resize((columns, rows), Image.Resampling.BILINEAR, box=box)
    return np.asarray(resized, np.float32)
