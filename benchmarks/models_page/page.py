"""Write ``docs/models.md`` from the files that runs left: no number on it is typed by hand.

::

    python -m benchmarks.models_page docs/models.md

Runs of recipes are read from ``benchmarks/results/models``, cross-validations from its folder ``folds``, learning
curves from its folder ``curves``, what was tried for goals from its folder ``tried``, what was reported for recipes
from ``reported.toml``, the goals of shipped packages from ``goals.toml``, and their figures from the packages
themselves.
"""

import argparse
import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from benchmarks.models_page import anatomy_section as anatomy
from benchmarks.models_page import heads_section as heads
from benchmarks.models_page import verdict_section as verdict
from benchmarks.models_page.attempts import read_tried, tried, tried_section
from benchmarks.models_page.fold_tables import folds_section, read_folds
from benchmarks.models_page.goals import Goal, goals, obstacles
from config.errors import DataError
from inference.package import BUILT_IN, FIGURES, MANIFEST, AnyPackage, load_package
from training.evaluation.markdown import FINDING_HEADER, Cells, at, finding_rows, headline_rows, shown, table
from training.evaluation.metric import Metric
from training.evaluation.record import figures_of
from training.evaluation.run_file import FIGURE_NAMES, RunFile, read_runs
from training.recipe.shipped_recipes import varied

RUNS = Path("benchmarks") / "results" / "models"
CURVES = RUNS / "curves"
FOLDS = RUNS / "folds"
TRIED = RUNS / "tried"
_PERCENT = frozenset({"accuracy", "accuracy_binary", "accuracy_training", "accuracy_validation", "precision", "recall",
                      "specificity", "f1"})  # fmt: skip
_HEAD = """\
# Models

Written by `python -m benchmarks.models_page docs/models.md` from the files that the runs left; do not edit. Everything
here is for research use: no package is a medical device.
"""
_RECIPES = """\
## Recipes: reported and measured here

By image is how most figures were published: pictures of one patient stand on both sides of the split, and a network can
know the patient. By patient, no patient is on both sides; that is what a new patient would see. In brackets: 95 %
intervals, bootstrap over patients. A dash: not measured, or not reported.
"""


