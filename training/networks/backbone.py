"""MobileNetV2 with its normalisation folded into biases, and its ImageNet weights out of a full-integer TFLite file.

Sandler et al. 2018, "MobileNetV2: Inverted Residuals and Linear Bottlenecks", width 1.0. In a trained network batch
normalisation is an affine map, so each convolution here carries its own bias instead: the same function, a third
fewer passes over memory, and no layer whose answer depends on a training flag.
"""

import hashlib
import itertools
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from config.errors import PackageError

STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
"""Expansion, channels, repeats, first stride: Table 2 of the paper."""
BLOCKS = sum(stage[2] for stage in STAGES)
TOP_CHANNELS = 1280
INPUT_SCALE, INPUT_OFFSET = 2.0, -0.99609375
"""Grey 0..1 to what the network was trained on, (255 grey - 127) / 127.5, in numbers that float16 holds exactly."""

Weights = list[tuple[NDArray[np.float32], NDArray[np.float32]]]
"""(kernel, bias) of each convolution in the order of the network; the last is the ImageNet classifier."""


@dataclass(frozen=True, slots=True)
class Levels:
    """Feature maps of one picture: after block 5 (stride 8), expanded block 13 (stride 16), and the top (stride 32)."""

    trunk: Any
    middle: Any
    top: Any


def mobilenet_v2(picture: Any) -> Levels:
    """Apply MobileNetV2 1.0 to a normalised (n, side, side, channels) tensor; ``side`` a multiple of 32.

    Layers are named ``stem``, ``block_<k>_expand|depthwise|project`` with k from 0 to 16, and ``top``.
    """
    x = _relu6(_conv(picture, 32, "stem", kernel=3, strides=2), "stem")
    block = 0
    trunk = middle = x
    for expansion, channels, repeats, first in STAGES:
        for repeat in range(repeats):
            name, strides = f"block_{block}", first if repeat == 0 else 1
            inside = x
            if expansion != 1:
                inside = _relu6(_conv(x, x.shape[-1] * expansion, f"{name}_expand"), f"{name}_expand")
            if block == 13:
                middle = inside
            inside = keras.layers.DepthwiseConv2D(3, strides, padding="same", name=f"{name}_depthwise")(inside)
            inside = _conv(_relu6(inside, f"{name}_depthwise"), channels, f"{name}_project")
            x = keras.layers.Add(name=f"{name}_add")([x, inside]) if repeat else inside
            if block == 5:
                trunk = x
            block += 1
    return Levels(trunk=trunk, middle=middle, top=_relu6(_conv(x, TOP_CHANNELS, "top"), "top"))


def layer_names() -> list[str]:
    """Return the names of the convolutions, in the order in which :data:`Weights` lists them."""
    names = ["stem"]
    for block in range(BLOCKS):
        parts = ("depthwise", "project") if block == 0 else ("expand", "depthwise", "project")
        names += [f"block_{block}_{part}" for part in parts]
    return [*names, "top"]


def set_weights(model: keras.Model, weights: Weights) -> None:
    """Give the backbone inside ``model`` these weights; a one-channel stem gets the sum over the three colours.

    A grey picture copied to three channels and a stem summed over them are the same product, at a third of the cost.
    """
    for name, (kernel, bias) in zip(layer_names(), weights, strict=False):
        layer = model.get_layer(name)
        if name == "stem" and layer.kernel.shape[2] == 1:
            kernel = kernel.sum(axis=2, keepdims=True)  # noqa: PLW2901
        layer.set_weights([kernel, bias])


def imagenet_classifier(weights: Weights, side: int = 224) -> keras.Model:
    """Return the float network with its 1,001-class top: colour picture 0..255 to logits, for checks."""
    picture = keras.Input((side, side, 3))
    normal = keras.layers.Rescaling(1 / 127.5, -127 / 127.5)(picture)
    pooled = keras.layers.GlobalAveragePooling2D(keepdims=True)(mobilenet_v2(normal).top)
    logits = keras.layers.Flatten()(_conv(pooled, weights[-1][1].size, "classifier"))
    model = keras.Model(picture, logits)
    set_weights(model, weights)
    model.get_layer("classifier").set_weights(list(weights[-1]))
    return model


def read_tflite(path: Path) -> Weights:
    """Dequantise every convolution of a full-integer MobileNetV2 TFLite file.

    Raises
    ------
    PackageError
        When the file is missing or is not such a network.
    """
    interpreter = _interpreter(path)
    details = interpreter.get_tensor_details()
    found: Weights = []
    for kernel, bias in itertools.pairwise(details):
        scales = kernel["quantization_parameters"]["scales"]
        if kernel["dtype"] is not np.int8 or len(kernel["shape"]) != 4 or scales.size <= 1:
            continue
        depthwise = kernel["shape"][0] == 1 and kernel["quantization_parameters"]["quantized_dimension"] == 3
        values = _dequantise(interpreter, kernel)
        found.append(
            (
                values.transpose(1, 2, 3, 0),
                _dequantise(interpreter, bias),
            )
        )
        if depthwise and found[-1][0].shape[-1] != 1:  # pragma: no cover - a file of another layout
            raise PackageError(f"{path.name}: a depthwise kernel has an unexpected shape")
    expected = len(layer_names()) + 1
    if len(found) != expected:
        raise PackageError(f"{path.name} has {len(found)} convolutions, MobileNetV2 with its top has {expected}")
    return found


