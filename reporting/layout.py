"""Where things go on a capture: the picture untouched, and a panel of findings beside or beneath it."""

from dataclasses import dataclass
from typing import Self

from inference.findings import Box

SMALLEST_LONG_SIDE = 1280
"""Captures of small pictures are enlarged to this many pixels, so that their text stays readable."""
_PANEL_SHARE = 0.37
_HEADER_SHARE = 0.042
_WIDE = 1.2


@dataclass(frozen=True, slots=True)
class Area:
    """A rectangle of the canvas in whole pixels; ``right`` and ``bottom`` lie outside it."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        """Return the number of columns."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """Return the number of rows."""
        return self.bottom - self.top

    def overlaps(self, other: Self) -> bool:
        """Tell whether the two areas share a pixel."""
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )

    def inside(self, other: Self) -> bool:
        """Tell whether this area lies within ``other``."""
        return (
            self.left >= other.left
            and self.top >= other.top
            and self.right <= other.right
            and self.bottom <= other.bottom
        )


@dataclass(frozen=True, slots=True)
class Layout:
    """The canvas and its three areas; ``text`` is the height in pixels of running text."""

    width: int
    height: int
    header: Area
    picture: Area
    panel: Area
    text: int
    rows: int
    columns: int

    @classmethod
    def of(cls, rows: int, columns: int, pixel_aspect: float, longest_side: int) -> Self:
        """Return the layout for a stored picture.

        Parameters
        ----------
        rows, columns
            Size of the stored picture.
        pixel_aspect
            Height of a stored pixel over its width.
        longest_side
            The canvas has no more pixels than this on its longer side.

        The panel stands beside a picture that is about square or upright, and beneath a wide one, so that the
        canvas fills a viewport well.
        """
        tall, wide = rows * pixel_aspect, float(columns)
        beside = wide <= tall * _WIDE
        panel = _PANEL_SHARE * (tall if beside else wide)
        header = _HEADER_SHARE * max(tall, wide)
        full_width = wide + (panel if beside else 0)
        full_height = tall + header + (0 if beside else panel)
        natural = max(full_width, full_height)
        scale = min(longest_side, max(natural, min(SMALLEST_LONG_SIDE, longest_side))) / natural
        picture_width, picture_height = max(1, round(wide * scale)), max(1, round(tall * scale))
        header_height, panel_size = round(header * scale), round(panel * scale)
        bottom = header_height + picture_height
        picture = Area(0, header_height, picture_width, bottom)
        if beside:
            panel_area = Area(picture_width, header_height, picture_width + panel_size, bottom)
        else:
            panel_area = Area(0, bottom, picture_width, bottom + panel_size)
        return cls(
            width=panel_area.right,
            height=panel_area.bottom,
            header=Area(0, 0, panel_area.right, header_height),
            picture=picture,
            panel=panel_area,
            text=max(11, round(max(panel_area.right, panel_area.bottom) / 76)),
            rows=rows,
            columns=columns,
        )

    @property
    def beside(self) -> bool:
        """Tell whether the panel stands to the right of the picture."""
        return self.panel.top == self.picture.top

    def place(self, box: Box) -> Area:
        """Return where a box of the stored picture lies on the canvas, kept on the picture."""
        across = self.picture.width / self.columns
        down = self.picture.height / self.rows
        left = round(min(max(box.x0, 0), self.columns) * across) + self.picture.left
        right = round(min(max(box.x1, 0), self.columns) * across) + self.picture.left
        top = round(min(max(box.y0, 0), self.rows) * down) + self.picture.top
        bottom = round(min(max(box.y1, 0), self.rows) * down) + self.picture.top
        return Area(left, top, max(right, left + 1), max(bottom, top + 1))


def place_label(width: int, height: int, box: Area, within: Area, taken: list[Area]) -> Area:
    """Return where a box's label goes: outside the box if it can, on the picture, on no other label."""
    candidates = [
        (box.left, box.top - height),
        (box.left, box.bottom),
        (box.right - width, box.top - height),
        (box.right - width, box.bottom),
        (box.right, box.top),
        (box.left - width, box.top),
        (box.left, box.top),
        (box.left, box.bottom - height),
    ]
    areas = [Area(x, y, x + width, y + height) for x, y in candidates]
    for area in areas:
        if area.inside(within) and not any(area.overlaps(other) for other in taken):
            return area
    left = min(max(box.left, within.left), max(within.right - width, within.left))
    top = min(max(box.top - height, within.top), max(within.bottom - height, within.top))
    step = max(1, height // 2)
    while top + height + step <= within.bottom:
        area = Area(left, top, left + width, top + height)
        if not any(area.overlaps(other) for other in taken):
            return area
        top += step
    return Area(left, top, left + width, top + height)
