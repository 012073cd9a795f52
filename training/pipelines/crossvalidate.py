"""Cross-validation on a published list: every recipe on the same folds, every picture predicted once.

Folds follow from the list, what stays whole (a picture or a patient) and a seed alone, so that recipes, tasks and runs
can be paired. A fold's model never sees the fold: there is no choice of an epoch, no calibration, no threshold but the
largest probability. What was predicted is kept fold by fold, so a run that was stopped goes on.
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from config.errors import DataError, SettingsError
from config.logs import get_logger
from training.data.examples import Example, Split, refuse_leak
from training.data.lists import restrict
from training.data.readers import open_data
from training.data.splits import By, deal, require_classes
from training.fit.cache_key import fit_key, of_file
from training.fit.fit_network import fit_network, starting_weights
from training.fit.result import FitResult, Progress, silent
from training.recipe.recipe import FindingSettings, HeadSettings, Recipe

Task = Literal["three", "binary"]
POSITIVE = "covid19"
TASKS: Mapping[Task, tuple[str, ...]] = {
    "three": ("no_finding", "pneumonia", POSITIVE),
    "binary": ("no_finding", POSITIVE),
}
"""The classes of each task of the DarkCovidNet list; a binary run leaves the other pneumonias out."""
WORK = Path(".cache") / "crossvalidate"
_BATCH = 16
_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Protocol:
    """How pictures are dealt out, the same for every recipe of a run."""

    task: Task
    by: By = "image"
    folds: int = 5
    seed: int = 1
    quick: bool = False
    """Few pictures and epochs: to see that all works."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The task's classes."""
        return TASKS[self.task]


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a model that never saw a picture says about it."""

    file: str
    patient: str
    truth: int
    """Index of the class."""
    probabilities: tuple[float, ...]
    fold: int


@dataclass(frozen=True, slots=True)
class Fold:
    """One fold of one recipe."""

    predictions: tuple[Prediction, ...]
    training: int
    """Pictures that its model was fitted on."""
    seconds: float
    parameters: int
    """Numbers that its network consists of."""
    losses: tuple[dict[str, float], ...]


def crossvalidate(
    recipes: Sequence[Recipe], data: Path, protocol: Protocol, *, work: Path = WORK, progress: Progress = silent
) -> dict[str, tuple[Fold, ...]]:
    """Fit every recipe once a fold and return what each model says about the pictures it never saw, by recipe name.

    Raises
    ------
    SettingsError
        When the recipes do not share a reader and a list, or two have one name.
    DataError
        When the data are incomplete or malformed, or a class is missing from a part.
    """
    names = [recipe.package.name for recipe in recipes]
    if len(set(names)) < len(names):
        raise SettingsError("two of the recipes have the same name: give each once")
    if len({(recipe.data.reader, recipe.data.list) for recipe in recipes}) != 1 or not recipes[0].data.list:
        raise SettingsError("recipes can be compared on one list only: their data tables need the same reader and list")
    examples = listed(recipes[0], data, protocol)
    runs: dict[str, tuple[Fold, ...]] = {}
    for recipe in recipes:
        adapted = for_task(recipe.cut_down() if protocol.quick else recipe, protocol)
        few = recipe.quick.pictures if protocol.quick else 0
        key = fit_key(adapted, {"list": examples}, of_file(starting_weights(recipe, data)), protocol, few)
        folder = work / f"{recipe.package.name}-{protocol.task}-by-{protocol.by}-{key}"
        runs[recipe.package.name] = tuple(
            _fold(adapted, examples, fold, protocol, data, folder, work, progress) for fold in range(protocol.folds)
        )
    return runs


def listed(recipe: Recipe, data: Path, protocol: Protocol) -> tuple[Example, ...]:
    """Return the list's pictures of the task's classes with their folds; all of them, whatever view or age."""
    every = restrict(open_data(data, recipe.data.reader), data / recipe.data.list)

    def stratum(example: Example) -> str:
        return next((name for name, true in sorted(example.truths.items()) if true), "")

    # Dealt before the task's classes are picked: both tasks have the same pictures in the same folds.
    dealt = deal(every, protocol.folds, by=protocol.by, stratify=stratum, seed=protocol.seed)
    return tuple(example for example in dealt if example.class_of(protocol.classes) is not None)


def for_task(recipe: Recipe, protocol: Protocol) -> Recipe:
    """Return the recipe with one head that answers the task: its own where it has one, else exclusive classes."""
    classes = protocol.classes
    own = [
        head
        for head in recipe.heads
        if (head.activation == "softmax" and set(head.classes) == set(classes))
        or (protocol.task == "binary" and head.activation == "sigmoid" and head.classes == (POSITIVE,))
    ]
    first = recipe.heads[0]
    ridge = first.refit if recipe.network_kind.only_heads else 0.0
    exclusive = HeadSettings(name="reads", activation="softmax", classes=classes, balance=first.balance, refit=ridge)
    head = own[0] if own else exclusive
    finding = FindingSettings(label=POSITIVE, head=head.name)
    return recipe.model_copy(update={"heads": (head,), "maps": (), "findings": (finding,)})


def probabilities(fitted: FitResult, recipe: Recipe, examples: Sequence[Example], classes: Sequence[str]) -> Any:
    """Return (n, classes) probabilities of a network whose first output is the recipe's only head."""
    from training.fit.end_to_end import model_input

    head = recipe.heads[0]
    rows: list[NDArray[np.float64]] = []
    for start in range(0, len(examples), _BATCH):
        batch = np.stack([model_input(recipe, example) for example in examples[start : start + _BATCH]])
        answers = fitted.network.predict_on_batch(batch)
        logits = np.asarray(answers[0] if isinstance(answers, list) else answers, np.float64)
        rows.extend(_shares(logits, head, classes))
    return np.stack(rows)


