"""All that is measured on one image's outlines, for the record; pure functions."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from inference.anatomy.measures import (
    CardiothoracicRatio,
    Line,
    LungShown,
    cardiothoracic_ratio,
    heart_share,
    lung_shown,
)
from inference.anatomy.outlines import Outlines
from inference.anatomy.structures import LEFT_LUNG, RIGHT_LUNG


@dataclass(frozen=True, slots=True)
class Anatomy:
    """What was measured of lungs and heart on one image; nothing here says what is normal."""

    ratio: CardiothoracicRatio | None
    """None where heart or a lung was not found, or the thorax is cut off at a side."""
    heart_share: float | None
    """The heart's area over that of heart and lungs; None as above, but also of a thorax that is cut off."""
    right_lung: LungShown
    left_lung: LungShown

    def moved(self, to_stored: Callable[[float, float], tuple[float, float]]) -> "Anatomy":
        """Return the same with its lines on another image, by what maps a point there."""
        right, left = (
            lung if lung.extent is None else replace(lung, extent=_moved(lung.extent, to_stored))
            for lung in (self.right_lung, self.left_lung)
        )
        moved = replace(self, right_lung=right, left_lung=left)
        if self.ratio is None:
            return moved
        heart, thorax = (_moved(line, to_stored) for line in (self.ratio.heart, self.ratio.thorax))
        return replace(moved, ratio=replace(self.ratio, heart=heart, thorax=thorax))

    def as_json(self) -> dict[str, Any]:
        """Return it as plain JSON values, for the tracking room to keep; lines as x0, y0, x1, y1 in pixels."""
        ratio = self.ratio
        return {
            "cardiothoracic_ratio": None if ratio is None else round(ratio.ratio, 3),
            "heart_line": None if ratio is None else _numbers(ratio.heart),
            "thorax_line": None if ratio is None else _numbers(ratio.thorax),
            "heart_share": None if self.heart_share is None else round(self.heart_share, 3),
            "right_lung": _shown(self.right_lung),
            "left_lung": _shown(self.left_lung),
        }


def assess(outlines: Outlines) -> Anatomy:
    """Measure all on an upright image."""
    return Anatomy(
        cardiothoracic_ratio(outlines),
        heart_share(outlines),
        lung_shown(outlines, RIGHT_LUNG),
        lung_shown(outlines, LEFT_LUNG),
    )


def _moved(line: Line, to_stored: Callable[[float, float], tuple[float, float]]) -> Line:
    return Line(*to_stored(line.x0, line.y0), *to_stored(line.x1, line.y1))


def _numbers(line: Line) -> list[float]:
    return [round(value, 1) for value in (line.x0, line.y0, line.x1, line.y1)]


def _shown(lung: LungShown) -> dict[str, Any]:
    return {
        "area": round(lung.area, 3),
        "at_edge": round(lung.at_edge, 3),
        "whole": lung.whole,
        "extent": None if lung.extent is None else _numbers(lung.extent),
    }
