"""A package is whole, unaltered and understood, or it is refused with words."""

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from config.errors import PackageError, SettingsError
from config.settings import OperatingPointSettings
from inference import package as packages
from inference.findings import OperatingPoints
from inference.package import (
    BUILT_IN,
    MANIFEST,
    REQUIRED_FILES,
    Manifest,
    ModelPackage,
    load_anatomy,
    load_package,
    load_verdict,
    with_site_points,
    write_package,
)


def test_a_written_package_loads_and_says_the_same(hollow_package: ModelPackage, manifest: Manifest) -> None:
    again = load_package(hollow_package.folder)
    assert again == hollow_package
    assert again.manifest.model_dump(exclude={"files"}) == manifest.model_dump(exclude={"files"})
    assert set(again.manifest.files) == set(REQUIRED_FILES)
    assert sorted(path.name for path in hollow_package.folder.parent.iterdir()) == ["hollow"]


def test_the_same_files_have_the_same_digest_and_others_another(tmp_path: Path, manifest: Manifest) -> None:
    files = {name: name.encode() for name in REQUIRED_FILES}
    one, same = (write_package(tmp_path / name, manifest, files) for name in ("one", "same"))
    other = write_package(tmp_path / "other", manifest, {**files, "card.md": b"another card"})
    assert one.digest == same.digest != other.digest


def test_a_package_is_replaced_as_a_whole(hollow_package: ModelPackage, manifest: Manifest) -> None:
    files = dict.fromkeys(REQUIRED_FILES, b"new")
    new = write_package(hollow_package.folder, manifest, {**files, "extra.txt": hollow_package.folder / "card.md"})
    assert new.digest != hollow_package.digest
    assert new.path("extra.txt").read_bytes() == b"card.md"


def test_nothing_half_written_is_left(tmp_path: Path, manifest: Manifest) -> None:
    with pytest.raises(PackageError, match=r"needs model\.tflite"):
        write_package(tmp_path / "new", manifest, {"card.md": b""})
    files: dict[str, Any] = dict.fromkeys(REQUIRED_FILES, b"")
    with pytest.raises(FileNotFoundError):
        write_package(tmp_path / "new", manifest, {**files, "model.keras": tmp_path / "nowhere"})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", REQUIRED_FILES)
def test_an_altered_or_missing_file_is_named(hollow_package: ModelPackage, name: str) -> None:
    (hollow_package.folder / name).write_bytes(b"tampered")
    with pytest.raises(PackageError, match=f"{name} was altered"):
        load_package(hollow_package.folder)
    (hollow_package.folder / name).unlink()
    with pytest.raises(PackageError, match=f"{name} is missing"):
        load_package(hollow_package.folder)


def edit(package: ModelPackage, change: Callable[[dict[str, Any]], None]) -> None:
    import tomlkit

    document = tomllib.loads((package.folder / MANIFEST).read_text())
    change(document)
    (package.folder / MANIFEST).write_text(tomlkit.dumps(document))


WRONG: list[tuple[Callable[[dict[str, Any]], object], str]] = [
    (lambda d: d.update(format=3), "format 3 is not known here; this node reads format 2"),
    (lambda d: d.pop("format"), "format None"),
    (lambda d: d.update(kind="committee"), "kind in package.toml"),
    (lambda d: d.update(surprise=1), "surprise"),
    (lambda d: d["input"].update(rows="384"), "input.rows"),
    (lambda d: d["heads"].clear(), "heads in package.toml"),
    (lambda d: d["heads"][0].update(activation="relu"), "heads.0.activation"),
    (lambda d: d["heads"][0].update(names=["normal"]), "head reads: a softmax needs two names"),
    (lambda d: d["heads"][0].update(names=["normal", "other", "opacity", "other"]), "other stands twice"),
    (lambda d: d["heads"][1].update(name="reads"), "names of the heads must be unique; reads stands twice"),
    (lambda d: d["heads"][0].update(index=4), "without a gap or a repetition; they are 4, 0, 3, 2"),
    (lambda d: d["maps"].update(box=1), "without a gap or a repetition; they are 1, 0, 3, 1"),
    (lambda d: d["maps"].update(names=["effusion", "effusion"]), "maps.names must be unique"),
    (lambda d: d["findings"][0].update(head="classes"), "there is no head classes; the heads are reads, conditions"),
    (lambda d: d["findings"][0].update({"class": "tumour"}), "class tumour is not among the names of head reads"),
    (lambda d: d["findings"][0]["points"].update(sensitive=0.9), "must not be above"),
    (lambda d: d["findings"][0]["calibration"].update(heat=float("nan")), "calibration.heat"),
    (lambda d: d["findings"][0]["calibration"].pop("channel"), "calibration.heat needs calibration.channel"),
    (lambda d: d["findings"][3]["calibration"].update(channel="mass"), "channel mass is not among maps.names"),
    (lambda d: d["findings"][3].update(label="effusion"), "must be unique; effusion stands twice"),
    (lambda d: d["findings"][1].update(given="effusion"), "given must name an earlier finding; effusion is none"),
    (lambda d: d["findings"][1].update(given="covid_pneumonia"), "given must name an earlier finding"),
    (lambda d: d["findings"][1].update(note="x" * 201), "findings.1.note"),
    (lambda d: d["findings"][3].update(boxes=True), "finding normal has boxes = true but no [[detectors]] entry"),
    (lambda d: d["findings"][2].update(boxes=False), "finding effusion has a detector, so it must have boxes = true"),
    (lambda d: d["detectors"][0].update(finding="lung_opacity"), "finding lung_opacity has 2 detectors"),
    (lambda d: d["detectors"][0].update(finding="mass"), "a detector names the finding mass, which there is not"),
    (lambda d: d["detectors"][0].update(channel="mass"), "detector of effusion: channel mass is not among maps.names"),
    (lambda d: d["detectors"][1]["calibration"].update(scale=0.0), "detectors.1.calibration.scale"),
    (lambda d: (d.pop("maps"), d["findings"][0]["calibration"].update(heat=0.0)), "is not among maps.names"),
    (lambda d: d.pop("maps"), "finding lung_opacity: calibration.heat needs [maps]"),
    (lambda d: d["files"].pop("model.keras"), "does not list model.keras"),
    (lambda d: d["files"].update({"../secret": "0" * 64}), "files"),
    (lambda d: d["files"].update({"card.md": "0"}), "files"),
]


