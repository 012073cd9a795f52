"""Model packages: one folder with the weights, what they mean, and the hashes that hold it together.

A package holds ``package.toml`` (its manifest), which lists the SHA-256 of every other file, so the digest of the
manifest's bytes identifies the whole package; :func:`load_package` refuses an altered file. There are four kinds:

- a network: ``model.tflite``, ``model.keras``, ``card.md`` and ``figures.json``;
- an ensemble: ``members/1/``, ``members/2/`` …, each a whole network package;
- a verdict network: the files of a network; it says what an image shows and reports no findings;
- an anatomy network: the files of a network; it outlines lungs and heart.

:mod:`inference.manifest`, :mod:`inference.verdict.manifest` and :mod:`inference.anatomy.manifest` say what a manifest
says.
"""

import hashlib
import json
import os
import re
import shutil
import tempfile
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar, overload

from pydantic import ValidationError

from config.errors import PackageError, SettingsError
from config.settings import OperatingPointSettings
from inference.anatomy.manifest import AnatomyManifest
from inference.ensemble import member_problem
from inference.evidence import may_be_stated
from inference.findings import OperatingPoints
from inference.manifest import (
    FORMAT,
    MOST_MEMBERS,
    AnyManifest,
    BoxCalibration,
    CodeSpec,
    DetectorSpec,
    EnsembleDetector,
    EnsembleManifest,
    FindingCalibration,
    FindingSpec,
    HeadSpec,
    InputSpec,
    Manifest,
    MapsSpec,
    MemberSpec,
    PointsSpec,
    ReportedFinding,
)
from inference.verdict.manifest import VerdictManifest

__all__ = [
    "BUILT_IN", "CARD", "FIGURES", "KERAS_MODEL", "LIKENESS", "LITERT_MODEL", "MANIFEST", "REQUIRED_FILES",
    "AnatomyManifest", "AnatomyPackage", "AnyKindOfManifest", "AnyKindOfPackage", "AnyManifest", "AnyPackage",
    "BoxCalibration", "CodeSpec", "DetectorSpec", "EnsembleDetector", "EnsembleManifest", "EnsemblePackage",
    "FindingCalibration", "FindingSpec", "HeadSpec", "InputSpec", "Manifest", "MapsSpec", "MemberSpec",
    "ModelPackage", "PointsSpec", "ReportedFinding", "VerdictManifest", "VerdictPackage", "load_anatomy",
    "load_network", "load_package", "load_verdict", "with_site_points", "write_anatomy", "write_ensemble",
    "write_package", "write_verdict",
]  # fmt: skip

MANIFEST = "package.toml"
LITERT_MODEL = "model.tflite"
KERAS_MODEL = "model.keras"
CARD = "card.md"
FIGURES = "figures.json"
LIKENESS = "likeness.npz"
"""What the measure of :class:`inference.likeness.measure.LearntFeatures` is kept in, where a network has one."""
REQUIRED_FILES = (LITERT_MODEL, KERAS_MODEL, CARD, FIGURES)
"""What a network package has besides its manifest."""
BUILT_IN = Path(__file__).parent / "packages"

_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
AnyKindOfManifest = AnyManifest | VerdictManifest | AnatomyManifest
_KINDS: dict[str, type[AnyKindOfManifest]] = {
    "ensemble": EnsembleManifest,
    "verdict": VerdictManifest,
    "anatomy": AnatomyManifest,
}
"""By ``kind`` in the manifest; any other one is read as a network's, which says what is wrong with it."""
_M = TypeVar("_M", Manifest, EnsembleManifest, VerdictManifest, AnatomyManifest)


@dataclass(frozen=True, slots=True)
class _Package(Generic[_M]):
    """A package whose files have been checked against its manifest."""

    folder: Path
    manifest: _M
    digest: str
    """SHA-256 of ``package.toml``, hexadecimal."""
    site_points: tuple[tuple[str, OperatingPoints], ...] = ()
    """The site's own operating points, which replace the package's; see :func:`with_site_points`."""

    def points(self, finding: ReportedFinding) -> OperatingPoints:
        """Return the operating points in force for a finding."""
        return dict(self.site_points).get(finding.label, finding.points.points())

    def states(self, finding: ReportedFinding) -> bool:
        """Say whether a finding may be stated here.

        The package's figures alone state: at the package's own points, and at those in force. So a site's points may
        take a statement away, and never make one.
        """
        evidence = None if finding.evidence is None else finding.evidence.evidence()
        return all(
            may_be_stated(evidence, points.specific, abnormal=finding.abnormal)
            for points in (finding.points.points(), self.points(finding))
        )

    def path(self, name: str) -> Path:
        """Return the path of one of the package's files."""
        if name not in self.manifest.files:
            msg = f"model package {self.manifest.name}: the manifest lists no {name}"
            raise PackageError(msg)
        return self.folder / name


