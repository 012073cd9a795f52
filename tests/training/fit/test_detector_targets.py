"""What training draws, serving's box reader reads back."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.detector import decode_boxes
from inference.package import BoxCalibration, DetectorSpec, PointsSpec
from inference.placement import Placement
from training.data.examples import Example
from training.data.model_boxes import ModelBox
from training.fit import detector_targets
from training.fit.detector_targets import encode

CELLS, SIDE = 24, 384
DETECTOR = DetectorSpec(
    finding="lung_opacity",
    channel="lung_opacity",
    max_boxes=10,
    iou=0.3,
    calibration=BoxCalibration(scale=1.0, bias=0.0),
    points=PointsSpec(sensitive=0.9, specific=0.95),
)

boxes = st.builds(
    lambda w, h, x, y: ModelBox(w / 2 + x * (1 - w), h / 2 + y * (1 - h), w, h),
    st.floats(0.05, 0.5), st.floats(0.05, 0.8), st.floats(0, 1), st.floats(0, 1),
)  # fmt: skip


def _logits(heat: np.ndarray) -> np.ndarray:
    clipped = np.clip(heat, 1e-4, 1 - 1e-4)
    return np.log(clipped / (1 - clipped)).astype(np.float32)


@given(boxes)
def test_serving_reads_back_the_box_that_training_drew(box: ModelBox) -> None:
    targets = encode([box], CELLS)
    placement = Placement.fit((1000, 1000), (SIDE, SIDE))
    (found,) = decode_boxes(_logits(targets.heat), targets.box[..., :4], DETECTOR, placement)
    corners = (box.cx - box.w / 2, box.cy - box.h / 2, box.cx + box.w / 2, box.cy + box.h / 2)
    assert (found.x0, found.y0, found.x1, found.y1) == pytest.approx([1000 * corner for corner in corners], abs=0.5)


def test_boxes_apart_are_all_read_back_in_a_picture_that_is_not_square() -> None:
    drawn = [ModelBox(0.25, 0.4, 0.2, 0.3), ModelBox(0.75, 0.5, 0.1, 0.12)]
    targets = encode(drawn, CELLS)
    placement = Placement.fit((600, 1200), (SIDE, SIDE))
    found = decode_boxes(_logits(targets.heat), targets.box[..., :4], DETECTOR, placement)
    assert len(found) == 2
    assert {round((box.x0 + box.x1) / 2) for box in found} == {300, 900}
    assert {round(box.y1 - box.y0) for box in found} == {round(0.3 * 1200), round(0.12 * 1200)}


def test_no_box_is_an_empty_map() -> None:
    targets = encode([], CELLS)
    assert targets.heat.shape == (CELLS, CELLS, 1)
    assert not targets.heat.any()
    assert not targets.box.any()


@given(boxes, boxes)
def test_every_centre_is_certain_and_every_side_inside_the_picture(one: ModelBox, other: ModelBox) -> None:
    targets = encode([one, other], CELLS)
    assert targets.heat.max() == 1
    assert targets.box[..., :4].min() >= 0
    assert targets.box[..., :4].max() <= 1


@given(boxes)
def test_every_cell_around_a_centre_is_asked_for_the_same_box(box: ModelBox) -> None:
    targets = encode([box], CELLS)
    rows, columns = np.nonzero(targets.box[..., 4])
    sides = targets.box[rows, columns]
    inside = (sides[:, :4] > 0).all(axis=1)
    x0, x1 = (columns + 0.5) / CELLS - sides[:, 0], (columns + 0.5) / CELLS + sides[:, 2]
    assert np.allclose(x0[inside], box.cx - box.w / 2, atol=1e-5)
    assert np.allclose(x1[inside], box.cx + box.w / 2, atol=1e-5)


def test_a_large_box_outweighs_no_small_one() -> None:
    targets = encode([ModelBox(0.25, 0.5, 0.4, 0.7), ModelBox(0.8, 0.5, 0.1, 0.1)], CELLS)
    weights = targets.box[..., 4]
    left, right = weights[:, : CELLS // 2].sum(), weights[:, CELLS // 2 :].sum()
    assert left == pytest.approx(1, rel=0.05)
    assert right == pytest.approx(1, rel=0.05)


def test_a_box_warms_its_own_channel_only() -> None:
    heat = encode([ModelBox(0.5, 0.5, 0.2, 0.2, channel=1)], CELLS, channels=3).heat
    assert heat.shape == (CELLS, CELLS, 3)
    assert heat[..., 1].max() == 1
    assert not heat[..., (0, 2)].any()


def test_maps_whose_boxes_nobody_drew_teach_nothing() -> None:
    examples = [
        Example("a", Path("a"), "1", boxed=frozenset({"mass"})),
        Example("b", Path("b"), "2"),
    ]
    known = detector_targets.boxes_known(examples, ("mass", "nodule"))
    assert known.mean() == pytest.approx(1)
    assert (known > 0).tolist() == [[True, False], [False, False]]
    box = ModelBox(0.5, 0.5, 0.2, 0.2)
    heat, boxes = detector_targets.batch([(box,), (box,)], known, CELLS)
    wrong = np.full((2, CELLS, CELLS, 2), 3.0, np.float32)
    each = np.asarray(detector_targets.heat_loss(heat, wrong))
    assert each[0] > 1
    assert each[1] == 0
    size = np.asarray(detector_targets.box_loss(boxes, np.full((2, CELLS, CELLS, 4), 0.9, np.float32)))
    assert size[0] > 0
    assert size[1] == 0


def test_the_heat_loss_falls_as_the_heat_nears_the_truth() -> None:
    target = np.zeros((1, 6, 6, 2), np.float32)
    target[0, 2, 3, 0] = 1
    target[..., 1] = 1
    right = np.where(target[..., :1] == 1, 6.0, -6.0).astype(np.float32)
    losses = [float(np.asarray(detector_targets.heat_loss(target, logits))[0]) for logits in (right, 0 * right, -right)]
    assert losses[0] < 0.01 < losses[1] < losses[2]


def test_the_box_loss_is_zero_at_the_truth_and_blind_elsewhere() -> None:
    target = np.zeros((1, 6, 6, 5), np.float32)
    target[0, 2, 3] = (0.1, 0.2, 0.1, 0.2, 1)
    box = np.random.default_rng(0).random((1, 6, 6, 4)).astype(np.float32)
    box[0, 2, 3] = target[0, 2, 3, :4]
    assert float(np.asarray(detector_targets.box_loss(target, box))[0]) == pytest.approx(0, abs=1e-3)
    box[0, 2, 3, 2] = 0.05
    near = float(np.asarray(detector_targets.box_loss(target, box))[0])
    box[0, 2, 3, 2] = 0.5
    far = float(np.asarray(detector_targets.box_loss(target, box))[0])
    assert 0.05 < near < far
