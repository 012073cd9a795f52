"""From raw outputs to findings: margins, calibration, what rests on what, operating points, boxes. Pure numpy."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from config.errors import PackageError
from inference.detector import decode_boxes, sigmoid
from inference.ensemble import fuse_boxes
from inference.explanation.score_map import score_map
from inference.findings import Box, Finding, Level, MapKind, ScoreMap
from inference.manifest import FindingSpec, Manifest, ReportedFinding
from inference.package import AnyPackage, ModelPackage
from inference.placement import Placement

RawOutputs = Sequence[NDArray[Any]]
"""One array an output, float32, in the order of the manifest's indices, each with a leading 1."""


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What one network says about one picture, and where the picture lay in its input."""

    outputs: RawOutputs
    placement: Placement


class CalibrationInputs(NamedTuple):
    """What a finding's probability is calibrated from."""

    margin: float
    """The class's log-odds in a softmax head, its logit in a sigmoid head."""
    heat: float
    """The best logit of the calibration's channel of the heat map; 0 where it names none."""


def findings_of(package: ModelPackage, outputs: RawOutputs, placement: Placement) -> tuple[Finding, ...]:
    """Return one finding for each entry of a network's manifest, in its order; see :func:`interpret`."""
    return interpret(package, (Answer(outputs, placement),))


def interpret(package: AnyPackage, answers: Sequence[Answer]) -> tuple[Finding, ...]:
    """Return one finding for each entry of the manifest, in its order.

    Parameters
    ----------
    package
        A network, or an ensemble.
    answers
        One for each of ``package.members``, in their order.

    Raises :class:`PackageError` when the outputs are not numbers, for then the weights are broken.
    """
    scores = scores_of(package, answers)
    return tuple(_finding(package, spec, scores[spec.label], answers) for spec in package.manifest.findings)


def scores_of(package: AnyPackage, answers: Sequence[Answer]) -> dict[str, float]:
    """Return the calibrated probability of each finding, by label: in an ensemble the mean of its members'.

    Raises :class:`PackageError` when the outputs are not numbers.
    """
    scores = [
        _network_scores(member.manifest, answer.outputs)
        for member, answer in zip(package.members, answers, strict=True)
    ]
    return {spec.label: sum(score[spec.label] for score in scores) / len(scores) for spec in package.manifest.findings}


def boxes_of(package: AnyPackage, answers: Sequence[Answer], label: str) -> tuple[Box, ...]:
    """Return every box of a finding, however unsure, the surest first; none where the package draws none for it.

    Findings have those of them that reach the sensitive point, and only while the finding itself is not absent.
    An ensemble takes the mean over those members that draw boxes for the finding.
    """
    drawn = [
        _network_boxes(member.manifest, answer, label)
        for member, answer in zip(package.members, answers, strict=True)
        if member.manifest.detector(label)
    ]
    if isinstance(package, ModelPackage):
        return drawn[0] if drawn else ()
    spec = package.manifest.detector(label)
    return () if spec is None else fuse_boxes(drawn, spec)


def heat_map_of(package: AnyPackage, answers: Sequence[Answer], label: str) -> ScoreMap | None:
    """Return the probability, at each place, that a region of the finding has its middle there; None without boxes.

    The finding's own probability rises with the greatest cell of each network's grid, so the map shows the evidence
    itself. An ensemble takes the mean over those members that draw boxes for the finding.
    """
    grids = []
    for member, answer in zip(package.members, answers, strict=True):
        detector = member.manifest.detector(label)
        if detector is not None:
            logits = _heat(member.manifest, answer.outputs, detector.channel)[:, :, 0].astype(np.float64)
            scaled = detector.calibration.scale * logits + detector.calibration.bias
            grids.append((0.5 * (1.0 + np.tanh(0.5 * scaled)), answer.placement))
    return score_map(MapKind.HEAT, grids) if grids else None


def evidence_of(manifest: Manifest, spec: FindingSpec, outputs: RawOutputs) -> CalibrationInputs:
    """Return what a finding's own probability is calibrated from; what it is given does not count here."""
    head = manifest.head(spec.head)
    logits = outputs[head.index][0].astype(np.float64)
    index = head.names.index(spec.class_)
    margin = class_margin(logits, index) if head.activation == "softmax" else float(logits[index])
    return CalibrationInputs(margin, 0.0 if spec.calibration.channel is None else float(
        _heat(manifest, outputs, spec.calibration.channel).max()
    ))  # fmt: skip


def class_margin(logits: NDArray[np.float64], index: int) -> float:
    """Return the log-odds of one class's softmax probability: its logit over the log-sum of all others."""
    others = np.delete(logits, index)
    peak = others.max()
    return float(logits[index] - (peak + np.log(np.exp(others - peak).sum())))


def _network_scores(manifest: Manifest, outputs: RawOutputs) -> dict[str, float]:
    """Return the calibrated probability of each finding of one network."""
    if not all(np.isfinite(output).all() for output in outputs):
        msg = f"model package {manifest.name}: the model answers with values that are no numbers"
        raise PackageError(msg)
    scores: dict[str, float] = {}
    for spec in manifest.findings:
        evidence, calibration = evidence_of(manifest, spec, outputs), spec.calibration
        score = sigmoid(calibration.class_ * evidence.margin + calibration.heat * evidence.heat + calibration.bias)
        scores[spec.label] = score if spec.given is None else score * min(1.0, scores[spec.given] / spec.given_whole)
    return scores


def _network_boxes(manifest: Manifest, answer: Answer, label: str) -> tuple[Box, ...]:
    detector, maps = manifest.detector(label), manifest.maps
    if detector is None or maps is None:
        return ()
    heat = _heat(manifest, answer.outputs, detector.channel)
    return decode_boxes(heat, answer.outputs[maps.box][0], detector, answer.placement, sensitive=0.0)


def _heat(manifest: Manifest, outputs: RawOutputs, channel: str) -> NDArray[Any]:
    """Return one channel of the heat map, (h, w, 1)."""
    assert manifest.maps is not None  # noqa: S101 - the manifest was checked
    index = manifest.maps.names.index(channel)
    heat: NDArray[Any] = outputs[manifest.maps.heat][0][:, :, index : index + 1]
    return heat


def _finding(package: AnyPackage, spec: ReportedFinding, score: float, answers: Sequence[Answer]) -> Finding:
    points = package.points(spec)
    level = points.level(score)
    evidence = None if spec.evidence is None else spec.evidence.evidence()
    stated = package.states(spec)
    mapped = stated and level is not Level.ABSENT
    boxes: tuple[Box, ...] = ()
    if spec.boxes and level is not Level.ABSENT:
        boxes = tuple(box for box in boxes_of(package, answers, spec.label) if box.level is not Level.ABSENT)
    return Finding(
        label=spec.label,
        code=spec.code.code(),
        site=spec.site.code(),
        score=score,
        level=level,
        points=points,
        abnormal=spec.abnormal,
        boxes=boxes,
        note=spec.note,
        stated=stated,
        evidence=evidence,
        map=_measured_map(package, spec, answers) if mapped else None,
    )


def _measured_map(package: AnyPackage, spec: ReportedFinding, answers: Sequence[Answer]) -> ScoreMap | None:
    """Return a finding's map with how well it points; None where no map of it was measured to point."""
    drawn = None if spec.map is None else heat_map_of(package, answers, spec.label)
    return None if spec.map is None or drawn is None else replace(drawn, pointing=spec.map.measured())
