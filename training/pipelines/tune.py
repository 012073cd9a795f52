"""Tuning: KerasTuner over the ranges that a recipe declares, judged on the validation fold alone.

The test part of the split is not even read. What is found is a recipe like any other, to be trained by ``train``.
"""

import contextlib
import csv
import json
import math
import shutil
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import tomlkit

from config.errors import SettingsError
from config.logs import get_logger
from training.data.examples import Example, Split
from training.data.known_labels import is_known
from training.data.selection import cut_down, select_examples
from training.evaluation.run_file import write_json
from training.fit import head_targets
from training.fit.cache_key import fit_key, of_file
from training.fit.end_to_end import model_input
from training.fit.fit_network import fit_network, starting_weights
from training.fit.result import FitResult, Progress, silent
from training.pipelines.train import CACHE
from training.recipe.recipe import Recipe, parse_recipe

BEST = "best.toml"
SEARCH = "search.json"
"""Says whose search a folder holds."""
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
    work: Path | None = None,
    weights: Path | None = None,
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
    work, weights, quick, progress
        As :func:`training.pipelines.train.train` has them.

    Raises
    ------
    SettingsError
        When the recipe declares no range, or one that is none, or ``out`` holds another search.
    DataError
        When the data are incomplete or malformed.
    """
    ranges = declared(recipe)
    start = starting_weights(recipe, data, weights)
    selection = select_examples(recipe, data)
    if quick:
        recipe, selection = recipe.cut_down(), cut_down(selection, recipe)
    split = replace(selection.split, test=())
    key = fit_key(recipe, {"training": split.training, "validation": split.validation}, of_file(start), recipe.tune)
    _claim(out, recipe, key)
    kept = out / f"trials-{search}.jsonl"
    moved = any(PLACES[name] == "augment" for name in ranges)
    own = moved or not recipe.network_kind.shares_features
    room = (work or CACHE) / f"tune-{key}" if own else work or CACHE
    fits = _Fits(recipe, split, data, kept, weights, progress, room=room, own=own, moved=moved)
    _search(fits, ranges, search, trials, recipe, out)
    fits.clear()
    found = tuple(sorted(_noted(kept), key=lambda trial: (-trial.epochs, trial.loss)))
    if not found or not math.isfinite(found[0].loss):
        raise SettingsError("every fit ran away: narrow the ranges of the rates in the recipe's tune table")
    _write_table(out / TABLE, found)
    (out / BEST).write_text(as_toml(recipe, found[0].values), encoding="utf-8")
    return found


@dataclass(frozen=True, slots=True)
class _Fits:
    """Fits of one recipe with other numbers, each judged and written down."""

    recipe: Recipe
    split: Split
    data: Path
    kept: Path
    weights: Path | None
    progress: Progress
    room: Path
    """What may be thrown away: the cache, so that its trunk maps are used by every try, or a folder of its own."""
    own: bool
    """Whether the room is this search's alone."""
    moved: bool
    """Whether every try alters pictures in another way, so that no other finds trunk maps of use."""

    def __call__(self, values: Mapping[str, float], epochs: int | None, name: str) -> float:
        """Fit, judge and write down one try; return its loss."""
        changed = with_values(self.recipe, values, epochs)
        seen, forget = Split(self.split.training, (), ()), None
        try:
            fitted = fit_network(changed, seen, self.data, self.room, weights=self.weights, progress=self.progress)
            loss, forget = validation_loss(fitted, changed, self.split.validation), fitted.forget
        except SettingsError:  # the fit ran away: the worst that a setting can do, and no reason to stop
            loss = math.inf
        _note(self.kept, Trial(name, dict(values), changed.fit.epochs, loss))
        if forget is not None:
            forget()
        if self.moved:
            self.clear()
        _log.info("trial done", outcome=f"{_OBJECTIVE} {loss:.4f}")
        return min(loss, _RAN_AWAY)

    def clear(self) -> None:
        """Remove what is of no use to any other try."""
        if self.own:
            shutil.rmtree(self.room, ignore_errors=True)


def _claim(out: Path, recipe: Recipe, key: str) -> None:
    """Write down whose search a folder holds; raise :class:`SettingsError` where it holds another."""
    claim = out / SEARCH
    if claim.is_file():
        try:
            there = json.loads(claim.read_text(encoding="utf-8"))
        except ValueError:
            there = None
        if isinstance(there, dict) and there.get("key") == key:
            return
    elif not any(out.glob("trials-*")):
        write_json(claim, {"recipe": recipe.package.name, "key": key})
        return
    raise SettingsError(
        f"{out} holds another search, of another recipe, other ranges, data or weights, or by another version of this "
        "program: give another folder"
    )


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


def validation_loss(fitted: FitResult, recipe: Recipe, examples: Sequence[Example]) -> float:
    """Return the heads' mean cross-entropy on examples, added up by the recipe's weights; infinite if no number."""
    known = [example for example in examples if is_known(example, recipe.heads)]
    outputs: list[list[Any]] = [[] for _ in recipe.heads]
    for start in range(0, len(known), _BATCH):
        batch = np.stack([model_input(recipe, example) for example in known[start : start + _BATCH]])
        answers = fitted.network.predict_on_batch(batch)
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

    # KerasTuner says on standard output that it goes on; what is printed there is the command's answer alone.
    with warnings.catch_warnings(), contextlib.redirect_stdout(sys.stderr):
        tuner = Attempts(
            oracle=oracles[search](), hypermodel=_no_model, directory=str(out), project_name=f"search-{search}",
            overwrite=False,
        )  # fmt: skip
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
