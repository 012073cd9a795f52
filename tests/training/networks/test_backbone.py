"""MobileNetV2 without normalisation layers, and its weights out of the integer file."""

from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from config.errors import PackageError
from training.networks import backbone

TFLITE = "weights/mobilenet_v2_1.0_224_imagenet_ptq.tflite"


def test_the_architecture_is_keras_s_own_but_for_normalisation() -> None:
    picture = keras.Input((96, 96, 3))
    ours = keras.Model(picture, backbone.mobilenet_v2(picture).top)
    theirs = keras.applications.MobileNetV2((96, 96, 3), include_top=False, weights=None)
    kernels = [
        [tuple(layer.get_weights()[0].shape) for layer in model.layers if "conv" in type(layer).__name__.lower()]
        for model in (ours, theirs)
    ]
    assert kernels[0] == kernels[1]
    assert ours.output_shape == theirs.output_shape


def test_a_grey_stem_equals_a_grey_picture_in_three_channels() -> None:
    rng = np.random.default_rng(0)
    grey = rng.random((1, 64, 64, 1), np.float32) * 2 - 1
    models = []
    for channels in (3, 1):
        picture = keras.Input((64, 64, channels))
        models.append(keras.Model(picture, backbone.mobilenet_v2(picture).trunk))
    weights = [tuple(models[0].get_layer(name).get_weights()) for name in backbone.layer_names()[:18]]
    for model in models:
        backbone.set_weights(model, weights)
    colour, single = (np.asarray(model(x)) for model, x in zip(models, (grey.repeat(3, axis=3), grey), strict=True))
    assert np.allclose(colour, single, atol=1e-4)


def test_a_missing_weights_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match=r"gone\.tflite is missing"):
        backbone.load_imagenet_weights(tmp_path / "gone.tflite", tmp_path)


@pytest.mark.data
def test_the_float_weights_agree_with_the_integer_file(cxr_data: Path, tmp_path: Path) -> None:
    weights = backbone.load_imagenet_weights(cxr_data / TFLITE, tmp_path)
    files = sorted((cxr_data / "images" / "nih").iterdir())[:6]
    pictures = np.stack([np.asarray(Image.open(file).convert("RGB").resize((224, 224))) for file in files])
    assert backbone.agreement(weights, cxr_data / TFLITE, pictures) > 0.99
    again = backbone.load_imagenet_weights(cxr_data / TFLITE, tmp_path)
    assert all(np.array_equal(a[0], b[0]) for a, b in zip(weights, again, strict=True))


def test_converted_weights_are_kept_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "weights.tflite"
    source.write_bytes(b"integers")
    weights = [(np.ones((1, 1), np.float32), np.zeros(1, np.float32))]
    monkeypatch.setattr(backbone, "read_tflite", lambda _path: weights)
    monkeypatch.setattr(backbone, "agreement", lambda *_any: 1.0)
    plain = np.savez

    def stopped(stream, **arrays):  # type: ignore[no-untyped-def]
        plain(stream, **arrays)
        raise KeyboardInterrupt

    monkeypatch.setattr(backbone.np, "savez", stopped)
    with pytest.raises(KeyboardInterrupt):
        backbone.load_imagenet_weights(source, tmp_path / "cache")
    assert not list((tmp_path / "cache").glob("*.npz"))
    monkeypatch.setattr(backbone.np, "savez", plain)
    for _ in range(2):
        found = backbone.load_imagenet_weights(source, tmp_path / "cache")
        assert np.array_equal(found[0][0], weights[0][0])
