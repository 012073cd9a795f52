"""Charts and spans: what is drawn lies on the paper, and every hour of a day is counted once."""

import time
from collections.abc import Iterator
from datetime import date
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console import charts, spans

_VALUES = st.integers(0, 10**9)


@given(st.lists(st.tuples(_VALUES, _VALUES), max_size=31))
def test_bars_lie_on_the_paper_and_stand_on_one_another(values: list[tuple[int, int]]) -> None:
    names = [str(number) for number in range(len(values))]
    stacks = {"good": [first for first, _ in values], "bad": [second for _, second in values]}
    chart = charts.stacked_bars(names, stacks)
    for box in chart.boxes:
        assert 0 <= box.x <= box.x + box.width <= charts.WIDTH
        assert 0 <= box.y <= box.y + box.height <= charts.HEIGHT
    assert len(chart.columns) <= 7
    assert 2 <= len(chart.rows) <= 6


@given(st.lists(st.none() | st.floats(0, 1e9), max_size=31))
def test_a_line_is_broken_where_there_is_no_value(values: list[float | None]) -> None:
    chart = charts.lines([str(number) for number in range(len(values))], {"median": values})
    assert len(chart.boxes) == sum(value is not None for value in values)
    drawn = sum(len(line.points.split()) for line in chart.lines)
    assert drawn <= len(chart.boxes)
    assert all(len(line.points.split()) > 1 for line in chart.lines)


def test_axes_have_round_numbers() -> None:
    assert [tick.words for tick in charts.stacked_bars(["a"], {"n": [37]}).rows] == ["0", "10", "20", "30", "40"]
    assert [tick.words for tick in charts.stacked_bars(["a"], {"n": [0]}).rows] == ["0", "1"]
    assert charts.stacked_bars(["a"], {"n": [1234]}).boxes[0].words == "a: n 1 234"


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(("day", "hours"), [((2026, 3, 29), 23), ((2026, 10, 25), 25), ((2026, 11, 28), 24)])
def test_a_day_on_which_the_clock_is_changed_is_whole(berlin: None, day: tuple[int, int, int], hours: int) -> None:
    parts = spans.hours_of(date(*day))
    assert len(parts) == hours
    assert (parts[0].start, parts[-1].end) == (spans.span_of_day(date(*day)).start, spans.span_of_day(date(*day)).end)
    assert all(before.end == after.start for before, after in pairwise(parts))
