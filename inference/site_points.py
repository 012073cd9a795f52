"""The site's operating points as the analyser takes them."""

from sqlalchemy.orm import Session

from config.settings import InferenceSettings, OperatingPointSettings
from inference.package import AnyPackage, load_package
from tracking.engine.database import Database
from tracking.results import site_points
from tracking.results.site_points import Pair

Points = dict[str, OperatingPointSettings]
"""By the label of the finding."""


def points_in_force(read: Session, package: str) -> Points:
    """Return the site's points for a package of this name; findings that it has none for are left out."""
    standing = site_points.site_points(read, package)
    return {
        label: OperatingPointSettings(sensitive=entry.sensitive, specific=entry.specific)
        for label, entry in standing.items()
    }


def known_points(package: AnyPackage, points: Points) -> Points:
    """Return the points of findings that the package has: an earlier version of it may have had others."""
    labels = {finding.label for finding in package.manifest.findings}
    return {label: entry for label, entry in points.items() if label in labels}


def settings_points(settings: InferenceSettings) -> dict[str, Pair]:
    """Return what the settings file says."""
    return {label: (entry.sensitive, entry.specific) for label, entry in settings.operating_points.items()}


def take_settings(settings: InferenceSettings, database: Database) -> None:
    """Write into the database what the settings file says, as a service starts.

    Raises :class:`config.errors.PackageError` when the package cannot be loaded.
    """
    name = load_package(settings.package).manifest.name
    with database.transaction() as tx:
        site_points.take_settings(tx, name, settings_points(settings))
