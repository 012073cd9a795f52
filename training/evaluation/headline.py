"""The few figures that a run of a recipe is compared by, out of all that were measured."""

from collections.abc import Mapping
from typing import Any

from training.evaluation.metric import Metric
from training.evaluation.run_file import By, RunFile, figure_from_json

_OPPOSITES = 2
"""A finding and its opposite: with more findings, none speaks for all."""


def headline(figures: Mapping[str, Any]) -> dict[str, Metric]:
    """Return a run file's figures from those of :func:`training.evaluation.figures.figures`.

    Exclusive classes give accuracy and means over the classes. A package of one finding, or of a finding and its
    opposite, gives what was called from a probability of 0.5 on. Each finding gives its AUROC, each detector its boxes.
    """
    found: dict[str, Metric] = {}
    findings, heads = figures["findings"], figures["classes"]
    if heads:
        head = next(iter(heads.values()))
        names = ("accuracy", "log_loss", "precision", "recall", "specificity", "f1")
        found |= {name: figure_from_json(head[name]) for name in names}
    elif 0 < len(findings) <= _OPPOSITES:
        label = "covid19" if "covid19" in findings else next(iter(findings))
        at, whole = findings[label]["at_half"], findings[label]
        found |= {name: figure_from_json(at[name]) for name in ("accuracy", "precision", "specificity", "f1")}
        found["recall"] = figure_from_json(at["sensitivity"])
        found |= {name: figure_from_json(whole[name]) for name in ("log_loss", "auroc", "auprc", "ece")}
    found |= {f"auroc:{label}": figure_from_json(part["auroc"]) for label, part in findings.items()}
    for part in figures["groups"].values():
        found["auroc_mean"] = figure_from_json(part["auroc"])
    for label, part in figures["boxes"].items():
        found |= {f"{name}:{label}": figure_from_json(part[name]) for name in ("ap50", "pointing")}
        found[f"rsna_map:{label}"] = figure_from_json(part["rsna_map"]["score"])
    return found


def holdout_run(
    recipe: str,
    figures: Mapping[str, Any],
    *,
    by: By,
    protocol: Mapping[str, Any],
    known_parts: Mapping[str, Mapping[str, Any]] | None = None,
    quick: bool = False,
) -> RunFile:
    """Return the run file of a package that was measured on one part held out.

    ``known_parts`` has the figures on what it was fitted and chosen on, where they were measured; accuracies are kept.
    """
    known = {"pictures": figures["pictures"], "patients": figures["patients"], "seed": figures["seed"]}
    accuracies = {
        f"accuracy_{name}": figure_from_json(part["accuracy"])
        for name, part in (known_parts or {}).items()
        if "accuracy" in part
    }
    return RunFile(recipe, "holdout", by, 1, {**headline(figures), **accuracies}, {**known, **protocol}, quick)
