"""What cross-validation came to: pooled and by fold, with intervals by patient, recipes paired picture by picture."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from config.errors import DataError
from training.evaluation.binary import auroc, ratio
from training.evaluation.classes import confusion, macro, table_of
from training.evaluation.metric import RESAMPLES
from training.evaluation.resample import Draws, Resamples, as_json, mean_of
from training.evaluation.run_file import RunFile, figure_from_json, plain, read_run, write_run
from training.pipelines.crossvalidate import POSITIVE, Fold, Prediction, Protocol
from training.recipe.recipe import Recipe

SCHEMA = 1
_MACRO = ("precision", "recall", "specificity", "f1")
_COMPARED = ("accuracy", "f1", "auroc")

Indices = NDArray[np.intp]


def figures(
    predictions: Sequence[Prediction], classes: Sequence[str], draws: Resamples, where: Indices
) -> dict[str, Draws]:
    """Return accuracy, means over the classes, and each class against the others, of the pictures ``where``."""
    truth = np.asarray([one.truth for one in predictions], np.intp)[where]
    shares = np.asarray([one.probabilities for one in predictions], np.float64)[where]
    called, count = shares.argmax(axis=1), len(classes)
    right = (called == truth).astype(np.float64)

    def of_class(name: str, place: int) -> Draws:
        table = {"precision": called == place, "recall": truth == place}[name]
        hits = ((called == place) & (truth == place)).astype(np.float64)
        return draws.measure(lambda w: ratio(w @ hits, w @ table.astype(np.float64)), where)

    def f1_of(place: int) -> Draws:
        hits = 2.0 * ((called == place) & (truth == place))
        either = (called == place) * 1.0 + (truth == place) * 1.0
        return draws.measure(lambda w: ratio(w @ hits, w @ either), where)

    def macro_of(name: str) -> Draws:
        return draws.measure(lambda w: macro(confusion(truth, called, w, count), name), where)

    areas = [
        draws.measure(lambda w, place=place: auroc(shares[:, place], truth == place, w), where)  # type: ignore[misc]
        for place in range(count)
    ]
    made = {"accuracy": draws.measure(lambda w: ratio(w @ right, w.sum(axis=1)), where)}
    made |= {name: macro_of(name) for name in _MACRO}
    made["auroc"] = mean_of(areas)
    for place, label in enumerate(classes):
        made |= {f"{name}:{label}": of_class(name, place) for name in ("precision", "recall")}
        made |= {f"f1:{label}": f1_of(place), f"auroc:{label}": areas[place]}
    return made


def document(
    runs: Mapping[str, Sequence[Fold]], recipes: Sequence[Recipe], protocol: Protocol, *, resamples: int = RESAMPLES
) -> dict[str, Any]:
    """Return all that a run left: its protocol, every recipe's figures and predictions, and the first one's lead."""
    pooled: dict[str, dict[str, Draws]] = {}
    parts: dict[str, Any] = {}
    for recipe in recipes:
        name = recipe.package.name
        pooled[name], parts[name] = _of_recipe(recipe, runs[name], protocol, resamples)
    first, *others = (recipe.package.name for recipe in recipes)
    some = _ordered(runs[first])
    return {
        "schema": SCHEMA,
        "protocol": {
            "list": recipes[0].data.list,
            "task": protocol.task,
            "classes": list(protocol.classes),
            "by": protocol.by,
            "folds": protocol.folds,
            "seed": protocol.seed,
            "quick": protocol.quick,
            "pictures": len(some),
            "patients": len({one.patient for one in some}),
            "weights_kept": "those of the last epoch, or the recipe's moving average; nothing is chosen on a fold",
            "intervals": f"95 %, bootstrap over patients, {resamples} resamples",
        },
        "recipes": parts,
        "differences": {
            f"{first} less {other}": as_json({n: pooled[first][n].less(pooled[other][n]) for n in _COMPARED})
            for other in others
        },
    }


def write_runs(folder: Path, made: Mapping[str, Any], recipes: Sequence[Recipe]) -> list[Path]:
    """Leave each recipe's small run file, from which the documentation's table is written.

    A recipe of three classes that also ran on two has one file for both: its binary accuracy stands beside its own
    figures. For a recipe that only tells COVID-19 from no finding the binary figures are its own.
    """
    protocol, written = made["protocol"], []
    for recipe in recipes:
        part = made["recipes"][recipe.package.name]
        pooled = {name: figure_from_json(entry) for name, entry in part["pooled"].items()}
        binary_only = recipe.classes == (POSITIVE,) or set(recipe.classes) <= {"no_finding", POSITIVE}
        own = (protocol["task"] == "binary") == binary_only
        chosen = {**pooled, "parameters": plain(part["parameters"])}
        if not own:
            chosen = {"accuracy_binary": pooled["accuracy"]} if protocol["task"] == "binary" else {}
        if not chosen:
            continue
        run = RunFile(
            recipe=recipe.package.name,
            kind="crossvalidation",
            by=protocol["by"],
            folds=protocol["folds"],
            figures=chosen,
            protocol={
                **{name: protocol[name] for name in ("pictures", "patients", "seed", "list", "classes")},
                "epochs": recipe.epochs,
                "side": recipe.network.side,
                "weights": recipe.network.weights or "none",
                "version": recipe.package.version,
            },
            quick=protocol["quick"],
        )
        written.append(write_run(folder, _merged(folder, run, own=own)))
    return written


def _merged(folder: Path, run: RunFile, *, own: bool) -> RunFile:
    """Return the run with what the other task's run left in its file, where folds and list are the same."""
    try:
        there = read_run(folder / run.file_name)
    except DataError:
        return run
    same = ("seed", "list", "version", "epochs", "side")
    if there.folds != run.folds or any(there.protocol.get(name) != run.protocol.get(name) for name in same):
        return run
    if own:
        kept = {name: figure for name, figure in there.figures.items() if name == "accuracy_binary"}
        return RunFile(run.recipe, run.kind, run.by, run.folds, {**run.figures, **kept}, run.protocol, run.quick)
    return RunFile(run.recipe, run.kind, run.by, run.folds, {**there.figures, **run.figures}, there.protocol, run.quick)


