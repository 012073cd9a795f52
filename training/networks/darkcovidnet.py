"""DarkCovidNet: the published 17-layer network that this project's own is measured against.

Ozturk et al. 2020, "Automated detection of COVID-19 cases using deep neural networks with X-ray images", Computers in
Biology and Medicine 121:103792: 17 convolutions in the manner of DarkNet-19, a leaky rectifier of slope 0.1, five
maxima over 2 by 2. At 256 by 256 by 3 and three classes the last maps are 13 by 13 by 3 and 507 numbers reach the
dense layer, because the published 1 by 1 convolutions are padded by one pixel; it has 1,167,586 trained parameters.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras

from training.networks.layers import grey_picture, logits, penalty, three_channels
from training.networks.start import OWN_WEIGHTS, start_from
from training.recipe.recipe import HeadSettings, NetworkSettings

_SLOPE = 0.1
_STAGES = ((8, False), (16, False), (32, True), (64, True), (128, True), (256, True))
"""Filters of each stage, and whether it is three convolutions (3 by 3, 1 by 1 with half the filters, 3 by 3)."""


def build(settings: NetworkSettings, heads: Sequence[HeadSettings], weights: Path | None = None) -> keras.Model:
    """Build the network: (n, side, side, 1) grey 0..1 in, one vector of logits a head out."""
    picture = grey_picture(settings.side)
    # The authors normalise by the data's mean and spread, which for radiographs are about these.
    x = keras.layers.Rescaling(4.0, -2.0, name="normalise")(three_channels(picture))
    layer = _Layer(settings.l2)
    for stage, (filters, triple) in enumerate(_STAGES):
        if stage:
            x = keras.layers.MaxPooling2D(2, name=f"pool_{stage}")(x)
        x = layer(x, filters, 3)
        if triple:
            x = layer(layer(x, filters // 2, 1), filters, 3)
    x = layer(layer(x, 128, 1), 256, 3)
    classes = sum(len(head.classes) for head in heads)
    x = layer.convolution(x, classes, 3)
    x = layer.normalisation(keras.layers.ReLU(name="relu_17")(x))
    x = keras.layers.Flatten(name="flatten")(x)
    network = keras.Model(picture, logits(x, heads, settings.l2), name="darkcovidnet")
    if weights is not None:
        start_from(network, weights, OWN_WEIGHTS)
    return network


class _Layer:
    """Adds one numbered convolution after another."""

    def __init__(self, l2: float) -> None:
        self._l2 = l2
        self._count = 0

    def __call__(self, x: Any, filters: int, kernel: int) -> Any:
        """Add a convolution, its normalisation and the leaky rectifier."""
        x = self.normalisation(self.convolution(x, filters, kernel))
        return keras.layers.LeakyReLU(_SLOPE, name=f"leaky_{self._count}")(x)

    def convolution(self, x: Any, filters: int, kernel: int) -> Any:
        """Add a convolution without bias; whatever its kernel, one pixel of padding on each side."""
        self._count += 1
        if kernel == 1:
            x = keras.layers.ZeroPadding2D(1, name=f"pad_{self._count}")(x)
        return keras.layers.Conv2D(
            filters,
            kernel,
            padding="same" if kernel > 1 else "valid",
            use_bias=False,
            kernel_regularizer=penalty(self._l2),
            name=f"conv_{self._count}",
        )(x)

    def normalisation(self, x: Any) -> Any:
        """Add batch normalisation with the authors' momentum."""
        return keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"norm_{self._count}")(x)
