"""Tuning: KerasTuner over the ranges that a recipe declares, judged on the validation fold alone.

The test part of the split is not even read. What is found is a recipe like any other, to be trained by ``train``.
"""

import contextlib
import csv
import json
import math
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import tomlkit

from config.errors import SettingsError
from config.logs import get_logger
from training import head_targets
from training.data.examples import Example, Split
from training.fit_any import fit_any
from training.fit_pictures import model_input
from training.learnt import Learnt, Progress, silent
from training.recipe import Recipe, parse_recipe
from training.select import cut_down, select

BEST = "best.toml"
TABLE = "trials.csv"
SEARCHES = ("random", "hyperband", "bayesian")
PLACES: Mapping[str, str] = {
    "learning_rate": "fit",
    "head_learning_rate": "fit",
    "weight_decay": "fit",
    "dropout": "network",
    "rotation_degrees": "augment",
    "zoom": "augment",
}
"""The table that each number of a recipe stands in."""
_LOGARITHMIC = frozenset({"learning_rate", "head_learning_rate", "weight_decay"})
_OBJECTIVE = "validation_loss"
_BATCH = 16
_FACTOR = 3
_RAN_AWAY = 1e6
"""What a search is told of a fit that ran away: the worst number that it can still reckon with."""
_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Trial:
    """One try of one setting."""

    name: str
    values: Mapping[str, float]
    epochs: int
    loss: float
    """Mean loss on the validation fold; infinite where the fit ran away."""


def tune(
    recipe: Recipe,
    data: Path,
    out: Path,
    *,
    search: str = "random",
    trials: int = 10,
    quick: bool = False,
    progress: Progress = silent,
) -> tuple[Trial, ...]:
    """Search a recipe's ranges; write the best recipe and the table of trials into ``out``; return them, best first.

    Parameters
    ----------
    recipe
        Its ``tune`` table declares what is searched, and between what.
    data
        The data folder.
    out
        A folder; a search that was stopped there goes on.
    search
        ``random``, ``hyperband`` (Li et al. 2018: many short fits, the best of them longer) or ``bayesian``.
    trials
        How many settings; for hyperband, how many rounds of it.
    quick
        Few pictures and epochs.
    progress
        Told how far each fit is.

    Raises
    ------
    SettingsError
        When the recipe declares no range, or one that is none.
    DataError
        When the data are incomplete or malformed.
    """
    ranges = declared(recipe)
    selection = select(recipe, data)
    if quick:
        recipe, selection = recipe.cut_down(), cut_down(selection, recipe)
    split = replace(selection.split, test=())
    out.mkdir(parents=True, exist_ok=True)
    kept = out / f"trials-{search}.jsonl"

    def attempt(values: Mapping[str, float], epochs: int | None, name: str) -> float:
        changed = with_values(recipe, values, epochs)
        with tempfile.TemporaryDirectory(dir=out) as scratch:
            try:
                learnt = fit_any(changed, Split(split.training, (), ()), data, Path(scratch), progress=progress)
                loss = validation_loss(learnt, changed, split.validation)
            except SettingsError:  # the fit ran away: the worst that a setting can do, and no reason to stop
                loss = math.inf
        trial = Trial(name, dict(values), changed.fit.epochs, loss)
        _note(kept, trial)
        _log.info("trial done", outcome=f"{_OBJECTIVE} {loss:.4f}")
        return min(loss, _RAN_AWAY)

    _search(attempt, ranges, search, trials, recipe, out)
    found = tuple(sorted(_noted(kept), key=lambda trial: (-trial.epochs, trial.loss)))
    if not found or not math.isfinite(found[0].loss):
        raise SettingsError("every fit ran away: narrow the ranges of the rates in the recipe's tune table")
    _write_table(out / TABLE, found)
    (out / BEST).write_text(as_toml(recipe, found[0].values), encoding="utf-8")
    return found


def declared(recipe: Recipe) -> dict[str, tuple[float, float]]:
    """Return the ranges that a recipe declares, by the number's name."""
    ranges = {name: span for name, span in recipe.tune.model_dump().items() if span is not None}
    if not ranges:
        raise SettingsError(f"recipe {recipe.package.name} declares no ranges: give it a [tune] table")
    for name, (low, high) in ranges.items():
        if not low < high or (name in _LOGARITHMIC and low <= 0):
            raise SettingsError(f"recipe {recipe.package.name}: tune.{name} is no range: give [low, high], low first")
    return ranges


def with_values(recipe: Recipe, values: Mapping[str, float], epochs: int | None = None) -> Recipe:
    """Return the recipe with other numbers, checked as if its file had them."""
    document = recipe.model_dump(mode="json", by_alias=True)
    for name, value in values.items():
        document[PLACES[name]][name] = value
    if epochs is not None:
        document["fit"] |= {"epochs": epochs, "last_epochs": 0}
    return parse_recipe(document, f"{recipe.package.name}, tuned")


