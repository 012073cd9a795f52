"""From a model's raw outputs to findings: softmax, calibration, operating points, boxes. Pure numpy."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from config.errors import PackageError
from inference.detector import decode_boxes, sigmoid
from inference.findings import Box, Finding, Level
from inference.package import FindingSpec, ModelPackage
from inference.placement import Placement

RawOutputs = Sequence[NDArray[Any]]
"""One array an output, float32, in the order of the manifest's indices, each with a leading 1."""


def findings_of(package: ModelPackage, outputs: RawOutputs, placement: Placement) -> tuple[Finding, ...]:
    """Return one finding for each entry of the manifest, in its order.

    Raises :class:`PackageError` when the outputs are not numbers, for then the weights are broken.
    """
    if not all(np.isfinite(output).all() for output in outputs):
        msg = f"model package {package.manifest.name}: the model answers with values that are no numbers"
        raise PackageError(msg)
    return tuple(_finding(package, spec, outputs, placement) for spec in package.manifest.findings)


def _finding(package: ModelPackage, spec: FindingSpec, outputs: RawOutputs, placement: Placement) -> Finding:
    layout = package.manifest.outputs
    logits = outputs[layout.classes.index][0].astype(np.float64)
    heat = None if layout.heat is None else outputs[layout.heat.index][0]
    best_heat = 0.0 if heat is None else float(heat.max())
    margin = class_margin(logits, layout.classes.names.index(spec.class_))
    calibration = spec.calibration
    score = sigmoid(calibration.class_ * margin + calibration.heat * best_heat + calibration.bias)
    points = package.points(spec)
    level = points.level(score)
    detector = package.manifest.detector
    boxes: tuple[Box, ...] = ()
    if spec.boxes and level is not Level.ABSENT and detector and heat is not None and layout.box is not None:
        boxes = decode_boxes(heat, outputs[layout.box.index][0], detector, placement)
    return Finding(
        label=spec.label,
        code=spec.code.code(),
        site=spec.site.code(),
        score=score,
        level=level,
        points=points,
        abnormal=spec.abnormal,
        boxes=boxes,
    )


def class_margin(logits: NDArray[np.float64], index: int) -> float:
    """Return the log-odds of one class's softmax probability: its logit over the log-sum of all others."""
    others = np.delete(logits, index)
    peak = others.max()
    return float(logits[index] - (peak + np.log(np.exp(others - peak).sum())))
