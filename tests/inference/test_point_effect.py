"""What moving a point would have done: counted, with intervals."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.findings import OperatingPoints
from inference.point_effect import call_value, point_effect

NOW = OperatingPoints(0.2, 0.6)
SHARE = st.floats(0, 1)


def test_results_that_change_are_counted_by_study() -> None:
    studies = [(0.1,), (0.3, 0.1), (0.65,), (0.65, 0.3)]
    effect = point_effect(studies, (), NOW, OperatingPoints(0.2, 0.7))
    assert (effect.studies, effect.changed, effect.per_hundred) == (4, 2, 50.0)
    assert point_effect(studies, (), NOW, NOW).changed == 0
    assert point_effect((), (), NOW, NOW).per_hundred is None


def test_the_value_of_calls_is_counted_with_wilsons_interval() -> None:
    answered = [(0.9, True), (0.7, True), (0.3, True), (0.8, False), (0.1, False)]
    effect = point_effect((), answered, NOW, OperatingPoints(0.2, 0.6))
    assert (effect.answered, effect.specific.sensitivity.cases, effect.specific.sensitivity.of) == (5, 2, 3)
    assert effect.specific.predictive_value.value == pytest.approx(2 / 3)
    assert effect.sensitive.sensitivity.value == 1.0
    low, high = effect.specific.predictive_value.interval
    assert (low, high) == pytest.approx((0.2077, 0.9385), abs=1e-3)
    assert call_value((), 0.5).predictive_value.value is None
    assert call_value((), 0.5).sensitivity.interval == (0.0, 1.0)


@given(st.lists(st.lists(SHARE, max_size=3), max_size=9), st.lists(st.tuples(SHARE, st.booleans()), max_size=9), SHARE)
def test_counts_hold_together(studies: list[list[float]], answered: list[tuple[float, bool]], point: float) -> None:
    effect = point_effect(studies, answered, NOW, OperatingPoints(point, point))
    assert 0 <= effect.changed <= effect.studies == len(studies)
    value = effect.specific
    assert value.sensitivity.cases == value.predictive_value.cases
    assert value.sensitivity.of <= len(answered)