def validation_loss(learnt: Learnt, recipe: Recipe, examples: Sequence[Example]) -> float:
    """Return the heads' mean cross-entropy on examples, added up by the recipe's weights; infinite if no number."""
    known = [example for example in examples if head_targets.is_known(example, recipe.heads)]
    outputs: list[list[Any]] = [[] for _ in recipe.heads]
    for start in range(0, len(known), _BATCH):
        batch = np.stack([model_input(recipe, example) for example in known[start : start + _BATCH]])
        answers = learnt.network.predict_on_batch(batch)
        for kept, answer in zip(outputs, answers if isinstance(answers, list) else [answers], strict=False):
            kept.append(np.asarray(answer))
    total = 0.0
    for head, kept in zip(recipe.heads, outputs, strict=True):
        truth = head_targets.targets(known, head, weigh=False)
        total += head.weight * float(np.mean(np.asarray(head_targets.loss(head)(truth, np.concatenate(kept)))))
    return total if math.isfinite(total) else math.inf


def as_toml(recipe: Recipe, values: Mapping[str, float]) -> str:
    """Return the recipe's file with the best values."""
    document = with_values(recipe, values).model_dump(mode="json", by_alias=True, exclude_none=True)
    lines = tomlkit.document()
    lines.add(tomlkit.comment(f"{recipe.package.name}, tuned on its validation fold."))
    lines.update(document)
    return tomlkit.dumps(lines)


def _search(
    attempt: Callable[[Mapping[str, float], int | None, str], float],
    ranges: Mapping[str, tuple[float, float]],
    search: str,
    trials: int,
    recipe: Recipe,
    out: Path,
) -> None:
    """Let KerasTuner choose settings one after another."""
    import keras_tuner

    space = keras_tuner.HyperParameters()
    for name, (low, high) in ranges.items():
        space.Float(name, low, high, sampling="log" if name in _LOGARITHMIC else "linear")
    objective = keras_tuner.Objective(_OBJECTIVE, "min")
    common: dict[str, Any] = {"objective": objective, "hyperparameters": space, "seed": recipe.seed}
    oracles: Mapping[str, Callable[[], Any]] = {
        "random": lambda: keras_tuner.oracles.RandomSearchOracle(max_trials=trials, **common),
        "bayesian": lambda: keras_tuner.oracles.BayesianOptimizationOracle(max_trials=trials, **common),
        "hyperband": lambda: keras_tuner.oracles.HyperbandOracle(
            max_epochs=recipe.fit.epochs, factor=_FACTOR, hyperband_iterations=trials, **common
        ),
    }

    class Attempts(keras_tuner.Tuner):  # type: ignore[misc]
        """A tuner whose trials are fits of a recipe."""

        def run_trial(self, trial: Any, *_unused: Any, **_options: Any) -> Any:
            values = {name: float(trial.hyperparameters.get(name)) for name in ranges}
            # Hyperband says how many epochs a try deserves; each starts from the beginning, which is a fair fit.
            epochs = trial.hyperparameters.values.get("tuner/epochs")
            return {_OBJECTIVE: attempt(values, epochs, trial.trial_id)}

    tuner = Attempts(
        oracle=oracles[search](), hypermodel=_no_model, directory=str(out), project_name=f"search-{search}",
        overwrite=False,
    )  # fmt: skip
    with warnings.catch_warnings():
        # KerasTuner's own, of Python's threading.
        warnings.filterwarnings("ignore", message=r"(currentThread|getName)\(\)", category=DeprecationWarning)
        tuner.search(verbose=0)


def _no_model(_space: Any) -> Any:
    """Answer KerasTuner's question for a model: a trial is the fit of a recipe, which builds its own."""
    return None


def _note(kept: Path, trial: Trial) -> None:
    """Write a trial down at once, so that a search that is stopped loses none."""
    loss = trial.loss if math.isfinite(trial.loss) else None
    row = {"name": trial.name, "values": dict(trial.values), "epochs": trial.epochs, "loss": loss}
    whole = not kept.is_file() or not kept.stat().st_size or kept.read_bytes().endswith(b"\n")
    with kept.open("a", encoding="utf-8") as stream:
        stream.write(("" if whole else "\n") + json.dumps(row) + "\n")


def _noted(kept: Path) -> list[Trial]:
    """Return all trials of a search, also of the runs before this one; of a repeated one the last.

    A line that breaks off is a trial that was stopped while it was written down: the search repeats it.
    """
    rows = []
    for line in kept.read_text(encoding="utf-8").splitlines() if kept.is_file() else ():
        with contextlib.suppress(json.JSONDecodeError):
            rows.append(json.loads(line))
    trials = {row["name"]: Trial(**{**row, "loss": math.inf if row["loss"] is None else row["loss"]}) for row in rows}
    return list(trials.values())


def _write_table(path: Path, trials: Sequence[Trial]) -> None:
    names = sorted(trials[0].values)
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["trial", _OBJECTIVE, "epochs", *names])
        for trial in trials:
            writer.writerow([trial.name, f"{trial.loss:.6g}", trial.epochs, *(f"{trial.values[n]:.6g}" for n in names)])
