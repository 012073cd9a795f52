"""Point preview: what moving a finding's points would do on this site's past studies."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from config.errors import ActionRefused
from config.settings import InferenceSettings
from inference.findings import OperatingPoints
from inference.installed import InstalledFinding, InstalledPackage, installed_packages
from inference.point_effect import PointEffect, point_effect
from inference.site_points import settings_points
from tracking.results.past_scores import past_scores
from tracking.results.site_points import Pair, SitePoints, site_points


@dataclass(frozen=True, slots=True)
class SetFinding:
    """A finding of the package in use, with whoever set its points here; None where the package's hold."""

    finding: InstalledFinding
    here: SitePoints | None

    @property
    def label(self) -> str:
        """Return the package's key of the finding."""
        return self.finding.spec.label


@dataclass(frozen=True, slots=True)
class SetPackage:
    """The package in use and its findings."""

    name: str
    version: str
    findings: tuple[SetFinding, ...]

    def finding(self, label: str) -> SetFinding:
        """Return a finding. Raises ActionRefused where the package has none of this label."""
        found = next((entry for entry in self.findings if entry.label == label), None)
        if found is None:
            msg = f"package {self.name} has no finding of this name; `cxrnode points list` shows all"
            raise ActionRefused(msg)
        return found


def package_in_use(read: Session, settings: InferenceSettings) -> SetPackage:
    """Return the package in use with the points that hold.

    ``settings`` have the points of the database (:func:`inference.installed.with_points_in_force`). Raises
    ActionRefused where the package does not load.
    """
    entry: InstalledPackage = installed_packages(settings)[0]
    if entry.package is None:
        raise ActionRefused(entry.problem)
    manifest = entry.package.manifest
    standing = site_points(read, manifest.name)
    findings = tuple(SetFinding(found, standing.get(found.spec.label)) for found in entry.findings)
    return SetPackage(manifest.name, manifest.version, findings)


def preview(read: Session, package: SetPackage, label: str, wanted: Pair) -> PointEffect:
    """Return what other points of a finding would have done. Raises ActionRefused where there is no such finding."""
    finding = package.finding(label)
    past = past_scores(read, package.name, label)
    answered = [(entry.score, entry.is_there) for entry in past.read]
    return point_effect(past.studies, answered, finding.finding.points, OperatingPoints(*wanted))


def pair_of_settings(settings: InferenceSettings, label: str) -> Pair | None:
    """Return what the settings file says of a finding."""
    return settings_points(settings).get(label)
