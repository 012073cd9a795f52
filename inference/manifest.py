"""What ``package.toml`` says: the tables of format 2, for one network and for an ensemble of networks.

A network takes (1, rows, columns, 1) float32 from 0 to 1, as ``pixels.to_model_input`` makes it, and answers with
heads (vectors of logits) and, where it is a detector too, with a heat map and a box map. A finding's probability
follows from one class of one head and, if wished, from the best logit of one channel of the heat map.
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Literal, Self

import tomlkit
from pydantic import BaseModel, ConfigDict, Field, model_validator

from inference.evidence import Evidence, Share
from inference.findings import Code, MapKind, OperatingPoints, Pointing
from inference.pixels import Contrast
from inference.verdict.heads import CONTENTS, MISSING, TURNS

FORMAT = 2
MOST_MEMBERS = 20

Probability = Annotated[float, Field(ge=0, le=1)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Label = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
MemberFileName = Annotated[str, Field(pattern=r"^(members/[1-9][0-9]?/)?[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
PackageName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")]
Version = Annotated[str, Field(pattern=r"^[0-9A-Za-z][0-9A-Za-z.+-]{0,39}$")]
Title = Annotated[str, Field(min_length=1, max_length=64)]
Text = Annotated[str, Field(min_length=1)]


class Table(BaseModel):
    """A table of a manifest: immutable, strict about keys and types."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True)

    def toml(self) -> str:
        """Return the table as TOML; of a manifest, the text of ``package.toml``."""
        return tomlkit.dumps(self.model_dump(mode="json", by_alias=True, exclude_none=True))


class InputSpec(Table):
    """The model's input: (1, rows, columns, 1) float32 from 0 to 1, as ``pixels.to_model_input`` makes it."""

    rows: int = Field(ge=16, le=4096)
    columns: int = Field(ge=16, le=4096)
    contrast: Contrast = "stored"
    """What the model was trained on: grey levels as they are shown, or the middle 98 % of them stretched."""


class HeadSpec(Table):
    """An output of logits, (1, number of names): one class among several, or several yes-or-no questions."""

    name: Label
    index: int = Field(ge=0)
    activation: Literal["softmax", "sigmoid"]
    names: tuple[Label, ...] = Field(min_length=1)


class MapsSpec(Table):
    """The outputs of a centre-point detector.

    ``heat`` is the index of (1, h, w, number of names): logits of box centres, one channel a name. ``box`` is that of
    (1, h, w, 4), shared by all channels, all in fractions of the input's width and height: how far the box's left,
    top, right and bottom sides are from the middle of the cell.
    """

    heat: int = Field(ge=0)
    box: int = Field(ge=0)
    names: tuple[Label, ...] = Field(min_length=1)
    holds: Literal["sides"] = "sides"
    """What the box map holds; said in the package, so that another way to hold boxes will never be mistaken for it."""


class CodeSpec(Table):
    """A coded concept."""

    value: str = Field(min_length=1, max_length=64)
    scheme: str = Field(min_length=1, max_length=16)
    meaning: str = Field(min_length=1, max_length=64)

    def code(self) -> Code:
        """Return it in the terms of the findings."""
        return Code(self.value, self.scheme, self.meaning)


class PointsSpec(Table):
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


class ScoreMapSpec(Table):
    """That a finding has a score map, and how well the map was measured to point at radiologists' boxes.

    A map points right when its greatest cell lies in a true box. It is held against the one point that lies in the
    most true boxes of the same images, which no map that knows nothing of the image can beat.
    """

    kind: MapKind
    images: int = Field(ge=1)
    """Images with boxes of the finding, of patients that were not learnt from."""
    pointing: Probability
    """Share of these images on which the map points right."""
    constant: Probability
    """The same share for the best constant point."""
    margin_low: float = Field(gt=0, le=1)
    """Lower bound of the 95 % interval of the paired difference, by patient; a map that has none above 0 is none."""

    def measured(self) -> Pointing:
        """Return how well the map points, in the terms of the findings."""
        return Pointing(self.images, self.pointing, self.constant)


class ShareSpec(Table):
    """How many of some images got a call."""

    calls: int = Field(ge=0)
    images: int = Field(ge=0)

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.calls > self.images:
            msg = "calls must not be more than images"
            raise ValueError(msg)
        return self

    def share(self) -> Share:
        """Return it in the terms of the findings."""
        return Share(self.calls, self.images)


