"""What else was measured for a shipped package's goals, as the page of models has it; from the files that runs left.

::

    python -m benchmarks.models_page.attempts PACKAGE/figures.json benchmarks/results/models/tried/NAME.json

keeps of a package's figures what goals ask for, and of its protocol what it was measured on. ``attempts.toml`` says in
words what each was, in the order of the page.
"""

import argparse
import json
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from benchmarks.models_page.goals import Goal, goals
from config.errors import DataError
from training.evaluation.markdown import at, shown, table
from training.evaluation.run_file import write_json


@dataclass(frozen=True, slots=True)
class Tried:
    """One thing that was tried for a package's goals."""

    package: str
    run: str
    """The file's name, without its ending."""
    title: str
    """A few words, to stand over a column."""
    words: str
    """What it was, and what became of it."""


def tried() -> list[Tried]:
    """Return all that was tried, in the order of the page."""
    document = tomllib.loads((resources.files("benchmarks.models_page") / "attempts.toml").read_text(encoding="utf-8"))
    return [Tried(**entry) for entry in document["tried"]]


def read_tried(folder: Path) -> dict[str, dict[str, Any]]:
    """Read the figures of all runs of a folder, by the files' names; none where there is no such folder."""
    return {path.stem: _read(path) for path in sorted(folder.glob("*.json"))}


def keep(figures: Path, target: Path) -> None:
    """Keep of a package's figures what goals ask for, whole or not at all.

    Raises
    ------
    DataError
        The file is no package's figures.
    """
    try:
        document = json.loads(figures.read_text(encoding="utf-8"))
        package, protocol, test = document["package"], document["protocol"], document["test"]
        parts = {name: _sizes(part) for name, part in protocol["parts"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{figures} holds no figures of a package ({type(error).__name__})") from error
    kept: dict[str, Any] = {}
    for goal in goals():
        figure = at(test, *goal.figure)
        if figure is not None:
            _put(kept, goal.figure, figure)
    wanted = {"package": package, "seed": protocol["seed"], "split": protocol["split"], "parts": parts, "test": kept}
    write_json(target, wanted)


def tried_section(
    package: str,
    wanted: Sequence[Goal],
    measured: Mapping[str, Any],
    listed: Sequence[Tried],
    there: Mapping[str, Mapping[str, Any]],
) -> str:
    """Return the figures of what was tried beside those of the shipped package; nothing where nothing was."""
    known = [entry for entry in listed if entry.package == package and entry.run in there]
    if not known:
        return ""
    tests = [measured, *(there[entry.run]["test"] for entry in known)]
    rows = [
        (goal.words, goal.shown, *(shown(at(test, *goal.figure)) for test in tests))
        for goal in wanted
        if any(at(test, *goal.figure) for test in tests[1:])
    ]
    header = ("figure, on pictures of the same fold", "goal", "shipped", *(entry.title for entry in known))
    said = "\n".join(f"- **{entry.title}**: {entry.words}" for entry in known)
    return f"### What was tried for these goals\n\n{table(header, rows)}\n\n{said}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Keep one run's figures; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="benchmarks.models_page.attempts", description="Keep a package's figures for the page."
    )
    parser.add_argument("figures", type=Path, help="figures.json of a package")
    parser.add_argument("target", type=Path)
    options = parser.parse_args(arguments)
    keep(options.figures, options.target)
    return 0


def _read(path: Path) -> dict[str, Any]:
    try:
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        for goal in goals():
            shown(at(document["test"], *goal.figure))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path.name} holds no figures that were kept ({type(error).__name__})") from error
    return document


def _sizes(part: Mapping[str, Any]) -> dict[str, Any]:
    return {name: part[name] for name in ("folds", "pictures", "patients")}


def _put(tree: dict[str, Any], path: Sequence[str], leaf: Any) -> None:
    for step in path[:-1]:
        tree = tree.setdefault(step, {})
    tree[path[-1]] = leaf


if __name__ == "__main__":
    sys.exit(main())
