"""All metrics of a package on one set of images; each has its interval by patient.

:func:`measured` returns them with draws, which can be subtracted from another package's on the same images;
:func:`figures` returns them as plain JSON values, which is what files, cards and pages have.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from config.errors import DataError
from training.evaluation import binary
from training.evaluation.boxes import BOX_FIGURES, FALSE_BOXES, FROC_OVERLAP, RSNA_OVERLAPS, Boxes, points_inside
from training.evaluation.classes import head_figures
from training.evaluation.groups import (
    APART_CONTRASTS,
    CONTRASTS,
    FEWEST,
    FEWEST_APART,
    GROUP_WORDS,
    NAMED_GROUPS,
    Contrast,
    subgroups,
)
from training.evaluation.metric import RESAMPLES, Metric
from training.evaluation.predictions import Asked, Predictions
from training.evaluation.resample import Drawn, Draws, Resamples, as_json, mean_of
from training.evaluation.results import (
    BoxMetrics,
    BoxPointMetrics,
    CallMetrics,
    ContrastMetrics,
    Evaluation,
    FindingMetrics,
    Froc,
    GroupMetrics,
    PlaceKeptApart,
    PointMetrics,
    ReliabilityBin,
    RsnaScore,
    SubgroupMetrics,
)

Document = dict[str, Any]
"""Plain JSON values."""
Indices = NDArray[np.intp]
Truths = NDArray[np.bool_]


def figures(
    predictions: Predictions,
    *,
    seed: int = 1,
    resamples: int = RESAMPLES,
    kept_apart: tuple[str, ...] = (),
    rsna_thresholds: Mapping[str, float] | None = None,
) -> Document:
    """Return all figures as plain JSON values.

    Parameters
    ----------
    predictions
        On pictures that nothing was fitted or chosen on, if the figures are to mean anything.
    seed, resamples
        Of the bootstrap over patients.
    kept_apart
        Starts of file names of one place: its pictures count in its own figures only.
    rsna_thresholds
        By finding the score from which on its boxes count in the RSNA score, chosen elsewhere
        (:func:`rsna_thresholds_on`); the sensitive point of the boxes without it.
    """
    found = measured(
        predictions, seed=seed, resamples=resamples, kept_apart=kept_apart, rsna_thresholds=rsna_thresholds
    )
    document: Document = as_json(found)
    return document


def measured(
    predictions: Predictions,
    *,
    seed: int = 1,
    resamples: int = RESAMPLES,
    kept_apart: tuple[str, ...] = (),
    rsna_thresholds: Mapping[str, float] | None = None,
) -> Evaluation:
    """Return all metrics with their draws; see :func:`figures`.

    Raises
    ------
    DataError
        When there is no picture.
    """
    main, apart = predictions.kept_apart(kept_apart)
    if not main.examples:
        raise DataError("there is no picture to measure on: choose another fold, or other data")
    draws = Resamples.of(main.patients, seed, resamples)
    thresholds = rsna_thresholds or {}
    findings = {asked.label: finding_figures(main, asked, draws) for asked in main.findings}
    heads = {head.name: head_figures(main, head, draws) for head in main.heads}
    boxes = {
        asked.label: box_figures(main, asked, draws, thresholds.get(asked.label))
        for asked in main.findings
        if asked.box_points is not None
    }
    return Evaluation(
        pictures=len(main.examples),
        patients=len(set(main.patients)),
        intervals=f"95 %, bootstrap over patients, {resamples} resamples",
        seed=seed,
        findings={label: part for label, part in findings.items() if part is not None},
        groups=_groups(main, draws),
        contrasts=contrast_figures(main, CONTRASTS, draws),
        classes={name: part for name, part in heads.items() if part is not None},
        boxes={label: part for label, part in boxes.items() if part is not None},
        kept_apart=_apart(apart, kept_apart, seed, resamples) if apart.examples else None,
    )


def finding_figures(predictions: Predictions, asked: Asked, draws: Resamples) -> FindingMetrics | None:
    """Return one finding's figures over the pictures where it is known; None where it is known nowhere."""
    where, truth = predictions.known(asked.label)
    if not len(where):
        return None
    scores = predictions.scores(asked.label)[where]
    patients, drawn = predictions.patients, draws.on(where)
    examples = [predictions.examples[index] for index in where]
    return FindingMetrics(
        title=asked.title,
        pictures=len(where),
        patients=len({patients[index] for index in where}),
        positives=int(truth.sum()),
        prevalence=float(truth.mean()),
        auroc=drawn.measure(partial(binary.auroc, scores, truth)),
        auprc=drawn.measure(partial(binary.auprc, scores, truth)),
        log_loss=drawn.measure(partial(binary.log_loss, scores, truth)),
        brier=drawn.measure(partial(binary.brier, scores, truth)),
        ece=drawn.measure(partial(binary.calibration_error, scores, truth), recentre=True),
        ece_by_chance=_by_chance(scores),
        reliability=_reliability(scores, truth),
        points={name: _at_point(scores, truth, threshold, drawn) for name, threshold in asked.points.items()},
        at_half=_at_point(scores, truth, 0.5, drawn, named=False),
        subgroups={
            name: _subgroup(scores[members], truth[members], asked, draws, where[members])
            for name, members in subgroups(examples, asked.label).items()
            if len(members) < len(where)
        },
    )


