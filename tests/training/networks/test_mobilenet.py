"""The network's promises."""

import keras
import numpy as np
import pytest

from training.networks import mobilenet
from training.networks.backbone import layer_names
from training.recipe.recipe import Recipe

SIDE = 96
RECIPE = Recipe.model_validate(
    {
        "maps": ["lung_opacity", "mass"],
        "package": {"name": "tiny", "version": "0.0.1", "title": "Tiny", "summary": "For tests."},
        "network": {"side": SIDE, "width": 16, "dropout": 0, "map_dropout": 0},
        "heads": [
            {"name": "reads", "activation": "softmax", "classes": ["normal", "not_normal", "lung_opacity"]},
            {"name": "conditions", "activation": "sigmoid", "classes": ["mass", "nodule"]},
        ],
        "findings": [{"label": "lung_opacity", "head": "reads", "boxes": True}],
    }
)


@pytest.fixture(scope="module")
def network() -> keras.Model:
    keras.utils.set_random_seed(0)
    return mobilenet.build(RECIPE)


def _pictures(count: int = 2) -> np.ndarray:
    return np.random.default_rng(0).random((count, SIDE, SIDE, 1), np.float32)


def test_the_outputs_are_those_a_package_promises(network: keras.Model) -> None:
    reads, conditions, heat, box = (np.asarray(output) for output in network(_pictures()))
    assert reads.shape == (2, 3)
    assert conditions.shape == (2, 2)
    assert heat.shape == (2, SIDE // 16, SIDE // 16, 2)
    assert box.shape == (2, SIDE // 16, SIDE // 16, 4)
    assert 0 <= box.min() <= box.max() <= 1


def test_training_mode_and_inference_mode_agree_but_for_dropout(network: keras.Model) -> None:
    for trained, served in zip(network(_pictures(), training=True), network(_pictures(), training=False), strict=True):
        assert np.array_equal(np.asarray(trained), np.asarray(served))
    assert not [layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)]


def test_trunk_and_rest_are_the_network(network: keras.Model) -> None:
    trunk, rest = mobilenet.split(network)
    for whole, parts in zip(network(_pictures()), rest(trunk(_pictures())), strict=True):
        assert np.allclose(np.asarray(whole), np.asarray(parts), atol=1e-5)


def test_freezing_reaches_the_rest_through_the_shared_layers(network: keras.Model) -> None:
    _, rest = mobilenet.split(network)
    upper = [name for name in layer_names() if name not in mobilenet.trunk_names()]
    before = len(rest.trainable_weights)
    mobilenet.freeze(network, upper)
    assert len(rest.trainable_weights) == before - 2 * len(upper)
    mobilenet.freeze(network, upper, frozen=False)
    assert len(rest.trainable_weights) == before
