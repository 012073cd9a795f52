"""The segmentation network: a small U-Net (Ronneberger 2015) with residual steps, and its loss."""

from collections.abc import Sequence
from typing import Any

import keras

layers = keras.layers
_SMOOTH = 1e-3
"""Keeps the soft Dice of a structure that is not on the image from dividing by nothing."""


def build(side: int, widths: Sequence[int], structures: int) -> keras.Model:
    """Return a network from (side, side, 1), 0 to 1, to logits (side / 2, side / 2, structures).

    ``widths`` are the channels at a quarter of the resolution and after each further halving. Most of the time of a
    small network goes into its finest level, so that the input is taken in patches of 4 x 4 pixels, and the last layer
    doubles the resolution. An outline between two cells of the logits is found by interpolation.
    """
    inputs = keras.Input((side, side, 1), name="image")
    x = layers.Rescaling(2.0, offset=-1.0)(inputs)
    x = _convolution(x, widths[0], kernel=4, stride=4)
    x = _convolution(x, widths[0])
    skips = [x]
    for width in widths[1:]:
        x = _convolution(x, width, stride=2)
        x = layers.Add()([x, _convolution(x, width)])
        skips.append(x)
    for width, skip in zip(reversed(widths[:-1]), reversed(skips[:-1]), strict=True):
        x = layers.UpSampling2D()(x)
        x = _convolution(layers.Concatenate()([x, skip]), width)
    x = _convolution(x, widths[0])
    logits = layers.Conv2DTranspose(structures, 2, strides=2, name="logits")(x)
    return keras.Model(inputs, logits, name="anatomy")


def loss(truth: Any, logits: Any) -> Any:
    """Return cross-entropy plus one minus soft Dice of each structure but the background, one number an image.

    ``truth`` holds the share of each structure in each cell, (n, rows, columns, structures), background first.
    """
    ops = keras.ops
    entropy = -ops.mean(ops.sum(truth * ops.log_softmax(logits, axis=-1), axis=-1), axis=(1, 2))
    predicted, there = ops.softmax(logits, axis=-1)[..., 1:], truth[..., 1:]
    both = ops.mean(predicted * there, axis=(1, 2))
    either = ops.mean(predicted, axis=(1, 2)) + ops.mean(there, axis=(1, 2))
    dice = (2 * both + _SMOOTH) / (either + _SMOOTH)
    return entropy + 1 - ops.mean(dice, axis=-1)


def _convolution(x: Any, width: int, kernel: int = 3, stride: int = 1) -> Any:
    x = layers.Conv2D(width, kernel, strides=stride, padding="same", use_bias=False)(x)
    return layers.ReLU()(layers.BatchNormalization(momentum=0.95)(x))
