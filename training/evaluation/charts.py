"""Charts as inline SVG: no colour of their own, only classes that the page's style fills in for light and for dark."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from markupsafe import Markup, escape
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Range = tuple[float, float]

WIDTH, HEIGHT = 340.0, 300.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 46.0, 12.0, 12.0, 42.0
_MOST_POINTS = 160
"""Corners that a curve is thinned to; a screen shows no more."""


@dataclass(slots=True)
class Chart:
    """A plot with two linear axes; what is drawn later lies on top."""

    x: Range
    y: Range
    x_title: str
    y_title: str
    about: str
    """What a person who cannot see it is told."""
    x_ticks: Sequence[float] = (0, 0.25, 0.5, 0.75, 1)
    y_ticks: Sequence[float] = (0, 0.25, 0.5, 0.75, 1)
    height: float = HEIGHT
    _parts: list[str] = field(default_factory=list)

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Return the place of a value on the drawing."""
        across = (x - self.x[0]) / (self.x[1] - self.x[0])
        up = (y - self.y[0]) / (self.y[1] - self.y[0])
        return _LEFT + across * (WIDTH - _LEFT - _RIGHT), self.height - _BOTTOM - up * (self.height - _TOP - _BOTTOM)

    def line(self, xs: Numbers, ys: Numbers, css: str, *, steps: bool = False) -> None:
        """Draw a curve through the points; ``steps`` keeps each height until the next point."""
        xs, ys = thinned(np.asarray(xs, float), np.asarray(ys, float))
        if steps:
            xs, ys = np.repeat(xs, 2)[1:], np.repeat(ys, 2)[:-1]
        self._parts.append(f'<path class="{css}" d="M{self._path(xs, ys)}"/>')

    def band(self, xs: Numbers, low: Numbers, high: Numbers, css: str) -> None:
        """Fill what lies between two curves."""
        around = self._path(np.concatenate([xs, xs[::-1]]), np.concatenate([high, low[::-1]]))
        self._parts.append(f'<path class="{css}" d="M{around}Z"/>')

    def bar(self, x: Range, y: Range, css: str, told: str = "") -> None:
        """Draw a filled rectangle."""
        (left, bottom), (right, top) = self.at(x[0], min(y)), self.at(x[1], max(y))
        self._parts.append(
            f'<rect class="{css}" x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}" '
            f'height="{bottom - top:.1f}">{_told(told)}</rect>'
        )

    def dot(self, x: float, y: float, css: str, told: str = "", radius: float = 4) -> None:
        """Draw a point."""
        cx, cy = self.at(x, y)
        self._parts.append(f'<circle class="{css}" cx="{cx:.1f}" cy="{cy:.1f}" r="{radius:.1f}">{_told(told)}</circle>')

    def square(self, x: float, y: float, css: str, told: str = "") -> None:
        """Draw a point that is a square, so that two kinds of points differ by more than colour."""
        cx, cy = self.at(x, y)
        place = f'x="{cx - 4:.1f}" y="{cy - 4:.1f}" width="8" height="8"'
        self._parts.append(f'<rect class="{css}" {place}>{_told(told)}</rect>')

    def upright(self, x: float, y: Range, css: str) -> None:
        """Draw a vertical line."""
        self.line(np.asarray([x, x]), np.asarray(y), css)

    def text(self, x: float, y: float, words: str, css: str = "note", anchor: str = "start") -> None:
        """Write words at a value."""
        left, top = self.at(x, y)
        self._parts.append(
            f'<text class="{css}" x="{left:.1f}" y="{top:.1f}" text-anchor="{anchor}">{escape(words)}</text>'
        )

    def svg(self) -> Markup:
        """Return the finished drawing."""
        (left, bottom), (right, top) = self.at(self.x[0], self.y[0]), self.at(self.x[1], self.y[1])
        axes = [f'<rect class="plot" x="{left}" y="{top}" width="{right - left}" height="{bottom - top}"/>']
        for tick in self.x_ticks:
            x = self.at(tick, self.y[0])[0]
            axes.append(f'<path class="grid" d="M{x:.1f} {top}V{bottom}"/>')
            axes.append(f'<text x="{x:.1f}" y="{bottom + 15}" text-anchor="middle">{tick:g}</text>')
        for tick in self.y_ticks:
            y = self.at(self.x[0], tick)[1]
            axes.append(f'<path class="grid" d="M{left} {y:.1f}H{right}"/>')
            axes.append(f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{abs(tick):g}</text>')
        middle, half = (left + right) / 2, (top + bottom) / 2
        titles = (
            f'<text class="title" x="{middle:.1f}" y="{self.height - 6}" text-anchor="middle">'
            f"{escape(self.x_title)}</text>"
            f'<text class="title" transform="translate(12 {half:.1f}) rotate(-90)" text-anchor="middle">'
            f"{escape(self.y_title)}</text>"
        )
        return Markup(  # noqa: S704 - words are escaped above, all else is numbers
            f'<svg class="chart" viewBox="0 0 {WIDTH:g} {self.height:g}" role="img" aria-label="{escape(self.about)}">'
            f"{''.join(axes)}{''.join(self._parts)}{titles}</svg>"
        )

    def _path(self, xs: Numbers, ys: Numbers) -> str:
        places = (self.at(float(x), float(y)) for x, y in zip(xs, ys, strict=True))
        return "L".join(f"{x:.1f} {y:.1f}" for x, y in places)


def thinned(xs: Numbers, ys: Numbers) -> tuple[Numbers, Numbers]:
    """Return a curve with at most so many corners as a screen shows; the ends always stay."""
    if len(xs) <= _MOST_POINTS:
        return xs, ys
    turns = np.concatenate([[True], (np.diff(xs[:-1]) * np.diff(ys[1:]) != np.diff(xs[1:]) * np.diff(ys[:-1])), [True]])
    keep = np.flatnonzero(turns)
    keep = keep[np.unique(np.linspace(0, len(keep) - 1, _MOST_POINTS).round().astype(int))]
    return xs[keep], ys[keep]


def interval_bar(
    value: float | None,
    low: float | None,
    high: float | None,
    *,
    span: Range = (0.5, 1.0),
    reference: float | None = None,
    css: str = "",
) -> Markup:
    """Return a small drawing of a figure with its interval, for a cell of a table; empty where there is none."""
    if value is None or not np.isfinite(value):
        return Markup("")

    def at(number: float) -> float:
        return 2 + 156 * min(1.0, max(0.0, (number - span[0]) / (span[1] - span[0])))

    low, high = value if low is None else low, value if high is None else high
    middle = f'<path class="ref" d="M{at(reference):.1f} 0V18"/>' if reference is not None else ""
    ends = "".join(
        f'<path class="whisker" d="M{at(bound):.1f} 5V13"/>' for bound in (low, high) if span[0] <= bound <= span[1]
    )
    return Markup(  # noqa: S704 - numbers only
        f'<svg class="interval {css}" viewBox="0 0 160 18" aria-hidden="true"><path class="base" d="M2 9H158"/>{middle}'
        f'<path class="whisker" d="M{at(low):.1f} 9H{at(high):.1f}"/>{ends}'
        f'<circle cx="{at(value):.1f}" cy="9" r="4"/></svg>'
    )


def _told(words: str) -> str:
    return f"<title>{escape(words)}</title>" if words else ""
