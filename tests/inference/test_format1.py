"""Packages of the first format go on working, and say what they said."""

import hashlib
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomlkit

from config.errors import PackageError
from inference.detector import sigmoid
from inference.interpret import class_margin, findings_of
from inference.package import MANIFEST, REQUIRED_FILES, ModelPackage, load_network, load_package
from inference.placement import Placement

DOCUMENT = """\
format = 1
name = "old"
version = "1.0.0"
title = "Old"
summary = "For tests."
licence = "Apache-2.0"
intended_use = "research use in tests"
input = { rows = 64, columns = 96 }
outputs = { classes = { index = 1, names = ["normal", "other", "opacity"] }, heat = { index = 2 }, box = { index = 0 } }

[[findings]]
label = "lung_opacity"
class = "opacity"
abnormal = true
boxes = true
code = { value = "112001", scheme = "DCM", meaning = "Opacity" }
site = { value = "39607008", scheme = "SCT", meaning = "Lung" }
calibration = { class = 0.5, heat = 1.5, bias = 0.25 }
points = { sensitive = 0.3, specific = 0.7 }

[[findings]]
label = "normal"
class = "normal"
abnormal = false
code = { value = "17621005", scheme = "SCT", meaning = "Normal" }
site = { value = "816094009", scheme = "SCT", meaning = "Chest" }
calibration = { class = 1.0 }
points = { sensitive = 0.5, specific = 0.9 }

[detector]
finding = "lung_opacity"
max_boxes = 6
iou = 0.3
calibration = { scale = 2.0, bias = 0.5 }
points = { sensitive = 0.2, specific = 0.6 }
"""


def write(folder: Path, change: Callable[[dict[str, Any]], object] = lambda _: None) -> Path:
    """Write the package by hand, for no code writes this format any more."""
    folder.mkdir()
    document = tomllib.loads(DOCUMENT)
    document["files"] = {name: hashlib.sha256(name.encode()).hexdigest() for name in REQUIRED_FILES}
    for name in REQUIRED_FILES:
        (folder / name).write_bytes(name.encode())
    change(document)
    (folder / MANIFEST).write_text(tomlkit.dumps(document))
    return folder


@pytest.fixture
def old(tmp_path: Path) -> ModelPackage:
    return load_network(write(tmp_path / "old"))


def test_its_digest_is_that_of_the_files_own_bytes(old: ModelPackage) -> None:
    assert old.digest == hashlib.sha256((old.folder / MANIFEST).read_bytes()).hexdigest()
    assert set(old.manifest.files) == set(REQUIRED_FILES)


def test_in_memory_it_is_of_the_second_format(old: ModelPackage) -> None:
    manifest = old.manifest
    assert (manifest.format, manifest.kind) == (2, "network")
    (head,), maps, (detector,) = manifest.heads, manifest.maps, manifest.detectors
    assert (head.index, head.activation, head.names) == (1, "softmax", ("normal", "other", "opacity"))
    assert maps is not None
    assert (maps.heat, maps.box, maps.names) == (2, 0, ("lung_opacity",))
    assert (detector.finding, detector.channel, detector.max_boxes) == ("lung_opacity", "lung_opacity", 6)
    assert [finding.calibration.channel for finding in manifest.findings] == ["lung_opacity", None]


def test_its_scores_follow_the_first_formats_formula(old: ModelPackage) -> None:
    random = np.random.default_rng(3)
    for _ in range(20):
        logits, heat = random.normal(0, 3, 3), random.normal(0, 2, (1, 8, 12, 1)).astype(np.float32)
        box = random.random((1, 8, 12, 4), np.float32)
        outputs = [box, logits[None], heat]
        opacity, normal = findings_of(old, outputs, Placement.fit((640, 960), (64, 96)))
        assert opacity.score == sigmoid(0.5 * class_margin(logits, 2) + 1.5 * float(heat.max()) + 0.25)
        assert normal.score == sigmoid(class_margin(logits, 0))


def test_a_network_without_maps_needs_none(tmp_path: Path) -> None:
    def bare(document: dict[str, Any]) -> None:
        del document["detector"], document["outputs"]["heat"], document["outputs"]["box"]
        document["outputs"]["classes"]["index"] = 0
        document["findings"][0].update(boxes=False, calibration={"class": 1.0})

    manifest = load_network(write(tmp_path / "bare", bare)).manifest
    assert (manifest.maps, manifest.detectors) == (None, ())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d.update(surprise=1), "surprise"),
        (lambda d: d.update(kind="ensemble"), "kind"),
        (lambda d: d["outputs"].pop("box"), "outputs in package.toml: outputs.heat and outputs.box go together"),
        (lambda d: d["outputs"]["box"].update(index=1), "without a gap"),
        (lambda d: d["outputs"]["classes"].update(names=["normal", "normal", "opacity"]), "normal stands twice"),
        (lambda d: d["findings"][0].update({"class": "tumour"}), "class tumour is not among"),
        (lambda d: d["findings"][1].update(label="lung_opacity"), "unique"),
        (lambda d: d["findings"][1].update(boxes=True), "boxes = true"),
        (lambda d: d["findings"][1].update(given="lung_opacity"), "findings.1.given"),
        (lambda d: d["detector"].update(finding="normal"), "boxes = true"),
        (lambda d: d["detector"]["calibration"].update(scale=0.0), "detector.calibration.scale"),
        (lambda d: d["files"].pop("model.keras"), "does not list model.keras"),
    ],
)
def test_a_wrong_one_is_refused_with_the_place(
    tmp_path: Path, change: Callable[[dict[str, Any]], object], words: str
) -> None:
    with pytest.raises(PackageError) as caught:
        load_package(write(tmp_path / "wrong", change))
    assert words in str(caught.value)


def test_the_shipped_package_loads() -> None:
    package = load_network("opacity")
    assert [finding.label for finding in package.manifest.findings] == ["lung_opacity", "normal"]
    assert package.digest == hashlib.sha256((package.folder / MANIFEST).read_bytes()).hexdigest()
