"""Model packages and what carries their findings."""

from console.api.models.answer import Answer


class Code(Answer):
    """A coded concept."""

    value: str
    scheme: str
    meaning: str


class OperatingPoints(Answer):
    """The two thresholds of a finding, 0 to 1."""

    sensitive: float
    specific: float


class Share(Answer):
    """How many of some images got a call."""

    calls: int
    images: int


class Evidence(Answer):
    """What a finding's calls were worth where the package did not learn."""

    point: float
    images: int
    positives: int
    calls: int
    right: int
    predictive_value: float
    normals: Share
    elsewhere: Share
    source: str


class PackageFinding(Answer):
    """One finding of a model package at the operating points in force."""

    label: str
    code: Code
    abnormal: bool
    stated: bool
    points: OperatingPoints
    evidence: Evidence | None


class Package(Answer):
    """One installed model package."""

    name: str
    version: str
    kind: str
    digest: str
    """SHA-256 of its manifest, which every document names."""
    title: str
    summary: str
    licence: str
    intended_use: str
    card: str
    """Markdown."""
    in_use: bool
    findings: tuple[PackageFinding, ...]


class PackageList(Answer):
    """The installed packages, those in use first."""

    packages: tuple[Package, ...]


class Model(Answer):
    """Which model spoke."""

    name: str
    version: str
    digest: str
    engine: str
