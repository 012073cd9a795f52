"""Data sets made here, and tiny model packages of every shape."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian

from inference import ensemble
from inference.package import (
    REQUIRED_FILES,
    EnsembleManifest,
    EnsemblePackage,
    Manifest,
    ModelPackage,
    write_ensemble,
    write_package,
)

ROWS, COLUMNS = 160, 200


def radiograph(stored: np.ndarray[Any, Any] | None = None, **attributes: Any) -> Dataset:
    """Return a frontal chest CR with these stored values; other attributes replace or, as None, remove."""
    if stored is None:
        columns = np.linspace(0, 4000, COLUMNS)
        stored = (columns[None, :] * np.linspace(0.2, 1, ROWS)[:, None]).astype(np.uint16)
    bits = 8 * stored.dtype.itemsize
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = ComputedRadiographyImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = "2.25.1"
    defaults: dict[str, Any] = {
        "SOPClassUID": ComputedRadiographyImageStorage, "SOPInstanceUID": "2.25.1", "Modality": "CR",
        "BodyPartExamined": "CHEST", "ViewPosition": "PA", "PatientAge": "050Y",
        "Rows": stored.shape[0], "Columns": stored.shape[1], "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2", "BitsAllocated": bits, "BitsStored": bits, "HighBit": bits - 1,
        "PixelRepresentation": int(stored.dtype.kind == "i"),
    }  # fmt: skip
    for keyword, value in {**defaults, **attributes}.items():
        if value is not None:
            setattr(dataset, keyword, value)
    if "BitsStored" in attributes and "HighBit" not in attributes:
        dataset.HighBit = attributes["BitsStored"] - 1
    dataset.PixelData = stored.astype(stored.dtype.newbyteorder("<")).tobytes()
    dataset["PixelData"].VR = "OW"
    return dataset


@pytest.fixture(scope="session", name="radiograph")
def _radiograph() -> Callable[..., Dataset]:
    return radiograph


def _code(value: str, meaning: str, scheme: str = "SCT") -> dict[str, str]:
    return {"value": value, "scheme": scheme, "meaning": meaning}


@pytest.fixture(scope="session")
def manifest() -> Manifest:
    """A manifest of three classes and a detector, for an input of 64 x 96."""
    document = {
        "format": 2, "name": "tiny", "version": "1.0.0", "title": "Tiny", "summary": "For tests.",
        "licence": "Apache-2.0", "intended_use": "research use in tests",
        "input": {"rows": 64, "columns": 96},
        "heads": [{"name": "reads", "index": 0, "activation": "softmax",
                   "names": ["normal", "other_abnormal", "lung_opacity"]}],
        "maps": {"heat": 1, "box": 2, "names": ["lung_opacity"]},
        "findings": [
            {"label": "lung_opacity", "head": "reads", "class": "lung_opacity", "abnormal": True, "boxes": True,
             "code": _code("112001", "Opacity", "DCM"), "site": _code("39607008", "Lung"),
             "calibration": {"class": 1.0, "heat": 0.5, "bias": 0.25, "channel": "lung_opacity"},
             "points": {"sensitive": 0.3, "specific": 0.7}},
            {"label": "normal", "head": "reads", "class": "normal", "abnormal": False,
             "code": _code("17621005", "Normal"), "site": _code("816094009", "Chest"),
             "calibration": {"class": 1.0}, "points": {"sensitive": 0.5, "specific": 0.9}},
        ],
        "detectors": [{"finding": "lung_opacity", "channel": "lung_opacity", "max_boxes": 6, "iou": 0.3,
                       "calibration": {"scale": 1.0, "bias": 0.0}, "points": {"sensitive": 0.2, "specific": 0.6}}],
    }  # fmt: skip
    return Manifest.model_validate_json(json.dumps(document))


@pytest.fixture(scope="session")
def rich_manifest() -> Manifest:
    """A manifest of two heads, two channels with boxes and a finding on top of another, for an input of 48 x 48."""
    document = {
        "format": 2, "name": "rich", "version": "2.0.0", "title": "Rich", "summary": "For tests.",
        "licence": "Apache-2.0", "intended_use": "research use in tests",
        "input": {"rows": 48, "columns": 48},
        "heads": [
            {"name": "reads", "index": 1, "activation": "softmax", "names": ["normal", "other", "opacity"]},
            {"name": "conditions", "index": 0, "activation": "sigmoid", "names": ["effusion", "covid"]},
        ],
        "maps": {"heat": 3, "box": 2, "names": ["lung_opacity", "effusion"]},
        "findings": [
            {"label": "lung_opacity", "head": "reads", "class": "opacity", "abnormal": True, "boxes": True,
             "code": _code("112001", "Opacity", "DCM"), "site": _code("39607008", "Lung"),
             "calibration": {"class": 2.0, "heat": 0.5, "bias": -0.5, "channel": "lung_opacity"},
             "points": {"sensitive": 0.2, "specific": 0.5}},
            {"label": "covid_pneumonia", "head": "conditions", "class": "covid", "abnormal": True,
             "given": "lung_opacity", "note": "A pattern on top of an opacity, no test for the virus.",
             "code": _code("840539006", "COVID-19"), "site": _code("39607008", "Lung"),
             "calibration": {"class": 1.0, "bias": 0.5}, "points": {"sensitive": 0.25, "specific": 0.75}},
            {"label": "effusion", "head": "conditions", "class": "effusion", "abnormal": True, "boxes": True,
             "code": _code("60046008", "Pleural effusion"), "site": _code("3120008", "Pleura"),
             "calibration": {"class": 1.0, "heat": 1.0, "channel": "effusion"},
             "points": {"sensitive": 0.1, "specific": 0.4}},
            {"label": "normal", "head": "reads", "class": "normal", "abnormal": False,
             "code": _code("17621005", "Normal"), "site": _code("816094009", "Chest"),
             "calibration": {"class": 1.0}, "points": {"sensitive": 0.4, "specific": 0.8}},
        ],
        "detectors": [
            {"finding": "effusion", "channel": "effusion", "max_boxes": 2, "iou": 0.3,
             "calibration": {"scale": 2.0, "bias": 0.0}, "points": {"sensitive": 0.3, "specific": 0.5}},
            {"finding": "lung_opacity", "channel": "lung_opacity", "max_boxes": 4, "iou": 0.4,
             "calibration": {"scale": 1.0, "bias": 0.0}, "points": {"sensitive": 0.4, "specific": 0.6}},
        ],
    }  # fmt: skip
    return Manifest.model_validate_json(json.dumps(document))


@pytest.fixture(scope="session")
def both_manifest(manifest: Manifest, rich_manifest: Manifest) -> EnsembleManifest:
    """The manifest of an ensemble of the two networks above."""
    return ensemble.draft(
        [manifest, rich_manifest], name="both", version="1.0.0", title="Both", summary="For tests.",
        licence="Apache-2.0", intended_use="research use in tests",
    )  # fmt: skip


@pytest.fixture
def hollow_package(tmp_path: Path, manifest: Manifest) -> ModelPackage:
    """A package whose model files hold no model."""
    return write_package(tmp_path / "hollow", manifest, {name: name.encode() for name in REQUIRED_FILES})


@pytest.fixture
def hollow_rich(tmp_path: Path, rich_manifest: Manifest) -> ModelPackage:
    """The rich package, with model files that hold no model."""
    return write_package(tmp_path / "hollow_rich", rich_manifest, {name: name.encode() for name in REQUIRED_FILES})


@pytest.fixture(scope="session")
def rich(tmp_path_factory: pytest.TempPathFactory, rich_manifest: Manifest) -> ModelPackage:
    """The same, made once; do not change its files."""
    folder = tmp_path_factory.mktemp("packages") / "rich"
    return write_package(folder, rich_manifest, {name: name.encode() for name in REQUIRED_FILES})


@pytest.fixture
def hollow_ensemble(
    tmp_path: Path, both_manifest: EnsembleManifest, hollow_package: ModelPackage, hollow_rich: ModelPackage
) -> EnsemblePackage:
    """An ensemble whose members' model files hold no model."""
    members = [hollow_package.folder, hollow_rich.folder]
    return write_ensemble(tmp_path / "hollow_ensemble", both_manifest, members, {"card.md": b"# Both"})


