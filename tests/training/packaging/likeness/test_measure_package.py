"""A package gets its measure, and nothing else of it changes."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from config.errors import PackageError
from inference import ensemble
from inference.manifest import Manifest
from inference.model import Model
from inference.package import ModelPackage, load_package, write_ensemble, write_package
from training.data.examples import Example
from training.packaging.likeness.film_choice import Parts
from training.packaging.likeness.measure_package import measure_package

keras = pytest.importorskip("keras", reason="TensorFlow is not installed, so no model can be made here")
pytestmark = pytest.mark.filterwarnings("ignore")  # TensorFlow's own, at start-up and export


def manifest(name: str) -> Manifest:
    code = {"value": "1", "scheme": "99TEST", "meaning": "Test"}
    document = {
        "name": name, "version": "1.0.0", "title": "Tiny", "summary": "For tests.", "licence": "Apache-2.0",
        "intended_use": "tests", "input": {"rows": 32, "columns": 32},
        "heads": [{"name": "reads", "index": 0, "activation": "sigmoid", "names": ["bright"]}],
        "findings": [{"label": "bright", "head": "reads", "class": "bright", "abnormal": True, "code": code,
                      "site": code, "calibration": {"class": 1.0}, "points": {"sensitive": 0.3, "specific": 0.7}}],
    }  # fmt: skip
    return Manifest.model_validate_json(json.dumps(document))


def network(folder: Path, name: str, seed: int, pooled: str = "pooled") -> ModelPackage:
    from training.packaging.export import keras_bytes, litert_bytes

    keras.utils.set_random_seed(seed)
    image = keras.Input((32, 32, 1), name="picture")
    x = keras.layers.Conv2D(8, 3, 2, "same", activation="relu")(image)
    x = keras.layers.GlobalAveragePooling2D(name=pooled)(x)
    made = keras.Model(image, [keras.layers.Dense(1)(x)], name="tiny")
    files = {
        "model.keras": keras_bytes(made),
        "model.tflite": litert_bytes(made),
        "card.md": b"#",
        "figures.json": b"{}",
    }
    return write_package(folder, manifest(name), files)


@pytest.fixture
def parts(tmp_path: Path) -> Parts:
    random = np.random.default_rng(0)
    films = []
    for number in range(40):
        path = tmp_path / f"{number}.png"
        Image.fromarray(random.integers(100, 140, (48, 40), np.uint8)).save(path)
        films.append(Example(path.name, path, f"P{number}", source=f"source {number % 2}"))
    return Parts(tuple(films[:30]), tuple(films[30:]))


def test_a_network_gets_a_measure_that_tells_strange_images_and_says_what_it_said_before(
    tmp_path: Path, parts: Parts
) -> None:
    package = network(tmp_path / "tiny", "tiny", 1)
    image = np.full((48, 40), 0.5, np.float32)
    before = Model.open(package).findings(image)
    measured = measure_package(tmp_path / "tiny", parts)
    model = Model.open(measured)
    answers = model.raw(image)
    (now,), (then,) = model.interpret(answers), before
    assert now.score == pytest.approx(then.score, abs=1e-5)
    likeness = measured.manifest.likeness
    assert likeness is not None
    assert (likeness.images, likeness.sources) == (10, ("source 0", "source 1"))
    strange = model.distance(model.raw(np.tile(np.array([[0.0, 1.0]], np.float32), (48, 20))))
    assert strange == 1.0
    assert model.unlike(strange)
    assert not model.unlike(model.distance(model.raw(np.asarray(Image.open(parts.learnt[0].path)))))


def test_an_ensemble_gets_one_for_each_network_and_a_scale_of_its_own_again_and_again(
    tmp_path: Path, parts: Parts
) -> None:
    folders = [network(tmp_path / name, name, seed).folder for seed, name in enumerate(("one", "two"))]
    draft = ensemble.draft(
        [manifest("one"), manifest("two")], name="both", version="1.0.0", title="Both", summary="For tests.",
        licence="Apache-2.0", intended_use="tests",
    )  # fmt: skip
    write_ensemble(tmp_path / "both", draft, folders, {"card.md": b"# Both"})
    first = measure_package(tmp_path / "both", parts)
    assert [member.manifest.likeness is not None for member in first.members] == [True, True]
    assert first.manifest.likeness is not None
    assert (tmp_path / "both" / "card.md").read_bytes() == b"# Both"
    second = measure_package(tmp_path / "both", parts)
    assert second.digest == first.digest


def test_a_network_without_pooled_features_is_left_as_it_is(tmp_path: Path, parts: Parts) -> None:
    package = network(tmp_path / "tiny", "tiny", 1, pooled="other")
    with pytest.raises(PackageError, match="mobilenet"):
        measure_package(tmp_path / "tiny", parts)
    assert load_package(tmp_path / "tiny").digest == package.digest
