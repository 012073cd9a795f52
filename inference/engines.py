"""Running a package's model: LiteRT on a processor, TensorFlow on a GPU, one interface and the same answers."""

import contextlib
import importlib.metadata
import importlib.util
import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from config.errors import PackageError, SettingsError
from config.settings import InferenceSettings
from inference.interpret import RawOutputs
from inference.package import KERAS_MODEL, LITERT_MODEL, AnatomyManifest, AnatomyPackage, ModelPackage, VerdictPackage

Runnable = ModelPackage | VerdictPackage | AnatomyPackage
"""A package of one network."""


class Engine(Protocol):
    """A loaded model; calls from several threads take turns."""

    name: str
    """What ran it, for the record: such as ``litert 2.3.0 cpu``."""

    def forward(self, batch: NDArray[np.float32]) -> RawOutputs:
        """Run one picture, (1, rows, columns, 1) from 0 to 1; return the outputs in the manifest's order."""


def open_engine(package: Runnable, settings: InferenceSettings) -> Engine:
    """Load the model into the engine that the settings choose, and run it once so that the first study is fast.

    ``auto`` takes TensorFlow only where a GPU is visible: on a processor LiteRT is as exact and faster.

    Raises :class:`PackageError` when the model does not fit its manifest, :class:`SettingsError` when the
    engine asked for is not installed.
    """
    engine: Engine
    if settings.engine == "tensorflow" or (settings.engine == "auto" and _gpu_visible()):
        engine = TensorFlowEngine(package)
    else:
        engine = LiteRtEngine(package, settings.threads)
    _warm_up(engine, package)
    return engine


class LiteRtEngine:
    """The package's ``model.tflite`` on the processor, with XNNPACK's kernels."""

    def __init__(self, package: Runnable, threads: int) -> None:
        from ai_edge_litert.interpreter import Interpreter

        version = importlib.metadata.version("ai-edge-litert")
        self.name = f"litert {version} cpu"
        self._lock = threading.Lock()
        try:
            with _unheard_greetings():
                self._interpreter = Interpreter(model_path=str(package.path(LITERT_MODEL)), num_threads=threads)
                self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            msg = f"model package {package.manifest.name}: {LITERT_MODEL} cannot be loaded by {self.name}"
            raise PackageError(msg) from error
        inputs = self._interpreter.get_input_details()
        _check_input(package, [tuple(int(side) for side in detail["shape"]) for detail in inputs], LITERT_MODEL)
        self._input = int(inputs[0]["index"])
        self._outputs = _output_tensors(self._interpreter)

    def forward(self, batch: NDArray[np.float32]) -> RawOutputs:
        """Run one picture; the answers are copies, safe after the next call."""
        with self._lock:
            self._interpreter.set_tensor(self._input, batch)
            self._interpreter.invoke()
            return [self._interpreter.get_tensor(index) for index in self._outputs]


class TensorFlowEngine:
    """The package's ``model.keras`` as one traced function of a fixed shape.

    Never ``predict``, whose memory grows in a service; no TF32, so that a GPU answers as a processor does.
    """

    def __init__(self, package: Runnable) -> None:
        if importlib.util.find_spec("tensorflow") is None:
            msg = 'inference.engine asks for TensorFlow, which is not installed; install "cxrnode[gpu]" or use litert'
            raise SettingsError(msg)
        import tensorflow as tf

        gpus = tf.config.list_physical_devices("GPU")
        for gpu in gpus:
            with contextlib.suppress(RuntimeError):  # somebody in this process has used the GPU already
                tf.config.experimental.set_memory_growth(gpu, True)
        if gpus:  # settings of the whole process, which processors do not need
            tf.config.experimental.enable_tensor_float_32_execution(False)
            tf.config.experimental.enable_op_determinism()
        self.name = f"tensorflow {tf.__version__} {'gpu' if gpus else 'cpu'}"
        self._lock = threading.Lock()
        try:
            model = tf.keras.models.load_model(package.path(KERAS_MODEL), compile=False, safe_mode=True)
        except (ValueError, TypeError, OSError, KeyError) as error:
            msg = f"model package {package.manifest.name}: {KERAS_MODEL} cannot be loaded by {self.name}"
            raise PackageError(msg) from error
        _check_input(package, [tuple(tensor.shape) for tensor in model.inputs], KERAS_MODEL)
        size = package.manifest.input
        signature = [tf.TensorSpec((1, size.rows, size.columns, 1), tf.float32)]
        self._constant = tf.constant
        self._call = tf.function(lambda batch: tf.nest.flatten(model(batch, training=False)), input_signature=signature)

    def forward(self, batch: NDArray[np.float32]) -> RawOutputs:
        """Run one picture."""
        with self._lock:
            return [output.numpy() for output in self._call(self._constant(batch))]


