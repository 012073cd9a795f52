"""MobileNetV2 as ImageNet left it, seen at three sizes: what every stage answers on average, and a linear layer on it.

Nothing but the last layer is fitted, so that a thousand pictures are enough, and a fit takes minutes on a processor.
Means and spreads of early stages hold what deep ones have forgotten: how a picture was taken and processed.
"""

from collections.abc import Sequence

import keras

from training.networks.backbone import INPUT_OFFSET, INPUT_SCALE, STAGES, Weights, mobilenet_v2, set_weights
from training.networks.layers import grey_picture, logits
from training.recipe.recipe import HeadSettings, NetworkSettings

POOLED = "levels"
_SHARES = (1 / 2, 5 / 7, 1.0)
"""The sizes, as shares of the input's side: 224, 320 and 448 of 448."""
_GRID = 32


def build(settings: NetworkSettings, heads: Sequence[HeadSettings], weights: Weights | None = None) -> keras.Model:
    """Build the network: (n, side, side, 1) grey 0..1 in, one vector of logits a head out; only heads can learn.

    A picture and its mirror image give one answer: what is seen of both is averaged.
    """
    picture = grey_picture(settings.side)
    backbone = _backbone(weights)
    mirrored = keras.ops.flip(picture, axis=2)
    seen = []
    for side in sizes(settings.side):
        smaller = keras.layers.Resizing(side, side, name=f"side_{side}")
        both = [backbone(smaller(one) if side < settings.side else one) for one in (picture, mirrored)]
        seen.append(keras.layers.Average(name=f"both_{side}")(both))
    pooled = keras.layers.Concatenate(name=POOLED)(seen)
    return keras.Model(picture, logits(pooled, heads), name="levels")


def extractor(network: keras.Model) -> keras.Model:
    """Return the part of the network that is never fitted: pictures to (n, features)."""
    return keras.Model(network.input, network.get_layer(POOLED).output, name="extractor")


def sizes(side: int) -> list[int]:
    """Return the sides that a picture is seen at, multiples of 32, the smallest first."""
    return sorted({max(_GRID, round(side * share / _GRID) * _GRID) for share in _SHARES})


def _backbone(weights: Weights | None) -> keras.Model:
    """Return MobileNetV2 from a grey picture of any size to the means and spreads of its stages."""
    picture = keras.Input((None, None, 1))
    levels = mobilenet_v2(keras.layers.Rescaling(INPUT_SCALE, INPUT_OFFSET, name="normalise")(picture))
    inside = keras.Model(picture, [levels.middle, levels.top])
    ends = [inside.get_layer(name).output for name in _stage_ends()]
    means = [keras.layers.GlobalAveragePooling2D()(level) for level in (levels.middle, levels.top, *ends)]
    spreads = [keras.ops.std(level, axis=(1, 2)) for level in ends]
    peak = keras.layers.GlobalMaxPooling2D()(levels.top)
    backbone = keras.Model(picture, keras.layers.Concatenate()([*means, peak, *spreads]), name="backbone")
    if weights is not None:
        set_weights(backbone, weights)
    backbone.trainable = False
    return backbone


def _stage_ends() -> list[str]:
    """Return the layers that the stages of :data:`STAGES` end with, but for the first."""
    names = []
    block = STAGES[0][2] - 1
    for _, _, repeats, _ in STAGES[1:]:
        block += repeats
        names.append(f"block_{block}_add" if repeats > 1 else f"block_{block}_project")
    return names
