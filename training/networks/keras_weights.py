"""MobileNetV2's weights as Keras has them, with batch normalisation folded into biases.

Keras publishes ImageNet weights of MobileNetV2 1.0; here they come from its own download, or from a file that is there
already, such as ``mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5``.
"""

from pathlib import Path

import keras
import numpy as np

from config.errors import DataError
from training.networks import backbone
from training.networks.backbone import Weights, layer_names

IMAGENET = Path("imagenet")
"""Stands for Keras's own download."""
ENDINGS = (".h5", ".keras")
_NAMES = {"stem": ("Conv1", "bn_Conv1"), "top": ("Conv_1", "Conv_1_bn")}


def is_keras(start: Path) -> bool:
    """Say whether weights are Keras's: its download, or a file of its format."""
    return start == IMAGENET or start.suffix in ENDINGS


def read_keras(start: Path) -> Weights:
    """Return (kernel, bias) of each convolution, in the order of the network, without the ImageNet classifier.

    Raises
    ------
    DataError
        When the weights cannot be downloaded, or the file does not hold them.
    """
    try:
        source = keras.applications.MobileNetV2(include_top=False, weights=str(start))
    except Exception as error:  # Keras raises a bare Exception where a download fails
        cure = (
            "give a file that is there with --weights"
            if start == IMAGENET
            else "give MobileNetV2 1.0 without its top, as Keras publishes it"
        )
        raise DataError(f"the weights {start.name} cannot be had ({type(error).__name__}): {cure}") from error
    return folded(source)


def read_backbone(start: Path | None, cache: Path) -> Weights | None:
    """Return the weights that a MobileNetV2 backbone starts from; None, at random, without a file.

    ``start`` is Keras's file, its download, or a full-integer TFLite file, whose converted weights are kept in
    ``cache``.    Raises as :func:`read_keras` and :func:`training.networks.backbone.load_imagenet_weights` do.
    """
    if start is None:
        return None
    return read_keras(start) if is_keras(start) else backbone.load_imagenet_weights(start, cache)


def folded(source: keras.Model) -> Weights:
    """Return the weights of Keras's MobileNetV2 1.0 with each batch normalisation folded into its convolution.

    In a trained network normalisation is (x - mean) / sqrt(variance + epsilon) * gamma + beta: a factor and an offset
    for each channel.
    """
    weights: Weights = []
    for name in layer_names():
        convolution, normalisation = (source.get_layer(one) for one in _keras_names(name))
        gamma, beta, mean, variance = (np.asarray(one, np.float64) for one in normalisation.get_weights())
        factor = gamma / np.sqrt(variance + normalisation.epsilon)
        kernel = np.asarray(convolution.get_weights()[0], np.float64)
        # A depthwise kernel is (rows, columns, channels, 1), any other (rows, columns, inputs, channels).
        scaled = kernel * (factor[:, None] if kernel.shape[-1] == 1 and name.endswith("depthwise") else factor)
        weights.append((scaled.astype(np.float32), (beta - mean * factor).astype(np.float32)))
    return weights


def _keras_names(name: str) -> tuple[str, str]:
    """Return what Keras calls a convolution and its normalisation."""
    if name in _NAMES:
        return _NAMES[name]
    block, _, part = name.removeprefix("block_").partition("_")
    whole = f"expanded_conv_{part}" if block == "0" else f"block_{block}_{part}"
    return whole, f"{whole}_BN"
