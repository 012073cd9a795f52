"""Keras's MobileNetV2, folded, says what Keras's says; what is no such file is refused in words."""

from pathlib import Path

import keras
import numpy as np
import pytest

from config.errors import DataError
from training.networks import keras_weights
from training.networks.backbone import INPUT_OFFSET, INPUT_SCALE, mobilenet_v2, set_weights
from training.networks.keras_weights import IMAGENET, folded, is_keras, read_keras

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)


@pytest.fixture(scope="module")
def source() -> keras.Model:
    """Keras's own network, its normalisation as if it had learnt something."""
    keras.utils.set_random_seed(2)
    network = keras.applications.MobileNetV2(input_shape=(64, 64, 3), include_top=False, weights=None)
    rng = np.random.default_rng(0)
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            count = layer.gamma.shape[0]
            layer.set_weights(
                [rng.uniform(0.8, 1.3, count), rng.normal(0, 0.2, count), rng.normal(0, 0.2, count),
                 rng.uniform(0.4, 1.5, count)]
            )  # fmt: skip
    return network


def test_the_folded_network_says_what_keras_says(source: keras.Model) -> None:
    colours = keras.Input((64, 64, 3))
    ours = keras.Model(colours, mobilenet_v2(colours).top)
    set_weights(ours, folded(source))
    picture = np.random.default_rng(1).uniform(-1, 1, (2, 64, 64, 3)).astype(np.float32)
    theirs = np.asarray(source(picture, training=False))
    assert np.ptp(theirs) > 0.1
    assert np.asarray(ours(picture)) == pytest.approx(theirs, abs=1e-4)


def test_a_grey_picture_is_the_same_in_three_colours(source: keras.Model) -> None:
    grey, colours = keras.Input((64, 64, 1)), keras.Input((64, 64, 3))
    networks = [keras.Model(picture, mobilenet_v2(picture).top) for picture in (grey, colours)]
    for network in networks:
        set_weights(network, folded(source))
    picture = np.random.default_rng(1).uniform(0, 1, (1, 64, 64, 1)).astype(np.float32) * INPUT_SCALE + INPUT_OFFSET
    one, other = (
        np.asarray(network(part)) for network, part in zip(networks, (picture, picture.repeat(3, 3)), strict=True)
    )
    assert one == pytest.approx(other, abs=1e-4)


def test_a_weights_file_of_keras_is_read(source: keras.Model, tmp_path: Path) -> None:
    path = tmp_path / "start.weights.h5"
    keras.applications.MobileNetV2(include_top=False, weights=None).save_weights(path)
    assert is_keras(path)
    assert is_keras(IMAGENET)
    assert not is_keras(Path("start.tflite"))
    assert [kernel.shape for kernel, _ in read_keras(path)] == [kernel.shape for kernel, _ in folded(source)]


def test_what_cannot_be_had_is_said_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "start.weights.h5"
    broken.write_bytes(b"no weights")
    with pytest.raises(DataError, match=r"start\.weights\.h5 cannot be had .*without its top"):
        read_keras(broken)

    def away(**_: object) -> None:
        raise Exception("URL fetch failure")

    monkeypatch.setattr(keras_weights.keras.applications, "MobileNetV2", away)
    with pytest.raises(DataError, match=r"imagenet cannot be had .*--weights"):
        read_keras(IMAGENET)
