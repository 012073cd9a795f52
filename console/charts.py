"""Charts as shapes to draw: pure functions from numbers to the rectangles, lines and ticks of an SVG.

Lengths are units of a view box of :data:`WIDTH` by :data:`HEIGHT`; templates give them colours by class.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from config.language.numbers import decimal
from console import words

WIDTH, HEIGHT = 420, 170
_LEFT, _RIGHT, _TOP, _BOTTOM = 40, 6, 10, 22
_TICKS = 4
_MOST_LABELS = 7
_LEAST = 1e-300
"""Below it no axis is divided: a step would be no number any more."""


@dataclass(frozen=True, slots=True)
class Box:
    """A bar, or a part of one; ``words`` say what it stands for."""

    x: float
    y: float
    width: float
    height: float
    kind: str
    words: str


@dataclass(frozen=True, slots=True)
class Line:
    """A line through points; ``points`` as SVG takes them."""

    points: str
    kind: str


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark of an axis with its words."""

    at: float
    words: str


@dataclass(frozen=True, slots=True)
class Chart:
    """What is drawn; ``rows`` are ticks of the vertical axis, ``columns`` of the horizontal one."""

    boxes: tuple[Box, ...] = ()
    lines: tuple[Line, ...] = ()
    rows: tuple[Tick, ...] = ()
    columns: tuple[Tick, ...] = ()


def stacked_bars(columns: Sequence[str], stacks: Mapping[str, Sequence[int]]) -> Chart:
    """Return bars, one for each column, made of parts that stand on one another; ``stacks`` are by kind."""
    tops = [sum(values[number] for values in stacks.values()) for number in range(len(columns))]
    ticks = _ticks(max(tops, default=0), least=1.0)  # bars count things
    top = ticks[-1]
    step = _step(len(columns))
    boxes = []
    for number, name in enumerate(columns):
        under = 0
        for kind, values in stacks.items():
            value = values[number]
            if value:
                said = f"{name}: {words.series(kind)} {_number(value)}"
                height = _rise(under, top) - _rise(under + value, top)
                x = _LEFT + step * number + step * 0.12
                boxes.append(Box(_r(x), _r(_rise(under + value, top)), _r(step * 0.76), _r(height), kind, said))
                under += value
    return Chart(tuple(boxes), (), _row_ticks(ticks), _column_ticks(columns))


def lines(columns: Sequence[str], series: Mapping[str, Sequence[float | None]]) -> Chart:
    """Return a line for each kind, broken where there is no value."""
    values = [value for entries in series.values() for value in entries if value is not None]
    ticks = _ticks(max(values, default=0))
    drawn, dots = [], []
    step = _step(len(columns))
    for kind, entries in series.items():
        run: list[str] = []
        for number, value in enumerate([*entries, None]):
            if value is None:
                if len(run) > 1:
                    drawn.append(Line(" ".join(run), kind))
                run = []
                continue
            x, y = _LEFT + step * (number + 0.5), _rise(value, ticks[-1])
            run.append(f"{_r(x)},{_r(y)}")
            said = f"{columns[number]}: {words.series(kind)} {_number(value)}"
            dots.append(Box(_r(x - 2), _r(y - 2), 4, 4, kind, said))
    return Chart(tuple(dots), tuple(drawn), _row_ticks(ticks), _column_ticks(columns))


def _ticks(highest: float, least: float = 0.0) -> list[float]:
    """Return round numbers from 0 to at least the highest, each at least so far from the next."""
    if highest < _LEAST:
        return [0.0, 1.0]
    rough = max(highest / _TICKS, least)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))
    return [number * step for number in range(math.ceil(highest / step - 1e-9) + 1)]


def _row_ticks(ticks: Sequence[float]) -> tuple[Tick, ...]:
    return tuple(Tick(_r(_rise(value, ticks[-1])), _number(value)) for value in ticks)


def _column_ticks(columns: Sequence[str]) -> tuple[Tick, ...]:
    every = math.ceil(len(columns) / _MOST_LABELS) or 1
    step = _step(len(columns))
    return tuple(
        Tick(_r(_LEFT + step * (number + 0.5)), name) for number, name in enumerate(columns) if number % every == 0
    )


def _step(columns: int) -> float:
    return (WIDTH - _LEFT - _RIGHT) / max(columns, 1)


def _rise(value: float, top: float) -> float:
    return HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * value / top


def _number(value: float) -> str:
    return f"{value:,.0f}".replace(",", " ") if value >= 100 or value == int(value) else decimal(f"{value:.3g}")


def _r(value: float) -> float:
    return round(value, 2)
