"""What ``package.toml`` says as a whole: of a network, and of an ensemble of networks."""

from collections.abc import Iterable
from typing import Final, Literal, Self

from pydantic import Field, model_validator

from inference.manifest.consistency import ensemble_problems, network_problems
from inference.manifest.tables import (
    DetectorSpec,
    EnsembleDetector,
    FileName,
    FindingSpec,
    HeadSpec,
    InputSpec,
    LikenessScale,
    LikenessSpec,
    MapsSpec,
    MemberFileName,
    MemberSpec,
    PackageName,
    ReportedFinding,
    Sha256,
    Table,
    Text,
    Title,
    Version,
)

FORMAT: Final = 2
MOST_MEMBERS = 20


class PackageManifest(Table):
    """What the ``package.toml`` of every kind of package says: which package it is, and what it may be used for.

    Fields are written to TOML in the order of their definition, ``files`` last.
    """

    format: Literal[2] = FORMAT
    kind: str
    name: PackageName
    version: Version
    title: Title
    summary: Text
    licence: Text
    intended_use: Text

    def problems(self) -> Iterable[str]:
        """Return what its tables say that does not go together, a sentence each."""
        return ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for problem in self.problems():
            raise ValueError(problem)
        return self


class Manifest(PackageManifest):
    """What the ``package.toml`` of a network says."""

    kind: Literal["network"] = "network"
    input: InputSpec
    heads: tuple[HeadSpec, ...] = Field(min_length=1)
    maps: MapsSpec | None = None
    findings: tuple[FindingSpec, ...] = Field(min_length=1)
    detectors: tuple[DetectorSpec, ...] = ()
    likeness: LikenessSpec | None = None
    files: dict[FileName, Sha256] = Field(default_factory=dict)

    def problems(self) -> Iterable[str]:
        """Return what its tables say that does not go together, a sentence each."""
        return network_problems(self)

    def finding(self, label: str) -> FindingSpec:
        """Return the finding of that label; KeyError where there is none."""
        return {finding.label: finding for finding in self.findings}[label]

    def head(self, name: str) -> HeadSpec:
        """Return the head of that name; KeyError where there is none."""
        return {head.name: head for head in self.heads}[name]

    def detector(self, label: str) -> DetectorSpec | None:
        """Return how that finding's boxes are read; None where it has none."""
        return next((detector for detector in self.detectors if detector.finding == label), None)


class EnsembleManifest(PackageManifest):
    """What the ``package.toml`` of an ensemble says: findings that every member has, with points of their own."""

    kind: Literal["ensemble"] = "ensemble"
    members: tuple[MemberSpec, ...] = Field(default=(), max_length=MOST_MEMBERS)
    findings: tuple[ReportedFinding, ...] = Field(min_length=1)
    detectors: tuple[EnsembleDetector, ...] = ()
    likeness: LikenessScale | None = None
    """For the mean of the members' distances; every member has a measure of its own then."""
    files: dict[MemberFileName, Sha256] = Field(default_factory=dict)

    def problems(self) -> Iterable[str]:
        """Return what its tables say that does not go together, a sentence each."""
        return ensemble_problems(self)

    def detector(self, label: str) -> EnsembleDetector | None:
        """Return how that finding's boxes are fused; None where it has none."""
        return next((detector for detector in self.detectors if detector.finding == label), None)


AnyManifest = Manifest | EnsembleManifest
