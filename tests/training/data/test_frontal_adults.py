"""Which images show frontal radiographs of adults, and what is said of the others."""

from pathlib import Path

import pytest

from training.data.examples import Example, View
from training.data.frontal_adults import Unstated, frontal_adults, in_words, why_left_out


def _example(view: View, age: float | None) -> Example:
    return Example(file="a", path=Path("a"), patient="p", view=view, age=age)


@pytest.mark.parametrize(
    ("view", "age", "accepted", "reason"),
    [
        (View.PA, 40, Unstated(), ""),
        (View.AP_SUPINE, None, Unstated(), ""),
        (View.PA, None, Unstated(age=False), "age unknown"),
        (View.UNKNOWN, 40, Unstated(), "view unknown"),
        (View.UNKNOWN, 40, Unstated(view=True), ""),
        (View.UNKNOWN, 4, Unstated(view=True), "below 18 years"),
        (View.LATERAL, 40, Unstated(view=True), "lateral view"),
        (View.AP, 17, Unstated(), "below 18 years"),
    ],
)
def test_why_an_image_is_left_out(view: View, age: float | None, accepted: Unstated, reason: str) -> None:
    assert why_left_out(_example(view, age), accepted) == reason


def test_how_many_are_left_out_and_why() -> None:
    views = [View.PA, View.LATERAL, View.UNKNOWN, View.LATERAL]
    kept, left_out = frontal_adults([_example(view, 50) for view in views], Unstated())
    assert [one.view for one in kept] == [View.PA]
    assert in_words(left_out) == "lateral view: 2, view unknown: 1"


@pytest.mark.parametrize("view", list(View))
@pytest.mark.parametrize("age", [None, 5, 50])
def test_without_a_choice_it_is_what_an_example_says_of_itself(view: View, age: float | None) -> None:
    example = _example(view, age)
    assert (why_left_out(example, Unstated()) == "") is example.is_frontal_adult