def agreement(weights: Weights, tflite: Path, pictures: NDArray[np.uint8]) -> float:
    """Correlate the float network's logits with the integer file's on colour pictures (n, 224, 224, 3)."""
    interpreter = _interpreter(tflite)
    entry, out = interpreter.get_input_details()[0]["index"], _logit_tensor(interpreter)
    integer = []
    for picture in pictures:
        interpreter.set_tensor(entry, picture[None])
        interpreter.invoke()
        integer.append(_dequantise(interpreter, out).ravel())
    floating = imagenet_classifier(weights).predict(pictures.astype(np.float32), verbose=0)
    return float(np.corrcoef(np.concatenate(integer), floating.ravel())[0, 1])


def load_imagenet_weights(tflite: Path, cache: Path) -> Weights:
    """Return the float weights, converted and checked once, then read back from ``cache``.

    Raises
    ------
    PackageError
        When the float network does not reproduce the integer file (correlation of logits below 0.99).
    """
    if not tflite.is_file():
        raise PackageError(f"the weights file {tflite} is missing: name another in the recipe, or none")
    digest = hashlib.sha256(tflite.read_bytes()).hexdigest()[:16]
    stored = cache / f"mobilenet-v2-{digest}-{version('cxrnode')}.npz"
    if stored.is_file():
        with np.load(stored) as arrays:
            count = len(arrays.files) // 2
            return [(arrays[f"kernel_{k}"], arrays[f"bias_{k}"]) for k in range(count)]
    try:
        weights = read_tflite(tflite)
        correlation = agreement(weights, tflite, check_pictures())
    except (ValueError, RuntimeError, IndexError, TypeError) as error:  # what TFLite and shapes say of another network
        said = type(error).__name__
        raise PackageError(f"{tflite.name} is no full-integer MobileNetV2 ({said}): name another, or none") from error
    if correlation < 0.99:
        raise PackageError(f"{tflite.name}: float and integer logits correlate only {correlation:.3f}")
    cache.mkdir(parents=True, exist_ok=True)
    named = {
        f"{kind}_{k}": array
        for k, pair in enumerate(weights)
        for kind, array in zip(("kernel", "bias"), pair, strict=True)
    }
    partial = stored.with_suffix(".part")
    with partial.open("wb") as stream:  # a name would get an ending
        np.savez(stream, **named)  # type: ignore[arg-type]
    partial.replace(stored)
    return weights


def check_pictures(count: int = 4) -> NDArray[np.uint8]:
    """Draw smooth colour pictures (count, 224, 224, 3) to compare networks on; the integer file hates hard edges."""
    grids = np.random.default_rng(0).integers(0, 256, (count, 3, 14, 14), dtype=np.uint8)
    planes = [[Image.fromarray(plane).resize((224, 224), Image.Resampling.BICUBIC) for plane in grid] for grid in grids]
    return np.stack([np.stack([np.asarray(plane) for plane in colours], axis=-1) for colours in planes])


def _interpreter(path: Path) -> Any:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    if not path.is_file():
        raise PackageError(f"the weights file {path} is missing")
    interpreter = Interpreter(
        str(path),
        experimental_preserve_all_tensors=True,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    interpreter.allocate_tensors()
    return interpreter


def _logit_tensor(interpreter: Any) -> Any:
    """Find the last layer before the softmax: the classifier's sum with its bias, still of width 1 by 1."""
    candidates = [
        tensor
        for tensor in interpreter.get_tensor_details()
        if tensor["dtype"] is np.int8
        and list(tensor["shape"][:3]) == [1, 1, 1]
        and tensor["shape"][-1] > TOP_CHANNELS * 0.7
        and tensor["quantization_parameters"]["scales"].size == 1
    ]
    return candidates[-1]


def _dequantise(interpreter: Any, detail: Any) -> NDArray[np.float32]:
    parameters = detail["quantization_parameters"]
    values = interpreter.get_tensor(detail["index"]).astype(np.float32)
    shape = [1] * values.ndim
    if parameters["scales"].size > 1:
        shape[parameters["quantized_dimension"]] = -1
    scales = parameters["scales"].reshape(shape).astype(np.float32)
    zeros = parameters["zero_points"].reshape(shape).astype(np.float32)
    result: NDArray[np.float32] = (values - zeros) * scales
    return result


def _conv(x: Any, channels: int, name: str, *, kernel: int = 1, strides: int = 1) -> Any:
    return keras.layers.Conv2D(channels, kernel, strides, padding="same", name=name)(x)


def _relu6(x: Any, name: str) -> Any:
    return keras.layers.ReLU(6.0, name=f"{name}_relu")(x)
