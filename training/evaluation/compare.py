"""Two packages on the same pictures: every figure both have, their paired difference, and a plain sentence."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from config.errors import DataError
from training.data.examples import Example
from training.evaluation.figures import measured
from training.evaluation.metric import RESAMPLES, Metric
from training.evaluation.predictions import Predictions
from training.evaluation.resample import as_json, leaves, parts_of
from training.evaluation.results import Evaluation, PlaceKeptApart

SMALLER_IS_BETTER = frozenset({"log_loss", "brier", "ece", "false_a_picture"})
_AT_POINTS = frozenset({"sensitive", "specific", "at_half"})
_MOST_TELLING = (
    ("contrasts", "opacity_normal", "auroc"),
    ("findings", "lung_opacity", "auroc"),
    ("groups", "nih8", "auroc"),
    ("contrasts", "covid_pneumonia_same_source", "auroc"),
)
_WORDS = {
    "auroc": "AUROC", "auprc": "AUPRC", "log_loss": "cross-entropy", "brier": "Brier score",
    "ece": "calibration error", "accuracy": "accuracy", "precision": "precision", "sensitivity": "sensitivity",
    "recall": "recall", "specificity": "specificity", "f1": "F1", "ap50": "average precision at overlap 0.5",
    "ap40": "average precision at overlap 0.4", "ap40_75": "mean average precision, overlaps 0.4 to 0.75",
    "score": "RSNA score", "pointing": "pointing game", "found": "true boxes found", "at_half": "from 0.5 on",
    "false_a_picture": "false boxes a picture",
}  # fmt: skip
_ROOMS = {"findings": "", "contrasts": "", "groups": "Mean over ", "classes": "Head ", "boxes": "Boxes of "}


def shared(one: Predictions, other: Predictions) -> tuple[Predictions, Predictions]:
    """Return both packages' predictions on the pictures that both were asked about, in one order.

    Raises
    ------
    DataError
        When there is none, or the two files do not agree on what is true of a picture.
    """
    places = {example.file: index for index, example in enumerate(other.examples)}
    pairs = [(i, places[example.file]) for i, example in enumerate(one.examples) if example.file in places]
    if not pairs:
        raise DataError("the two packages have no picture in common: evaluate both on the same data")
    a = one.only(np.asarray([pair[0] for pair in pairs], np.intp))
    b = other.only(np.asarray([pair[1] for pair in pairs], np.intp))
    for ours, theirs in zip(a.examples, b.examples, strict=True):
        if _known(ours) != _known(theirs):
            raise DataError(
                f"the two sets of predictions do not agree on what is true of {ours.file}: "
                "evaluate both packages on the same version of the data"
            )
    return a, b


def compare(
    one: Predictions,
    other: Predictions,
    *,
    seed: int = 1,
    resamples: int = RESAMPLES,
    kept_apart: tuple[str, ...] = (),
    rsna_thresholds: tuple[Mapping[str, float] | None, Mapping[str, float] | None] = (None, None),
) -> dict[str, Any]:
    """Return the paired differences, the first package less the second, as plain JSON values.

    Both are measured on the same pictures and the same draws of patients, so that what is hard for both cancels out.
    """
    a, b = shared(one, other)
    found = [
        measured(part, seed=seed, resamples=resamples, kept_apart=kept_apart, rsna_thresholds=thresholds)
        for part, thresholds in zip((a, b), rsna_thresholds, strict=True)
    ]
    ours, theirs = leaves(found[0]), leaves(found[1])
    rows = []
    for path in ours:
        if path not in theirs or not (np.isfinite(ours[path].value) and np.isfinite(theirs[path].value)):
            continue
        difference = ours[path].less(theirs[path]).figure()
        rows.append(
            {
                "path": list(path),
                "words": words_of(path, found[0]),
                "one": as_json(ours[path]),
                "other": as_json(theirs[path]),
                "difference": difference.as_json(),
                "verdict": verdict(path, difference),
            }
        )
    return {
        "schema": 1,
        "kind": "comparison",
        "one": _package(one),
        "other": _package(other),
        "pictures": found[0].pictures,
        "patients": found[0].patients,
        "intervals": found[0].intervals,
        "seed": seed,
        "seen": {part.package.words: part.seen for part in (a, b) if part.seen},
        "sentence": sentence(rows, one, other, found[0]),
        "rows": rows,
    }


def verdict(path: tuple[str, ...], difference: Metric) -> str:
    """Return ``ahead``, ``behind``, ``higher``, ``lower`` or ``open`` for the first package.

    What depends on where two packages put their operating points is only higher or lower: a point that calls more
    pictures gains sensitivity and loses specificity, and neither makes a better package.
    """
    if not (np.isfinite(difference.low) and np.isfinite(difference.high)):
        return "open"
    if difference.low <= 0 <= difference.high:
        return "open"
    up = difference.value > 0
    if _AT_POINTS & set(path):
        return "higher" if up else "lower"
    return "ahead" if up != (path[-1] in SMALLER_IS_BETTER) else "behind"


def words_of(path: tuple[str, ...], found: Evaluation | PlaceKeptApart) -> str:
    """Return what a figure is called, from its path in the results."""
    room, *rest = path
    if room == "kept_apart":
        return "kept-apart place: " + words_of(tuple(rest), parts_of(found)[room])
    name, *inner = rest
    part = parts_of(parts_of(found)[room][name])
    subject = part.get("title") or part.get("words") or name.replace("_", " ")
    if room == "boxes":
        subject = subject[0].lower() + subject[1:]
    details = [_WORDS.get(step, step.replace("_", " ")) for step in inner if step not in ("points", "subgroups")]
    if "rsna_map" in inner:
        details = [_WORDS["score"]]
    if "froc" in inner:
        details = [f"true boxes found at {inner[-1]} false ones a picture"]
    return f"{_ROOMS[room]}{subject}: {', '.join(details)}".replace("…", "Lung opacity against normal")


def sentence(rows: list[dict[str, Any]], one: Predictions, other: Predictions, found: Evaluation) -> str:
    """Return the comparison in plain words: the most telling figure, and how many others differ."""
    a, b = one.package.words, other.package.words
    by_path = {tuple(row["path"]): row for row in rows}
    told = next((by_path[path] for path in _MOST_TELLING if path in by_path), None)
    told = told or next((row for row in rows if row["path"][-1] == "auroc"), rows[0] if rows else None)
    if told is None:
        return f"{a} and {b} have no figure in common."
    value, (low, high) = told["difference"]["value"], told["difference"]["interval"]
    known = "" if low is None else f" (95 % interval {low:+.3f} to {high:+.3f})"
    shared_words = {
        "open": f"no difference can be told between {a} and {b}",
        "ahead": f"{a} is ahead of {b}",
        "behind": f"{a} is behind {b}",
    }.get(told["verdict"], f"{a} is {told['verdict']} than {b}")
    counted = [row for row in rows if row["verdict"] in ("ahead", "behind", "open") and "subgroups" not in row["path"]]
    ahead, behind = (sum(row["verdict"] == word for row in counted) for word in ("ahead", "behind"))
    return (
        f"On the same {found.pictures} pictures of {found.patients} patients, {shared_words} in "
        f"{told['words']}: {value:+.3f}{known}. Of {len(counted)} figures that do not depend on operating points or "
        f"subgroups it is ahead in {ahead}, behind in {behind}; about one in twenty would differ by chance."
    )


def _known(example: Example) -> tuple[Any, ...]:
    return dict(example.truths), example.boxes, example.patient


def _package(predictions: Predictions) -> dict[str, str]:
    package = predictions.package
    return {name: getattr(package, name) for name in ("name", "version", "digest", "engine", "title")}
