"""The tables that manifests are made of: inputs, outputs, findings and how they are calibrated."""

import itertools
from typing import Annotated, Literal, Self

import tomlkit
from pydantic import BaseModel, ConfigDict, Field, model_validator

from inference.evidence import Evidence, Share
from inference.findings import Code, MapKind, OperatingPoints, Pointing
from inference.pixels import Contrast

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
