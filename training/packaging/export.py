"""From a fitted network to the two weight files of a package, both from the same rounded numbers."""

import io
import json
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from config.errors import PackageError
from config.settings import InferenceSettings
from inference.engines import open_engine
from inference.interpret import Answer, RawOutputs
from inference.manifest import Manifest
from inference.model import Model
from inference.package import ModelPackage
from inference.pixels import Picture

TOLERANCE = 1e-3
"""How far the two engines may differ in any probability or box coordinate."""
_EPOCH = (1980, 1, 1, 0, 0, 0)


def round_to_half(network: keras.Model) -> None:
    """Round every weight to the nearest float16, in place: what is shipped is what is measured."""
    for variable in network.weights:
        variable.assign(np.asarray(variable.numpy()).astype(np.float16).astype(np.float32))


def keras_bytes(network: keras.Model) -> bytes:
    """Return the network as a ``.keras`` file: compressed, and the same bytes for the same weights."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "model.keras"
        network.save(path)
        packed = io.BytesIO()
        with (
            zipfile.ZipFile(path) as source,
            zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as out,
        ):
            for name in sorted(source.namelist()):
                content = source.read(name)
                if name == "metadata.json":
                    content = json.dumps({**json.loads(content), "date_saved": ""}).encode()
                entry = zipfile.ZipInfo(name, _EPOCH)
                entry.compress_type = zipfile.ZIP_DEFLATED
                out.writestr(entry, content)
    return packed.getvalue()


def litert_bytes(network: keras.Model) -> bytes:
    """Return the network as a LiteRT file with float16 weights, computed in float32, for one picture at a time."""
    import tensorflow as tf

    bare = keras.Model(network.inputs, network.outputs)
    with tempfile.TemporaryDirectory() as scratch:
        signature = [keras.InputSpec(dtype="float32", shape=(1, *network.input_shape[1:]), name="picture")]
        bare.export(scratch, format="tf_saved_model", input_signature=signature, verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(scratch)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]
        converted: bytes = converter.convert()
    return converted


def require_agreement(package: ModelPackage, pictures: Sequence[Picture]) -> float:
    """Return the largest difference between LiteRT and TensorFlow in any probability or box coordinate.

    Raises
    ------
    PackageError
        When it is above :data:`TOLERANCE`: the two files of the package would not be one model.
    """
    answers = []
    for name in ("litert", "tensorflow"):
        model = Model(package, [open_engine(package, InferenceSettings(engine=name))])
        answers.append([_probabilities(package.manifest, model.raw(picture)[0]) for picture in pictures])
    largest = max(
        float(np.abs(one - other).max())
        for ours, theirs in zip(*answers, strict=True)
        for one, other in zip(ours, theirs, strict=True)
    )
    if largest > TOLERANCE:
        raise PackageError(f"LiteRT and TensorFlow differ by {largest:.4f} on one picture: export float32 weights")
    return largest


def _probabilities(manifest: Manifest, answer: Answer) -> RawOutputs:
    """Return every output as what people see of it: probabilities of heads and heat, boxes as they are."""
    parts = []
    for head in manifest.heads:
        logits = answer.outputs[head.index].astype(np.float64)
        powers = np.exp(logits - logits.max())
        parts.append(powers / powers.sum() if head.activation == "softmax" else 0.5 * (1 + np.tanh(logits / 2)))
    if manifest.maps is not None:
        parts += [0.5 * (1 + np.tanh(answer.outputs[manifest.maps.heat] / 2)), answer.outputs[manifest.maps.box]]
    return parts
