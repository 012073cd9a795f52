"""One evaluation: which pictures, what the package says about them, all figures, and how far to trust them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from config.errors import DataError
from config.logs import get_logger
from inference.model import Model
from training.data.examples import Example
from training.data.frontal_adults import frontal_adults, in_words
from training.data.lists import restrict
from training.data.readers import open_data
from training.evaluation.figures import figures
from training.evaluation.metric import RESAMPLES
from training.evaluation.predict import Progress, predict
from training.evaluation.predictions import Predictions
from training.evaluation.record import Record, record_of

Document = dict[str, Any]
SCHEMA = 1
_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Choice:
    """Which pictures of a data set to evaluate on."""

    data: Path
    reader: str = "manifest"
    fold: int | None = None
    """This fold; without it, all pictures whose patients the package was neither fitted nor chosen on."""
    everything: bool = False
    """All pictures, those it was fitted on too."""
    list: str | None = None
    """A CSV file of pictures and labels, relative to the data folder; the package's own without it, "" for none."""
    any_view: bool = False
    """Lateral pictures and children's too, which a node would not analyse."""


def choose(record: Record, choice: Choice) -> tuple[Example, ...]:
    """Return the examples to evaluate on.

    Raises
    ------
    DataError
        When nothing is left, saying why.
    """
    examples = open_data(choice.data, choice.reader)
    listed = record.list if choice.list is None else choice.list
    if listed and (choice.list is not None or (choice.data / listed).is_file()):
        examples = restrict(examples, choice.data / listed)
    if record.only:
        examples = tuple(one for one in examples if any(one.truths.get(label) for label in record.only))
    if record.frontal_adults and not choice.any_view:
        examples, left_out = frontal_adults(examples, record.accepted)
        if left_out:
            _log.warning("images are left out", count=left_out.total(), reason=in_words(left_out))
        if not examples:
            raise DataError(
                f"the data have no frontal image of an adult ({in_words(left_out)}): give --any-view to measure on the "
                "others"
            )
    return _part(examples, record, choice)


def evaluate(
    model: Model,
    choice: Choice,
    *,
    seed: int = 1,
    resamples: int = RESAMPLES,
    progress: Callable[[int], Progress] = lambda _of: lambda _done: None,
) -> tuple[Predictions, Document]:
    """Evaluate an open model on chosen pictures; return its predictions and the document of :func:`document`.

    ``progress`` is told how many pictures there are and returns what is told after each.
    """
    record = record_of(model.package)
    examples = choose(record, choice)
    predictions = predict(model, examples, progress(len(examples)))
    predictions = replace(predictions, used=tuple(record.part_of(example) for example in examples))
    return predictions, document(predictions, record, data=choice.data.name, seed=seed, resamples=resamples)


def document(
    predictions: Predictions, record: Record, *, data: str = "", seed: int = 1, resamples: int = RESAMPLES
) -> Document:
    """Return all figures with which package, which pictures, and how many of them it was fitted or chosen on."""
    thresholds = record.rsna_thresholds
    measured = figures(
        predictions, seed=seed, resamples=resamples, kept_apart=record.kept_apart, rsna_thresholds=thresholds
    )
    package, (main, _) = predictions.package, predictions.kept_apart(record.kept_apart)
    return {
        "schema": SCHEMA,
        "kind": "evaluation",
        "package": {name: getattr(package, name) for name in ("name", "version", "digest", "engine", "title")},
        "data": data,
        "folds": sorted({example.fold for example in main.examples if example.fold is not None}),
        "seen": predictions.seen,
        "figures": measured,
    }


def _part(examples: Sequence[Example], record: Record, choice: Choice) -> tuple[Example, ...]:
    apart = record.kept_apart
    if choice.everything:
        chosen = tuple(examples)
    elif choice.fold is not None:
        chosen = tuple(one for one in examples if one.fold == choice.fold or (apart and one.file.startswith(apart)))
    else:
        chosen = tuple(one for one in examples if not record.learnt(one))
    if chosen:
        return chosen
    if choice.fold is not None:
        there = ", ".join(str(fold) for fold in sorted({one.fold for one in examples if one.fold is not None}))
        raise DataError(f"fold {choice.fold} has no picture; the data have folds {there or 'of nothing'}")
    raise DataError(
        "no picture is left to evaluate on: the package was fitted or chosen on every patient of these data "
        "(give --all to measure on them all the same, which flatters)"
        if examples
        else "the data have no image of the labels that the package was made for"
    )
