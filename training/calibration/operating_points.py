"""Calibration and operating points of each finding, chosen on validation images only."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from config.errors import DataError
from config.logs import get_logger
from inference.findings import Box
from inference.interpret import Answer, boxes_of, evidence_of
from inference.package import ModelPackage
from training.calibration import thresholds
from training.calibration.logistic import Logistic, fit_logistic
from training.calibration.scale import UNSCALED, Calibration, Scale
from training.data.examples import Example
from training.evaluation.boxes import Match, match
from training.recipe.recipe import FindingSettings, PointSettings, Recipe

TRUE_BOX_OVERLAP = 0.4
"""From which overlap on a box counts as true when its operating points are chosen."""
FEWEST = 3
"""Fewer pictures with (or without) a finding than this say nothing about its probability."""
_log = get_logger(__name__)

Numbers = NDArray[np.float64]
Truths = NDArray[np.bool_]


def choose_operating_points(
    recipe: Recipe, raw: ModelPackage, examples: Sequence[Example], answers: Sequence[Answer]
) -> Calibration:
    """Fit probabilities and choose operating points on validation pictures.

    Parameters
    ----------
    recipe
        Which findings there are, and what their points are chosen for.
    raw
        The package with nothing calibrated, which the answers came from.
    examples, answers
        Validation pictures and what the network says about each.

    Raises
    ------
    DataError
        When there is no validation picture that a finding is known to be absent or present on.
    """
    require_known(recipe, examples)
    findings: dict[str, Scale] = {}
    scores: dict[str, Numbers] = {}
    for settings in recipe.findings:
        inputs = _evidence(raw, settings, answers)
        truth, known = _truth(settings, examples)
        logistic = _fit(settings, inputs, truth, known)
        scores[settings.label] = logistic(inputs)
        if settings.given is not None:
            scores[settings.label] *= np.minimum(1, scores[settings.given] / findings[settings.given].whole_from)
        findings[settings.label] = Scale(
            logistic,
            *points_of(scores[settings.label][known], truth[known], recipe.points, settings.most_false),
        )
    boxes = {
        settings.label: _boxes(recipe, raw, settings.label, examples, answers)
        for settings in recipe.findings
        if settings.boxes
    }
    return Calibration(findings, boxes)


def require_known(recipe: Recipe, examples: Sequence[Example]) -> None:
    """Raise :class:`DataError` for a finding about which no validation picture says anything; ask before fitting."""
    for settings in recipe.findings:
        if not any(settings.source in example.truths for example in examples):
            raise DataError(
                f"no validation picture says anything about {settings.label}: its probability cannot be calibrated; "
                "enlarge the validation fold or leave the finding out"
            )


def _evidence(raw: ModelPackage, settings: FindingSettings, answers: Sequence[Answer]) -> Numbers:
    spec = raw.manifest.finding(settings.label)
    return np.asarray([evidence_of(raw.manifest, spec, answer.outputs) for answer in answers], np.float64)


def _truth(settings: FindingSettings, examples: Sequence[Example]) -> tuple[Truths, Truths]:
    """Return (truth, known), by the class that the finding's probability follows from."""
    said = [example.truths.get(settings.source) for example in examples]
    return np.asarray([bool(one) for one in said]), np.asarray([one is not None for one in said])


def _fit(settings: FindingSettings, inputs: Numbers, truth: Truths, known: Truths) -> Logistic:
    yes = int(truth[known].sum())
    if min(yes, int(known.sum()) - yes) < FEWEST:
        _log.warning("too few validation pictures to calibrate on", reason=settings.label, count=yes)
        return UNSCALED.logistic
    seen = inputs[known] if settings.heat else inputs[known, :1]
    logistic = fit_logistic(seen, truth[known], even=settings.even)
    if not settings.heat and logistic.weights[0] <= 0:
        # An answer that ranks validation pictures the wrong way round says nothing: the finding keeps its prevalence,
        # and on top of another finding it follows that one alone.
        _log.warning("an answer ranks validation pictures the wrong way round", reason=settings.label, count=yes)
        share = 0.5 if settings.even else yes / int(known.sum())
        return Logistic((0.0, 0.0), float(np.log(share / (1 - share))))
    return logistic if settings.heat else Logistic((*logistic.weights, 0.0), logistic.bias)


def points_of(scores: Numbers, truth: Truths, settings: PointSettings, most_false: float = 1.0) -> tuple[float, float]:
    """Return the sensitive and the specific point on probabilities of pictures; 0.5 both where one answer is absent.

    The sensitive one reaches the wanted sensitivity, but for pictures without the finding it calls no larger share than
    ``most_false``.
    """
    if not truth.any() or truth.all():
        return UNSCALED.sensitive, UNSCALED.specific
    sensitive = thresholds.threshold_for_sensitivity(scores, truth, settings.sensitivity)
    if most_false < 1:
        sensitive = max(sensitive, thresholds.threshold_for_specificity(scores, truth, 1 - most_false))
    return thresholds.ordered(sensitive, thresholds.threshold_for_specificity(scores, truth, settings.specificity))


def _boxes(
    recipe: Recipe, raw: ModelPackage, label: str, examples: Sequence[Example], answers: Sequence[Answer]
) -> Scale:
    matches = [
        match_boxes(boxes_of(raw, (answer,), label), answer, example, label)
        for example, answer in zip(examples, answers, strict=True)
        if label in example.boxed
    ]
    scores = np.concatenate([one.scores for one in matches]) if matches else np.zeros(0)
    true = np.concatenate([one.found[TRUE_BOX_OVERLAP] for one in matches]) if matches else np.zeros(0, bool)
    if true.any() and not true.all():
        logits = np.log(np.clip(scores, 1e-9, 1 - 1e-9) / np.clip(1 - scores, 1e-9, 1))
        logistic = fit_logistic(logits[:, None], true)
        if logistic.weights[0] > 0:
            calibrated = logistic(logits[:, None])
            return Scale(logistic, *box_points_of(calibrated, true, len(matches), recipe.points))
    return Scale(Logistic((1.0,), 0.0), 0.5, 0.5)  # a detector that found nothing: show only what it is sure of


def box_points_of(scores: Numbers, true: Truths, pictures: int, settings: PointSettings) -> tuple[float, float]:
    """Return the sensitive and the specific point on boxes' probabilities, by the false boxes a picture they allow."""
    points = (
        thresholds.threshold_for_false_boxes(scores, true, pictures, allowed)
        for allowed in (settings.box_false_sensitive, settings.box_false_specific)
    )
    return thresholds.ordered(*points)


def match_boxes(boxes: Sequence[Box], answer: Answer, example: Example, label: str) -> Match:
    """Hold a picture's boxes against those that were drawn."""
    wide, tall = answer.placement.picture_columns, answer.placement.picture_rows
    found = np.asarray([(box.x0, box.y0, box.x1, box.y1) for box in boxes], np.float64).reshape(-1, 4)
    drawn = [
        (box.x * wide, box.y * tall, (box.x + box.w) * wide, (box.y + box.h) * tall)
        for box in example.boxes
        if box.label == label
    ]
    return match(found, np.asarray([box.score for box in boxes]), np.asarray(drawn, np.float64).reshape(-1, 4))
