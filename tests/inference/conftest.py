"""Data sets made here, and a tiny model package."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian

from inference.package import REQUIRED_FILES, Manifest, ModelPackage, write_package

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
        "format": 1, "name": "tiny", "version": "1.0.0", "title": "Tiny", "summary": "For tests.",
        "licence": "Apache-2.0", "intended_use": "research use in tests",
        "input": {"rows": 64, "columns": 96},
        "outputs": {
            "classes": {"index": 0, "names": ["normal", "other_abnormal", "lung_opacity"]},
            "heat": {"index": 1}, "box": {"index": 2},
        },
        "findings": [
            {"label": "lung_opacity", "class": "lung_opacity", "abnormal": True, "boxes": True,
             "code": _code("112001", "Opacity", "DCM"), "site": _code("39607008", "Lung"),
             "calibration": {"class": 1.0, "heat": 0.5, "bias": 0.25}, "points": {"sensitive": 0.3, "specific": 0.7}},
            {"label": "normal", "class": "normal", "abnormal": False,
             "code": _code("17621005", "Normal"), "site": _code("816094009", "Chest"),
             "calibration": {"class": 1.0}, "points": {"sensitive": 0.5, "specific": 0.9}},
        ],
        "detector": {"finding": "lung_opacity", "max_boxes": 6, "iou": 0.3,
                     "calibration": {"scale": 1.0, "bias": 0.0}, "points": {"sensitive": 0.2, "specific": 0.6}},
    }  # fmt: skip
    return Manifest.model_validate_json(json.dumps(document))


@pytest.fixture
def hollow_package(tmp_path: Path, manifest: Manifest) -> ModelPackage:
    """A package whose model files hold no model."""
    return write_package(tmp_path / "hollow", manifest, {name: name.encode() for name in REQUIRED_FILES})


@pytest.fixture(scope="session")
def tiny_package(tmp_path_factory: pytest.TempPathFactory, manifest: Manifest) -> ModelPackage:
    """A package with a real, untrained model in both forms; skipped where TensorFlow is absent."""
    pytest.importorskip("tensorflow", reason="TensorFlow is not installed, so no model can be made here")
    folder = tmp_path_factory.mktemp("packages")
    return write_package(folder / "tiny", manifest, _tiny_model(folder / "export"))


def _tiny_model(folder: Path) -> dict[str, bytes | Path]:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TensorFlow's own start-up and export
        import keras
        import tensorflow as tf

        keras.utils.set_random_seed(5)
        inputs = keras.Input((64, 96, 1), batch_size=1)
        x = keras.layers.Conv2D(4, 3, 2, "same", activation="relu")(keras.layers.Rescaling(2.0, -1.0)(inputs))
        x = keras.layers.Conv2D(6, 3, 4, "same", activation="relu")(x)
        classes = keras.layers.Dense(3)(keras.layers.GlobalAveragePooling2D()(x))
        heat = keras.layers.Conv2D(1, 1)(x)
        box = keras.layers.Conv2D(4, 1, activation="sigmoid")(x)
        model = keras.Model(inputs, [classes, heat, box])
        folder.mkdir()
        model.save(folder / "model.keras")
        model.export(folder / "saved", verbose=False)
        tflite = tf.lite.TFLiteConverter.from_saved_model(str(folder / "saved")).convert()
    return {
        "model.keras": folder / "model.keras", "model.tflite": tflite, "card.md": b"# Tiny\n", "figures.json": b"{}",
    }  # fmt: skip
