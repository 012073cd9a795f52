"""Where things go on a capture: the picture untouched, and a panel of findings beside or beneath it."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot
from typing import Self

from inference.findings import Box

SMALLEST_LONG_SIDE = 1280
"""Captures of small pictures are enlarged to this many pixels, so that their text stays readable."""
SMALLEST_TEXT = 11
_PANEL_SHARE = 0.37
_HEADER_SHARE = 0.042
_WIDE = 1.2
_TEXTS_ACROSS = 76
"""The longer side of a canvas over the height of its text."""
_LEAST_PANEL = (18.0, 22.0)
"""Width of a panel beside and height of one beneath, in text heights: what eleven findings need."""
_LEAST_HEIGHT = 38.0
"""Height of a panel beside, in text heights, if the canvas can be that high."""
_LEAST_HEADER = 1.9


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
        share = _PANEL_SHARE * (tall if beside else wide)
        header_share = _HEADER_SHARE * max(tall, wide)
        natural = max(wide + (share if beside else 0), tall + header_share + (0 if beside else share))
        limit = min(longest_side, round(max(natural, min(SMALLEST_LONG_SIDE, longest_side))))
        scale = limit / natural
        text = max(SMALLEST_TEXT, round(limit / _TEXTS_ACROSS))
        panel = max(round(share * scale), round(_LEAST_PANEL[not beside] * text))
        header = max(round(header_share * scale), round(_LEAST_HEADER * text))
        room_across = limit - (panel if beside else 0)
        room_down = limit - header - (0 if beside else panel)
        scale = min(scale, room_across / wide, room_down / tall)
        size = max(1, round(wide * scale)), max(1, round(tall * scale))
        bottom = header + size[1]
        if beside:
            bottom = max(bottom, min(limit, header + round(_LEAST_HEIGHT * text)))
        top = header + (bottom - header - size[1]) // 2
        picture = Area(0, top, size[0], top + size[1])
        if beside:
            panel_area = Area(picture.right, header, picture.right + panel, bottom)
        else:
            panel_area = Area(0, bottom, picture.right, bottom + panel)
        return cls(
            width=panel_area.right,
            height=panel_area.bottom,
            header=Area(0, 0, panel_area.right, header),
            picture=picture,
            panel=panel_area,
            text=text,
            rows=rows,
            columns=columns,
        )

    @property
    def beside(self) -> bool:
        """Tell whether the panel stands to the right of the picture."""
        return self.panel.top == self.header.bottom

    def place(self, box: Box) -> Area:
        """Return where a box of the stored picture lies on the canvas, kept on the picture."""
        across = self.picture.width / self.columns
        down = self.picture.height / self.rows
        left = round(min(max(box.x0, 0), self.columns) * across) + self.picture.left
        right = round(min(max(box.x1, 0), self.columns) * across) + self.picture.left
        top = round(min(max(box.y0, 0), self.rows) * down) + self.picture.top
        bottom = round(min(max(box.y1, 0), self.rows) * down) + self.picture.top
        return Area(left, top, max(right, left + 1), max(bottom, top + 1))


def place_label(
    width: int, height: int, box: Area, within: Area, taken: Sequence[Area], others: Sequence[Area] = ()
) -> tuple[Area, bool]:
    """Return where a box's label goes, and whether that touches the box (else a line has to join them).

    The label is on the picture and on no other label wherever that can be had, and covers as little as it can of
    the outlines of ``others``.
    """
    free = [
        area
        for area in _around(width, height, box)
        if area.inside(within) and not any(area.overlaps(other) for other in taken)
    ]
    if free:
        return min(free, key=lambda area: sum(_crosses(area, other) for other in others)), True
    left = min(max(box.left, within.left), max(within.right - width, within.left))
    top = min(max(box.top, within.top), max(within.bottom - height, within.top))
    best, nearest = Area(left, top, left + width, top + height), float("inf")
    for y in range(within.top, within.bottom - height + 1, max(1, height // 2)):
        for x in range(within.left, within.right - width + 1, max(1, height)):
            distance = hypot(x - left, y - top)
            area = Area(x, y, x + width, y + height)
            if distance < nearest and not any(area.overlaps(other) for other in taken):
                best, nearest = area, distance
    return best, False


def _around(width: int, height: int, box: Area) -> list[Area]:
    """Return the places at a box, the likeliest to be looked for first: above it, below, beside, within."""
    middle = (box.left + box.right - width) // 2
    corners = [
        (box.left, box.top - height),
        (box.left, box.bottom),
        (box.right - width, box.top - height),
        (box.right - width, box.bottom),
        (middle, box.top - height),
        (middle, box.bottom),
        (box.right, box.top),
        (box.left - width, box.top),
        (box.right, box.bottom - height),
        (box.left - width, box.bottom - height),
        (box.left, box.top),
        (box.left, box.bottom - height),
        (box.right - width, box.top),
        (box.right - width, box.bottom - height),
    ]
    return [Area(x, y, x + width, y + height) for x, y in corners]


def _crosses(label: Area, box: Area) -> int:
    """Return how many of a box's four edges a label lies on."""
    across = label.left < box.right and box.left < label.right
    down = label.top < box.bottom and box.top < label.bottom
    return sum(
        (
            across and label.top <= box.top < label.bottom,
            across and label.top < box.bottom <= label.bottom,
            down and label.left <= box.left < label.right,
            down and label.left < box.right <= label.right,
        )
    )