@dataclass(frozen=True, slots=True)
class ModelPackage(_Package[Manifest]):
    """A package of one network."""

    @property
    def members(self) -> "tuple[ModelPackage, ...]":
        """Return the networks to run: this one."""
        return (self,)


@dataclass(frozen=True, slots=True)
class EnsemblePackage(_Package[EnsembleManifest]):
    """A package of several networks whose calibrated probabilities are averaged."""

    members: tuple[ModelPackage, ...] = ()


@dataclass(frozen=True, slots=True)
class VerdictPackage(_Package[VerdictManifest]):
    """A package of a network that says what an image shows."""


@dataclass(frozen=True, slots=True)
class AnatomyPackage(_Package[AnatomyManifest]):
    """A package of a network that outlines lungs and heart."""


AnyPackage = ModelPackage | EnsemblePackage
AnyKindOfPackage = AnyPackage | VerdictPackage | AnatomyPackage


def load_package(package: str | Path) -> AnyPackage:
    """Load a package by the name of a built-in one or by its folder, and check every file.

    Raises :class:`PackageError` for a missing or altered file, an unknown format or a manifest that is wrong.
    """
    loaded = load_any(package)
    if isinstance(loaded, VerdictPackage):
        msg = f"model package {loaded.manifest.name} gives a verdict, no findings: name it as inference.verdict_package"
        raise PackageError(msg)
    if isinstance(loaded, AnatomyPackage):
        msg = f"model package {loaded.manifest.name} outlines anatomy: name it as inference.anatomy_package"
        raise PackageError(msg)
    return loaded


def load_verdict(package: str | Path) -> VerdictPackage:
    """Load a verdict network's package as :func:`load_package` loads others; :class:`PackageError` for another kind."""
    loaded = load_any(package)
    if not isinstance(loaded, VerdictPackage):
        msg = f"model package {loaded.manifest.name} gives no verdict; inference.verdict_package needs one that does"
        raise PackageError(msg)
    return loaded


def load_anatomy(package: str | Path) -> AnatomyPackage:
    """Load an anatomy network's package as :func:`load_package` does others; :class:`PackageError` for another kind."""
    loaded = load_any(package)
    if not isinstance(loaded, AnatomyPackage):
        msg = f"model package {loaded.manifest.name} outlines no anatomy; inference.anatomy_package needs one that does"
        raise PackageError(msg)
    return loaded


def load_network(package: str | Path) -> ModelPackage:
    """Load a package as :func:`load_package` does; :class:`PackageError` where it is not that of one network."""
    loaded = load_package(package)
    if isinstance(loaded, EnsemblePackage):
        msg = f"model package {loaded.manifest.name} is an ensemble; give one of its members, {loaded.folder}/members/1"
        raise PackageError(msg)
    return loaded


def write_package(folder: Path, manifest: Manifest, files: Mapping[str, bytes | Path]) -> ModelPackage:
    """Write a network's package as a whole or not at all, and load it back.

    Parameters
    ----------
    folder
        Where it goes; a package that is there already is replaced.
    manifest
        Everything but ``files``, which is worked out here.
    files
        The content, or a file to copy, for each name; all of :data:`REQUIRED_FILES` and any others.
    """
    _write_network(folder, manifest, files)
    return load_network(folder)


def write_verdict(folder: Path, manifest: VerdictManifest, files: Mapping[str, bytes | Path]) -> VerdictPackage:
    """Write a verdict network's package as :func:`write_package` writes that of any other network."""
    _write_network(folder, manifest, files)
    return load_verdict(folder)


def write_anatomy(folder: Path, manifest: AnatomyManifest, files: Mapping[str, bytes | Path]) -> AnatomyPackage:
    """Write an anatomy network's package as :func:`write_package` writes that of any other network."""
    _write_network(folder, manifest, files)
    return load_anatomy(folder)


