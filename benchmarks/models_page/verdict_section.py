"""The verdict's section of the page of models, from what ``benchmarks.verdict`` left."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.models_page import results_file
from training.evaluation.markdown import table

RESULTS = Path("benchmarks") / "results" / "verdict.json"
_TITLE = "## verdict: what an image shows"
_HOW = (
    "Before any finding is looked for, a small network says whether an image is a whole, positive, upright frontal "
    "chest radiograph. It is measured on collections it never saw. *shipped* is the package in use; *twin* a network "
    "of the same recipe that learnt frontal films from NIH and RSNA alone, so that those of others are unseen. "
    "All laterals there are come from ieee8023; those that are measured are of patients the network never saw. "
    "Negatives, turned images, halves and details are made of each collection's good films. Films found by eye not "
    "to be what their row says are left out and listed (`benchmarks/verdict_known_wrong.csv`). In brackets: 95 % "
    "intervals after Wilson."
)
_WITHOUT_NAME = frozenset({"known wrong", "left out"})
_COST = "What another `inference.verdict_threshold` costs, over the rows above that have a goal."


def read_results(path: Path) -> dict[str, Any] | None:
    """Read the benchmark's results, see :func:`benchmarks.models_page.results_file.read_results`."""
    return results_file.read_results(path, section, "a verdict", "verdict")


def section(document: Mapping[str, Any]) -> str:
    """Return the section, in Markdown."""
    times, accept = document["milliseconds"], document["margin"]["accept"]
    pace = (
        f"One image takes {times['forward_fastest']:.2f} ms in the network and {times['whole_fastest']:.1f} ms with "
        "shrinking 2048 × 2048 pixels to its input, fastest of many on one thread of a busy processor (medians "
        f"{times['forward_median']:.2f} and {times['whole_median']:.1f} ms)."
    )
    measured = table(
        ("network", "source", "images", "number", "stopped", "goal", "named"),
        [_row(row, accept, document["goals"]) for row in document["rows"]],
    )
    cost = table(
        ("threshold", "good films stopped", "at the worst collection", "others passed", "most of one kind"),
        [_cost(document, entry["accept"]) for entry in document["rows"][0]["stopped"]],
    )
    own = (
        f"Stopped at the package's own margin ({accept:g}), which was chosen with both networks' figures on these very "
        "collections in view. *Named*: the verdict names the right kind. *Left out*: films that were looked at because "
        "a network stopped them, and found to be no whole chest of an adult; they are not among the good ones. "
        f"{_counted_as_good(document, accept)} Over all good films the goal is at most "
        f"{100 * document['goals']['good']:g} %. Hands, abdomens, mammograms, animals and text are drawings, for no "
        "real ones were at hand."
    )
    return "\n\n".join([_TITLE, f"{_HOW} {pace}", own, measured, _COST, cost]) + "\n"


def _counted_as_good(document: Mapping[str, Any], accept: float) -> str:
    """Return what the share of good films stopped would be had none been left out, for each network."""
    shares = []
    for network in dict.fromkeys(row["network"] for row in document["rows"]):
        rows = [row for row in document["rows"] if row["network"] == network and row["kind"] in {"good", "left out"}]
        stopped, films = sum(_at(row, accept)["count"] for row in rows), sum(row["images"] for row in rows)
        shares.append(f"{network} {stopped} of {films} ({_percent(stopped, films)})")
    return f"Were they counted as good, there would be stopped: {', '.join(shares)}."


def _row(row: Mapping[str, Any], accept: float, goals: Mapping[str, float]) -> tuple[str, ...]:
    stopped, goal = _at(row, accept), goals.get(row["kind"])
    wanted = "–" if goal is None else f"at least {100 * goal:g} %"
    if row["kind"] == "good":
        wanted = "at most 1 %"
    return (
        row["network"],
        row["source"],
        row["kind"],
        str(row["images"]),
        f"{100 * stopped['share']:.2f} % [{100 * stopped['low']:.2f}–{100 * stopped['high']:.2f}]",
        wanted,
        "–" if row["kind"] in _WITHOUT_NAME else str(row["named"]),
    )


def _cost(document: Mapping[str, Any], accept: float) -> tuple[str, ...]:
    good = [row for row in document["rows"] if row["kind"] == "good"]
    others = [row for row in document["rows"] if row["kind"] in document["goals"] and row["kind"] != "good"]
    large = [row for row in good if row["images"] >= 100]
    through = [(1 - _at(row, accept)["share"], row) for row in others]
    worst = max(through, key=lambda pair: pair[0])
    return (
        f"{accept:g}",
        _percent(sum(_at(row, accept)["count"] for row in good), sum(row["images"] for row in good)),
        _worst(large, accept) if large else "–",
        _percent(
            sum(row["images"] - _at(row, accept)["count"] for row in others), sum(row["images"] for row in others)
        ),
        f"{100 * worst[0]:.2f} % ({worst[1]['kind']}, {worst[1]['source']})",
    )


def _worst(rows: list[Mapping[str, Any]], accept: float) -> str:
    row = max(rows, key=lambda row: _at(row, accept)["share"])
    return f"{100 * _at(row, accept)['share']:.2f} % ({row['source']}, {row['network']})"


def _percent(count: int, of: int) -> str:
    return f"{100 * count / max(1, of):.2f} %"


def _at(row: Mapping[str, Any], accept: float) -> Mapping[str, Any]:
    return next(entry for entry in row["stopped"] if entry["accept"] == accept)
