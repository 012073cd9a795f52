"""The packages of a node: which can be asked, and under which settings."""

import json
from pathlib import Path

import pytest

from config.settings import InferenceSettings, OperatingPointSettings
from inference.installed import finding_packages, settings_for
from inference.manifest import Manifest
from inference.package import REQUIRED_FILES, ModelPackage, with_site_points, write_package

LABEL = "lung_opacity"
POINTS = {LABEL: OperatingPointSettings(sensitive=0.1, specific=0.9)}


def test_packages_that_find_something_can_be_asked_the_own_first(hollow_package: ModelPackage) -> None:
    assert finding_packages(InferenceSettings()) == ["chest-default"]
    own = InferenceSettings(package=str(hollow_package.folder))
    assert finding_packages(own) == [hollow_package.folder.name, "chest-default"]


def test_points_of_the_site_are_those_of_its_own_package(hollow_package: ModelPackage) -> None:
    own = InferenceSettings(package=str(hollow_package.folder), operating_points=POINTS)
    assert settings_for(own, hollow_package.folder.name) == own
    other = settings_for(own, "chest-default")
    assert (other.package, other.operating_points) == ("chest-default", {})


@pytest.mark.parametrize(("site", "stated"), [(None, False), (0.9, False), (0.75, False)])
def test_a_point_never_makes_a_finding_stated_that_the_package_does_not_state(
    tmp_path: Path, manifest: Manifest, site: float | None, stated: bool
) -> None:
    """The package's calls were counted at 0.75, and its own point is 0.7: calls there are not known to hold."""
    package = written(tmp_path, manifest, point=0.75)
    if site is not None:
        package = with_site_points(package, {LABEL: OperatingPointSettings(sensitive=0.3, specific=site)})
    assert package.states(package.manifest.findings[0]) is stated


@pytest.mark.parametrize(("site", "stated"), [(None, True), (0.9, True), (0.6, False)])
def test_a_lower_point_takes_the_statement_away(
    tmp_path: Path, manifest: Manifest, site: float | None, stated: bool
) -> None:
    package = written(tmp_path, manifest, point=0.7)
    if site is not None:
        package = with_site_points(package, {LABEL: OperatingPointSettings(sensitive=0.3, specific=site)})
    assert package.states(package.manifest.findings[0]) is stated


def written(tmp_path: Path, manifest: Manifest, *, point: float) -> ModelPackage:
    evidence = {
        "point": point, "images": 500, "positives": 125, "calls": 120, "right": 90,
        "normals": {"calls": 9, "images": 1500}, "elsewhere": {"calls": 5, "images": 400}, "source": "Reads.",
    }  # fmt: skip
    document = json.loads(manifest.model_dump_json(by_alias=True))
    document["findings"][0]["evidence"] = evidence
    changed = Manifest.model_validate_json(json.dumps(document))
    return write_package(tmp_path / "counted", changed, {name: name.encode() for name in REQUIRED_FILES})
