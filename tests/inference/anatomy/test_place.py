"""Side and zone of a region by the lungs' outlines."""

import pytest

from inference.anatomy.place import place_of
from inference.findings import Box, Level, Place, Side, Zone
from tests.inference.anatomy.phantom_masks import chest

RIGHT, LEFT, BOTH = Side.RIGHT, Side.LEFT, Side.BOTH
UPPER, MIDDLE, LOWER = Zone.UPPER, Zone.MIDDLE, Zone.LOWER


@pytest.mark.parametrize(
    ("box", "place"),
    [
        ((12, 12, 30, 28), Place(RIGHT, (UPPER,))),
        ((65, 35, 85, 45), Place(LEFT, (MIDDLE,))),
        ((65, 52, 95, 69), Place(LEFT, (LOWER,))),
        ((15, 20, 30, 40), Place(RIGHT, (UPPER, MIDDLE))),
        ((15, 10, 85, 70), Place(BOTH, (UPPER, MIDDLE, LOWER))),
        ((35, 12, 66, 20), Place(BOTH, (UPPER,))),
        ((42, 75, 80, 95), None),
        ((0, 0, 11, 11), None),
        ((20.2, 20.2, 20.4, 20.4), Place(RIGHT, (UPPER,))),
    ],
)
def test_a_region_has_the_side_and_the_zones_it_lies_in(
    box: tuple[float, float, float, float], place: Place | None
) -> None:
    outlines = chest(heart=(42, 66), rows=100, columns=100)
    assert place_of(Box(*box, 0.5, Level.PRESENT), outlines) == place


def test_zones_are_those_of_the_lung_and_not_of_the_image() -> None:
    low = Box(15, 45, 30, 49, 0.5, Level.PRESENT)
    assert place_of(low, chest(rows=100, columns=100)) == Place(RIGHT, (MIDDLE,))
