"""Model packages: one folder with the weights, what they mean, and the hashes that hold it together.

A package of format 1 holds ``package.toml`` (:class:`Manifest`), ``model.tflite``, ``model.keras``, ``card.md``
and ``figures.json``. The manifest lists the SHA-256 of every other file, so the digest of the manifest's bytes
identifies the whole package; :func:`load_package` refuses an altered file.
"""

import hashlib
import json
import os
import shutil
import tempfile
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import tomlkit
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from config.errors import PackageError, SettingsError
from config.settings import OperatingPointSettings
from inference.findings import Code, OperatingPoints

FORMAT = 1
MANIFEST = "package.toml"
LITERT_MODEL = "model.tflite"
KERAS_MODEL = "model.keras"
CARD = "card.md"
FIGURES = "figures.json"
REQUIRED_FILES = (LITERT_MODEL, KERAS_MODEL, CARD, FIGURES)
BUILT_IN = Path(__file__).parent / "packages"

Probability = Annotated[float, Field(ge=0, le=1)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Label = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Table(BaseModel):
    """A table of the manifest: immutable, strict about keys and types."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True)


class InputSpec(_Table):
    """The model's input: (1, rows, columns, 1) float32 from 0 to 1, as ``pixels.to_model_input`` makes it."""

    rows: int = Field(ge=16, le=4096)
    columns: int = Field(ge=16, le=4096)


class ClassesOutput(_Table):
    """Which output holds the class logits, (1, number of names)."""

    index: int = Field(ge=0)
    names: tuple[Label, ...] = Field(min_length=2)


class MapOutput(_Table):
    """Which output holds a map, (1, height, width, channels)."""

    index: int = Field(ge=0)


class Outputs(_Table):
    """The model's outputs by their order.

    ``heat`` is (1, h, w, 1): logits of box centres. ``box`` is (1, h, w, 4): the centre's x and y inside its
    cell, 0 to 1, then width and height as fractions of the input's width and height.
    """

    classes: ClassesOutput
    heat: MapOutput | None = None
    box: MapOutput | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        used = sorted(output.index for output in (self.classes, self.heat, self.box) if output is not None)
        if used != list(range(len(used))):
            msg = "the indices of outputs must be 0, 1, 2 without a gap or a repetition"
            raise ValueError(msg)
        if (self.heat is None) != (self.box is None):
            msg = "outputs.heat and outputs.box go together"
            raise ValueError(msg)
        if len(set(self.classes.names)) != len(self.classes.names):
            msg = "outputs.classes.names must be unique"
            raise ValueError(msg)
        return self


class CodeSpec(_Table):
    """A coded concept."""

    value: str = Field(min_length=1, max_length=64)
    scheme: str = Field(min_length=1, max_length=16)
    meaning: str = Field(min_length=1, max_length=64)

    def code(self) -> Code:
        """Return it in the terms of the findings."""
        return Code(self.value, self.scheme, self.meaning)


class PointsSpec(_Table):
    """The two operating points on a calibrated probability."""

    sensitive: Probability
    specific: Probability

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.sensitive > self.specific:
            msg = "points.sensitive must not be above points.specific"
            raise ValueError(msg)
        return self

    def points(self) -> OperatingPoints:
        """Return it in the terms of the findings."""
        return OperatingPoints(self.sensitive, self.specific)


class FindingCalibration(_Table):
    """probability = sigmoid(class * margin + heat * best heat logit + bias)."""

    class_: Number = Field(alias="class")
    heat: Number = 0.0
    bias: Number = 0.0


class FindingSpec(_Table):
    """One finding that the package reports, and how its probability follows from the outputs."""

    label: Label
    class_: Label = Field(alias="class")
    abnormal: bool
    code: CodeSpec
    site: CodeSpec
    calibration: FindingCalibration
    points: PointsSpec
    boxes: bool = False


class BoxCalibration(_Table):
    """Box probability = sigmoid(scale * heat logit + bias)."""

    scale: float = Field(gt=0, allow_inf_nan=False)
    bias: Number = 0.0


class DetectorSpec(_Table):
    """How boxes are read from the heat and box maps."""

    finding: Label
    max_boxes: int = Field(ge=1, le=100)
    iou: Probability
    calibration: BoxCalibration
    points: PointsSpec


class Manifest(_Table):
    """What ``package.toml`` says."""

    format: Literal[1]
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")
    version: str = Field(pattern=r"^[0-9A-Za-z][0-9A-Za-z.+-]{0,39}$")
    title: str = Field(min_length=1, max_length=64)
    summary: str = Field(min_length=1)
    licence: str = Field(min_length=1)
    intended_use: str = Field(min_length=1)
    input: InputSpec
    outputs: Outputs
    findings: tuple[FindingSpec, ...] = Field(min_length=1)
    detector: DetectorSpec | None = None
    files: dict[FileName, Sha256] = {}

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        labels = [finding.label for finding in self.findings]
        if len(set(labels)) != len(labels):
            msg = "the labels of the findings must be unique"
            raise ValueError(msg)
        for finding in self.findings:
            if finding.class_ not in self.outputs.classes.names:
                msg = f"finding {finding.label}: class {finding.class_} is not among outputs.classes.names"
                raise ValueError(msg)
            if finding.calibration.heat and self.outputs.heat is None:
                msg = f"finding {finding.label}: calibration.heat needs outputs.heat"
                raise ValueError(msg)
        located = [finding.label for finding in self.findings if finding.boxes]
        if located != ([] if self.detector is None else [self.detector.finding]):
            msg = "exactly the finding that detector.finding names must have boxes = true"
            raise ValueError(msg)
        if self.detector is not None and self.outputs.heat is None:
            msg = "a detector needs outputs.heat and outputs.box"
            raise ValueError(msg)
        return self

    def toml(self) -> str:
        """Return the text of ``package.toml``."""
        return tomlkit.dumps(self.model_dump(mode="json", by_alias=True, exclude_none=True))


@dataclass(frozen=True, slots=True)
class ModelPackage:
    """A package whose files have been checked against its manifest."""

    folder: Path
    manifest: Manifest
    digest: str
    """SHA-256 of ``package.toml``, hexadecimal."""
    site_points: tuple[tuple[str, OperatingPoints], ...] = ()
    """The site's own operating points, which replace the package's; see :func:`with_site_points`."""

    def points(self, finding: FindingSpec) -> OperatingPoints:
        """Return the operating points in force for a finding."""
        return dict(self.site_points).get(finding.label, finding.points.points())

    def path(self, name: str) -> Path:
        """Return the path of one of the package's files."""
        if name not in self.manifest.files:
            msg = f"model package {self.manifest.name}: the manifest lists no {name}"
            raise PackageError(msg)
        return self.folder / name


def load_package(package: str | Path) -> ModelPackage:
    """Load a package by the name of a built-in one or by its folder, and check every file.

    Raises :class:`PackageError` for a missing or altered file, an unknown format or a manifest that is wrong.
    """
    folder = _folder_of(package)
    try:
        text = (folder / MANIFEST).read_bytes()
    except OSError as error:
        msg = f"model package {folder.name}: {MANIFEST} cannot be read in {folder}"
        raise PackageError(msg) from error
    manifest = _parse(text, folder)
    missing = [name for name in REQUIRED_FILES if name not in manifest.files]
    if missing:
        msg = f"model package {folder.name}: [files] in {MANIFEST} does not list {missing[0]}"
        raise PackageError(msg)
    for name, expected in manifest.files.items():
        try:
            found = _sha256(folder / name)
        except OSError as error:
            msg = f"model package {folder.name}: the file {name} is missing or cannot be read; install it again"
            raise PackageError(msg) from error
        if found != expected:
            msg = f"model package {folder.name}: the file {name} was altered (its SHA-256 differs); install it again"
            raise PackageError(msg)
    return ModelPackage(folder, manifest, hashlib.sha256(text).hexdigest())


def write_package(folder: Path, manifest: Manifest, files: Mapping[str, bytes | Path]) -> ModelPackage:
    """Write a package as a whole or not at all, and load it back.

    Parameters
    ----------
    folder
        Where it goes; a package that is there already is replaced.
    manifest
        Everything but ``files``, which is worked out here.
    files
        The content, or a file to copy, for each name; all of :data:`REQUIRED_FILES` and any others.
    """
    missing = [name for name in REQUIRED_FILES if name not in files]
    if missing:
        msg = f"a model package needs {missing[0]}"
        raise PackageError(msg)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as scratch:
        partial = Path(scratch) / "new"
        partial.mkdir()
        for name, content in files.items():
            if isinstance(content, Path):
                shutil.copyfile(content, partial / name)
            else:
                (partial / name).write_bytes(content)
        hashes = {name: _sha256(partial / name) for name in sorted(files)}
        complete = Manifest.model_validate({**manifest.model_dump(), "files": hashes})
        (partial / MANIFEST).write_text(complete.toml(), encoding="utf-8")
        load_package(partial)
        if folder.exists():
            folder.rename(Path(scratch) / "old")
        partial.replace(folder)
    return load_package(folder)


def with_site_points(package: ModelPackage, points: Mapping[str, OperatingPointSettings]) -> ModelPackage:
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
    return ModelPackage(package.folder, package.manifest, package.digest, tuple(sorted(chosen.items())))


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


def _parse(text: bytes, folder: Path) -> Manifest:
    """Parse and check the manifest; strict through JSON, whose arrays pydantic takes as tuples."""
    try:
        document: dict[str, Any] = tomllib.loads(text.decode("utf-8"))
        version = document.get("format")
        if version != FORMAT:
            msg = f"model package {folder.name}: format {version!r} is not known here; this node reads format {FORMAT}"
            raise PackageError(msg)
        return Manifest.model_validate_json(json.dumps(document))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or MANIFEST
        msg = f"model package {folder.name}: {place} in {MANIFEST}: {first['msg']}"
        raise PackageError(msg) from error
    except (ValueError, TypeError) as error:  # no UTF-8, no TOML, or a date where none belongs
        msg = f"model package {folder.name}: {MANIFEST} is not valid TOML"
        raise PackageError(msg) from error


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