def _shares(logits: NDArray[np.float64], head: HeadSettings, classes: Sequence[str]) -> NDArray[np.float64]:
    if head.activation == "sigmoid":
        yes = 1 / (1 + np.exp(-logits[:, 0]))
        return np.stack([yes if name == head.classes[0] else 1 - yes for name in classes], axis=1)
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares = powers / powers.sum(axis=1, keepdims=True)
    return np.asarray(shares[:, [head.classes.index(name) for name in classes]])


def _fold(
    recipe: Recipe,
    examples: Sequence[Example],
    fold: int,
    protocol: Protocol,
    data: Path,
    folder: Path,
    work: Path,
    progress: Progress,
) -> Fold:
    """Return a fold that was predicted before, or fit on the others and predict it."""
    kept = folder / f"fold-{fold}.json"
    if kept.is_file():
        return _read(kept)
    training = tuple(example for example in examples if example.fold != fold)
    test = tuple(example for example in examples if example.fold == fold)
    if protocol.quick:
        training, test = (_few(part, recipe.quick.pictures, protocol.classes) for part in (training, test))
    for name, part in (("training", training), ("test", test)):
        require_classes(part, protocol.classes, f"fold {fold} {name}")
    if protocol.by == "patient":
        refuse_leak({"training": training, "test": test})

    def told(what: str, done: int, of: int) -> None:
        progress(f"{recipe.package.name}, fold {fold + 1} of {protocol.folds}: {what}", done, of)

    folder.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    fitted = fit_network(
        recipe, Split(training, (), ()), data, work, progress=told
    )  # folds share pictures, and their maps
    shares = probabilities(fitted, recipe, test, protocol.classes)
    result = Fold(
        predictions=tuple(
            Prediction(
                file=example.file,
                patient=example.patient,
                truth=example.class_of(protocol.classes) or 0,
                probabilities=tuple(round(float(share), 6) for share in row),
                fold=fold,
            )
            for example, row in zip(test, shares, strict=True)
        ),
        training=len(training),
        seconds=round(time.monotonic() - started, 1),
        parameters=int(fitted.network.count_params()),
        losses=fitted.losses,
    )
    partial = kept.with_suffix(".partial")
    partial.write_text(json.dumps(asdict(result)), encoding="utf-8")
    partial.replace(kept)
    fitted.forget()
    _log.info("fold predicted", package=recipe.package.name, count=len(test), seconds=result.seconds)
    return result


def _read(kept: Path) -> Fold:
    try:
        document = json.loads(kept.read_text(encoding="utf-8"))
        predictions = [
            Prediction(**{**one, "probabilities": tuple(one["probabilities"])}) for one in document["predictions"]
        ]
        return Fold(**{**document, "predictions": tuple(predictions), "losses": tuple(document["losses"])})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{kept} holds no predictions: delete it, the fold is fitted again") from error


def _few(part: Sequence[Example], count: int, classes: Sequence[str]) -> tuple[Example, ...]:
    """Take the first pictures of each class, as many of one as of another where there are so many."""
    each = -(-count // len(classes))
    return tuple(
        example
        for place in range(len(classes))
        for example in [one for one in part if one.class_of(classes) == place][:each]
    )
