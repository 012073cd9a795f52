"""From probabilities to a verdict and its words."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.verdict.decide import Answers, Kind, Margin, Verdict, accepted, decide, refusal
from inference.verdict.heads import CONTENTS, MISSING, TURNS

MARGIN = Margin(accept=0.5, sure=0.9)
GOOD = Answers(
    usable=0.97,
    content={"frontal": 0.99, "lateral": 0.005, "empty": 0.0, "other": 0.005},
    turn={0: 0.99, 90: 0.0, 180: 0.01, 270: 0.0},
    negative=0.01,
    missing={"side": 0.0, "upper": 0.1, "lower": 0.0},
    mirrored=0.005,
)
fractions = st.floats(0, 1)
answers = st.builds(
    Answers,
    usable=fractions,
    content=st.fixed_dictionaries(dict.fromkeys(CONTENTS, fractions)),
    turn=st.fixed_dictionaries(dict.fromkeys(TURNS, fractions)),
    negative=fractions,
    missing=st.fixed_dictionaries(dict.fromkeys(MISSING, fractions)),
    mirrored=fractions,
)


def bad(**changes: Any) -> Answers:
    """Return the answers for a film that is not usable, and why."""
    return replace(GOOD, usable=0.01, **changes)


def test_a_sure_frontal_chest_is_taken_whatever_its_header_says() -> None:
    verdict = decide(GOOD, MARGIN)
    assert (verdict.kind, verdict.sure, verdict.mirrored) == (Kind.FRONTAL, True, False)
    assert accepted(verdict, header_agrees=True)
    assert accepted(verdict, header_agrees=False)


def test_an_unsure_frontal_chest_needs_a_header_that_says_frontal() -> None:
    verdict = decide(replace(GOOD, usable=0.7), MARGIN)
    assert verdict.frontal_upright
    assert accepted(verdict, header_agrees=True)
    assert not accepted(verdict, header_agrees=False)


@pytest.mark.parametrize(
    ("found", "kind", "words"),
    [
        (bad(content={**GOOD.content, "lateral": 1.0}), Kind.LATERAL, "shows a lateral view"),
        (bad(content={**GOOD.content, "empty": 1.0}), Kind.EMPTY, "nearly empty"),
        (bad(content={**GOOD.content, "other": 1.0}), Kind.OTHER, "does not show a chest radiograph"),
        (bad(negative=0.9), Kind.NEGATIVE, "is a negative"),
        (bad(turn={**GOOD.turn, 90: 1.0}), Kind.TURNED, "turned by 90 degrees clockwise"),
        (bad(negative=0.9, turn={**GOOD.turn, 180: 1.0}), Kind.NEGATIVE, "negative, turned by 180 degrees clockwise"),
        (bad(missing={"side": 0.9, "upper": 0.0, "lower": 0.0}), Kind.CUT, "missing: one side"),
        (bad(missing={"side": 0.0, "upper": 0.8, "lower": 0.9}), Kind.CUT, "missing: the upper part, the lower part"),
        (bad(), Kind.UNCLEAR, "inference.verdict_threshold"),
    ],
)
def test_what_is_no_upright_frontal_chest_is_named(found: Answers, kind: Kind, words: str) -> None:
    verdict = decide(found, MARGIN)
    assert verdict.kind is kind
    assert not accepted(verdict, header_agrees=True)
    assert words in getattr(refusal(verdict), "because", "")


@pytest.mark.parametrize(("probability", "mirrored"), [(0.99, True), (0.5, None), (0.01, False)])
def test_a_mirrored_heart_is_said_only_where_it_can_be_told(probability: float, mirrored: bool | None) -> None:
    assert decide(replace(GOOD, mirrored=probability), MARGIN).mirrored is mirrored


def test_a_threshold_of_nothing_takes_every_image() -> None:
    assert decide(bad(negative=1.0), Margin(0.0, 0.9)).frontal_upright


@given(answers, fractions, fractions)
def test_only_usable_decides_and_every_verdict_has_words(found: Answers, accept: float, sure: float) -> None:
    verdict = decide(found, Margin(accept, sure))
    assert verdict.frontal_upright is (found.usable >= accept)
    assert not verdict.sure or verdict.frontal_upright
    assert bool(refusal(verdict)) is not verdict.frontal_upright
    assert not verdict.mendable or (verdict.turned or verdict.negative)


@given(answers, fractions)
def test_a_higher_margin_never_accepts_more(found: Answers, accept: float) -> None:
    low, high = decide(found, Margin(accept / 2, 1.0)), decide(found, Margin(accept, 1.0))
    assert low.frontal_upright or not high.frontal_upright


def test_a_verdict_is_kept_as_plain_values() -> None:
    kept = Verdict(Kind.TURNED, 0.12345, sure=False, turned=90).as_json()
    assert kept == {
        "kind": "turned", "usable": 0.1235, "sure": False, "turned": 90, "negative": False, "missing": [],
        "mirrored": None,
    }  # fmt: skip
