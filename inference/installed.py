"""Installed packages: what each of them is, what it may state, and what it only scores."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from config.errors import PackageError
from config.settings import InferenceSettings
from inference.evidence import Evidence, may_be_stated
from inference.findings import Code, OperatingPoints
from inference.package import (
    BUILT_IN,
    CARD,
    MANIFEST,
    AnyPackage,
    VerdictPackage,
    load_package,
    load_verdict,
    with_site_points,
)


@dataclass(frozen=True, slots=True)
class InstalledFinding:
    """One finding of a package, at the operating points in force."""

    label: str
    code: Code
    abnormal: bool
    stated: bool
    """Words may be made of it; otherwise it is scored only."""
    points: OperatingPoints
    evidence: Evidence | None


@dataclass(frozen=True, slots=True)
class InstalledPackage:
    """One package: a network, an ensemble, or a verdict network, which reports no findings."""

    name: str
    version: str
    kind: str
    digest: str
    title: str
    summary: str
    licence: str
    intended_use: str
    card: str
    """Markdown; empty where the package has none."""
    in_use: bool
    """The settings name it."""
    findings: tuple[InstalledFinding, ...] = ()


def installed_packages(settings: InferenceSettings) -> list[InstalledPackage]:
    """Return the packages that the settings name and those that come with the node, the former first.

    One that cannot be loaded any more is left out; ``cxrnode doctor`` says why.
    """
    named = [settings.package, settings.verdict_package]
    built_in = sorted(folder.name for folder in BUILT_IN.glob("*") if (folder / MANIFEST).is_file())
    verdicts = {settings.verdict_package}
    found: dict[str, InstalledPackage] = {}
    for name in dict.fromkeys(entry for entry in (*named, *built_in) if entry):
        package = _load(name, settings, is_verdict=name in verdicts)
        if package is not None and package.digest not in found:
            found[package.digest] = _describe(package, in_use=name in named)
    return list(found.values())


def _load(name: str, settings: InferenceSettings, *, is_verdict: bool) -> AnyPackage | VerdictPackage | None:
    try:
        package = _loaded(name, _changed_at(name), is_verdict)
    except PackageError:
        return None
    if isinstance(package, VerdictPackage) or name != settings.package:
        return package
    return with_site_points(package, settings.operating_points)


@lru_cache(maxsize=32)
def _loaded(name: str, _changed: float, is_verdict: bool) -> AnyPackage | VerdictPackage:
    """Load a package, whose files are read whole, once for each of its states."""
    if is_verdict:
        return load_verdict(name)
    try:
        return load_package(name)
    except PackageError:
        return load_verdict(name)


def _changed_at(name: str) -> float:
    folder = BUILT_IN / name if (BUILT_IN / name).is_dir() else Path(name)
    try:
        return (folder / MANIFEST).stat().st_mtime
    except OSError:
        return 0.0


def _describe(package: AnyPackage | VerdictPackage, *, in_use: bool) -> InstalledPackage:
    manifest = package.manifest
    findings = () if isinstance(package, VerdictPackage) else tuple(_findings(package))
    return InstalledPackage(
        name=manifest.name, version=manifest.version, kind=manifest.kind, digest=package.digest, title=manifest.title,
        summary=manifest.summary, licence=manifest.licence, intended_use=manifest.intended_use,
        card=_card(package), in_use=in_use, findings=findings,
    )  # fmt: skip


def _findings(package: AnyPackage) -> Iterable[InstalledFinding]:
    for finding in package.manifest.findings:
        points = package.points(finding)
        evidence = finding.evidence.evidence() if finding.evidence is not None else None
        stated = may_be_stated(evidence, points.specific, abnormal=finding.abnormal)
        yield InstalledFinding(finding.label, finding.code.code(), finding.abnormal, stated, points, evidence)


def _card(package: AnyPackage | VerdictPackage) -> str:
    try:
        return package.path(CARD).read_text(encoding="utf-8")
    except (PackageError, OSError, UnicodeDecodeError):
        return ""