def _of_recipe(
    recipe: Recipe, folds: Sequence[Fold], protocol: Protocol, resamples: int
) -> tuple[dict[str, Draws], dict[str, Any]]:
    predictions = _ordered(folds)
    draws = Resamples.of([one.patient for one in predictions], protocol.seed, resamples)
    pooled = figures(predictions, protocol.classes, draws, np.arange(len(predictions)))
    owner = np.asarray([one.fold for one in predictions])
    truth = np.asarray([one.truth for one in predictions], np.intp)
    called = np.asarray([one.probabilities for one in predictions]).argmax(axis=1)
    by_fold = []
    for place, fold in enumerate(folds):
        inside = figures(predictions, protocol.classes, draws, np.flatnonzero(owner == place))
        by_fold.append(
            {
                "fold": place,
                "training_pictures": fold.training,
                "test_pictures": len(fold.predictions),
                "seconds": fold.seconds,
                "figures": as_json({name: inside[name] for name in _COMPARED}),
                "losses": [{name: round(value, 4) for name, value in epoch.items()} for epoch in fold.losses],
            }
        )
    return pooled, {
        "version": recipe.package.version,
        "settings": recipe.model_dump(mode="json", by_alias=True, exclude={"experiments", "tune"}),
        "parameters": folds[0].parameters,
        "pooled": as_json(pooled),
        "accuracy_mean_of_folds": round(float(np.mean([part["figures"]["accuracy"]["value"] for part in by_fold])), 4),
        "truth_by_row_call_by_column": table_of(truth, called, len(protocol.classes)),
        "folds": by_fold,
        "predictions": [
            {
                "file": one.file,
                "patient": one.patient,
                "fold": one.fold,
                "truth": protocol.classes[one.truth],
                "probabilities": list(one.probabilities),
            }
            for one in predictions
        ],
    }


def _ordered(folds: Sequence[Fold]) -> list[Prediction]:
    """Return all predictions by file name, so that recipes can be paired picture by picture."""
    return sorted((one for fold in folds for one in fold.predictions), key=lambda one: one.file)