@dataclass(frozen=True, slots=True)
class Reported:
    """What was reported for a recipe elsewhere."""

    name: str
    source: str
    protocol: str
    figures: Mapping[str, float]
    absent: str = ""
    """Why it was not run here, where it cannot be."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="benchmarks.models_page", description="Write the page of models from their figures."
    )
    parser.add_argument("page", type=Path)
    parser.add_argument("packages", type=Path, nargs="*", help="package folders (default: the built-in ones)")
    parser.add_argument("--runs", type=Path, default=RUNS, help=f"folder of the recipes' run files (default: {RUNS})")
    options = parser.parse_args(arguments)
    text = page(
        options.packages or built_in(),
        read_runs(options.runs),
        read_folds(options.runs / FOLDS.name),
        read_curves(options.runs / CURVES.name),
        read_tried(options.runs / TRIED.name),
        verdict.read_results(verdict.RESULTS),
        anatomy.read_results(anatomy.RESULTS),
        heads.read_results(heads.RESULTS),
    )
    options.page.write_text(text, encoding="utf-8")
    return 0


def built_in() -> list[Path]:
    """Return the folders of the packages of findings that come with the program."""
    folders = sorted(folder for folder in BUILT_IN.glob("*") if (folder / FIGURES).is_file())
    others = ('kind = "verdict"', 'kind = "anatomy"')
    texts = {folder: (folder / MANIFEST).read_text(encoding="utf-8") for folder in folders}
    return [folder for folder, text in texts.items() if not any(kind in text for kind in others)]


def page(
    folders: Sequence[Path],
    runs: Sequence[RunFile],
    folds: Sequence[Mapping[str, Any]] = (),
    curves: Sequence[Mapping[str, Any]] = (),
    others: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
    judged: Mapping[str, Any] | None = None,
    outlined: Mapping[str, Any] | None = None,
    refitted: Mapping[str, Any] | None = None,
) -> str:
    """Return the page for these packages, runs, cross-validations, curves, what was tried, and other networks."""
    packages = [load_package(folder) for folder in folders]
    sections = [_HEAD, f"{_RECIPES}\n{recipes_table(reported(), runs)}\n"]
    sections.append(folds_section(folds, {entry.name: entry.figures for entry in reported()}))
    sections += [_package(package, others) for package in packages]
    sections += [heads.section(refitted)] if refitted is not None else []
    sections += [verdict.section(judged)] if judged is not None else []
    sections += [anatomy.section(outlined)] if outlined is not None else []
    return "\n".join(section for section in (*sections, *(_curve(one) for one in curves)) if section)


def read_curves(folder: Path) -> list[dict[str, Any]]:
    """Read the learning curves of a folder, by name; none where there is no such folder."""
    return [_read_curve(path) for path in sorted(folder.glob("*.json"))]


def _read_curve(path: Path) -> dict[str, Any]:
    try:
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        _curve(document)
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise DataError(f"{path.name} is no learning curve: run it again ({type(error).__name__})") from error
    return document


def reported() -> list[Reported]:
    """Return what was reported for each recipe."""
    document = tomllib.loads((resources.files("benchmarks.models_page") / "reported.toml").read_text(encoding="utf-8"))
    return [Reported(**entry) for entry in document["recipe"]]


def recipes_table(known: Sequence[Reported], runs: Sequence[RunFile]) -> str:
    """Return the table reported / measured here / protocol: one row a figure, recipes in the order of ``known``.

    A recipe's experiment stands in its recipe's place where the recipe as it is was not run.
    """
    names = list(dict.fromkeys([entry.name for entry in known] + [varied(run.recipe)[0] for run in runs]))
    there = {entry.name: entry for entry in known}
    rows: list[tuple[str, ...]] = []
    for name in names:
        rows += _recipe_rows(name, there.get(name), [run for run in runs if varied(run.recipe)[0] == name])
    notes = [f"- `{entry.name}`: {entry.source}{f'; {entry.protocol}' if entry.protocol else ''}." for entry in known]
    header = ("recipe", "figure", "reported", "measured here, by image", "measured here, by patient", "protocol here")
    return table(header, rows) + "\n\nWhat was reported, and how:\n\n" + "\n".join(notes)


def _recipe_rows(name: str, known: Reported | None, runs: Sequence[RunFile]) -> list[tuple[str, ...]]:
    image, patient = _best(runs, "image"), _best(runs, "patient")
    measured = [run for run in (image, patient) if run is not None]
    figures = list(dict.fromkeys([*(known.figures if known else ()), *(f for run in measured for f in run.figures)]))
    if len(figures) > 12:  # one AUROC a finding would bury the rest; the package's own section has them
        figures = [figure for figure in figures if not figure.startswith("auroc:")]
    said = "; ".join(dict.fromkeys(_protocol(run) for run in measured)) or (known and known.absent) or "not run yet"
    rows = []
    for place, figure in enumerate(figures or [""]):
        cells = [_cell(figure, run.figures.get(figure) if run else None) for run in (image, patient)]
        value = known.figures.get(figure) if known else None
        first = (f"`{name}`", said) if place == 0 else ("", "")
        rows.append((first[0], _figure_words(figure), _cell(figure, _point(value)), *cells, first[1]))
    return rows


def _best(runs: Sequence[RunFile], by: str) -> RunFile | None:
    """Return the run to show: a full one before a quick one, the recipe before its experiments, folds before a part."""
    order = sorted(
        (run for run in runs if run.by == by),
        key=lambda run: (run.quick, bool(varied(run.recipe)[1]), run.kind != "crossvalidation"),
    )
    return order[0] if order else None


def _point(value: float | None) -> Metric | None:
    return None if value is None else Metric(value, float("nan"), float("nan"))


def _figure_words(figure: str) -> str:
    if not figure:
        return "–"
    name, _, label = figure.partition(":")
    return FIGURE_NAMES[name] + (f", {label.replace('_', ' ')}" if label else "")


def _cell(figure: str, value: Metric | None) -> str:
    if value is None or not np.isfinite(value.value):
        return "–"
    name = figure.partition(":")[0]
    if name == "parameters":
        return f"{int(value.value):,}"
    scale, unit, digits = (100, " %", 1) if name in _PERCENT else (1, "", 3)
    if name in _PERCENT and np.isnan(value.low):
        digits = 2
    text = f"{scale * value.value:.{digits}f}{unit}"
    if np.isfinite(value.low) and np.isfinite(value.high):
        text += f" [{scale * value.low:.{digits}f}–{scale * value.high:.{digits}f}]"
    return text


def _protocol(run: RunFile) -> str:
    known, experiment = run.protocol, varied(run.recipe)[1]
    how = f"{run.folds} folds" if run.kind == "crossvalidation" else "a part held out"
    parts = [
        f"by {run.by}: {how}",
        f"experiment `{experiment}`" if experiment else "",
        f"{known['pictures']} pictures of {known['patients']} patients" if "pictures" in known else "",
        f"list {known['list']}" if known.get("list") else "",
        f"{known['epochs']} epochs" if known.get("epochs") else "",
        f"{known['side']} px" if known.get("side") else "",
        f"weights: {Path(str(known['weights'])).name}" if known.get("weights") else "",
        f"seed {known['seed']}" if "seed" in known else "",
        str(known.get("note", "")),
        "**a quick run, which shows only that the recipe works**" if run.quick else "",
    ]
    return ", ".join(part for part in parts if part)


def _package(package: AnyPackage, others: Mapping[str, Mapping[str, Any]]) -> str:
    figures = figures_of(package)
    manifest = package.manifest
    megabytes = sum(package.path(name).stat().st_size for name in manifest.files) / 1e6
    inputs = ", ".join(
        dict.fromkeys(f"{member.manifest.input.rows} × {member.manifest.input.columns}" for member in package.members)
    )
    parts = [f"## {manifest.name} {manifest.version}", f"{manifest.title}. Input {inputs}, {megabytes:.0f} MB.",
             _made(figures)]  # fmt: skip
    wanted = [goal for goal in goals() if goal.package == manifest.name]
    if wanted:
        parts.append(goals_table(wanted, figures["test"]))
        parts.append(_obstacles(manifest.name))
        parts.append(tried_section(manifest.name, wanted, figures["test"], tried(), others))
    if rows := headline_rows(figures["test"]):
        parts.append(table(*_beside_members(package, rows)))
    parts.append(table(FINDING_HEADER, finding_rows(figures["test"])))
    return "\n\n".join(part for part in parts if part) + "\n"


def _obstacles(package: str) -> str:
    """Return what stands between a package and its goals; nothing where nothing is said."""
    known = [f"- **{entry.title}**: {entry.words}" for entry in obstacles() if entry.package == package]
    return "\n".join(["What stands in the way of those that are missed:", "", *known]) if known else ""


def _beside_members(package: AnyPackage, rows: Sequence[Cells]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return header and rows of a package's headline figures, beside those of each network that it averages."""
    if len(package.members) == 1:
        return ("figure, test pictures", "measured here"), list(rows)
    alone = [dict(headline_rows(figures_of(member)["test"])) for member in package.members]
    header = (
        "figure, test pictures",
        "measured here",
        *(f"network {place} alone" for place in range(1, len(alone) + 1)),
    )
    return header, [(what, figure, *(one.get(what, "–") for one in alone)) for what, figure in rows]


