"""The section of the page of models on heads from many sources, from what ``benchmarks.heads`` left."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.models_page import results_file
from training.evaluation.markdown import shown, table

RESULTS = Path("benchmarks") / "results" / "heads.json"
_TITLE = "## Heads from many sources"
_NAMES = {"shipped": "shipped", "heads": "many sources"}
_GROUPS = (
    "normals read by radiologists", "bimcv", "shenzhen tuberculosis", "shenzhen normal", "jsrt normal",
)  # fmt: skip


def read_results(path: Path) -> dict[str, Any] | None:
    """Read the benchmark's results, see :func:`benchmarks.models_page.results_file.read_results`."""
    return results_file.read_results(path, section, "heads", "heads")


def section(document: Mapping[str, Any]) -> str:
    """Return the section, in Markdown."""
    films, floors = document["films"], document["floors"]
    how = (
        "The recipe `chest-heads` fits the head of the eight conditions anew on the networks of "
        f"{document['package']['name']} {document['package']['version']}, which stay as they are, from films of many "
        "sources with what each makes known: radiologists' boxes and reads, mined labels, and films of COVID-19 and "
        "tuberculosis as negatives of what these do not show. It is a measurement, not the package in use. "
        f"{films['hidden']} of {films['all']} films are of patients that the networks never saw, and only these are "
        "measured, each by heads that did not learn from its patient; bimcv, Shenzhen and JSRT by heads that did not "
        f"learn from the whole collection. {films['soft']} films were also shown soft (224 pixels, blurred, noisy). "
        "In brackets: 95 % intervals, bootstrap over patients."
    )
    means = table(
        ("mean AUROC of the eight conditions, mined labels of NIH, hidden patients", "measured"),
        [
            *((_NAMES[name], shown(figure)) for name, figure in document["means"].items()),
            *((f"floor: {name}", shown(figure)) for name, figure in floors.items()),
        ],
    )
    ranked = table(
        ("finding", "heads", "mined labels", "ChestX-Det's reads", "boxed against no finding"),
        [
            (_words(label), _NAMES[name], *(shown(one.get(kind)) for kind in ("mined", "read", "boxed")))
            for label, pair in document["findings"].items()
            for name, one in pair.items()
        ],
    )
    calls = table(
        ("finding", "heads", "called of those that have it", "the same films, soft", "right by ChestX-Det", *_GROUPS),
        [
            (
                _words(label), _NAMES[name], _share(one["sensitivity"]), _share(one["shown_soft"]), _right(one),
                *(_share(one["groups"][group]) for group in _GROUPS),
            )
            for label, pair in document["findings"].items()
            for name, one in pair.items()
        ],
    )  # fmt: skip
    several = table(
        ("three or more of the eight called", *next(iter(document["several"].values()))),
        [(_NAMES[name], *map(_share, groups.values())) for name, groups in document["several"].items()],
    )
    parts = [_TITLE, how, means, ranked, _CALLS, calls, several]
    if "opacity" in document:
        parts += [_OPACITY, table(("specificity", "point", "right", "found", *_GROUPS), _opacity(document["opacity"]))]
    return "\n\n".join(parts) + "\n"


_CALLS = (
    "Calls are counted at the point where 95 % of the films of the hospital learnt from, known not to have the "
    "finding, are below it. *Soft*: copies, as collections of 224 pixels show films; heads that learn from soft "
    "normals and sharp others alone say nothing of a soft film, sick or not."
)
_OPACITY = (
    "Opacity keeps its head. What lower points of it would do, on the same hidden films; *specificity* on films of the "
    "hospital learnt from that radiologists read, *right* by these reads. The goal is at least 60 % of bimcv together "
    "with at most 10 % of normals of a source never seen."
)


def _opacity(points: list[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    return [
        (
            f"{point['specificity']:.2f}", f"{point['point']:.3f}",
            f"{point['right']['right']} of {point['right']['calls']}", _share(point["sensitivity"]),
            *(_share(point["groups"][group]) for group in _GROUPS),
        )
        for point in points
    ]  # fmt: skip


def _words(label: str) -> str:
    return label.replace("_", " ")


def _share(counts: Mapping[str, int]) -> str:
    return f"{100 * counts['calls'] / counts['images']:.0f} % of {counts['images']}" if counts["images"] else "–"


def _right(one: Mapping[str, Any]) -> str:
    return f"{one['right']['right']} of {one['right']['calls']}" if "right" in one else "–"
