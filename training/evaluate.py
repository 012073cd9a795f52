"""Choosing on validation pictures, and reporting on test pictures: two functions that never see each other's rows."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training import calibrate, measures
from training.calibrate import Logistic
from training.dataset import Radiograph, Read, View
from training.measures import Figure, Match, bootstrap
from training.package import NORMAL, OPACITY, RAW, Calibration, Scale, manifest
from training.recipe import Recipe
from training.scores import Scored, box_matches, finding_inputs, points_inside

Numbers = NDArray[np.float64]
Truths = NDArray[np.bool_]

READ_OF = {OPACITY: Read.OPACITY, NORMAL: Read.NORMAL}
TRUE_BOX_OVERLAP = 0.4
"""From which overlap on a box counts as true when its operating points are chosen and in the FROC."""
FALSE_BOXES = (0.125, 0.25, 0.5, 1.0, 2.0)
_ALL_BOXES = 30


def calibrate_on(recipe: Recipe, rows: Sequence[Radiograph], answers: Sequence[Scored]) -> Calibration:
    """Fit probabilities and choose operating points on validation pictures.

    Raises
    ------
    DataError
        When a finding has no picture with it, or none without it.
    """
    settings = recipe.points
    scales = {}
    for label, read in READ_OF.items():
        inputs, truth = finding_inputs(answers, label), _is(rows, read)
        logistic = calibrate.fit_logistic(inputs, truth)
        scores = logistic(inputs)
        scales[label] = Scale(
            logistic,
            *calibrate.ordered(
                calibrate.threshold_for_sensitivity(scores, truth, settings.sensitivity),
                calibrate.threshold_for_specificity(scores, truth, settings.specificity),
            ),
        )
    return Calibration(opacity=scales[OPACITY], normal=scales[NORMAL], boxes=_calibrate_boxes(recipe, rows, answers))


def _calibrate_boxes(recipe: Recipe, rows: Sequence[Radiograph], answers: Sequence[Scored]) -> Scale:
    detector = manifest(recipe, RAW, max_boxes=_ALL_BOXES).detector(OPACITY)
    assert detector is not None  # noqa: S101 - the manifest above always has one
    matches = box_matches(answers, rows, detector)
    raw = np.concatenate([match.scores for match in matches])
    true = np.concatenate([match.found[TRUE_BOX_OVERLAP] for match in matches])
    if true.any() and not true.all():
        raw_logits = np.log(np.clip(raw, 1e-9, 1 - 1e-9) / np.clip(1 - raw, 1e-9, 1))
        logistic = calibrate.fit_logistic(raw_logits[:, None], true)
        if logistic.weights[0] > 0:
            scores = logistic(raw_logits[:, None])
            thresholds = (
                calibrate.threshold_for_false_boxes(scores, true, len(rows), allowed)
                for allowed in (recipe.points.box_false_sensitive, recipe.points.box_false_specific)
            )
            return Scale(logistic, *calibrate.ordered(*thresholds))
    return Scale(Logistic((1.0,), 0.0), 0.5, 0.5)  # a detector that found nothing: show only what it is sure of


def report(
    recipe: Recipe, rows: Sequence[Radiograph], answers: Sequence[Scored], calibration: Calibration
) -> dict[str, Any]:
    """Measure on pictures that nothing was fitted or chosen on; every figure with its 95 % interval by patient."""
    scores = {
        label: scale.logistic(finding_inputs(answers, label))
        for label, scale in ((OPACITY, calibration.opacity), (NORMAL, calibration.normal))
    }
    scales = {OPACITY: calibration.opacity, NORMAL: calibration.normal}
    opacity, normal = _is(rows, Read.OPACITY), _is(rows, Read.NORMAL)
    measured: dict[str, Any] = {
        "opacity_against_normal": _auroc(rows, scores[OPACITY], opacity, opacity | normal, recipe.seed).as_json(),
        "findings": {
            label: _finding(rows, scores[label], _is(rows, READ_OF[label]), scales[label], recipe.seed)
            for label in READ_OF
        },
        "subgroups": _subgroups(rows, scores[OPACITY], opacity, opacity | normal, recipe.seed),
        "boxes": _boxes(recipe, rows, answers, calibration),
        "classes": _confusion(rows, answers),
    }
    return measured


def best_rsna_threshold(
    recipe: Recipe, rows: Sequence[Radiograph], answers: Sequence[Scored], calibration: Calibration
) -> float:
    """Return the score from which on boxes count in the RSNA score, chosen on validation pictures."""
    matches = _all_matches(recipe, rows, answers, calibration)
    choices = np.unique(np.concatenate([match.scores for match in matches]).round(2))
    values = [measures.rsna_score(matches, float(choice)) for choice in choices]
    return float(choices[int(np.nanargmax(values))]) if len(choices) else 0.5


def truths(flags: Sequence[bool]) -> Truths:
    """Return yes and no as an array."""
    return np.asarray(flags, bool)


def _finding(rows: Sequence[Radiograph], scores: Numbers, truth: Truths, scale: Scale, seed: int) -> dict[str, Any]:
    everyone = np.ones(len(rows), bool)
    return {
        "auroc_against_all_others": _auroc(rows, scores, truth, everyone, seed).as_json(),
        "average_precision": _over(rows, lambda k: measures.average_precision(scores[k], truth[k]), seed).as_json(),
        "prevalence": round(float(truth.mean()), 4),
        "expected_calibration_error": _over(
            rows, lambda k: measures.calibration_error(scores[k], truth[k]), seed
        ).as_json(),
        "reliability": [
            {"pictures": count, "mean_score": round(mean, 4), "share": round(share, 4)}
            for count, mean, share in measures.reliability(scores, truth)
        ],
        "points": {
            name: {
                "threshold": threshold,
                "sensitivity": _over(
                    rows, lambda k, t=threshold: measures.sensitivity(scores[k], truth[k], t), seed
                ).as_json(),
                "specificity": _over(
                    rows, lambda k, t=threshold: measures.specificity(scores[k], truth[k], t), seed
                ).as_json(),
            }
            for name, threshold in scale.points.items()
        },
    }


def _subgroups(
    rows: Sequence[Radiograph], scores: Numbers, opacity: Truths, chosen: Truths, seed: int
) -> dict[str, dict[str, Any]]:
    """Return the AUROC of opacity against normal within views, sexes, ages and sources."""
    groups: dict[str, Truths] = {
        "view PA": np.asarray([row.view is View.PA for row in rows]),
        "view AP": np.asarray([row.view in {View.AP, View.AP_SUPINE} for row in rows]),
        "women": np.asarray([row.sex == "F" for row in rows]),
        "men": np.asarray([row.sex == "M" for row in rows]),
        "age below 40": np.asarray([row.age is not None and row.age < 40 for row in rows]),
        "age 40 to 59": np.asarray([row.age is not None and 40 <= row.age < 60 for row in rows]),
        "age 60 and over": np.asarray([row.age is not None and row.age >= 60 for row in rows]),
    }
    table = {}
    for name, members in groups.items():
        counted = members & chosen
        entry: dict[str, Any] = {
            "normal": int((counted & ~opacity).sum()),
            "lung_opacity": int((counted & opacity).sum()),
        }
        if min(entry.values()) >= 5:
            entry["auroc"] = _auroc(rows, scores, opacity, counted, seed).as_json()
        table[name] = entry
    return table


def _boxes(
    recipe: Recipe, rows: Sequence[Radiograph], answers: Sequence[Scored], calibration: Calibration
) -> dict[str, Any]:
    matches = _all_matches(recipe, rows, answers, calibration)
    patients = [row.patient for row in rows]
    positives = [index for index, row in enumerate(rows) if row.opacities]
    detector = manifest(recipe, calibration, max_boxes=_ALL_BOXES).detector(OPACITY)
    assert detector is not None  # noqa: S101 - the manifest above always has one
    hits = np.asarray(points_inside(answers, rows, detector), np.float64)

    def over(measure: Any) -> dict[str, Any]:
        return bootstrap(lambda k: measure([matches[i] for i in k]), patients, recipe.seed).as_json()

    return {
        "true_boxes": sum(match.truths for match in matches),
        "average_precision_0.5": over(lambda some: measures.box_average_precision(some, 0.5)),
        "average_precision_0.4": over(lambda some: measures.box_average_precision(some, 0.4)),
        "pointing_game": bootstrap(
            lambda k: float(hits[k].mean()), [patients[index] for index in positives], recipe.seed
        ).as_json()
        if len(hits)
        else None,
        "froc": {
            "overlap": TRUE_BOX_OVERLAP,
            "false_boxes_a_picture": list(FALSE_BOXES),
            "found": [round(share, 4) for share in measures.froc(matches, TRUE_BOX_OVERLAP, FALSE_BOXES)],
        },
        "points": {
            name: {"threshold": threshold, **_at_threshold(matches, threshold)}
            for name, threshold in calibration.boxes.points.items()
        },
    }


def rsna_figure(
    recipe: Recipe, rows: Sequence[Radiograph], answers: Sequence[Scored], calibration: Calibration, threshold: float
) -> dict[str, Any]:
    """Return the RSNA score at a threshold that was chosen elsewhere."""
    matches = _all_matches(recipe, rows, answers, calibration)
    patients = [row.patient for row in rows]
    figure = bootstrap(lambda k: measures.rsna_score([matches[i] for i in k], threshold), patients, recipe.seed)
    return {"threshold": threshold, **figure.as_json()}


def _at_threshold(matches: Sequence[Match], threshold: float) -> dict[str, float]:
    kept = [match.scores >= threshold for match in matches]
    hits = sum(int(match.found[TRUE_BOX_OVERLAP][keep].sum()) for match, keep in zip(matches, kept, strict=True))
    shown, truths = sum(int(keep.sum()) for keep in kept), sum(match.truths for match in matches)
    return {
        "found": round(hits / truths, 4) if truths else 0.0,
        "precision": round(hits / shown, 4) if shown else 0.0,
        "false_boxes_a_picture": round((shown - hits) / len(matches), 4),
    }


def _confusion(rows: Sequence[Radiograph], answers: Sequence[Scored]) -> dict[str, Any]:
    names = [Read.NORMAL, Read.OTHER, Read.OPACITY]
    table = np.zeros((3, 3), int)
    for row, answer in zip(rows, answers, strict=True):
        if row.read is not None:
            table[names.index(row.read), int(answer.logits.argmax())] += 1
    return {"order": [name.value for name in names], "rows_are_read_columns_are_likeliest_class": table.tolist()}


def _all_matches(
    recipe: Recipe, rows: Sequence[Radiograph], answers: Sequence[Scored], calibration: Calibration
) -> list[Match]:
    detector = manifest(recipe, calibration, max_boxes=_ALL_BOXES).detector(OPACITY)
    assert detector is not None  # noqa: S101 - the manifest above always has one
    return box_matches(answers, rows, detector)


def _auroc(rows: Sequence[Radiograph], scores: Numbers, truth: Truths, chosen: Truths, seed: int) -> Figure:
    where = np.flatnonzero(chosen)
    patients = [rows[int(k)].patient for k in where]
    return bootstrap(lambda k: measures.auroc(scores[where[k]], truth[where[k]]), patients, seed)


def _over(rows: Sequence[Radiograph], measure: Any, seed: int) -> Figure:
    return bootstrap(measure, [row.patient for row in rows], seed)


def _is(rows: Sequence[Radiograph], read: Read) -> Truths:
    return np.asarray([row.read is read for row in rows])
