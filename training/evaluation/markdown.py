"""Figures as people read them, in Markdown: for cards and for the page of models."""

from collections.abc import Mapping, Sequence
from typing import Any

Cells = tuple[str, str]
Figures = Mapping[str, Any]
"""What stands in a package's ``figures.json``, or a table of it."""


def table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


def shown(figure: Mapping[str, Any] | None, digits: int = 3) -> str:
    """Return a figure with its interval; a dash where it could not be measured."""
    if figure is None or figure["value"] is None:
        return "–"
    low, high = figure["interval"]
    interval = f" [{low:.{digits}f}–{high:.{digits}f}]" if low is not None and high is not None else ""
    return f"{figure['value']:.{digits}f}{interval}"


def at(figures: Mapping[str, Any] | None, *path: str) -> Any:
    """Return what stands at a path of nested tables; None where a step is missing."""
    part: Any = figures
    for step in path:
        if not isinstance(part, Mapping) or step not in part:
            return None
        part = part[step]
    return part


def folds(part: Figures) -> str:
    """Return the folds of a part of the data; a dash where the data set's folds were not used."""
    numbers = part.get("folds", ())
    if not numbers:
        return "–"
    return ("fold " if len(numbers) == 1 else "folds ") + ", ".join(str(number) for number in numbers)


def headline_rows(measured: Mapping[str, Any]) -> list[Cells]:
    """Return (what, figure) of what matters most among the figures of :func:`training.evaluation.figures.figures`."""
    rows: list[Cells] = [
        (f"{part['words']}, AUROC ({part['positives']} against {part['negatives']})", shown(part["auroc"]))
        for part in measured["contrasts"].values()
    ]
    rows += [(f"Mean over {part['words']}, AUROC", shown(part["auroc"])) for part in measured["groups"].values()]
    rows += [
        (f"Kept-apart place: {part['words']}, AUROC", shown(part["auroc"]))
        for part in (at(measured, "kept_apart", "contrasts") or {}).values()
    ]
    for part in measured["boxes"].values():
        rows += [
            (f"Boxes of {_small(part['title'])}: average precision at overlap 0.5", shown(part["ap50"])),
            (f"Boxes of {_small(part['title'])}: RSNA score, overlaps 0.4 to 0.75", shown(part["rsna_map"]["score"])),
            (f"Boxes of {_small(part['title'])}: surest box's middle inside a true box", shown(part["pointing"])),
        ]
    for name, part in measured["classes"].items():
        rows.append((f"Exclusive classes ({name}): accuracy", shown(part["accuracy"])))
    return rows


def finding_rows(measured: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Return (finding, with / all, AUROC, AUPRC, calibration error, the same by chance) of each finding."""
    return [
        (
            part["title"],
            f"{part['positives']} / {part['pictures']}",
            *(shown(part.get(name)) for name in ("auroc", "auprc", "ece", "ece_by_chance")),
        )
        for part in measured["findings"].values()
    ]


FINDING_HEADER = ("finding, against all pictures known not to have it", "with / all", "AUROC", "AUPRC",
                  "calibration error", "the same, were it perfectly calibrated")  # fmt: skip


def _small(title: str) -> str:
    return title if title[:2].isupper() else title[0].lower() + title[1:]