def _by_chance(scores: NDArray[np.float64]) -> Metric:
    """Return the calibration error that a perfect calibration measures on as many pictures: mean and 95 % of draws."""
    draws = binary.calibration_error_by_chance(scores, RESAMPLES)
    return Metric(float(draws.mean()), *np.percentile(draws, [2.5, 97.5]).tolist())


def contrast_figures(
    predictions: Predictions, contrasts: Sequence[Contrast], draws: Resamples, fewest: int = FEWEST
) -> dict[str, ContrastMetrics]:
    """Return the AUROC of each contrast that the package has the score for and the pictures both labels."""
    found: dict[str, ContrastMetrics] = {}
    for contrast in contrasts:
        if contrast.score not in predictions.labels:
            continue
        where, truth = contrast.pictures(predictions)
        if min(truth.sum(), (~truth).sum()) < fewest:
            continue
        scores = predictions.scores(contrast.score)[where]
        found[contrast.name] = ContrastMetrics(
            words=contrast.words,
            positives=int(truth.sum()),
            negatives=int((~truth).sum()),
            auroc=draws.measure(partial(binary.auroc, scores, truth), where),
        )
    return found


def known_boxes(predictions: Predictions, label: str) -> Indices:
    """Return the pictures of which it is known where a finding's boxes are, or that there are none.

    Those are the ones whose boxes somebody drew completely, that have a box of it, or that do not have the finding.
    """
    return np.flatnonzero(
        [
            label in one.boxed or one.truths.get(label) is False or any(box.label == label for box in one.boxes)
            for one in predictions.examples
        ]
    )


def boxes_on(predictions: Predictions, label: str, where: Indices) -> Boxes:
    """Return all found and true boxes of a finding on these pictures, paired."""
    return Boxes.of(
        [predictions.found(int(index), label) for index in where],
        [predictions.drawn(int(index), label) for index in where],
    )


def rsna_thresholds_on(predictions: Predictions) -> dict[str, float]:
    """Choose, on validation pictures, from which score on each finding's boxes count in the RSNA score."""
    chosen = {}
    for asked in predictions.findings:
        where = known_boxes(predictions, asked.label)
        boxes = boxes_on(predictions, asked.label, where) if asked.box_points is not None else None
        if boxes is not None and boxes.truths.any() and len(boxes.scores):
            chosen[asked.label] = boxes.best_rsna_threshold()
    return chosen


def box_figures(
    predictions: Predictions, asked: Asked, draws: Resamples, rsna_threshold: float | None = None
) -> BoxMetrics | None:
    """Return the figures of one finding's boxes; None where nobody drew any."""
    where = known_boxes(predictions, asked.label)
    boxes = boxes_on(predictions, asked.label, where)
    if not boxes.truths.any() or asked.box_points is None:
        return None
    drawn = draws.on(where)
    threshold = asked.box_points[0] if rsna_threshold is None else rsna_threshold
    aps = {least: drawn.measure(partial(boxes.average_precision, least)) for least in RSNA_OVERLAPS}
    rsna = drawn.measure(partial(boxes.rsna, threshold))
    return BoxMetrics(
        title=asked.title,
        pictures=len(where),
        true_boxes=int(boxes.truths.sum()),
        ap50=aps[0.5],
        ap40=aps[0.4],
        ap40_75=mean_of(list(aps.values())),
        rsna_map=RsnaScore(threshold, rsna),
        pointing=_pointing(predictions, asked.label, draws),
        froc=Froc(
            FROC_OVERLAP,
            {f"{allowed:g}": drawn.measure(partial(boxes.froc, allowed)) for allowed in FALSE_BOXES},
        ),
        points={
            name: BoxPointMetrics(
                point, *(drawn.measure(partial(boxes.at_point, point, figure)) for figure in BOX_FIGURES)
            )
            for name, point in zip(("sensitive", "specific"), asked.box_points, strict=True)
        },
    )


