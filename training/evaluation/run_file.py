"""What a run of a recipe leaves behind: one small JSON file, from which ``docs/models.md`` is written.

Cross-validation, training and evaluation write them, nobody types them.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from config.errors import DataError
from training.evaluation.metric import Metric

SCHEMA = 1
Kind = Literal["crossvalidation", "holdout"]
By = Literal["image", "patient"]

FIGURE_NAMES = {
    "accuracy": "accuracy",
    "accuracy_binary": "accuracy, COVID-19 against no finding",
    "accuracy_training": "accuracy on the training pictures",
    "accuracy_validation": "accuracy on the validation pictures",
    "log_loss": "cross-entropy",
    "precision": "precision",
    "recall": "recall (sensitivity)",
    "specificity": "specificity",
    "f1": "F1",
    "auroc": "AUROC",
    "auroc_mean": "AUROC, mean over the findings",
    "auprc": "AUPRC",
    "ece": "expected calibration error",
    "ap50": "average precision at overlap 0.5",
    "rsna_map": "RSNA score, overlaps 0.4 to 0.75",
    "pointing": "surest box's middle inside a true box",
    "parameters": "parameters",
}
"""The figures that recipes report, and the words for them. Figures of one finding carry its label behind a colon,
such as ``auroc:covid19``. Of several classes, precision, recall, specificity, F1 and AUROC are means over the
classes (macro averages)."""
_FIGURE = re.compile(r"[a-z][a-z0-9_]*(:[a-z][a-z0-9_]*)?")


@dataclass(frozen=True, slots=True)
class RunFile:
    """One run's figures with what one must know to compare them."""

    recipe: str
    """The recipe's package name; with an experiment, the name that ``Recipe.experiment`` gives it."""
    kind: Kind
    by: By
    """What stayed whole when pictures were dealt out."""
    folds: int
    """Over how many folds the figures run: 1 for a held-out part."""
    figures: Mapping[str, Metric]
    """By the names of :data:`FIGURE_NAMES`; fractions, not percent. NaN where there is no interval."""
    protocol: Mapping[str, Any] = field(default_factory=dict)
    """At least ``pictures``, ``patients``, ``seed`` and ``list`` (numbers and text that go into the table); such as
    ``classes``, ``epochs``, ``side``, ``weights``, ``version`` and ``note``."""
    quick: bool = False
    """Whether ``--quick`` cut it down: such figures say that the recipe runs, and nothing else."""

    def __post_init__(self) -> None:
        """Refuse figures that nobody could name."""
        for name in self.figures:
            if not _FIGURE.fullmatch(name) or name.partition(":")[0] not in FIGURE_NAMES:
                known = ", ".join(FIGURE_NAMES)
                raise DataError(f"a run file has no figure {name}; it has {known}, each with :label for one finding")

    @property
    def file_name(self) -> str:
        """What its file is called: one for each recipe, kind and way of dealing out, so that a new run replaces it."""
        return f"{self.recipe}-{self.kind}-by-{self.by}{'-quick' if self.quick else ''}.json"


def write_run(folder: Path, run: RunFile) -> Path:
    """Write a run's file into ``folder``, whole or not at all; return where it stands."""
    figures = {name: figure.as_json() for name, figure in run.figures.items()}
    head = {"schema": SCHEMA, "recipe": run.recipe, "kind": run.kind, "by": run.by, "folds": run.folds}
    document = {**head, "quick": run.quick, "figures": figures, "protocol": dict(run.protocol)}
    path = folder / run.file_name
    write_json(path, document)
    return path


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write a document, whole or not at all; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
    partial.replace(path)


def read_run(path: Path) -> RunFile:
    """Read a run's file.

    Raises
    ------
    DataError
        When it is no run file, naming it and what is wrong.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["schema"] != SCHEMA:
            raise DataError(f"{path.name}: schema {document['schema']} is not known here; this program reads {SCHEMA}")
        figures = {name: figure_from_json(entry) for name, entry in document["figures"].items()}
        known = {name: document[name] for name in ("recipe", "kind", "by", "folds", "quick", "protocol")}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path.name} is no run file: run it again ({type(error).__name__})") from error
    return RunFile(figures=figures, **known)


def read_runs(folder: Path) -> tuple[RunFile, ...]:
    """Read all run files of a folder, by name; none where there is no such folder."""
    return tuple(read_run(path) for path in sorted(folder.glob("*.json")))


def figure_from_json(entry: Mapping[str, Any]) -> Metric:
    """Return a figure from ``{"value": …, "interval": [low, high]}``; null is NaN."""
    numbers = (entry["value"], *entry["interval"])
    return Metric(*(math.nan if number is None else float(number) for number in numbers))


def plain(value: float) -> Metric:
    """Return a figure that has no interval, such as a number of parameters."""
    return Metric(float(value), math.nan, math.nan)
