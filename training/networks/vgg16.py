"""VGG-16 with the dense top of a public COVID-19 classifier.

Simonyan and Zisserman 2014, "Very Deep Convolutional Networks for Large-Scale Image Recognition", configuration D,
without its own top; then flatten, 1024 units, 512 units, and the heads. With one head of one class at 256 by 256 by 3
that is 48,795,457 parameters, as its author's table has it.
"""

from collections.abc import Sequence
from pathlib import Path

import keras

from training.networks.layers import grey_picture, logits, penalty, three_channels
from training.networks.start import refusal
from training.recipe.recipe import HeadSettings, NetworkSettings

_BLOCKS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
"""Filters and convolutions of each block."""
_DENSE = (1024, 512)
_IMAGENET_MEANS = (103.939, 116.779, 123.68)
"""Of the pictures its ImageNet weights were found on: blue, green, red, 0..255."""


def build(settings: NetworkSettings, heads: Sequence[HeadSettings], weights: Path | None = None) -> keras.Model:
    """Build the network: (n, side, side, 1) grey 0..1 in, one vector of logits a head out.

    ``weights`` are those of the convolutions: ``imagenet``, which is Keras's own download, or a file of Keras's VGG-16
    without its top. Where there are some the picture is scaled as they expect it; without them to -1..1.
    """
    picture = grey_picture(settings.side)
    x = three_channels(picture)
    if weights is None:
        x = keras.layers.Rescaling(2.0, -1.0, name="normalise")(x)
    else:
        x = keras.layers.Rescaling(255.0, [-mean for mean in _IMAGENET_MEANS], name="normalise")(x)
    convolutions: list[str] = []
    for block, (filters, count) in enumerate(_BLOCKS, start=1):
        for place in range(1, count + 1):
            convolutions.append(f"block{block}_conv{place}")
            # Without normalisation layers, sixteen layers only learn from a start that keeps the variance of
            # rectified units (He et al. 2015).
            x = keras.layers.Conv2D(
                filters,
                3,
                padding="same",
                activation="relu",
                kernel_initializer="he_normal",
                kernel_regularizer=penalty(settings.l2),
                name=convolutions[-1],
            )(x)
        x = keras.layers.MaxPooling2D(2, name=f"block{block}_pool")(x)
    x = keras.layers.Flatten(name="flatten")(x)
    for place, units in enumerate(_DENSE, start=1):
        x = keras.layers.Dense(
            units,
            activation="relu",
            kernel_initializer="he_normal",
            kernel_regularizer=penalty(settings.l2),
            name=f"fc{place}",
        )(x)
        x = keras.layers.Dropout(settings.dropout, name=f"dropout_{place}")(x)
    network = keras.Model(picture, logits(x, heads, settings.l2), name="vgg16")
    if weights is not None:
        _start(network, convolutions, weights)
    return network


def _start(network: keras.Model, convolutions: Sequence[str], weights: Path) -> None:
    """Copy the convolutions' weights out of Keras's own VGG-16."""
    try:
        source = keras.applications.VGG16(include_top=False, weights=str(weights))
    except Exception as error:  # Keras raises a bare Exception where a download fails
        raise refusal(weights, "Keras's VGG-16 without its top", error) from error
    for name in convolutions:
        network.get_layer(name).set_weights(source.get_layer(name).get_weights())
