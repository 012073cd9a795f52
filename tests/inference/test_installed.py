"""The packages of a node: which can be asked, and under which settings."""

from config.settings import InferenceSettings, OperatingPointSettings
from inference.installed import finding_packages, settings_for
from inference.package import ModelPackage

POINTS = {"lung_opacity": OperatingPointSettings(sensitive=0.1, specific=0.9)}


def test_packages_that_find_something_can_be_asked_the_own_first(hollow_package: ModelPackage) -> None:
    assert finding_packages(InferenceSettings()) == ["chest-default"]
    own = InferenceSettings(package=str(hollow_package.folder))
    assert finding_packages(own) == [hollow_package.folder.name, "chest-default"]


def test_points_of_the_site_are_those_of_its_own_package(hollow_package: ModelPackage) -> None:
    own = InferenceSettings(package=str(hollow_package.folder), operating_points=POINTS)
    assert settings_for(own, hollow_package.folder.name) == own
    other = settings_for(own, "chest-default")
    assert (other.package, other.operating_points) == ("chest-default", {})