def _pointing(predictions: Predictions, label: str, draws: Resamples) -> Draws:
    count = range(len(predictions.examples))
    hits = points_inside([predictions.found(i, label) for i in count], [predictions.drawn(i, label) for i in count])
    where = np.flatnonzero(np.isfinite(hits))
    return draws.measure(lambda w: binary.ratio(w @ hits[where], w.sum(axis=1)), where)


def _at_point(
    scores: NDArray[np.float64], truth: Truths, threshold: float, drawn: Drawn, *, named: bool = True
) -> CallMetrics:
    """Return the metrics of calls at one threshold, which stands beside them where it is ``named``."""
    at = drawn.measure_all(partial(binary.at_threshold, scores, truth, threshold))
    return CallMetrics(
        threshold=threshold if named else None,
        accuracy=at["accuracy"],
        precision=at["precision"],
        sensitivity=at["sensitivity"],
        specificity=at["specificity"],
        f1=at["f1"],
    )


def _subgroup(
    scores: NDArray[np.float64],
    truth: Truths,
    asked: Asked,
    draws: Resamples,
    where: Indices,
    title: str | None = None,
) -> SubgroupMetrics:
    positives, negatives = int(truth.sum()), int((~truth).sum())
    if min(positives, negatives) < FEWEST:
        return SubgroupMetrics(title=title, positives=positives, negatives=negatives)
    drawn = draws.on(where)
    points = {}
    for name, threshold in asked.points.items():
        at = _at_point(scores, truth, threshold, drawn)
        points[name] = PointMetrics(at.sensitivity, at.specificity)
    return SubgroupMetrics(
        title=title,
        positives=positives,
        negatives=negatives,
        auroc=drawn.measure(partial(binary.auroc, scores, truth)),
        **points,
    )


def _reliability(scores: NDArray[np.float64], truth: Truths) -> list[ReliabilityBin]:
    """Return the bins of the calibration error that hold an image."""
    member = binary.bin_of(scores) > 0
    return [
        ReliabilityBin(int(inside.sum()), float(scores[inside].mean()), float(truth[inside].mean()))
        for inside in member.T
        if inside.any()
    ]


def _groups(predictions: Predictions, draws: Resamples) -> dict[str, GroupMetrics]:
    """Return the mean AUROC of each named group of which the package has two findings or more.

    Only pictures count of which all of the group's findings are known: one source that states a single one of them
    would otherwise bring in what tells sources apart.
    """
    groups: dict[str, GroupMetrics] = {}
    for name, labels in NAMED_GROUPS.items():
        there = [label for label in labels if label in predictions.labels]
        known = [all(label in one.truths for label in there) for one in predictions.examples]
        where = np.flatnonzero(known)
        drawn, members = draws.on(where), {}
        for label in there:
            truth = predictions.true(label)[where]
            if 0 < truth.sum() < len(truth):
                members[label] = drawn.measure(partial(binary.auroc, predictions.scores(label)[where], truth))
        if len(members) > 1:
            groups[name] = GroupMetrics(
                words=GROUP_WORDS[name],
                findings=list(members),
                of=len(labels),
                pictures=len(where),
                auroc=mean_of(list(members.values())),
            )
    return groups


def _apart(apart: Predictions, prefixes: tuple[str, ...], seed: int, resamples: int) -> PlaceKeptApart:
    """Return what the package does at the place that is kept apart."""
    draws = Resamples.of(apart.patients, seed, resamples)
    findings = {}
    for asked in apart.findings:
        where, truth = apart.known(asked.label)
        if min(int(truth.sum()), int((~truth).sum())) >= FEWEST:
            scores = apart.scores(asked.label)[where]
            findings[asked.label] = _subgroup(scores, truth, asked, draws, where, asked.title)
    return PlaceKeptApart(
        prefixes=list(prefixes),
        pictures=len(apart.examples),
        patients=len(set(apart.patients)),
        contrasts=contrast_figures(apart, APART_CONTRASTS, draws, FEWEST_APART),
        findings=findings,
    )
