"""Two engines, one answer."""

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from config.errors import PackageError, SettingsError
from config.settings import InferenceSettings
from inference import engines
from inference.engines import LiteRtEngine, TensorFlowEngine, open_engine
from inference.package import InputSpec, ModelPackage, write_package

LITERT = InferenceSettings(engine="litert")
QUIET = pytest.mark.filterwarnings("ignore")  # TensorFlow's own warnings


def picture(seed: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).random((1, 64, 96, 1), np.float32)


@QUIET
def test_litert_and_tensorflow_agree(tiny_package: ModelPackage) -> None:
    litert, tensorflow = LiteRtEngine(tiny_package, 2), TensorFlowEngine(tiny_package)
    assert litert.name.startswith("litert ")
    assert tensorflow.name.startswith("tensorflow ")
    for seed in range(5):
        one, other = litert.forward(picture(seed)), tensorflow.forward(picture(seed))
        assert [output.shape for output in one] == [(1, 3), (1, 8, 12, 1), (1, 8, 12, 4)]
        for left, right in zip(one, other, strict=True):
            np.testing.assert_allclose(left, right, atol=1e-5)


@QUIET
def test_the_same_picture_gives_the_same_bytes(tiny_package: ModelPackage) -> None:
    engine = open_engine(tiny_package, LITERT)
    first = [output.tobytes() for output in engine.forward(picture(1))]
    engine.forward(picture(2))
    assert [output.tobytes() for output in engine.forward(picture(1))] == first


@QUIET
def test_threads_take_turns(tiny_package: ModelPackage) -> None:
    engine = open_engine(tiny_package, LITERT)
    expected = [engine.forward(picture(seed))[0] for seed in range(4)]
    wrong: list[int] = []

    def ask(seed: int) -> None:
        answers = [engine.forward(picture(seed))[0] for _ in range(30)]
        wrong.extend(seed for answer in answers if not np.array_equal(answer, expected[seed]))

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@QUIET
def test_auto_takes_tensorflow_only_with_a_gpu(tiny_package: ModelPackage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "_gpu_visible", lambda: False)
    assert isinstance(open_engine(tiny_package, InferenceSettings()), LiteRtEngine)
    monkeypatch.setattr(engines, "_gpu_visible", lambda: True)
    assert isinstance(open_engine(tiny_package, InferenceSettings()), TensorFlowEngine)


def test_a_file_that_is_no_model_is_refused(hollow_package: ModelPackage) -> None:
    with pytest.raises(PackageError, match=r"model\.tflite cannot be loaded"):
        open_engine(hollow_package, LITERT)


@QUIET
def test_a_file_that_is_no_keras_model_is_refused(hollow_package: ModelPackage) -> None:
    pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
    with pytest.raises(PackageError, match=r"model\.keras cannot be loaded"):
        open_engine(hollow_package, InferenceSettings(engine="tensorflow"))


def test_an_engine_that_is_not_installed_is_a_setting_to_change(
    hollow_package: ModelPackage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SettingsError, match="not installed"):
        open_engine(hollow_package, InferenceSettings(engine="tensorflow"))


@QUIET
@pytest.mark.parametrize("engine", ["litert", "tensorflow"])
def test_a_model_that_does_not_fit_its_manifest_is_refused(
    tiny_package: ModelPackage, tmp_path: Path, engine: Any
) -> None:
    manifest = tiny_package.manifest
    files = {name: tiny_package.path(name) for name in manifest.files}
    larger = manifest.model_copy(update={"input": InputSpec(rows=128, columns=96)})
    with pytest.raises(PackageError, match=r"does not take one \(1, 128, 96, 1\) input"):
        open_engine(write_package(tmp_path / "a", larger, files), InferenceSettings(engine=engine))
    names = ("normal", "lung_opacity")
    fewer = (manifest.heads[0].model_copy(update={"names": names}),)
    package = write_package(tmp_path / "b", manifest.model_copy(update={"heads": fewer}), files)
    with pytest.raises(PackageError, match=r"output 0 \(head reads\) must have the shape \(1, 2\); .* gives \(1, 3\)"):
        open_engine(package, InferenceSettings(engine=engine))
    maps = manifest.maps
    assert maps is not None
    more = maps.model_copy(update={"names": ("lung_opacity", "mass")})
    package = write_package(tmp_path / "c", manifest.model_copy(update={"maps": more}), files)
    with pytest.raises(PackageError, match=r"output 1 \(maps.heat\) must have the shape \(1, any, any, 2\)"):
        open_engine(package, InferenceSettings(engine=engine))
    outside = manifest.model_copy(update={"maps": maps.model_copy(update={"heat": 2, "box": 1})})
    with pytest.raises(PackageError, match=r"output 1 \(maps.box\) must have the shape \(1, 8, 12, 4\)"):
        open_engine(write_package(tmp_path / "d", outside, files), InferenceSettings(engine=engine))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (ValueError("Got value of type FLOAT32 but expected type UINT8"), "cannot run its model"),
        (RuntimeError("failed to invoke"), "cannot run its model"),
        (np.int8, r"output 0 \(head reads\) must be of float32; .* gives int8"),
    ],
)
def test_a_model_of_other_numbers_than_ours_is_refused(
    hollow_package: ModelPackage, monkeypatch: pytest.MonkeyPatch, answer: Any, words: str
) -> None:
    class Quantised:
        name = "litert 2.1.0 cpu"

        def __init__(self, *_: Any) -> None:
            """Load nothing."""

        def forward(self, _: Any) -> list[Any]:
            if isinstance(answer, Exception):
                raise answer
            return [np.zeros(shape, answer) for shape in ((1, 3), (1, 8, 12, 1), (1, 8, 12, 4))]

    monkeypatch.setattr(engines, "LiteRtEngine", Quantised)
    with pytest.raises(PackageError, match=words):
        open_engine(hollow_package, LITERT)
