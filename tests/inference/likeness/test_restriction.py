"""What is stated of an image unlike those that the model learnt from."""

from inference.findings import Code, Finding, Level, MapKind, OperatingPoints, ScoreMap
from inference.likeness.restriction import restrict

CODE = Code("1", "99TEST", "Test")


def finding(label: str) -> Finding:
    drawn = ScoreMap(MapKind.HEAT, 1, 1, (255,))
    return Finding(label, CODE, CODE, 0.9, Level.PRESENT, OperatingPoints(0.1, 0.5), True, stated=True, map=drawn)


FOUND = (finding("lung_opacity"), finding("effusion"))


def test_of_an_image_like_the_learnt_ones_all_is_stated() -> None:
    assert restrict(FOUND, unlike=False) == FOUND


def test_of_an_unlike_image_nothing_is_stated_and_scores_stay() -> None:
    restricted = restrict(FOUND, unlike=True)
    assert [entry.stated for entry in restricted] == [False, False]
    assert [entry.map for entry in restricted] == [None, None]
    assert [(entry.label, entry.score, entry.level) for entry in restricted] == [
        (entry.label, entry.score, entry.level) for entry in FOUND
    ]


def test_what_was_shown_to_hold_is_stated_of_an_unlike_image_too() -> None:
    opacity, effusion = restrict(FOUND, unlike=True, holds=frozenset({"lung_opacity"}))
    assert opacity == FOUND[0]
    assert not effusion.stated
