"""The network's promises, and its losses."""

import keras
import numpy as np
import pytest

from training import model
from training.backbone import layer_names
from training.recipe import ModelSettings

SIDE = 96


@pytest.fixture(scope="module")
def network() -> keras.Model:
    keras.utils.set_random_seed(0)
    return model.build(ModelSettings(side=SIDE, neck=16, dropout=0, map_dropout=0))


def _pictures(count: int = 2) -> np.ndarray:
    return np.random.default_rng(0).random((count, SIDE, SIDE, 1), np.float32)


def test_the_outputs_are_those_a_package_promises(network: keras.Model) -> None:
    classes, heat, box = (np.asarray(output) for output in model.served(network)(_pictures()))
    assert classes.shape == (2, 3)
    assert heat.shape == (2, SIDE // 16, SIDE // 16, 1)
    assert box.shape == (2, SIDE // 16, SIDE // 16, 4)
    assert 0 <= box.min() <= box.max() <= 1


def test_training_mode_and_inference_mode_agree_but_for_dropout(network: keras.Model) -> None:
    for trained, served in zip(network(_pictures(), training=True), network(_pictures(), training=False), strict=True):
        assert np.array_equal(np.asarray(trained), np.asarray(served))
    assert not [layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)]


def test_trunk_and_rest_are_the_network(network: keras.Model) -> None:
    trunk, rest = model.split(network)
    for whole, parts in zip(network(_pictures()), rest(trunk(_pictures())), strict=True):
        assert np.allclose(np.asarray(whole), np.asarray(parts), atol=1e-5)


def test_freezing_reaches_the_rest_through_the_shared_layers(network: keras.Model) -> None:
    _, rest = model.split(network)
    upper = [name for name in layer_names() if name not in model.trunk_names()]
    before = len(rest.trainable_weights)
    model.freeze(network, upper)
    assert len(rest.trainable_weights) == before - 2 * len(upper)
    model.freeze(network, upper, frozen=False)
    assert len(rest.trainable_weights) == before


def test_the_heat_loss_falls_as_the_heat_nears_the_truth() -> None:
    truth = np.zeros((1, 6, 6, 1), np.float32)
    truth[0, 2, 3] = 1
    right = np.where(truth == 1, 6.0, -6.0).astype(np.float32)
    wrong = -right
    losses = [float(np.asarray(model.heat_loss(truth, logits))[0]) for logits in (right, 0 * right, wrong)]
    assert losses[0] < 0.01 < losses[1] < losses[2]


def test_the_box_loss_is_zero_at_the_truth_and_blind_elsewhere() -> None:
    truth = np.zeros((1, 6, 6, 6), np.float32)
    truth[0, 2, 3] = (0.25, 0.75, 0.2, 0.4, 1, 1)
    box = np.random.default_rng(0).random((1, 6, 6, 4)).astype(np.float32)
    box[0, 2, 3] = truth[0, 2, 3, :4]
    assert float(np.asarray(model.box_loss(truth, box))[0]) == pytest.approx(0, abs=1e-4)
    box[0, 2, 3, 2] = 0.1
    assert float(np.asarray(model.box_loss(truth, box))[0]) == pytest.approx(0.5 * np.log(2), rel=1e-3)
