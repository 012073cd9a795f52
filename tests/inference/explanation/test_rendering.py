"""A map is drawn over the image that it explains."""

import numpy as np

from inference.explanation.rendering import render_map
from inference.findings import MapKind, ScoreMap


def test_a_map_colours_its_own_place_alone() -> None:
    gray = np.full((200, 300), 0.5, np.float32)
    drawn = render_map(gray, ScoreMap(MapKind.HEAT, 2, 3, (0, 0, 0, 0, 0, 200)))
    assert drawn.shape == (200, 300, 3)
    assert drawn.dtype == np.uint8
    assert len(set(drawn[20, 20].tolist())) == 1
    red, _, blue = drawn[190, 290].tolist()
    assert red > blue


def test_an_empty_map_leaves_the_image_as_it_is() -> None:
    gray = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)
    drawn = render_map(gray, ScoreMap(MapKind.HEAT, 1, 1, (0,)))
    assert np.array_equal(drawn, np.repeat(np.rint(gray * 255).astype(np.uint8)[:, :, None], 3, axis=2))


def test_what_is_no_number_is_drawn_black() -> None:
    assert render_map(np.full((4, 4), np.nan, np.float32), ScoreMap(MapKind.HEAT, 1, 1, (0,))).max() == 0
