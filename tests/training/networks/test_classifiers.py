"""The published classifiers are built as published: layers, sizes, parameters, and one vector of logits a head."""

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest

from config.errors import DataError
from training.networks import cnn, darkcovidnet, vgg16
from training.recipe.recipe import HeadSettings, NetworkSettings

THREE = (HeadSettings(name="reads", activation="softmax", classes=("normal", "pneumonia", "covid19")),)
# Keras's own: it is written for NumPy 1's way to copy.
KERAS_SAVES = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
ONE = (HeadSettings(name="covid", activation="sigmoid", classes=("covid19",)),)


def _convolutions(network: keras.Model) -> list[keras.layers.Conv2D]:
    return [layer for layer in network.layers if isinstance(layer, keras.layers.Conv2D)]


def _trained(network: keras.Model) -> int:
    return sum(int(np.prod(weight.shape)) for weight in network.trainable_weights)


def test_vgg16_at_256_has_exactly_its_authors_parameters() -> None:
    network = vgg16.build(NetworkSettings(kind="vgg16", side=256, dropout=0), ONE)
    assert network.count_params() == _trained(network) == 48_795_457
    assert len(_convolutions(network)) == 13
    assert network.get_layer("flatten").output.shape[1:] == (32_768,)


@KERAS_SAVES
def test_vgg16_starts_from_a_file_of_keras_own_convolutions(tmp_path: Path) -> None:
    original = keras.applications.VGG16(include_top=False, weights=None)
    original.save_weights(tmp_path / "vgg.weights.h5")
    network = vgg16.build(NetworkSettings(kind="vgg16", side=64, dropout=0), ONE, tmp_path / "vgg.weights.h5")
    for layer in _convolutions(network):
        assert np.array_equal(layer.get_weights()[0], original.get_layer(layer.name).get_weights()[0])
    grey = np.random.default_rng(0).random((1, 64, 64, 1), np.float32)
    colours = np.repeat(grey * 255, 3, axis=-1) - np.asarray([103.939, 116.779, 123.68], np.float32)
    mine = keras.Model(network.input, network.get_layer("block5_pool").output)(grey)
    assert np.allclose(mine, original(colours), rtol=1e-4, atol=1e-4)


def test_darkcovidnet_has_seventeen_convolutions_and_507_numbers_before_its_dense_layer() -> None:
    network = darkcovidnet.build(NetworkSettings(kind="darkcovidnet", side=256), THREE)
    filters = [layer.filters for layer in _convolutions(network)]
    assert filters == [8, 16, 32, 16, 32, 64, 32, 64, 128, 64, 128, 256, 128, 256, 128, 256, 3]
    assert network.get_layer("flatten").output.shape[1:] == (507,)
    assert _trained(network) == 1_167_586
    # PyTorch's running averages keep 0.9 of what they had.
    assert network.get_layer("norm_1").momentum == 0.9


def test_the_coronahack_network_normalises_after_every_convolution_and_penalises_every_kernel() -> None:
    network = cnn.build(NetworkSettings(kind="cnn", side=256, width=32, dropout=0, l2=1e-4), THREE)
    names = [layer.name for layer in network.layers]
    for layer in _convolutions(network):
        place = names.index(layer.name)
        assert isinstance(network.layers[place + 1], keras.layers.BatchNormalization)
        assert layer.padding == "same"
        assert layer.activation is keras.activations.relu
        assert float(layer.kernel_regularizer.l2) == pytest.approx(1e-4)
    assert float(network.get_layer("reads").kernel_regularizer.l2) == pytest.approx(1e-4)
    assert network.get_layer("three_channels").output.shape[1:] == (256, 256, 3)


def test_the_binary_network_has_its_authors_parameters() -> None:
    network = cnn.build_with_dropout(NetworkSettings(kind="cnn-dropout", side=224, width=32, dropout=0.5), ONE)
    assert network.count_params() == 5_668_097
    assert [layer.rate for layer in network.layers if isinstance(layer, keras.layers.Dropout)] == [
        0.25, 0.25, 0.25, 0.5,
    ]  # fmt: skip


@pytest.mark.parametrize("build", [cnn.build, cnn.build_with_dropout, vgg16.build, darkcovidnet.build])
def test_every_network_gives_one_vector_of_logits_a_head_in_the_heads_order(build: Callable[..., keras.Model]) -> None:
    network = build(NetworkSettings(side=64, width=8), (*ONE, *THREE))
    assert isinstance(network.outputs, list)
    assert [output.shape[1:] for output in network.outputs] == [(1,), (3,)]
    assert network.input_shape == (None, 64, 64, 1)
    assert network.get_layer("reads").activation is keras.activations.linear


@KERAS_SAVES
def test_weights_of_the_same_network_can_be_the_start(tmp_path: Path) -> None:
    settings = NetworkSettings(kind="darkcovidnet", side=64)
    first = darkcovidnet.build(settings, THREE)
    first.save_weights(tmp_path / "first.weights.h5")
    second = darkcovidnet.build(settings, THREE, tmp_path / "first.weights.h5")
    for one, other in zip(first.get_weights(), second.get_weights(), strict=True):
        assert np.array_equal(one, other)


@KERAS_SAVES
@pytest.mark.parametrize("build", [cnn.build, cnn.build_with_dropout, vgg16.build, darkcovidnet.build])
def test_weights_that_are_none_or_another_network_s_are_refused_in_words(
    build: Callable[..., keras.Model], tmp_path: Path
) -> None:
    settings = NetworkSettings(side=64, width=8)
    (tmp_path / "broken.weights.h5").write_bytes(b"no weights")
    (tmp_path / "weights.txt").write_bytes(b"no weights")
    picture = keras.Input((64, 64, 1))
    keras.Model(picture, keras.layers.Dense(3)(picture)).save_weights(tmp_path / "other.weights.h5")
    for name in ("broken.weights.h5", "weights.txt", "other.weights.h5"):
        with pytest.raises(DataError, match=rf"the weights {name} cannot be taken .*: give .* with --weights"):
            build(settings, ONE, tmp_path / name)
