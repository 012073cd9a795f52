"""Boxes come out of the maps where they were put in."""

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from inference.detector import decode_boxes, overlap, sigmoid
from inference.findings import Box, Level
from inference.package import BoxCalibration, DetectorSpec, PointsSpec
from inference.placement import Placement

SPEC = DetectorSpec(
    finding="lung_opacity", channel="lung_opacity", max_boxes=6, iou=0.3, calibration=BoxCalibration(scale=1.0),
    points=PointsSpec(sensitive=0.3, specific=0.7),
)  # fmt: skip
HEIGHT, WIDTH, ROWS, COLUMNS = 24, 20, 384, 320


def empty_maps() -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    return np.full((HEIGHT, WIDTH, 1), -30.0, np.float32), np.full((HEIGHT, WIDTH, 4), 0.5, np.float32)


def put(maps: Any, placement: Placement, box: tuple[float, float, float, float], logit: float) -> None:
    """Encode a box of the stored picture as training does."""
    heat, sizes = maps
    (x0, y0), (x1, y1) = placement.to_model(*box[:2]), placement.to_model(*box[2:])
    x, y = (x0 + x1) / 2 / COLUMNS * WIDTH, (y0 + y1) / 2 / ROWS * HEIGHT
    row, column = min(int(y), HEIGHT - 1), min(int(x), WIDTH - 1)
    heat[row, column, 0] = logit
    middle_x, middle_y = (column + 0.5) / WIDTH, (row + 0.5) / HEIGHT
    sides = (middle_x - x0 / COLUMNS, middle_y - y0 / ROWS, x1 / COLUMNS - middle_x, y1 / ROWS - middle_y)
    sizes[row, column] = sides


@given(
    picture=st.tuples(st.integers(200, 4000), st.integers(200, 4000)),
    aspect=st.floats(0.5, 2),
    x=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    y=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    logit=st.floats(-0.5, 8),
)
def test_a_box_encoded_and_decoded_comes_back(
    picture: tuple[int, int], aspect: float, x: tuple[float, float], y: tuple[float, float], logit: float
) -> None:
    rows, columns = picture
    box = (min(x) * columns, min(y) * rows, max(x) * columns, max(y) * rows)
    assume(box[2] - box[0] > 8 and box[3] - box[1] > 8)
    placement = Placement.fit(picture, (ROWS, COLUMNS), aspect)
    maps = empty_maps()
    put(maps, placement, box, logit)
    (found,) = decode_boxes(*maps, SPEC, placement)
    np.testing.assert_allclose((found.x0, found.y0, found.x1, found.y1), box, atol=0.01 * max(picture) / 20 + 0.1)
    assert found.score == pytest.approx(sigmoid(logit), abs=1e-5)
    assert found.level is SPEC.points.points().level(found.score)


@given(seed=st.integers(0, 2**32 - 1), scale=st.floats(0.1, 30))
def test_whatever_the_maps_say_boxes_are_inside_apart_and_in_order(seed: int, scale: float) -> None:
    random = np.random.default_rng(seed)
    heat = random.normal(0, 2, (HEIGHT, WIDTH, 1)).astype(np.float32)
    box = (random.normal(0.3, 1, (HEIGHT, WIDTH, 4)) * scale).astype(np.float32)
    placement = Placement.fit((1500, 1000), (ROWS, COLUMNS))
    found = decode_boxes(heat, box, SPEC, placement)
    assert len(found) <= SPEC.max_boxes
    assert [entry.score for entry in found] == sorted((entry.score for entry in found), reverse=True)
    for position, entry in enumerate(found):
        assert 0 <= entry.x0 < entry.x1 <= 1000
        assert 0 <= entry.y0 < entry.y1 <= 1500
        assert entry.score >= SPEC.points.sensitive
        assert all(overlap(entry, other) <= SPEC.iou for other in found[:position])


def test_levels_follow_the_detectors_points() -> None:
    placement = Placement.fit((384, 320), (ROWS, COLUMNS))
    maps = empty_maps()
    put(maps, placement, (10, 10, 60, 60), 3.0)
    put(maps, placement, (200, 200, 260, 280), 0.0)
    put(maps, placement, (20, 250, 60, 290), -2.0)
    assert [box.level for box in decode_boxes(*maps, SPEC, placement)] == [Level.PRESENT, Level.POSSIBLE]


def test_a_peak_and_its_neighbours_agree_on_the_box_each_as_much_as_its_heat() -> None:
    placement = Placement.fit((384, 320), (ROWS, COLUMNS))
    maps = empty_maps()
    put(maps, placement, (100, 100, 200, 200), 2.0)
    heat, sizes = maps
    row, column = (int(value) for value in np.argwhere(heat[..., 0] > 0)[0])
    heat[row, column + 1] = 2.0 - np.log(3.0)
    sizes[row, column + 1] = sizes[row, column] + (1 / WIDTH, 0, -1 / WIDTH, 0.1)
    (box,) = decode_boxes(*maps, SPEC, placement)
    assert (box.x0, box.y0, box.x1) == pytest.approx((100, 100, 200), abs=0.1)
    assert box.y1 == pytest.approx(200 + 0.1 * 384 / 4, abs=0.1), "three parts of one, one part of the other"


def test_of_overlapping_boxes_the_surer_one_stays() -> None:
    placement = Placement.fit((384, 320), (ROWS, COLUMNS))
    maps = empty_maps()
    put(maps, placement, (100, 100, 200, 200), 1.0)
    put(maps, placement, (110, 140, 210, 220), 2.0)
    (box,) = decode_boxes(*maps, SPEC, placement)
    assert box.x0 == pytest.approx(110, abs=0.1)


def test_a_plateau_gives_one_box() -> None:
    heat, box = empty_maps()
    heat[5:7, 5:8] = 2.0
    box[:] = 0.01
    placement = Placement.fit((384, 320), (ROWS, COLUMNS))
    assert len(decode_boxes(heat, box, SPEC, placement)) == 1


def test_a_box_in_the_letterbox_is_no_box() -> None:
    heat, box = empty_maps()
    heat[0, 10] = 5.0
    box[0, 10] = (0.05, 0.01, 0.05, 0.01)
    assert decode_boxes(heat, box, SPEC, Placement.fit((100, 400), (ROWS, COLUMNS))) == ()


def test_overlap_is_intersection_over_union() -> None:
    one, other = Box(0, 0, 2, 2, 1, Level.PRESENT), Box(1, 1, 3, 3, 1, Level.PRESENT)
    assert overlap(one, other) == pytest.approx(1 / 7)
    assert overlap(one, Box(2, 0, 3, 2, 1, Level.PRESENT)) == 0


def test_sigmoid_does_not_overflow() -> None:
    assert (sigmoid(-1e9), sigmoid(0.0), sigmoid(1e9)) == (0.0, 0.5, 1.0)
