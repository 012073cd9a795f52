"""Two plain convolutional networks, as two public projects describe theirs.

``cnn`` (coronahack): 256 by 256 by 3 in, `same` padding, ReLU, an L2 penalty, batch normalisation after every
convolution, flatten, one dense layer. The description leaves the filters open ("different numbers"); here they double
from ``width`` to eight times that, and a maximum over 2 by 2 follows each convolution.

``cnn-dropout`` (the binary project): convolutions without padding of one, two, two and four times ``width``, a maximum
over 2 by 2 after all but the first, half of ``dropout`` behind each, flatten, 64 units, ``dropout``, one dense layer.
"""

from collections.abc import Sequence
from pathlib import Path

import keras

from training.networks.layers import grey_picture, logits, penalty, three_channels
from training.networks.start import OWN_WEIGHTS, start_from
from training.recipe.recipe import HeadSettings, NetworkSettings

_WIDTHS = (1, 2, 4, 8, 8)
"""Filters of each convolution of ``cnn``, times ``width``."""
_DENSE = 64


def build(settings: NetworkSettings, heads: Sequence[HeadSettings], weights: Path | None = None) -> keras.Model:
    """Build ``cnn``: (n, side, side, 1) grey 0..1 in, one vector of logits a head out."""
    picture = grey_picture(settings.side)
    x = three_channels(picture)
    for place, times in enumerate(_WIDTHS):
        x = keras.layers.Conv2D(
            times * settings.width,
            3,
            padding="same",
            activation="relu",
            kernel_regularizer=penalty(settings.l2),
            name=f"conv_{place}",
        )(x)
        x = keras.layers.BatchNormalization(name=f"norm_{place}")(x)
        x = keras.layers.MaxPooling2D(2, name=f"pool_{place}")(x)
    x = keras.layers.Dropout(settings.dropout, name="dropout")(keras.layers.Flatten(name="flatten")(x))
    return _started(keras.Model(picture, logits(x, heads, settings.l2), name="cnn"), weights)


def build_with_dropout(
    settings: NetworkSettings, heads: Sequence[HeadSettings], weights: Path | None = None
) -> keras.Model:
    """Build ``cnn-dropout``: (n, side, side, 1) grey 0..1 in, one vector of logits a head out."""
    picture = grey_picture(settings.side)
    x = three_channels(picture)
    for place, times in enumerate((1, 2, 2, 4)):
        x = keras.layers.Conv2D(
            times * settings.width,
            3,
            activation="relu",
            kernel_regularizer=penalty(settings.l2),
            name=f"conv_{place}",
        )(x)
        if place:
            x = keras.layers.MaxPooling2D(2, name=f"pool_{place}")(x)
            x = keras.layers.Dropout(settings.dropout / 2, name=f"dropout_{place}")(x)
    x = keras.layers.Dense(_DENSE, activation="relu", kernel_regularizer=penalty(settings.l2), name="dense")(
        keras.layers.Flatten(name="flatten")(x)
    )
    x = keras.layers.Dropout(settings.dropout, name="dropout")(x)
    return _started(keras.Model(picture, logits(x, heads, settings.l2), name="cnn_dropout"), weights)


def _started(network: keras.Model, weights: Path | None) -> keras.Model:
    if weights is not None:
        start_from(network, weights, OWN_WEIGHTS)
    return network