def write_ensemble(
    folder: Path, manifest: EnsembleManifest, members: Sequence[Path], files: Mapping[str, bytes | Path] | None = None
) -> EnsemblePackage:
    """Write an ensemble's package as a whole or not at all, and load it back.

    Parameters
    ----------
    folder
        Where it goes; a package that is there already is replaced.
    manifest
        Everything but ``members`` and ``files``, which are worked out here; :func:`inference.ensemble.draft` makes
        one from the members.
    members
        The folders of two or more network packages; copied as they are.
    files
        The ensemble's own files by name, such as ``card.md`` and ``figures.json``.
    """
    networks = [load_network(member) for member in members]
    if not 2 <= len(networks) <= MOST_MEMBERS:
        msg = f"an ensemble needs 2 to {MOST_MEMBERS} members; {len(networks)} are given"
        raise PackageError(msg)
    with _replacing(folder) as partial:
        _put(partial, files or {})
        for number, network in enumerate(networks, 1):
            into = partial / member_folder(number)
            into.mkdir(parents=True)
            _put(into, {name: network.folder / name for name in network.manifest.files})
            shutil.copyfile(network.folder / MANIFEST, into / MANIFEST)
        specs = tuple({"name": network.manifest.name, "version": network.manifest.version} for network in networks)
        complete = _completed(manifest, members=specs, files=_hashes(partial))
        (partial / MANIFEST).write_text(complete.toml(), encoding="utf-8")
        _load(partial, folder.name)
    written = load_package(folder)
    assert isinstance(written, EnsemblePackage)  # noqa: S101
    return written


@overload
def with_site_points(package: ModelPackage, points: Mapping[str, OperatingPointSettings]) -> ModelPackage: ...
@overload
def with_site_points(package: EnsemblePackage, points: Mapping[str, OperatingPointSettings]) -> EnsemblePackage: ...
def with_site_points(package: AnyPackage, points: Mapping[str, OperatingPointSettings]) -> AnyPackage:
    """Return the package with a site's own operating points in force.

    Raises :class:`SettingsError` for a label that the package does not have.
    """
    labels = [finding.label for finding in package.manifest.findings]
    for label in points:
        if label not in labels:
            known = ", ".join(labels)
            msg = (
                f"inference.operating_points.{label}: model package {package.manifest.name} has no such finding; "
                f"it has {known}"
            )
            raise SettingsError(msg)
    chosen = {label: OperatingPoints(entry.sensitive, entry.specific) for label, entry in points.items()}
    return replace(package, site_points=tuple(sorted(chosen.items())))


def member_folder(number: int) -> str:
    """Return where an ensemble keeps a member, counted from 1."""
    return f"members/{number}"


def _write_network(folder: Path, manifest: _M, files: Mapping[str, bytes | Path]) -> None:
    missing = [name for name in REQUIRED_FILES if name not in files]
    if missing:
        msg = f"a model package needs {missing[0]}"
        raise PackageError(msg)
    with _replacing(folder) as partial:
        _put(partial, files)
        complete = _completed(manifest, files=_hashes(partial))
        (partial / MANIFEST).write_text(complete.toml(), encoding="utf-8")
        _load(partial, folder.name)


def _folder_of(package: str | Path) -> Path:
    """Take a plain name for a built-in package first; a path, or a name with a separator, is a folder."""
    if isinstance(package, str) and os.sep not in package and (BUILT_IN / package / MANIFEST).is_file():
        return BUILT_IN / package
    folder = Path(package)
    if folder.is_dir():
        return folder
    built_in = sorted(entry.name for entry in BUILT_IN.glob("*") if (entry / MANIFEST).is_file())
    known = ", ".join(built_in) or "none"
    msg = f"there is no model package {package}; give inference.package a folder or a built-in name ({known})"
    raise PackageError(msg)


def load_any(package: str | Path) -> AnyKindOfPackage:
    """Load a package of any kind as :func:`load_package` does those that find something."""
    folder = _folder_of(package)
    return _load(folder, folder.name)


def _load(folder: Path, name: str) -> AnyKindOfPackage:
    """Load and check a folder; ``name`` is what messages call it."""
    try:
        text = (folder / MANIFEST).read_bytes()
    except OSError as error:
        msg = f"model package {name}: {MANIFEST} cannot be read in {folder}"
        raise PackageError(msg) from error
    manifest, digest = _parse(text, name), hashlib.sha256(text).hexdigest()
    if isinstance(manifest, Manifest):
        _check_files(folder, name, manifest, REQUIRED_FILES + ((LIKENESS,) if manifest.likeness else ()))
        return ModelPackage(folder, manifest, digest)
    if isinstance(manifest, VerdictManifest):
        _check_files(folder, name, manifest, REQUIRED_FILES)
        return VerdictPackage(folder, manifest, digest)
    if isinstance(manifest, AnatomyManifest):
        _check_files(folder, name, manifest, REQUIRED_FILES)
        return AnatomyPackage(folder, manifest, digest)
    folders = [member_folder(number) for number in range(1, len(manifest.members) + 1)]
    _check_files(folder, name, manifest, [f"{within}/{MANIFEST}" for within in folders])
    members = tuple(_load_member(folder, name, within, manifest) for within in folders)
    problem = member_problem(manifest, [member.manifest for member in members])
    if problem:
        msg = f"model package {name}: {problem}"
        raise PackageError(msg)
    return EnsemblePackage(folder, manifest, digest, members=members)