class EvidenceSpec(Table):
    """How often a finding's calls were right where the package did not learn; see :mod:`inference.evidence`.

    Whether the finding is stated follows from these counts; a package cannot say so itself.
    """

    point: Probability
    images: int = Field(ge=1)
    positives: int = Field(ge=0)
    calls: int = Field(ge=0)
    right: int = Field(ge=0)
    normals: ShareSpec
    elsewhere: ShareSpec
    source: str = Field(min_length=1, max_length=400)

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.right > min(self.calls, self.positives) or max(self.calls, self.positives) > self.images:
            msg = "evidence must have right <= calls and positives, and both <= images"
            raise ValueError(msg)
        return self

    def evidence(self) -> Evidence:
        """Return it in the terms of the findings."""
        return Evidence(
            point=self.point,
            images=self.images,
            positives=self.positives,
            calls=self.calls,
            right=self.right,
            normals=self.normals.share(),
            elsewhere=self.elsewhere.share(),
            source=self.source,
        )


class ReportedFinding(Table):
    """What any package, network or ensemble, says about a finding that it reports."""

    label: Label
    abnormal: bool
    code: CodeSpec
    site: CodeSpec
    points: PointsSpec
    boxes: bool = False
    note: str = Field(default="", max_length=200)
    """One plain sentence for whoever reads the score, such as what it is not."""
    map: ScoreMapSpec | None = None
    """The finding's score map; none where no map points better than a constant point."""
    evidence: EvidenceSpec | None = None
    """How often its calls were right; without it the finding is scored only."""


class FindingCalibration(Table):
    """probability = sigmoid(class * margin + heat * best heat logit of ``channel`` + bias).

    The margin is the class's log-odds in a softmax head, and its logit in a sigmoid head.
    """

    class_: Number = Field(alias="class")
    heat: Number = 0.0
    bias: Number = 0.0
    channel: Label | None = None


class FindingSpec(ReportedFinding):
    """One finding that a network reports, and how its probability follows from the outputs."""

    head: Label
    class_: Label = Field(alias="class")
    given: Label | None = None
    """An earlier finding on top of which alone this one is seen: a pattern of that finding."""
    given_whole: float = Field(default=1.0, gt=0, le=1)
    """From which probability of ``given`` on this one's own counts whole; below it, it falls in proportion. At 1 the
    two are multiplied."""
    calibration: FindingCalibration


class BoxCalibration(Table):
    """Box probability = sigmoid(scale * heat logit + bias)."""

    scale: float = Field(gt=0, allow_inf_nan=False)
    bias: Number = 0.0


class DetectorSpec(Table):
    """How one finding's boxes are read from its channel of the heat map and from the box map."""

    finding: Label
    channel: Label
    max_boxes: int = Field(ge=1, le=100)
    iou: Probability
    """Of two boxes that overlap more than this, the surer one stays."""
    calibration: BoxCalibration
    points: PointsSpec


class LikenessScale(Table):
    """How a distance from what was learnt becomes a share of held-out images, and from where an image is unlike."""

    quantiles: tuple[Number, ...] = Field(min_length=2)
    """Distances of images of patients and sources that were not learnt from, at evenly spaced shares from 0 to 1."""
    threshold: Probability
    """An image is unlike those learnt when more than this share of the held-out images lie nearer."""
    images: int = Field(ge=1)
    """Held-out images that the quantiles come from; each source counts the same, however many it has."""
    sources: tuple[str, ...] = Field(min_length=1)
    """The sources of the held-out images."""
    holds: tuple[Label, ...] = ()
    """Findings that were shown to hold on images beyond the threshold; no others are stated there."""

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if any(later < earlier for earlier, later in itertools.pairwise(self.quantiles)):
            msg = "likeness.quantiles must not fall"
            raise ValueError(msg)
        return self


class LikenessSpec(LikenessScale):
    """A network's measure of how far an image lies from those it learnt, held in the package's ``likeness.npz``."""

    features: int = Field(ge=0)
    """The index of an output (1, n): features of the image, which the heads answer from."""