@contextlib.contextmanager
def _unheard_greetings() -> Iterator[None]:
    """Keep LiteRT's greeting, which C++ writes, out of standard error, where our logs are JSON lines.

    What goes wrong LiteRT raises, so nothing is lost.
    """
    aside, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(aside, 2)
        os.close(aside)
        os.close(nowhere)


def _gpu_visible() -> bool:
    """Say whether TensorFlow could have a GPU, importing it only where the machine has one at all."""
    devices = [*Path("/dev").glob("nvidia[0-9]*"), *Path("/dev").glob("dxg"), *Path("/dev").glob("kfd")]
    if not devices or importlib.util.find_spec("tensorflow") is None:
        return False
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))


def _output_tensors(interpreter: Any) -> list[int]:
    """Return the tensors of the outputs in the order the model was exported with.

    An exported model's signature names them ``output_0``, ``output_1`` …, while the list of details comes in no
    promised order.
    """
    details = interpreter.get_output_details()
    signatures = interpreter._get_full_signature_list()  # the only way from a name to a tensor
    if len(signatures) == 1:
        outputs = next(iter(signatures.values()))["outputs"]
        return [int(outputs[name]) for name in sorted(outputs, key=_natural)]
    return [int(detail["index"]) for detail in details]


def _natural(name: str) -> tuple[str, int]:
    """Sort ``output_10`` after ``output_2``."""
    match = re.fullmatch(r"(.*?)(\d*)", name)
    return (match[1], int(match[2] or -1)) if match else (name, -1)


def _check_input(package: Runnable, shapes: list[tuple[int | None, ...]], file: str) -> None:
    size = package.manifest.input
    expected = (1, size.rows, size.columns, 1)
    if len(shapes) != 1 or len(shapes[0]) != 4 or any(
        found not in {None, -1, wanted} for found, wanted in zip(shapes[0], expected, strict=True)
    ):  # fmt: skip
        msg = f"model package {package.manifest.name}: {file} does not take one {expected} input, as [input] says"
        raise PackageError(msg)


def _warm_up(engine: Engine, package: Runnable) -> None:
    """Run once: kernels are chosen and compiled, and the outputs are held against the manifest."""
    manifest, size = package.manifest, package.manifest.input
    try:
        outputs = engine.forward(np.zeros((1, size.rows, size.columns, 1), np.float32))
    except (ValueError, RuntimeError) as error:
        msg = f"model package {manifest.name}: {engine.name} cannot run its model on a picture of float32"
        raise PackageError(msg) from error
    shapes = [tuple(int(side) for side in output.shape) for output in outputs]
    wanted: dict[int, tuple[str, tuple[int | None, ...]]] = {
        head.index: (f"head {head.name}", (1, len(head.names))) for head in manifest.heads
    }
    maps = manifest.maps
    if maps is not None:
        wanted[maps.heat] = ("maps.heat", (1, None, None, len(maps.names)))
        cells = shapes[maps.heat][1:3] if maps.heat < len(shapes) and len(shapes[maps.heat]) == 4 else (None, None)
        wanted[maps.box] = ("maps.box", (1, *cells, 4))
    if manifest.likeness is not None:
        wanted[manifest.likeness.features] = ("likeness.features", (1, None))
    if isinstance(manifest, AnatomyManifest):
        wanted[0] = ("structures", (1, None, None, len(manifest.structures)))
    for index, (what, shape) in sorted(wanted.items()):
        found = shapes[index] if index < len(shapes) else None
        if found is None or len(found) != len(shape) or any(
            side not in {None, there} for side, there in zip(shape, found, strict=True)
        ):  # fmt: skip
            shown = "no such output" if found is None else f"{found}"
            expected = ", ".join("any" if side is None else str(side) for side in shape)
            needs = f"output {index} ({what}) must have the shape ({expected})"
            msg = f"model package {manifest.name}: {needs}; {engine.name} gives {shown}"
            raise PackageError(msg)
        if (kind := outputs[index].dtype) != np.float32:
            needs = f"output {index} ({what}) must be of float32"
            msg = f"model package {manifest.name}: {needs}; {engine.name} gives {kind}"
            raise PackageError(msg)