@pytest.mark.parametrize(("change", "words"), WRONG)
def test_a_wrong_manifest_is_refused_with_the_place(
    hollow_rich: ModelPackage, change: Callable[[dict[str, Any]], None], words: str
) -> None:
    edit(hollow_rich, change)
    with pytest.raises(PackageError) as caught:
        load_package(hollow_rich.folder)
    assert words in str(caught.value)
    assert "Value error" not in str(caught.value)


def test_maps_that_are_not_there_are_missed_by_whoever_needs_them(rich_manifest: Manifest) -> None:
    document = rich_manifest.model_dump(by_alias=True)
    del document["maps"]
    for position, head in enumerate(document["heads"]):
        head["index"] = position
    with pytest.raises(ValidationError, match=r"finding lung_opacity: calibration\.heat needs \[maps\]"):
        Manifest.model_validate(document)
    for finding in document["findings"]:
        finding["calibration"].update(heat=0.0, channel=None)
    with pytest.raises(ValidationError, match=r"the detector of effusion needs \[maps\]"):
        Manifest.model_validate(document)
    document["detectors"] = ()
    for finding in document["findings"]:
        finding["boxes"] = False
    assert Manifest.model_validate(document).maps is None


@pytest.mark.parametrize("name", ["../outside", "package.toml", "members/1/card.md", ""])
def test_a_file_that_would_lie_elsewhere_is_not_written(tmp_path: Path, manifest: Manifest, name: str) -> None:
    with pytest.raises(PackageError, match="can have no file of the name"):
        write_package(tmp_path / "new", manifest, {**dict.fromkeys(REQUIRED_FILES, b""), name: b""})
    assert list(tmp_path.iterdir()) == []


def test_a_manifest_that_does_not_hold_together_is_not_written(tmp_path: Path, manifest: Manifest) -> None:
    wrong = manifest.model_copy(update={"detectors": ()})
    with pytest.raises(PackageError, match=r"model package tiny: package\.toml: finding lung_opacity has boxes"):
        write_package(tmp_path / "new", wrong, dict.fromkeys(REQUIRED_FILES, b""))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"not toml [", b"\xff\xfe", b"format = 2\nname = 2020-01-01"])
def test_a_manifest_that_is_no_toml_is_refused(hollow_package: ModelPackage, content: bytes) -> None:
    (hollow_package.folder / MANIFEST).write_bytes(content)
    with pytest.raises(PackageError, match=r"package\.toml"):
        load_package(hollow_package.folder)


def test_a_package_that_is_nowhere_names_those_that_are_built_in(
    monkeypatch: pytest.MonkeyPatch, hollow_package: ModelPackage, tmp_path: Path
) -> None:
    monkeypatch.setattr(packages, "BUILT_IN", hollow_package.folder.parent)
    assert load_package("hollow") == hollow_package
    with pytest.raises(PackageError, match=r"no model package lung.*\(hollow\)"):
        load_package("lung")
    (tmp_path / "bare").mkdir()
    with pytest.raises(PackageError, match=r"package\.toml cannot be read"):
        load_package(tmp_path / "bare")


def test_site_points_replace_the_packages_own(hollow_package: ModelPackage) -> None:
    opacity, normal = hollow_package.manifest.findings
    mine = with_site_points(hollow_package, {"normal": OperatingPointSettings(sensitive=0.1, specific=0.2)})
    assert mine.points(normal) == OperatingPoints(0.1, 0.2)
    assert mine.points(opacity) == OperatingPoints(0.3, 0.7)
    assert mine.digest == hollow_package.digest


def test_site_points_for_an_unknown_finding_name_the_known_ones(hollow_package: ModelPackage) -> None:
    points = {"opacity": OperatingPointSettings(sensitive=0.1, specific=0.2)}
    with pytest.raises(SettingsError, match=r"operating_points\.opacity.*lung_opacity, normal"):
        with_site_points(hollow_package, points)


def test_a_file_the_manifest_does_not_list_is_not_handed_out(hollow_package: ModelPackage) -> None:
    with pytest.raises(PackageError, match=r"lists no secret\.bin"):
        hollow_package.path("secret.bin")


@pytest.mark.parametrize(
    "folder",
    sorted(path.parent for path in BUILT_IN.rglob(MANIFEST)),
    ids=lambda folder: str(folder.relative_to(BUILT_IN)),
)
def test_a_shipped_manifest_is_written_again_to_the_byte(folder: Path) -> None:
    """The order of its fields is part of a package's digest."""
    load = {"verdict": load_verdict, "anatomy": load_anatomy}.get(folder.name, load_package)
    assert load(folder).manifest.toml() == (folder / MANIFEST).read_text(encoding="utf-8")


def test_the_manifest_survives_toml(manifest: Manifest, rich_manifest: Manifest) -> None:
    for one in (manifest, rich_manifest):
        assert Manifest.model_validate_json(json.dumps(tomllib.loads(one.toml()))) == one
