"""Manifests of format 1, the form of the first packages, and their translation into format 2.

A network of format 1 had one softmax head, at most one finding with boxes, and one heat channel.
"""

from typing import Literal, Self

from pydantic import Field, model_validator

from inference.manifest import (
    BoxCalibration,
    CodeSpec,
    DetectorSpec,
    FileName,
    FindingCalibration,
    FindingSpec,
    HeadSpec,
    InputSpec,
    Label,
    Manifest,
    MapsSpec,
    Number,
    PackageName,
    PointsSpec,
    Sha256,
    Table,
    Text,
    Title,
    Version,
)

HEAD = "classes"
"""What the one head is called after translation."""


class ClassesOutput(Table):
    """Which output holds the class logits, (1, number of names)."""

    index: int = Field(ge=0)
    names: tuple[Label, ...] = Field(min_length=2)


class MapOutput(Table):
    """Which output holds a map, (1, height, width, channels)."""

    index: int = Field(ge=0)


class Outputs(Table):
    """The model's outputs by their order: ``heat`` is (1, h, w, 1), ``box`` (1, h, w, 4) as in format 2."""

    classes: ClassesOutput
    heat: MapOutput | None = None
    box: MapOutput | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.heat is None) != (self.box is None):
            msg = "outputs.heat and outputs.box go together"
            raise ValueError(msg)
        return self


class FindingCalibration1(Table):
    """probability = sigmoid(class * margin + heat * best heat logit + bias)."""

    class_: Number = Field(alias="class")
    heat: Number = 0.0
    bias: Number = 0.0


class Finding1(Table):
    """One finding of the one head."""

    label: Label
    class_: Label = Field(alias="class")
    abnormal: bool
    code: CodeSpec
    site: CodeSpec
    calibration: FindingCalibration1
    points: PointsSpec
    boxes: bool = False


class Detector1(Table):
    """How boxes are read from the heat and box maps."""

    finding: Label
    max_boxes: int = Field(ge=1, le=100)
    iou: float = Field(ge=0, le=1)
    calibration: BoxCalibration
    points: PointsSpec


class Manifest1(Table):
    """What a ``package.toml`` of format 1 says; what its tables say of one another is checked after translation."""

    format: Literal[1]
    name: PackageName
    version: Version
    title: Title
    summary: Text
    licence: Text
    intended_use: Text
    input: InputSpec
    outputs: Outputs
    files: dict[FileName, Sha256]
    findings: tuple[Finding1, ...] = Field(min_length=1)
    detector: Detector1 | None = None


def translate(old: Manifest1) -> Manifest:
    """Return the same in format 2; pydantic's ValidationError where it is not consistent."""
    outputs, detector = old.outputs, old.detector
    channel = None if outputs.heat is None else "heat" if detector is None else detector.finding
    maps = None
    if channel is not None and outputs.heat is not None and outputs.box is not None:
        maps = MapsSpec(heat=outputs.heat.index, box=outputs.box.index, names=(channel,), holds="centre")
    return Manifest(
        name=old.name,
        version=old.version,
        title=old.title,
        summary=old.summary,
        licence=old.licence,
        intended_use=old.intended_use,
        input=old.input,
        heads=(HeadSpec(name=HEAD, index=outputs.classes.index, activation="softmax", names=outputs.classes.names),),
        maps=maps,
        findings=tuple(_finding(finding, channel) for finding in old.findings),
        detectors=() if detector is None else (_detector(detector),),
        files=old.files,
    )


def _finding(old: Finding1, channel: str | None) -> FindingSpec:
    calibration = old.calibration
    return FindingSpec(
        label=old.label,
        abnormal=old.abnormal,
        code=old.code,
        site=old.site,
        points=old.points,
        boxes=old.boxes,
        head=HEAD,
        class_=old.class_,
        calibration=FindingCalibration(
            class_=calibration.class_,
            heat=calibration.heat,
            bias=calibration.bias,
            channel=channel if calibration.heat else None,
        ),
    )


def _detector(old: Detector1) -> DetectorSpec:
    return DetectorSpec(
        finding=old.finding,
        channel=old.finding,
        max_boxes=old.max_boxes,
        iou=old.iou,
        calibration=old.calibration,
        points=old.points,
    )
