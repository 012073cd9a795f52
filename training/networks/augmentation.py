"""Augmentation as Keras layers: pictures are turned, shifted, zoomed, brightened and stretched in contrast.

For networks that answer for a whole picture. Detectors keep ``training.data.augment``: Keras's layers do move boxes
(``bounding_boxes`` beside ``images``), but a box that is turned becomes the upright one around its corners, larger at
every angle, one of which a sliver is left in the picture stays, and the result has to be padded to a fixed number of
boxes. ``training.data.augment`` keeps a turned box's size, drops what is hardly visible, and also draws the black bars
and the gamma that Keras's layers lack.

No layer turns a picture upside down. Left and right are mirrored only where a recipe says so: the heart has a side.
"""

from typing import Any

import keras

from training.recipe.recipe import AugmentSettings

_DEGREES = 360.0


class Augmentation(keras.Layer):  # type: ignore[misc]
    """Alters pictures while a network trains, and only then.

    Keras's random layers alter whatever they are called with unless they are told not to; this one is silent unless
    it is told to train, so that a model that is merely called, or exported, sees the picture as it is.
    """

    def __init__(self, layers: list[Any], **options: Any) -> None:
        super().__init__(**options)
        self._layers_in_turn = layers

    def build(self, shape: Any) -> None:
        """Build each layer for pictures of this shape."""
        for layer in self._layers_in_turn:
            layer.build(shape)

    def call(self, pictures: Any, training: bool = False) -> Any:
        """Return the pictures, altered where ``training`` is true."""
        if not training:
            return pictures
        for layer in self._layers_in_turn:
            pictures = layer(pictures, training=True)
        return pictures

    def compute_output_shape(self, shape: Any) -> Any:
        """Return the shape as it is."""
        return shape


def augmentation(settings: AugmentSettings, seed: int) -> Augmentation:
    """Return a layer that alters (n, side, side, 1) float32 pictures, 0 to 1, where it is called with ``training``.

    Every picture of a batch is altered differently; what comes into view beyond an edge is black. Works as the first
    layer of a network and inside ``tf.data`` alike.

    Parameters
    ----------
    settings
        How far: degrees, fractions of the side, fractions of the grey range. A part set to 0 is left out.
    seed
        The same seed gives the same alterations in the same order.
    """
    black = {"fill_mode": "constant", "fill_value": 0.0, "data_format": "channels_last"}
    grey = {"value_range": (0.0, 1.0)}
    turn, contrast = settings.rotation_degrees / _DEGREES, settings.contrast
    layers: list[Any] = []
    if settings.mirror:
        layers.append(keras.layers.RandomFlip("horizontal", data_format="channels_last", seed=seed))
    if turn:
        layers.append(keras.layers.RandomRotation(turn, seed=seed + 1, **black))
    if settings.shift:
        layers.append(keras.layers.RandomTranslation(settings.shift, settings.shift, seed=seed + 2, **black))
    if settings.zoom:
        layers.append(keras.layers.RandomZoom(settings.zoom, seed=seed + 3, **black))  # one factor for both sides
    if settings.brightness:
        layers.append(keras.layers.RandomBrightness(settings.brightness, seed=seed + 4, **grey))
    if contrast:
        # Two numbers, because of one number Keras 3.15 makes (0, contrast): it would never lower the contrast.
        layers.append(keras.layers.RandomContrast((contrast, contrast), seed=seed + 5, **grey))
    return Augmentation(layers, name="augmentation")