@pytest.fixture(scope="session")
def tiny_package(tmp_path_factory: pytest.TempPathFactory, manifest: Manifest) -> ModelPackage:
    """A package with a real, untrained model in both forms; skipped where TensorFlow is absent."""
    pytest.importorskip("tensorflow", reason="TensorFlow is not installed, so no model can be made here")
    folder = tmp_path_factory.mktemp("packages")
    return write_package(folder / "tiny", manifest, _model_files(folder / "export", _tiny_network))


@pytest.fixture(scope="session")
def rich_package(tmp_path_factory: pytest.TempPathFactory, rich_manifest: Manifest) -> ModelPackage:
    """The rich package with a real, untrained model in both forms; skipped where TensorFlow is absent."""
    pytest.importorskip("tensorflow", reason="TensorFlow is not installed, so no model can be made here")
    folder = tmp_path_factory.mktemp("packages")
    return write_package(folder / "rich", rich_manifest, _model_files(folder / "export", _rich_network))


@pytest.fixture(scope="session")
def both_package(
    tmp_path_factory: pytest.TempPathFactory,
    both_manifest: EnsembleManifest,
    tiny_package: ModelPackage,
    rich_package: ModelPackage,
) -> EnsemblePackage:
    """An ensemble of the two real, untrained models."""
    folder = tmp_path_factory.mktemp("packages") / "both"
    return write_ensemble(folder, both_manifest, [tiny_package.folder, rich_package.folder])


