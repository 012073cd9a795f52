"""Cross-validated recipes beside one another, as the page of models has them; from the files that the runs left."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from config.errors import DataError
from training.evaluation.markdown import shown, table
from training.recipe.network_kinds import network_kind
from training.recipe.shipped_recipes import varied

_TASK_WORDS = {"three": "three classes", "binary": "COVID-19 against no finding"}
_PUBLISHED = {"three": "accuracy", "binary": "accuracy_binary"}
"""Under which name a published accuracy of each task is reported."""


def read_folds(folder: Path) -> list[dict[str, Any]]:
    """Read what cross-validations left in a folder, by name; none where there is no such folder."""
    documents = []
    for path in sorted(folder.glob("*.json")):
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            fold_rows(document, {})
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"{path.name} is no cross-validation's file: run it again ({type(error).__name__})"
            ) from error
        documents.append(document)
    return documents


def folds_section(documents: Sequence[Mapping[str, Any]], published: Mapping[str, Mapping[str, float]]) -> str:
    """Return the section of recipes on the same folds; empty where nothing was run.

    Parameters
    ----------
    documents
        As :func:`training.pipelines.crossvalidation_results.document` makes them.
    published
        By recipe what was published for it, under the names of :mod:`training.evaluation.run_file`, as fractions.
    """
    if not documents:
        return ""
    rows = [row for document in _in_order(documents) for row in fold_rows(document, published)]
    header = (
        "task",
        "what stays whole",
        "recipe",
        "accuracy here",
        "published",
        "AUROC",
        "the first recipe's lead here",
    )
    return (
        "## On the same folds\n\n"
        "Every recipe fitted once a fold on the same pictures, each picture predicted once by a network that never saw "
        "it; accuracy is that of the likeliest class, nothing was chosen on a fold. Published figures were measured by "
        "image. All COVID-19 pictures come from one collection and all others from another, so none of these figures "
        "says how well COVID-19 is told at a hospital.\n\n"
        f"{table(header, rows)}\n"
    )


def fold_rows(document: Mapping[str, Any], published: Mapping[str, Mapping[str, float]]) -> list[tuple[str, ...]]:
    """Return one row a recipe of one cross-validation."""
    protocol = document["protocol"]
    task, by = protocol["task"], protocol["by"]
    size = f"{protocol['folds']} folds, {protocol['pictures']} pictures of {protocol['patients']} patients"
    quick = ", **a quick run**" if protocol["quick"] else ""
    rows: list[tuple[str, ...]] = []
    for place, (name, part) in enumerate(document["recipes"].items()):
        lead = next((one for pair, one in document["differences"].items() if pair.endswith(f" less {name}")), None)
        known = published.get(varied(name)[0], {}).get(_PUBLISHED[task]) if by == "image" else None
        settings = part["settings"]
        only_last = network_kind(settings["network"]["kind"]).only_heads
        effort = "only its last layer fitted" if only_last else f"{settings['fit']['epochs']} epochs"
        how = f"`{name}` ({settings['network']['side']} px, {effort})"
        rows.append(
            (
                f"{_TASK_WORDS[task]}: {size}{quick}" if place == 0 else "",
                f"the {by}" if place == 0 else "",
                how,
                _percent(part["pooled"]["accuracy"]),
                "–" if known is None else f"{100 * known:.2f} %",
                shown(part["pooled"]["auroc"]),
                "–" if lead is None else _points(lead["accuracy"]),
            )
        )
    return rows


def _in_order(documents: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return sorted(documents, key=lambda one: (one["protocol"]["task"] == "binary", one["protocol"]["by"] == "patient"))


def _percent(figure: Mapping[str, Any]) -> str:
    low, high = figure["interval"]
    return f"{100 * figure['value']:.2f} % [{100 * low:.1f}–{100 * high:.1f}]"


def _points(figure: Mapping[str, Any]) -> str:
    low, high = figure["interval"]
    return f"{100 * figure['value']:+.1f} points [{100 * low:+.1f} to {100 * high:+.1f}]"