def _curve(document: Mapping[str, Any]) -> str:
    """Return the section of one learning curve."""
    points, measured_on = document["points"], document["measured_on"]
    header = ("figure", *(f"{point['pictures']} pictures, {point['patients']} patients" for point in points))
    rows = [
        (_figure_words(name), *(shown(point["figures"].get(name)) for point in points))
        for name in points[-1]["figures"]
    ]
    return (
        f"## Learning curve of `{document['recipe']}`\n\nFitted anew on growing shares of the training patients, seed "
        f"{document['seed']}; measured on the {measured_on['part']} ({measured_on['pictures']} pictures of "
        f"{measured_on['patients']} patients), nothing calibrated. What still climbs from column to column would "
        f"climb on with more pictures.\n\n{table(header, rows)}\n"
    )


def goals_table(wanted: Sequence[Goal], measured: Mapping[str, Any]) -> str:
    """Return the table goal / measured / met; a goal whose interval reaches past it is met, and said to be unsure."""
    rows = []
    for goal in wanted:
        figure = at(measured, *goal.figure)
        if figure is None or figure["value"] is None:
            rows.append((goal.words, goal.shown, "–", "not measured"))
            continue
        bounds = [bound for bound in figure["interval"] if bound is not None]
        verdict = "**yes**" if goal.met(figure["value"]) else "no"
        if goal.met(figure["value"]) and not all(goal.met(bound) for bound in bounds):
            verdict = "yes; the interval reaches past it"
        elif not goal.met(figure["value"]) and any(goal.met(bound) for bound in bounds):
            verdict = "no; the interval reaches it"
        rows.append((goal.words, goal.shown, shown(figure), verdict))
    return table(("figure, by patient, fold never trained on", "goal", "measured", "met"), rows)


def _made(figures: Mapping[str, Any]) -> str:
    protocol = figures["protocol"]
    parts = {name: part for name, part in protocol["parts"].items() if part["pictures"]}
    said = {"training": "fitted on", "validation": "calibrated on", "test": "measured on",
            "training_mined_labels": "also fitted on, with mined labels only,",
            "kept_apart": "kept apart:"}  # fmt: skip
    twin = protocol.get("twin")
    if twin:
        folds = ", ".join(str(fold) for fold in twin["folds"])
        said["validation"] = (
            f"calibrated, by twins fitted without them on {twin['pictures']} pictures (fold {folds}), on"
        )
    words = [
        f"{said.get(name, name)} {part['pictures']} pictures of {part['patients']} patients"
        + (
            f" (fold {', '.join(str(fold) for fold in part['folds'])})"
            if part["folds"] and name != "kept_apart"
            else ""
        )
        for name, part in parts.items()
    ]
    quick = " **A quick run: not a model to use.**" if protocol["quick"] else ""
    return (
        f"Protocol: split {protocol['split']}; {'; '.join(words)}; seed {protocol['seed']}. "
        f"Intervals: {protocol['intervals']}.{quick}"
    )
