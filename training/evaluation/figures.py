"""All figures of a package on one set of pictures, as one tree; every leaf has its interval by patient.

:func:`measured` returns the tree with draws, which can be subtracted from another package's on the same pictures;
:func:`figures` returns it as plain JSON values, which is what files, cards and pages have.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from config.errors import DataError
from training.evaluation import binary
from training.evaluation.boxes import BOX_FIGURES, FALSE_BOXES, FROC_OVERLAP, Boxes, points_inside
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
from training.evaluation.measures import RESAMPLES, RSNA_OVERLAPS, Figure
from training.evaluation.predictions import Asked, Predictions
from training.evaluation.resample import Drawn, Draws, Resamples, as_json, mean_of

Tree = dict[str, Any]
Indices = NDArray[np.intp]
Truths = NDArray[np.bool_]


def figures(
    predictions: Predictions,
    *,
    seed: int = 1,
    resamples: int = RESAMPLES,
    kept_apart: tuple[str, ...] = (),
    rsna_thresholds: Mapping[str, float] | None = None,
) -> Tree:
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
    tree = measured(predictions, seed=seed, resamples=resamples, kept_apart=kept_apart, rsna_thresholds=rsna_thresholds)
    document: Tree = as_json(tree)
    return document


def measured(
    predictions: Predictions,
    *,
    seed: int = 1,
    resamples: int = RESAMPLES,
    kept_apart: tuple[str, ...] = (),
    rsna_thresholds: Mapping[str, float] | None = None,
) -> Tree:
    """Return all figures with their draws; see :func:`figures`.

    Raises
    ------
    DataError
        When there is no picture.
    """
    main, apart = predictions.kept_apart(kept_apart)
    if not main.examples:
        raise DataError("there is no picture to measure on: choose another fold, or other data")
    draws = Resamples.of(main.patients, seed, resamples)
    tree: Tree = {
        "pictures": len(main.examples),
        "patients": len(set(main.patients)),
        "intervals": f"95 %, bootstrap over patients, {resamples} resamples",
        "seed": seed,
        "findings": {},
    }
    for asked in main.findings:
        part = finding_figures(main, asked, draws)
        if part is not None:
            tree["findings"][asked.label] = part
    tree["groups"] = _groups(main, draws)
    tree["contrasts"] = contrast_figures(main, CONTRASTS, draws)
    tree["classes"] = {head.name: part for head in main.heads if (part := head_figures(main, head, draws)) is not None}
    tree["boxes"] = {
        asked.label: part
        for asked in main.findings
        if asked.box_points is not None
        and (part := box_figures(main, asked, draws, (rsna_thresholds or {}).get(asked.label))) is not None
    }
    tree["kept_apart"] = _apart(apart, kept_apart, seed, resamples) if apart.examples else None
    return tree


def finding_figures(predictions: Predictions, asked: Asked, draws: Resamples) -> Tree | None:
    """Return one finding's figures over the pictures where it is known; None where it is known nowhere."""
    where, truth = predictions.known(asked.label)
    if not len(where):
        return None
    scores = predictions.scores(asked.label)[where]
    patients, drawn = predictions.patients, draws.on(where)
    part: Tree = {
        "title": asked.title,
        "pictures": len(where),
        "patients": len({patients[index] for index in where}),
        "positives": int(truth.sum()),
        "prevalence": float(truth.mean()),
        "auroc": drawn.measure(partial(binary.auroc, scores, truth)),
        "auprc": drawn.measure(partial(binary.auprc, scores, truth)),
        "log_loss": drawn.measure(partial(binary.log_loss, scores, truth)),
        "brier": drawn.measure(partial(binary.brier, scores, truth)),
        "ece": drawn.measure(partial(binary.calibration_error, scores, truth), recentre=True),
        "ece_by_chance": _by_chance(scores),
        "reliability": _reliability(scores, truth),
        "points": {
            name: {"threshold": threshold, **_at_point(scores, truth, threshold, drawn)}
            for name, threshold in asked.points.items()
        },
        "at_half": _at_point(scores, truth, 0.5, drawn),
        "subgroups": {},
    }
    examples = [predictions.examples[index] for index in where]
    for name, members in subgroups(examples, asked.label).items():
        if len(members) < len(where):
            part["subgroups"][name] = _subgroup(scores[members], truth[members], asked, draws, where[members])
    return part


def _by_chance(scores: NDArray[np.float64]) -> Tree:
    """Return the calibration error that a perfect calibration measures on as many pictures: mean and 95 % of draws."""
    draws = binary.calibration_error_by_chance(scores, RESAMPLES)
    return Figure(float(draws.mean()), *np.percentile(draws, [2.5, 97.5]).tolist()).as_json()