class Manifest(Table):
    """What the ``package.toml`` of a network says."""

    format: Literal[2] = 2
    kind: Literal["network"] = "network"
    name: PackageName
    version: Version
    title: Title
    summary: Text
    licence: Text
    intended_use: Text
    input: InputSpec
    heads: tuple[HeadSpec, ...] = Field(min_length=1)
    maps: MapsSpec | None = None
    findings: tuple[FindingSpec, ...] = Field(min_length=1)
    detectors: tuple[DetectorSpec, ...] = ()
    likeness: LikenessSpec | None = None
    files: dict[FileName, Sha256] = {}

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for problem in (
            *_output_problems(self),
            *_finding_problems(self),
            *_box_problems(self),
            *_shared_problems(self),
        ):
            raise ValueError(problem)
        return self

    def finding(self, label: str) -> FindingSpec:
        """Return the finding of that label; KeyError where there is none."""
        return {finding.label: finding for finding in self.findings}[label]

    def head(self, name: str) -> HeadSpec:
        """Return the head of that name; KeyError where there is none."""
        return {head.name: head for head in self.heads}[name]

    def detector(self, label: str) -> DetectorSpec | None:
        """Return how that finding's boxes are read; None where it has none."""
        return next((detector for detector in self.detectors if detector.finding == label), None)


class MemberSpec(Table):
    """Which network an ensemble's folder ``members/<n>`` holds; n counts from 1 in the order of the manifest."""

    name: PackageName
    version: Version


class EnsembleDetector(Table):
    """How one finding's boxes of all members become one set of boxes."""

    finding: Label
    max_boxes: int = Field(ge=1, le=100)
    iou: Probability
    """Of two fused boxes that overlap more than this, the surer one stays."""
    fuse: Probability = 0.5
    """Boxes of different members that overlap at least this much are one box."""
    points: PointsSpec


class EnsembleManifest(Table):
    """What the ``package.toml`` of an ensemble says: findings that every member has, with points of their own."""

    format: Literal[2] = 2
    kind: Literal["ensemble"] = "ensemble"
    name: PackageName
    version: Version
    title: Title
    summary: Text
    licence: Text
    intended_use: Text
    members: tuple[MemberSpec, ...] = Field(default=(), max_length=MOST_MEMBERS)
    findings: tuple[ReportedFinding, ...] = Field(min_length=1)
    detectors: tuple[EnsembleDetector, ...] = ()
    likeness: LikenessScale | None = None
    """For the mean of the members' distances; every member has a measure of its own then."""
    files: dict[MemberFileName, Sha256] = {}

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        labels = [finding.label for finding in self.findings]
        for problem in (
            *_repeated("the labels of the findings", labels),
            *_detector_problems(self),
            *_shared_problems(self),
        ):
            raise ValueError(problem)
        return self

    def detector(self, label: str) -> EnsembleDetector | None:
        """Return how that finding's boxes are fused; None where it has none."""
        return next((detector for detector in self.detectors if detector.finding == label), None)


class MarginSpec(Table):
    """From which probability of ``usable`` on an image is taken for an upright frontal chest radiograph."""

    accept: Probability
    """Where its header says frontal, too."""
    sure: Probability
    """Where its header does not say."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.accept > self.sure:
            msg = "margin.accept must not be above margin.sure"
            raise ValueError(msg)
        return self


class VerdictManifest(Table):
    """What the ``package.toml`` of a verdict network says; :mod:`inference.verdict.heads` names its outputs."""

    format: Literal[2] = 2
    kind: Literal["verdict"] = "verdict"
    name: PackageName
    version: Version
    title: Title
    summary: Text
    licence: Text
    intended_use: Text
    input: InputSpec
    heads: tuple[HeadSpec, ...] = Field(min_length=1)
    margin: MarginSpec
    files: dict[FileName, Sha256] = {}

    @property
    def maps(self) -> None:
        """Return None: a verdict draws no boxes."""

    @property
    def likeness(self) -> None:
        """Return None: a verdict measures no distance."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for problem in _head_problems(self.heads):
            raise ValueError(problem)
        found = {head.name: (head.activation, head.names) for head in self.heads}
        if found != VERDICT_HEADS:
            msg = f"the heads of a verdict network must be {', '.join(VERDICT_HEADS)}, with their own names"
            raise ValueError(msg)
        return self


VERDICT_HEADS: dict[str, tuple[str, tuple[str, ...]]] = {
    "usable": ("sigmoid", ("usable",)),
    "content": ("softmax", CONTENTS),
    "turn": ("softmax", tuple(f"turned{degrees}" for degrees in TURNS)),
    "flaws": ("sigmoid", ("negative", *MISSING, "mirrored")),
}
"""Activation and names of each head that a verdict network has."""

