"""Keras's random layers as this project sets them: how far, how often, and never unasked."""

import numpy as np
import pytest

from training.recipe.recipe import AugmentSettings

keras = pytest.importorskip("keras")

from training.networks.augmentation import augmentation  # noqa: E402

PARTS = ("rotation_degrees", "shift", "zoom", "brightness", "contrast")
SIDE = 64


def _only(**settings: float | bool) -> AugmentSettings:
    return AugmentSettings(**(dict.fromkeys(PARTS, 0) | settings))  # type: ignore[arg-type]


def _pictures(count: int = 16) -> np.ndarray:
    rng = np.random.default_rng(0)
    return (0.25 + 0.5 * rng.random((count, SIDE, SIDE, 1))).astype(np.float32)


def test_a_network_that_does_not_train_sees_the_picture_as_it_is() -> None:
    layer, pictures = augmentation(AugmentSettings(), 1), _pictures()
    picture = keras.Input((SIDE, SIDE, 1))
    network = keras.Model(picture, layer(picture))
    for answer in (layer(pictures), network(pictures), network.predict(pictures, verbose=0)):
        assert np.array_equal(np.asarray(answer), pictures)
    assert not np.array_equal(np.asarray(network(pictures, training=True)), pictures)


def test_a_seed_repeats_and_pictures_of_a_batch_differ() -> None:
    same = np.repeat(_pictures(1), 4, axis=0)
    first, again, other = (np.asarray(augmentation(AugmentSettings(), seed)(same, training=True)) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.allclose(first, other)
    assert min(np.abs(first[0] - first[number]).mean() for number in (1, 2, 3)) > 0.01
    assert (first.dtype, first.min() >= 0, first.max() <= 1) == (np.float32, True, True)


def test_it_works_inside_a_tensorflow_data_set() -> None:
    import tensorflow as tf

    layer = augmentation(AugmentSettings(), 1)
    batches = tf.data.Dataset.from_tensor_slices(_pictures()).batch(4).map(lambda batch: layer(batch, training=True))
    assert [batch.shape for batch in batches.as_numpy_iterator()] == [(4, SIDE, SIDE, 1)] * 4


def test_contrast_goes_down_as_well_as_up_and_no_further_than_asked() -> None:
    pictures = _pictures()
    altered = np.asarray(augmentation(_only(contrast=0.2), 1)(pictures, training=True))
    ratios = altered.std(axis=(1, 2, 3)) / pictures.std(axis=(1, 2, 3))
    assert 0.79 < ratios.min() < 0.95
    assert 1.05 < ratios.max() < 1.21


def test_brightness_goes_both_ways_and_no_further_than_asked() -> None:
    pictures = _pictures()
    altered = np.asarray(augmentation(_only(brightness=0.1), 1)(pictures, training=True))
    moved = (altered - pictures).mean(axis=(1, 2, 3))
    assert -0.101 < moved.min() < 0 < moved.max() < 0.101


def _bar(column: int) -> np.ndarray:
    bar = np.zeros((32, SIDE, SIDE, 1), np.float32)
    bar[:, : SIDE // 2, column : column + 6] = 1  # the upper half, left of the middle
    return bar


@pytest.mark.parametrize("part", ["rotation_degrees", "shift", "zoom"])
def test_moving_keeps_up_up_and_left_left(part: str) -> None:
    settings = _only(**{part: {"rotation_degrees": 10, "shift": 0.1, "zoom": 0.2}[part]})
    altered = np.asarray(augmentation(settings, 1)(_bar(12), training=True))
    ys, xs = np.mgrid[0:SIDE, 0:SIDE]
    weight = altered[..., 0].sum(axis=(1, 2))
    assert ((altered[..., 0] * ys).sum(axis=(1, 2)) / weight < SIDE / 2).all()
    assert ((altered[..., 0] * xs).sum(axis=(1, 2)) / weight < SIDE / 2).all()
    assert not np.allclose(altered, _bar(12))
    white = np.asarray(augmentation(settings, 1)(np.ones((32, SIDE, SIDE, 1), np.float32), training=True))
    assert white.min() < 0.01  # black comes into view, not a mirror image


def test_mirroring_is_off_by_default_and_mirrors_half_when_asked() -> None:
    assert not AugmentSettings().mirror
    kept = np.asarray(augmentation(_only(), 1)(_bar(12), training=True))
    assert np.array_equal(kept, _bar(12))
    mirrored = np.asarray(augmentation(_only(mirror=True), 1)(_bar(12), training=True))
    right = mirrored[:, : SIDE // 2, SIDE // 2 :].sum(axis=(1, 2, 3)) > 0
    assert 5 <= right.sum() <= 27
    assert mirrored[:, SIDE // 2 :].sum() == 0