def _load_member(folder: Path, name: str, within: str, ensemble: EnsembleManifest) -> ModelPackage:
    """Load one member, which must be a network whose every file the ensemble lists too."""
    member = _load(folder / within, f"{name}/{within}")
    if not isinstance(member, ModelPackage):
        kinds = {
            EnsemblePackage: "an ensemble",
            VerdictPackage: "a verdict network",
            AnatomyPackage: "an anatomy network",
        }
        kind = kinds[type(member)]
        msg = f"model package {name}/{within}: a member of an ensemble must be a network, and this is {kind}"
        raise PackageError(msg)
    unlisted = [file for file in member.manifest.files if f"{within}/{file}" not in ensemble.files]
    if unlisted:
        msg = f"model package {name}: [files] in {MANIFEST} does not list {within}/{unlisted[0]}"
        raise PackageError(msg)
    return member


def _check_files(folder: Path, package: str, manifest: AnyKindOfManifest, required: Sequence[str]) -> None:
    """Raise where a required file is not listed, or a listed one is missing or not what it was."""
    missing = [name for name in required if name not in manifest.files]
    if missing:
        msg = f"model package {package}: [files] in {MANIFEST} does not list {missing[0]}"
        raise PackageError(msg)
    for name, expected in manifest.files.items():
        try:
            found = _sha256(folder / name)
        except OSError as error:
            msg = f"model package {package}: the file {name} is missing or cannot be read; install it again"
            raise PackageError(msg) from error
        if found != expected:
            msg = f"model package {package}: the file {name} was altered (its SHA-256 differs); install it again"
            raise PackageError(msg)


def _parse(text: bytes, name: str) -> AnyKindOfManifest:
    """Parse and check the manifest; strict through JSON, whose arrays pydantic takes as tuples."""
    try:
        document: dict[str, Any] = tomllib.loads(text.decode("utf-8"))
        version = document.get("format")
        encoded = json.dumps(document)
        if version != FORMAT:
            msg = f"model package {name}: format {version!r} is not known here; this node reads format {FORMAT}"
            raise PackageError(msg)
        kind = _KINDS.get(str(document.get("kind")), Manifest)
        return kind.model_validate_json(encoded)
    except ValidationError as error:
        raise _refusal(name, error) from error
    except (ValueError, TypeError) as error:  # no UTF-8, no TOML, or a date where none belongs
        msg = f"model package {name}: {MANIFEST} is not valid TOML"
        raise PackageError(msg) from error


def _completed(manifest: _M, **tables: Any) -> _M:
    """Return the manifest with these tables in it, all of it checked once more."""
    kind: type[_M] = type(manifest)
    try:
        return kind.model_validate({**manifest.model_dump(), **tables})
    except ValidationError as error:
        raise _refusal(manifest.name, error) from error


def _refusal(package: str, error: ValidationError) -> PackageError:
    """Return the first thing that is wrong with a manifest, and where."""
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    where = f"{place} in {MANIFEST}" if place else MANIFEST
    return PackageError(f"model package {package}: {where}: {first['msg'].removeprefix('Value error, ')}")


@contextmanager
def _replacing(folder: Path) -> Iterator[Path]:
    """Hand out an empty folder that takes the place of ``folder`` when the body ends, and vanishes when it raises."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as scratch:
        partial = Path(scratch) / "new"
        partial.mkdir()
        yield partial
        if folder.exists():
            folder.rename(Path(scratch) / "old")
        partial.replace(folder)


def _put(folder: Path, files: Mapping[str, bytes | Path]) -> None:
    """Write or copy these files into a folder."""
    for name, content in files.items():
        if not _FILE_NAME.fullmatch(name) or name == MANIFEST:
            msg = f"a model package can have no file of the name {name!r}; use letters, digits, dots and hyphens"
            raise PackageError(msg)
        if isinstance(content, Path):
            shutil.copyfile(content, folder / name)
        else:
            (folder / name).write_bytes(content)


def _hashes(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file in a folder, by its name within."""
    return {path.relative_to(folder).as_posix(): _sha256(path) for path in sorted(folder.rglob("*")) if path.is_file()}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