AnyManifest = Manifest | EnsembleManifest


def _head_problems(heads: Sequence[HeadSpec]) -> Iterator[str]:
    """Say what is wrong with heads by themselves."""
    yield from _repeated("the names of the heads", [head.name for head in heads])
    for head in heads:
        yield from _repeated(f"head {head.name}: its names", head.names)
        if head.activation == "softmax" and len(head.names) < 2:
            yield f'head {head.name}: a softmax needs two names or more; use activation = "sigmoid" for one'


def _output_problems(manifest: Manifest) -> Iterator[str]:
    """Say what is wrong with heads and maps by themselves."""
    yield from _head_problems(manifest.heads)
    indices = [head.index for head in manifest.heads]
    if manifest.maps is not None:
        yield from _repeated("maps.names", manifest.maps.names)
        indices += [manifest.maps.heat, manifest.maps.box]
    if manifest.likeness is not None:
        indices.append(manifest.likeness.features)
    if sorted(indices) != list(range(len(indices))):
        shown = ", ".join(str(index) for index in indices)
        outputs = "the indices of heads, maps and likeness"
        yield f"{outputs} must be 0, 1, 2 … without a gap or a repetition; they are {shown}"


def _finding_problems(manifest: Manifest) -> Iterator[str]:
    """Say which findings ask for what is not there."""
    yield from _repeated("the labels of the findings", [finding.label for finding in manifest.findings])
    heads = {head.name: head for head in manifest.heads}
    channels = () if manifest.maps is None else manifest.maps.names
    earlier: list[str] = []
    for finding in manifest.findings:
        who, calibration = f"finding {finding.label}", finding.calibration
        if finding.head not in heads:
            yield f"{who}: there is no head {finding.head}; the heads are {', '.join(heads)}"
        elif finding.class_ not in heads[finding.head].names:
            yield f"{who}: class {finding.class_} is not among the names of head {finding.head}"
        if finding.given is not None and finding.given not in earlier:
            yield f"{who}: given must name an earlier finding; {finding.given} is none"
        if calibration.heat and manifest.maps is None:
            yield f"{who}: calibration.heat needs [maps]"
        elif calibration.heat and calibration.channel is None:
            yield f"{who}: calibration.heat needs calibration.channel, one of maps.names"
        elif calibration.channel is not None and calibration.channel not in channels:
            yield f"{who}: calibration.channel {calibration.channel} is not among maps.names"
        earlier.append(finding.label)


def _box_problems(manifest: Manifest) -> Iterator[str]:
    """Say which detectors ask for what is not there."""
    for detector in manifest.detectors:
        if manifest.maps is None:
            yield f"the detector of {detector.finding} needs [maps]"
        elif detector.channel not in manifest.maps.names:
            yield f"the detector of {detector.finding}: channel {detector.channel} is not among maps.names"
    yield from _detector_problems(manifest)


def _detector_problems(manifest: AnyManifest) -> Iterator[str]:
    """Say where findings with boxes and detectors do not go together, one to one."""
    detected = [detector.finding for detector in manifest.detectors]
    boxes = {finding.label: finding.boxes for finding in manifest.findings}
    for label in dict.fromkeys(detected):
        if label not in boxes:
            yield f"a detector names the finding {label}, which there is not"
        elif detected.count(label) > 1:
            yield f"finding {label} has {detected.count(label)} detectors; it can have one"
        elif not boxes[label]:
            yield f"finding {label} has a detector, so it must have boxes = true"
    for label, wanted in boxes.items():
        if wanted and label not in detected:
            yield f"finding {label} has boxes = true but no [[detectors]] entry"


def _shared_problems(manifest: AnyManifest) -> Iterator[str]:
    """Say which score maps and which likeness ask for what is not there, in a network and in an ensemble alike."""
    for finding in manifest.findings:
        if finding.map is not None and finding.map.kind is MapKind.HEAT and not finding.boxes:
            yield f'finding {finding.label}: map.kind = "heat" needs boxes = true, whose detector makes the map'
    labels = {finding.label for finding in manifest.findings}
    for label in () if manifest.likeness is None else manifest.likeness.holds:
        if label not in labels:
            yield f"likeness.holds names the finding {label}, which there is not"


def _repeated(what: str, names: Iterable[str]) -> Iterator[str]:
    """Say which name stands twice."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            yield f"{what} must be unique; {name} stands twice"
            return
        seen.add(name)
