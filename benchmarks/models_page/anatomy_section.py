"""The anatomy network's section of the page of models, from what ``benchmarks.anatomy`` left."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.models_page import results_file
from training.evaluation.markdown import shown, table

RESULTS = Path("benchmarks") / "results" / "anatomy.json"
GOALS = {"lungs_dice": "≥ 0.95", "heart_dice": "≥ 0.94", "ratio_error": "≤ 0.016"}
_TITLE = "## anatomy: lungs and heart"
_HOW = (
    "A small U-Net outlines right lung, left lung and heart; it learnt from JSRT's films and outlines alone. Lungs "
    "are measured on Shenzhen, whose outlines teach nothing, hearts on JSRT, each film by a network of the same "
    "recipe that did not learn from its fold. In brackets: 95 % intervals, bootstrap over patients; distances between"
    " outlines in pixels of an image of 256 pixels a side. *Floor*: what the mean outline of the films that were "
    "learnt from gets, and for the cardiothoracic ratio (CTR) their mean ratio."
)
_CARDIOMEGALY = (
    "How cardiothoracic ratio and heart's share of heart and lungs rank cardiomegaly, as AUROC, on adults' films of "
    "NIH and RSNA, of which the network saw none and whose labels taught it nothing. Beside each question its floors:"
    " the view alone, the header (view, age, sex) alone and the border alone (a frame of 16 of 256 pixels), each by a"
    " logistic regression that was fitted on other patients, and the heart's share of films in another order. Labels "
    "that were mined from reports are wrong for many films. A film without a measure counts as the median."
)
_QUESTION_GOALS = {
    "mined labels of NIH": "≥ 0.80",
    "boxed by a radiologist, against no finding": "≥ 0.90",
}
_FLOORS = ("view", "header", "border", "shuffled")


def read_results(path: Path) -> dict[str, Any] | None:
    """Read the benchmark's results, see :func:`benchmarks.models_page.results_file.read_results`."""
    return results_file.read_results(path, section, "anatomy", "anatomy")


def section(document: Mapping[str, Any]) -> str:
    """Return the section, in Markdown."""
    times = document["milliseconds"]
    pace = (
        f"One image of 2048 × 2048 pixels takes {times['forward_fastest']:.1f} ms in the network and "
        f"{times['whole_fastest']:.0f} ms with its preparation and all measures, fastest of many on a busy processor "
        f"(medians {times['forward_median']:.1f} and {times['whole_median']:.0f} ms)."
    )
    outlines = table(
        ("films", "number", "figure", "measured", "goal", "floor"),
        [row for entry in document["outlines"] for row in _outline_rows(entry)],
    )
    ranked = table(
        ("truth", "view", "films", "with it", "CTR", "heart's share", "goal"),
        [_ranked_row(entry) for entry in document["cardiomegaly"]],
    )
    floors = table(
        ("truth", "view alone", "header alone", "border alone", "shuffled"),
        [_floor_row(entry) for entry in document["cardiomegaly"] if "floors" in entry],
    )
    return "\n\n".join([_TITLE, f"{_HOW} {pace}", outlines, _CARDIOMEGALY, ranked, "Floors:", floors]) + "\n"


_FIGURES = (
    ("lungs_dice", "lungs, Dice"),
    ("lungs_distance", "lungs, distance"),
    ("heart_dice", "heart, Dice"),
    ("heart_distance", "heart, distance"),
    ("ratio_error", "CTR, absolute error"),
    ("ratio_bias", "CTR, error"),
)


def _outline_rows(entry: Mapping[str, Any]) -> list[tuple[str, ...]]:
    left_out = "heart_dice" in entry
    rows = []
    for name, words in _FIGURES:
        if name in entry:
            goal = GOALS.get(name, "–") if left_out != (name == "lungs_dice") else "–"
            floor = entry.get(f"floor_{name}")
            number = str(entry[f"{name}_films"])
            rows.append(
                (entry["films"], number, words, shown(entry[name]), goal, "–" if floor is None else f"{floor:.3f}")
            )
    return rows


def _ranked_row(entry: Mapping[str, Any]) -> tuple[str, ...]:
    goal = _QUESTION_GOALS.get(entry["question"], "–") if entry["view"] == "all" else "–"
    numbers = (str(entry["films"]), str(entry["positives"]))
    return (entry["question"], entry["view"], *numbers, shown(entry["ratio"]), shown(entry["heart_share"]), goal)


def _floor_row(entry: Mapping[str, Any]) -> tuple[str, ...]:
    return (entry["question"], *(shown(entry["floors"][name]) for name in _FLOORS))
