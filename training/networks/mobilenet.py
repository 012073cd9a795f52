"""MobileNetV2 with one vector of logits a head and, where a recipe wants boxes, a centre-point detector.

Input (n, side, side, 1), grey 0..1, letterboxed. Outputs in the order in which a package promises them: the heads'
logits in the recipe's order; then ``heat`` (n, side/16, side/16, labels) logits of box centres and ``box``
(n, side/16, side/16, 4): how far the left, top, right and bottom sides are from the cell's middle, in fractions of the
side.
"""

import math
from typing import Any

import keras

from training.networks.backbone import INPUT_OFFSET, INPUT_SCALE, Weights, layer_names, mobilenet_v2, set_weights
from training.recipe.recipe import Recipe

STRIDE = 16
TRUNK_END = "block_5_add"
"""The last frozen layer: its maps (side/8, side/8, 32) are computed once and kept."""
POOLED = "pooled"
"""The layer that holds what the heads answer from."""
_RARE = 0.02
"""Share of cells expected to be a centre, where the heat starts."""


def build(recipe: Recipe, weights: Weights | None = None) -> keras.Model:
    """Build the network; with ``weights`` the backbone starts from them and its trunk is frozen."""
    settings = recipe.network
    picture = keras.Input((settings.side, settings.side, 1), name="picture")
    levels = mobilenet_v2(keras.layers.Rescaling(INPUT_SCALE, INPUT_OFFSET, name="normalise")(picture))
    neck = _neck(levels.middle, levels.top, settings.width)
    neck = keras.layers.SpatialDropout2D(settings.map_dropout, name="neck_dropout")(neck)
    # Heads see every level: what tells findings apart is not only what the top level has made of it.
    averaged = {"trunk": levels.trunk, "middle": levels.middle, "top": levels.top, "neck": neck}
    pooled = keras.layers.Concatenate(name=POOLED)(
        [
            *(keras.layers.GlobalAveragePooling2D(name=f"pool_{name}")(level) for name, level in averaged.items()),
            keras.layers.GlobalMaxPooling2D(name="peak_neck")(neck),
        ]
    )
    pooled = keras.layers.Dropout(settings.dropout, name="dropout")(pooled)
    outputs = [keras.layers.Dense(len(head.classes), name=f"head_{head.name}")(pooled) for head in recipe.heads]
    if recipe.maps:
        start = keras.initializers.Constant(math.log(_RARE / (1 - _RARE)))
        heat = keras.layers.Conv2D(len(recipe.maps), 1, bias_initializer=start, name="heat")
        box = keras.layers.Conv2D(
            4, 1, activation="sigmoid", bias_initializer=keras.initializers.Constant(-2.0), name="box"
        )
        outputs += [heat(_mix(neck, settings.width, "heat_mix")), box(_mix(neck, settings.width, "box_mix"))]
    model = keras.Model(picture, outputs, name=recipe.package.name.replace("-", "_"))
    if weights is not None:
        set_weights(model, weights)
        freeze(model, trunk_names())
    return model


def split(model: keras.Model) -> tuple[keras.Model, keras.Model]:
    """Return (trunk, rest): two models that share the layers of ``model`` and, one after the other, equal it."""
    seam = model.get_layer(TRUNK_END).output
    return keras.Model(model.input, seam, name="trunk"), keras.Model(seam, model.outputs, name="rest")


def trunk_names() -> list[str]:
    """Return the names of the frozen convolutions."""
    names = layer_names()
    return names[: names.index("block_6_expand")]


def freeze(model: keras.Model, names: list[str], *, frozen: bool = True) -> None:
    """Stop these layers from learning, or let them again."""
    for name in names:
        model.get_layer(name).trainable = not frozen


def _neck(middle: Any, top: Any, channels: int) -> Any:
    """Mix stride 32, doubled, into stride 16."""
    above = keras.layers.Conv2D(channels, 1, name="neck_top")(top)
    above = keras.layers.UpSampling2D(2, interpolation="bilinear", name="neck_up")(above)
    beside = keras.layers.Conv2D(channels, 1, name="neck_middle")(middle)
    joined = keras.layers.ReLU(name="neck_relu")(keras.layers.Add(name="neck_add")([above, beside]))
    return _mix(joined, channels, "neck_mix")


def _mix(x: Any, channels: int, name: str) -> Any:
    mixed = keras.layers.SeparableConv2D(channels, 5, padding="same", name=name)(x)
    return keras.layers.ReLU(name=f"{name}_relu")(mixed)
