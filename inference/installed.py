"""The model packages of a node: those that came with it and those that its settings name, each checked as a whole."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from config.errors import PackageError
from config.settings import InferenceSettings
from inference.evidence import Evidence
from inference.findings import OperatingPoints
from inference.manifest import ReportedFinding
from inference.package import (
    BUILT_IN,
    CARD,
    MANIFEST,
    AnatomyPackage,
    AnyKindOfPackage,
    AnyPackage,
    VerdictPackage,
    load_any,
    with_site_points,
)
from inference.site_points import known_points, points_in_force
from tracking.engine.database import Database

_WITHOUT_FINDINGS = (VerdictPackage, AnatomyPackage)


@dataclass(frozen=True, slots=True)
class InstalledFinding:
    """A finding of a package with what follows for this site."""

    spec: ReportedFinding
    points: OperatingPoints
    """In force here: the site's own, or the package's."""
    of_the_site: bool
    stated: bool

    @property
    def evidence(self) -> Evidence | None:
        """Return what its calls were worth where that was measured."""
        return self.spec.evidence.evidence() if self.spec.evidence else None


@dataclass(frozen=True, slots=True)
class InstalledPackage:
    """A package that is there; ``problem`` says why it does not load, and ``package`` is None then."""

    name: str
    package: AnyKindOfPackage | None
    in_use: bool
    findings: tuple[InstalledFinding, ...] = ()
    card: str = ""
    """Markdown."""
    problem: str = ""


def installed_packages(settings: InferenceSettings) -> list[InstalledPackage]:
    """Return the packages, those in use first."""
    in_use = tuple(filter(None, (settings.package, settings.verdict_package, settings.anatomy_package)))
    built_in = sorted(entry.name for entry in BUILT_IN.glob("*") if (entry / MANIFEST).is_file())
    return [_installed(name, settings, in_use=name in in_use) for name in (*in_use, *(set(built_in) - set(in_use)))]


def finding_packages(settings: InferenceSettings) -> list[str]:
    """Return the names of the packages that load and find something, the one in use first."""
    entries = installed_packages(settings)
    found = [
        entry for entry in entries if entry.package is not None and not isinstance(entry.package, _WITHOUT_FINDINGS)
    ]
    own = Path(settings.package).name
    return [own, *(entry.name for entry in found if entry.name != own)]


def with_points_in_force(settings: InferenceSettings, database: Database) -> InferenceSettings:
    """Return settings whose operating points are those of the database; as they are where the package does not load."""
    try:
        package = _load(settings.package, _changed_at(settings.package))
    except PackageError:
        return settings
    if isinstance(package, _WITHOUT_FINDINGS):
        return settings
    with database.reading() as read:
        points = known_points(package, points_in_force(read, package.manifest.name))
    return settings.model_copy(update={"operating_points": points})


def settings_for(settings: InferenceSettings, package: str) -> InferenceSettings:
    """Return the settings under which a package is asked; the site's operating points are those of its own alone."""
    if package in {settings.package, Path(settings.package).name}:
        return settings
    return settings.model_copy(update={"package": package, "operating_points": {}})


def _installed(name: str, settings: InferenceSettings, *, in_use: bool) -> InstalledPackage:
    shown = Path(name).name
    try:
        package = _load(name, _changed_at(name))
        card = (package.folder / CARD).read_text(encoding="utf-8", errors="replace")
    except (PackageError, OSError) as error:
        return InstalledPackage(shown, None, in_use, problem=str(error))
    if isinstance(package, _WITHOUT_FINDINGS):
        return InstalledPackage(shown, package, in_use, card=card)
    if name == settings.package:
        package = with_site_points(package, settings.operating_points)
    return InstalledPackage(shown, package, in_use, _findings(package), card)


def _findings(package: AnyPackage) -> tuple[InstalledFinding, ...]:
    own = dict(package.site_points)
    return tuple(
        InstalledFinding(spec, package.points(spec), spec.label in own, package.states(spec))
        for spec in package.manifest.findings
    )


def _changed_at(name: str) -> float:
    """Return when the manifest of a package was written, so that a new one is read and checked anew."""
    folder = BUILT_IN / name if (BUILT_IN / name / MANIFEST).is_file() else Path(name)
    manifest = folder / MANIFEST
    return manifest.stat().st_mtime if manifest.is_file() else 0.0


@lru_cache(maxsize=16)
def _load(name: str, _changed_at: float) -> AnyKindOfPackage:
    """Load a package and check every file of it, which takes a tenth of a second."""
    return load_any(name)