def _tiny_network(keras: Any) -> Any:
    inputs = keras.Input((64, 96, 1), batch_size=1)
    x = keras.layers.Conv2D(4, 3, 2, "same", activation="relu")(keras.layers.Rescaling(2.0, -1.0)(inputs))
    x = keras.layers.Conv2D(6, 3, 4, "same", activation="relu")(x)
    classes = keras.layers.Dense(3)(keras.layers.GlobalAveragePooling2D()(x))
    heat = keras.layers.Conv2D(1, 1)(x)
    box = keras.layers.Conv2D(4, 1, activation="sigmoid")(x)
    return keras.Model(inputs, [classes, heat, box])


def _rich_network(keras: Any) -> Any:
    inputs = keras.Input((48, 48, 1), batch_size=1)
    three = keras.layers.Concatenate()([keras.layers.Rescaling(255.0)(inputs)] * 3)
    x = keras.layers.Conv2D(6, 3, 4, "same", activation="tanh")(three)
    pooled = keras.layers.GlobalAveragePooling2D()(x)
    conditions, reads = keras.layers.Dense(2)(pooled), keras.layers.Dense(3)(pooled)
    box = keras.layers.Conv2D(4, 1, activation="sigmoid")(x)
    heat = keras.layers.Conv2D(2, 1)(x)
    return keras.Model(inputs, [conditions, reads, box, heat])


def _model_files(folder: Path, network: Callable[[Any], Any]) -> dict[str, bytes | Path]:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TensorFlow's own start-up and export
        import keras
        import tensorflow as tf

        keras.utils.set_random_seed(5)
        model = network(keras)
        folder.mkdir()
        model.save(folder / "model.keras")
        model.export(folder / "saved", verbose=False)
        tflite = tf.lite.TFLiteConverter.from_saved_model(str(folder / "saved")).convert()
    return {
        "model.keras": folder / "model.keras", "model.tflite": tflite, "card.md": b"# Tiny\n", "figures.json": b"{}",
    }  # fmt: skip
