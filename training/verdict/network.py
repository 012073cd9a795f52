"""The verdict network: a small residual network of plain convolutions, and the loss of its heads."""

from collections.abc import Sequence
from typing import Any

import keras

from inference.verdict.heads import CONTENTS, TURNS
from training.verdict.truth import TARGETS

layers = keras.layers
_SLICES = {
    "usable": slice(0, 1),
    "content": slice(1, 1 + len(CONTENTS)),
    "turn": slice(1 + len(CONTENTS), 1 + len(CONTENTS) + len(TURNS)),
    "flaws": slice(1 + len(CONTENTS) + len(TURNS), TARGETS),
}
"""Which of a truth's numbers each head learns; see :func:`training.verdict.truth.targets`."""
HEADS = tuple(_SLICES)


def build(side: int, widths: Sequence[int], dropout: float) -> keras.Model:
    """Return a network from (side, side, 1), 0 to 1, to logits (TARGETS,).

    ``widths`` are the channels after each halving of the resolution.
    """
    inputs = keras.Input((side, side, 1), name="image")
    x = layers.Rescaling(2.0, offset=-1.0)(inputs)
    x = _convolution(x, widths[0], kernel=5, stride=2)
    for width in widths[1:]:
        x = _convolution(x, width, stride=2)
        x = layers.Add()([x, _convolution(x, width)])
    x = layers.Concatenate()([layers.GlobalAveragePooling2D()(x), layers.GlobalMaxPooling2D()(x)])
    x = layers.Dropout(dropout)(x)
    return keras.Model(inputs, layers.Dense(TARGETS, name="logits")(x))


def with_heads(network: keras.Model) -> keras.Model:
    """Return the network with one output a head, as the package's manifest lists them."""
    dense = network.get_layer("logits")
    features = network.layers[-2].output
    kernel, bias = dense.get_weights()
    outputs = []
    for name, part in _SLICES.items():
        head = layers.Dense(part.stop - part.start, name=name)
        outputs.append(head(features))
        head.set_weights([kernel[:, part], bias[part]])
    return keras.Model(network.input, outputs, name="verdict")


def loss(truth: Any, logits: Any) -> Any:
    """Return the sum of the heads' cross-entropies; a truth of -1 teaches its head nothing."""
    total = 0.0
    for name, weight in (("usable", 2.0), ("content", 1.0), ("turn", 1.0), ("flaws", 1.0)):
        labels, predicted = truth[:, _SLICES[name]], logits[:, _SLICES[name]]
        mask = keras.ops.cast(labels >= 0, "float32")
        labels = keras.ops.maximum(labels, 0.0)
        if name in {"usable", "flaws"}:
            each = keras.ops.binary_crossentropy(labels, predicted, from_logits=True) * mask
            total += weight * keras.ops.sum(each, axis=1)
        else:
            total -= weight * keras.ops.sum(labels * keras.ops.log_softmax(predicted), axis=1) * mask[:, 0]
    return total


def _convolution(x: Any, width: int, kernel: int = 3, stride: int = 1) -> Any:
    x = layers.Conv2D(width, kernel, strides=stride, padding="same", use_bias=False)(x)
    return layers.ReLU()(layers.BatchNormalization(momentum=0.95)(x))
