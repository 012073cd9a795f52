"""The report page: one HTML file that opens anywhere, without a network, in light and in dark."""

from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from training.evaluation import plots
from training.evaluation.cases import CaseRow, Read, case_rows
from training.evaluation.charts import interval_bar
from training.evaluation.figures import boxes_on, known_boxes
from training.evaluation.predictions import Predictions
from training.evaluation.record import UNKNOWN
from training.evaluation.resample import Resamples

Document = Mapping[str, Any]
_FEWEST = 2
_SECTIONS = (
    "Against each other, and together", "Findings", "Boxes", "Exclusive classes", "A place kept apart",
    "At each package's own operating points", "Subgroups",
)  # fmt: skip


def report_page(predictions: Predictions, document: Document, read: Read | None = None) -> str:
    """Return the page of an evaluation.

    Parameters
    ----------
    predictions
        What the figures were measured on.
    document
        What :func:`training.evaluation.evaluate.document` made of them.
    read
        How to read an example's picture; the best and worst cases are shown with it, and left out without it. They
        may be patients' pictures, so ask before you pass it.
    """
    main, _ = predictions.kept_apart(tuple((document["figures"]["kept_apart"] or {}).get("prefixes", ())))
    draws = Resamples.of(main.patients, document["figures"]["seed"], 300)
    charts = {label: _finding_charts(main, label, part, draws) for label, part in _findings(document).items()}
    cases: dict[str, list[CaseRow]] = {}
    if read is not None:
        cases = {label: case_rows(main, label, read) for label in charts}
    return render(
        "report.html",
        document=document,
        figures=document["figures"],
        charts={label: made for label, made in charts.items() if made},
        box_charts={label: _box_charts(main, label) for label in document["figures"]["boxes"]},
        cases={label: rows for label, rows in cases.items() if rows},
    )


def compare_page(document: Document) -> str:
    """Return the page of a comparison, from what :func:`training.evaluation.compare.compare` found."""
    sections: dict[str, list[Mapping[str, Any]]] = {}
    for row in document["rows"]:
        sections.setdefault(_section_of(row["path"]), []).append(row)
    bounds = [abs(bound) for row in document["rows"] for bound in row["difference"]["interval"] if bound is not None]
    span = float(np.clip(np.ceil(20 * np.percentile(bounds, 90)) / 20, 0.05, 1.0)) if bounds else 1.0
    ordered = {name: sections[name] for name in _SECTIONS if name in sections}
    return render("compare.html", document=document, sections=ordered, span=span)


def _section_of(path: list[str]) -> str:
    if "subgroups" in path:
        return "Subgroups"
    if "points" in path or "at_half" in path:
        return "At each package's own operating points"
    return {
        "contrasts": "Against each other, and together", "groups": "Against each other, and together",
        "boxes": "Boxes", "classes": "Exclusive classes", "kept_apart": "A place kept apart",
    }.get(path[0], "Findings")  # fmt: skip


def render(template: str, **context: Any) -> str:
    """Fill in one of this room's templates."""
    return _environment().get_template(template).render(**context)


@cache
def _environment() -> Environment:
    folder = resources.files("training.evaluation") / "templates"
    environment = Environment(
        loader=FunctionLoader(lambda name: (folder / name).read_text(encoding="utf-8")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"shown": shown, "bar": _bar, "signed": signed, "words": _words, "heat": _heat}
    environment.filters |= {"used": _used}
    environment.globals |= {"style": Markup((folder / "page.css").read_text(encoding="utf-8"))}  # noqa: S704
    return environment


def shown(figure: Mapping[str, Any] | None, digits: int = 3) -> str:
    """Return a figure with its interval as people write it; a dash where it could not be measured."""
    if figure is None or figure["value"] is None:
        return "–"
    low, high = figure["interval"]
    interval = "" if low is None or high is None else f" [{low:.{digits}f}–{high:.{digits}f}]"
    return f"{figure['value']:.{digits}f}{interval}"


def signed(figure: Mapping[str, Any], digits: int = 3) -> str:
    """Return a difference with its sign and interval."""
    if figure["value"] is None:
        return "–"
    low, high = figure["interval"]
    interval = "" if low is None or high is None else f" [{_sign(low, digits)} to {_sign(high, digits)}]"
    return f"{_sign(figure['value'], digits)}{interval}"


def _sign(number: float, digits: int) -> str:
    text = f"{abs(number):.{digits}f}"
    return text if not float(text) else ("+" if number > 0 else "−") + text


def _bar(
    figure: Mapping[str, Any] | None, low: float = 0.5, high: float = 1.0, reference: float | None = None, css: str = ""
) -> Markup:
    if figure is None:
        return Markup("")
    bounds = figure["interval"]
    return interval_bar(figure["value"], bounds[0], bounds[1], span=(low, high), reference=reference, css=css)


def _used(seen: Mapping[str, int]) -> dict[str, int]:
    """Return the parts that a package is known to have been made from."""
    return {part: count for part, count in seen.items() if part != UNKNOWN}


def _words(label: str) -> str:
    return label.replace("_", " ")


def _heat(count: int, row: list[int]) -> str:
    """Return how dark a cell of the confusion table is: its share of the row, in percent."""
    return f"{100 * count / max(1, sum(row)):.0f}%"


def _findings(document: Document) -> Mapping[str, Any]:
    findings: Mapping[str, Any] = document["figures"]["findings"]
    return findings


def _finding_charts(
    predictions: Predictions, label: str, part: Mapping[str, Any], draws: Resamples
) -> dict[str, Markup]:
    """Return the charts of one finding; none where its pictures all have it, or all have it not."""
    where, truth = predictions.known(label)
    if min(int(truth.sum()), int((~truth).sum())) < _FEWEST:
        return {}
    scores = predictions.scores(label)[where]
    points = predictions.asked(label).points
    return {
        "ROC": plots.roc_plot(scores, truth, points, draws, where),
        "Precision and recall": plots.pr_plot(scores, truth, points),
        "Reliability": plots.reliability_plot(part["reliability"]),
        "Scores": plots.histogram_plot(scores, truth, points),
    }


def _box_charts(predictions: Predictions, label: str) -> dict[str, Markup]:
    boxes = boxes_on(predictions, label, known_boxes(predictions, label))
    points = predictions.asked(label).box_points or (0.5, 0.5)
    named = dict(zip(("sensitive", "specific"), points, strict=True))
    return {"FROC": plots.froc_plot(boxes, named), "Precision and recall of boxes": plots.box_pr_plot(boxes)}
