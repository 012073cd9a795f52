"""Altered training pictures: boxes follow, nothing is mirrored, a seed repeats."""

import numpy as np
import pytest

from training.data.augment import augment
from training.data.model_boxes import ModelBox
from training.recipe.recipe import AugmentSettings

SIDE = 128
ONLY_MOVES = AugmentSettings(
    rotation_degrees=10, shift=0.06, zoom=0.15, gamma=0, contrast=0, brightness=0, bars=0
)  # fmt: skip


def _square(box: ModelBox) -> np.ndarray:
    picture = np.zeros((SIDE, SIDE), np.float32)
    x0, x1 = round((box.cx - box.w / 2) * SIDE), round((box.cx + box.w / 2) * SIDE)
    y0, y1 = round((box.cy - box.h / 2) * SIDE), round((box.cy + box.h / 2) * SIDE)
    picture[y0:y1, x0:x1] = 1
    return picture


@pytest.mark.parametrize("seed", range(12))
def test_a_box_moves_with_what_it_surrounds(seed: int) -> None:
    box = ModelBox(0.625, 0.375, 0.125, 0.125)
    picture, (moved,) = augment(_square(box), [box], ONLY_MOVES, np.random.default_rng(seed))
    ys, xs = np.mgrid[0:SIDE, 0:SIDE] + 0.5
    weight = picture / picture.sum()
    assert (weight * xs).sum() / SIDE == pytest.approx(moved.cx, abs=0.01)
    assert (weight * ys).sum() / SIDE == pytest.approx(moved.cy, abs=0.01)
    assert picture.sum() / SIDE**2 == pytest.approx(moved.w * moved.h, rel=0.08)


@pytest.mark.parametrize("seed", range(20))
def test_a_picture_is_never_mirrored(seed: int) -> None:
    left = ModelBox(0.2, 0.5, 0.1, 0.1)
    _, (moved,) = augment(_square(left), [left], AugmentSettings(), np.random.default_rng(seed))
    assert moved.cx < 0.4


@pytest.mark.parametrize("seed", range(20))
def test_grey_values_stay_in_range_and_boxes_in_the_picture(seed: int) -> None:
    box = ModelBox(0.06, 0.9, 0.12, 0.2)
    noise = np.random.default_rng(1).random((SIDE, SIDE), np.float32)
    picture, boxes = augment(noise, [box], AugmentSettings(shift=0.1, zoom=0.3), np.random.default_rng(seed))
    assert picture.dtype == np.float32
    assert 0 <= picture.min() <= picture.max() <= 1
    for moved in boxes:
        assert moved.cx - moved.w / 2 >= -1e-6
        assert moved.cy + moved.h / 2 <= 1 + 1e-6


def test_the_same_seed_gives_the_same_picture() -> None:
    noise = np.random.default_rng(1).random((SIDE, SIDE), np.float32)
    first, second = (augment(noise, [], AugmentSettings(), np.random.default_rng(7))[0] for _ in range(2))
    assert np.array_equal(first, second)


def test_a_mirrored_copy_takes_its_boxes_along_and_only_where_asked_for() -> None:
    still = AugmentSettings(rotation_degrees=0, shift=0, zoom=0, gamma=0, contrast=0, brightness=0, bars=0)
    picture = np.zeros((64, 64), np.float32)
    picture[20:30, 5:15] = 1
    box = ModelBox(10 / 64, 25 / 64, 10 / 64, 10 / 64)
    seen = set()
    for seed in range(12):
        mirrored, (moved,) = augment(
            picture, [box], still.model_copy(update={"mirror": True}), np.random.default_rng(seed)
        )
        left, right = int((moved.cx - moved.w / 2) * 64 + 0.5), int((moved.cx + moved.w / 2) * 64 + 0.5)
        assert mirrored[20:30, left:right].min() > 0.9
        seen.add(moved.cx)
        plain, (kept,) = augment(picture, [box], still, np.random.default_rng(seed))
        assert kept.cx == box.cx
        assert np.allclose(plain, picture, atol=1e-5)
    assert len(seen) == 2
