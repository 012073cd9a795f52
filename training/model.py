"""The network of the opacity package, and the losses it is fitted with.

Input (n, side, side, 1), grey 0..1, letterboxed. Outputs, in the order in which a package promises them: ``classes``
(n, 3) logits; ``heat`` (n, side/16, side/16, 1) logits of box centres; ``box`` (n, side/16, side/16, 4) centre offset
x, y within the cell 0..1, width and height as fractions of the side.
"""

import math
from typing import Any

import keras

from training.backbone import INPUT_OFFSET, INPUT_SCALE, Weights, layer_names, mobilenet_v2, set_weights
from training.dataset import NIH_LABELS
from training.recipe import ModelSettings

CLASSES = ("normal", "other_abnormal", "lung_opacity")
MINED = tuple(sorted(NIH_LABELS - {"No Finding"}))
STRIDE = 16
TRUNK_END = "block_5_add"
"""The last frozen layer: its maps (side/8, side/8, 32) are computed once and kept."""
_RARE = 0.02
"""Share of cells expected to be a centre, where the heat starts."""


def build(settings: ModelSettings, weights: Weights | None = None) -> keras.Model:
    """Build the network as it is fitted; with ``weights`` the backbone starts from them and its trunk is frozen.

    It has a fourth output that no package has, ``mined`` (n, 14): logits of the labels mined from reports. To guess
    them teaches the features more of chests than three classes do. :func:`served` takes it off.
    """
    picture = keras.Input((settings.side, settings.side, 1), name="picture")
    levels = mobilenet_v2(keras.layers.Rescaling(INPUT_SCALE, INPUT_OFFSET, name="normalise")(picture))
    neck = _neck(levels.middle, levels.top, settings.neck)
    neck = keras.layers.SpatialDropout2D(settings.map_dropout, name="neck_dropout")(neck)
    pooled = keras.layers.Concatenate(name="pooled")(
        [
            keras.layers.GlobalAveragePooling2D(name="pool_top")(levels.top),
            keras.layers.GlobalMaxPooling2D(name="pool_neck")(neck),
        ]
    )
    pooled = keras.layers.Dropout(settings.dropout, name="dropout")(pooled)
    classes = keras.layers.Dense(len(CLASSES), name="classes")(pooled)
    mined = keras.layers.Dense(len(MINED), name="mined")(pooled)
    heat = keras.layers.Conv2D(
        1, 1, bias_initializer=keras.initializers.Constant(math.log(_RARE / (1 - _RARE))), name="heat"
    )(_mix(neck, settings.neck, "heat_mix"))
    box = keras.layers.Conv2D(
        4, 1, activation="sigmoid", bias_initializer=keras.initializers.Constant(-0.7), name="box"
    )(_mix(neck, settings.neck, "box_mix"))
    model = keras.Model(picture, [classes, heat, box, mined], name="opacity")
    if weights is not None:
        set_weights(model, weights)
        freeze(model, trunk_names())
    return model


def served(model: keras.Model) -> keras.Model:
    """Return the network as a package has it."""
    return keras.Model(model.input, model.outputs[:3], name="opacity")


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


def class_loss(truth: Any, logits: Any) -> Any:
    """Cross-entropy against soft classes (n, 3); one number a picture."""
    return -keras.ops.sum(truth * keras.ops.log_softmax(logits, axis=-1), axis=-1)


def mined_loss(truth: Any, logits: Any) -> Any:
    """Binary cross-entropy against mined labels (n, 14), averaged; one number a picture."""
    return keras.ops.mean(keras.ops.softplus(logits) - truth * logits, axis=-1)


def heat_loss(truth: Any, logits: Any) -> Any:
    """Penalty-reduced focal loss of "Objects as Points" (alpha 2, beta 4), summed over the map of each picture."""
    log_p, log_q = -keras.ops.softplus(-logits), -keras.ops.softplus(logits)
    p = keras.ops.sigmoid(logits)
    at_centre = keras.ops.cast(truth >= 0.999, logits.dtype)
    positive = at_centre * (1 - p) ** 2 * log_p
    negative = (1 - at_centre) * (1 - truth) ** 4 * p**2 * log_q
    return -keras.ops.sum(positive + negative, axis=(1, 2, 3))


def box_loss(truth: Any, box: Any) -> Any:
    """Offset L1 at the centres plus L1 of log size around them; (n, cells, cells, 6) against (…, 4), one a picture."""
    offset = keras.ops.abs(truth[..., :2] - box[..., :2]) * truth[..., 4:5]
    known = keras.ops.maximum(truth[..., 2:4], 1e-3)
    size = keras.ops.abs(keras.ops.log(known) - keras.ops.log(box[..., 2:4] + 1e-6)) * truth[..., 5:6]
    return keras.ops.sum(0.5 * offset, axis=(1, 2, 3)) + keras.ops.sum(0.5 * size, axis=(1, 2, 3))


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