def contrast_figures(
    predictions: Predictions, contrasts: Sequence[Contrast], draws: Resamples, fewest: int = FEWEST
) -> Tree:
    """Return the AUROC of each contrast that the package has the score for and the pictures both labels."""
    tree: Tree = {}
    for contrast in contrasts:
        if contrast.score not in predictions.labels:
            continue
        where, truth = contrast.pictures(predictions)
        if min(truth.sum(), (~truth).sum()) < fewest:
            continue
        scores = predictions.scores(contrast.score)[where]
        tree[contrast.name] = {
            "words": contrast.words,
            "positives": int(truth.sum()),
            "negatives": int((~truth).sum()),
            "auroc": draws.measure(partial(binary.auroc, scores, truth), where),
        }
    return tree


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
) -> Tree | None:
    """Return the figures of one finding's boxes; None where nobody drew any."""
    where = known_boxes(predictions, asked.label)
    boxes = boxes_on(predictions, asked.label, where)
    if not boxes.truths.any() or asked.box_points is None:
        return None
    drawn = draws.on(where)
    threshold = asked.box_points[0] if rsna_threshold is None else rsna_threshold
    aps = {least: drawn.measure(partial(boxes.average_precision, least)) for least in RSNA_OVERLAPS}
    rsna = drawn.measure(partial(boxes.rsna, threshold))
    return {
        "title": asked.title,
        "pictures": len(where),
        "true_boxes": int(boxes.truths.sum()),
        "ap50": aps[0.5],
        "ap40": aps[0.4],
        "ap40_75": mean_of(list(aps.values())),
        "rsna_map": {"threshold": threshold, "score": rsna},
        "pointing": _pointing(predictions, asked.label, draws),
        "froc": {
            "overlap": FROC_OVERLAP,
            "found": {f"{allowed:g}": drawn.measure(partial(boxes.froc, allowed)) for allowed in FALSE_BOXES},
        },
        "points": {
            name: {
                "threshold": point,
                **{figure: drawn.measure(partial(boxes.at_point, point, figure)) for figure in BOX_FIGURES},
            }
            for name, point in zip(("sensitive", "specific"), asked.box_points, strict=True)
        },
    }


def _pointing(predictions: Predictions, label: str, draws: Resamples) -> Draws:
    count = range(len(predictions.examples))
    hits = points_inside([predictions.found(i, label) for i in count], [predictions.drawn(i, label) for i in count])
    where = np.flatnonzero(np.isfinite(hits))
    return draws.measure(lambda w: binary.ratio(w @ hits[where], w.sum(axis=1)), where)


def _at_point(scores: NDArray[np.float64], truth: Truths, threshold: float, drawn: Drawn) -> dict[str, Draws]:
    """Return accuracy, precision, sensitivity (recall), specificity and F1 at one threshold."""
    return drawn.measure_all(partial(binary.at_threshold, scores, truth, threshold))


def _subgroup(scores: NDArray[np.float64], truth: Truths, asked: Asked, draws: Resamples, where: Indices) -> Tree:
    part: Tree = {"positives": int(truth.sum()), "negatives": int((~truth).sum())}
    if min(part["positives"], part["negatives"]) >= FEWEST:
        drawn = draws.on(where)
        part["auroc"] = drawn.measure(partial(binary.auroc, scores, truth))
        for name, threshold in asked.points.items():
            at = _at_point(scores, truth, threshold, drawn)
            part[name] = {figure: at[figure] for figure in ("sensitivity", "specificity")}
    return part


def _reliability(scores: NDArray[np.float64], truth: Truths) -> list[dict[str, float]]:
    """Return the bins of the calibration error: how many pictures, mean score, share that has the finding."""
    member = binary.bin_of(scores) > 0
    return [
        {
            "pictures": int(inside.sum()),
            "mean_score": float(scores[inside].mean()),
            "share": float(truth[inside].mean()),
        }
        for inside in member.T
        if inside.any()
    ]


def _groups(predictions: Predictions, draws: Resamples) -> Tree:
    """Return the mean AUROC of each named group of which the package has two findings or more.

    Only pictures count of which all of the group's findings are known: one source that states a single one of them
    would otherwise bring in what tells sources apart.
    """
    tree: Tree = {}
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
            tree[name] = {
                "words": GROUP_WORDS[name],
                "findings": list(members),
                "of": len(labels),
                "pictures": len(where),
                "auroc": mean_of(list(members.values())),
            }
    return tree


def _apart(apart: Predictions, prefixes: tuple[str, ...], seed: int, resamples: int) -> Tree:
    """Return what the package does at the place that is kept apart."""
    draws = Resamples.of(apart.patients, seed, resamples)
    tree: Tree = {
        "prefixes": list(prefixes),
        "pictures": len(apart.examples),
        "patients": len(set(apart.patients)),
        "contrasts": contrast_figures(apart, APART_CONTRASTS, draws, FEWEST_APART),
        "findings": {},
    }
    for asked in apart.findings:
        where, truth = apart.known(asked.label)
        if min(int(truth.sum()), int((~truth).sum())) >= FEWEST:
            tree["findings"][asked.label] = {
                "title": asked.title,
                **_subgroup(apart.scores(asked.label)[where], truth, asked, draws, where),
            }
    return tree
