"""What all networks begin and end with: one grey picture in, one vector of logits a head out."""

from collections.abc import Sequence
from typing import Any

import keras

from training.recipe.recipe import HeadSettings


def grey_picture(side: int) -> Any:
    """Return the input that every package has: (n, side, side, 1), grey 0..1."""
    return keras.Input((side, side, 1), name="picture")


def three_channels(grey: Any) -> Any:
    """Repeat grey into three channels, (n, side, side, 3), without a parameter: what colour networks expect."""
    return keras.layers.Concatenate(name="three_channels")([grey, grey, grey])


def logits(features: Any, heads: Sequence[HeadSettings], l2: float = 0.0) -> list[Any]:
    """Return one vector of logits a head, (n, classes) each, in the heads' order.

    They stay float32 under mixed precision: a softmax in half precision loses small probabilities.
    """
    return [
        keras.layers.Dense(len(head.classes), name=head.name, dtype="float32", kernel_regularizer=penalty(l2))(features)
        for head in heads
    ]


def penalty(l2: float) -> keras.regularizers.Regularizer | None:
    """Return the L2 penalty of a kernel, or None."""
    return keras.regularizers.L2(l2) if l2 else None
