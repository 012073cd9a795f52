"""What a data set holds, counted, and what is wrong with it."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from config.errors import DataError
from training.data.examples import Example
from training.data.frontal_adults import Unstated, frontal_adults, in_words
from training.data.image_files import read_grey


@dataclass(frozen=True, slots=True)
class LabelCount:
    """How often a label is true, false and unknown, and by whom."""

    yes: int
    no: int
    unknown: int
    read: int
    """Pictures in which radiologists read it."""
    boxes: int
    boxed: int
    """Pictures in which all its boxes are drawn."""


@dataclass(frozen=True, slots=True)
class Survey:
    """A data set in numbers."""

    pictures: int
    patients: int
    labels: Mapping[str, LabelCount]
    folds: Mapping[str, int]
    views: Mapping[str, int]
    sources: Mapping[str, int]
    licences: Mapping[str, int]
    notes: tuple[str, ...]
    """What to know before training."""
    problems: tuple[str, ...]
    """What to mend before training, each with its cure."""


def survey(
    examples: Sequence[Example], *, decode: bool = True, progress: Callable[[int], None] = lambda _count: None
) -> Survey:
    """Count what there is and look for what is wrong.

    With ``decode`` every picture is read once, and pictures with the same bytes are found: under two patients they
    would leak from one part of a split into another.
    """
    folds = Counter("none" if example.fold is None else str(example.fold) for example in examples)
    patients = {example.patient for example in examples}
    problems = _patients_in_two_folds(examples)
    if decode:
        problems += _unreadable(examples, progress) + _twins(examples)
    notes = []
    if len(patients) == len(examples):
        notes.append("each picture counts as its own patient: if some share one, a split by patient is one by image")
    if folds["none"]:
        notes.append(f"{folds['none']} pictures have no fold: deal folds out (folds = 5 in the recipe's data table)")
    left_out = frontal_adults(examples, Unstated())[1]
    if left_out:
        notes.append(
            f"a recipe that takes frontal images of adults leaves out {left_out.total()} of {len(examples)} "
            f"({in_words(left_out)}); accept_unknown_view = true in its data table takes those of unknown view"
        )
    labels = _labels(examples)
    empty = [label for label, count in labels.items() if not count.yes]
    if empty:
        notes.append(f"no picture shows {', '.join(empty)}: a recipe with such a class cannot be trained on these data")
    return Survey(
        pictures=len(examples),
        patients=len(patients),
        labels=labels,
        folds=dict(sorted(folds.items())),
        views=_most_first(Counter(example.view.value for example in examples)),
        sources=_most_first(Counter(example.source or "unstated" for example in examples)),
        licences=_most_first(Counter(example.licence or "unstated" for example in examples)),
        notes=tuple(notes),
        problems=tuple(problems),
    )


def _labels(examples: Sequence[Example]) -> dict[str, LabelCount]:
    names = {name for example in examples for name in (*example.truths, *example.boxed)}
    names |= {box.label for example in examples for box in example.boxes}
    counts = {}
    for name in sorted(names):
        truths = Counter(example.truths.get(name) for example in examples)
        counts[name] = LabelCount(
            yes=truths[True],
            no=truths[False],
            unknown=truths[None],
            read=sum(name in example.read for example in examples),
            boxes=sum(box.label == name for example in examples for box in example.boxes),
            boxed=sum(name in example.boxed for example in examples),
        )
    return counts


def _patients_in_two_folds(examples: Sequence[Example]) -> list[str]:
    homes: dict[str, set[int | None]] = defaultdict(set)
    for example in examples:
        homes[example.patient].add(example.fold)
    spread = sum(len(folds) > 1 for folds in homes.values())
    return [f"{spread} patients stand in two folds: deal folds out by patient (folds = 5 in the recipe)"] * bool(spread)


def _unreadable(examples: Sequence[Example], progress: Callable[[int], None]) -> list[str]:
    found = []
    for count, example in enumerate(examples, 1):
        try:
            read_grey(example.path)
        except DataError as error:
            found.append(str(error))
        progress(count)
    return found


def _twins(examples: Sequence[Example]) -> list[str]:
    """Return a sentence for each group of pictures that are the same file under different patients."""
    groups: dict[bytes, list[Example]] = defaultdict(list)
    for example in examples:
        if example.path.is_file():
            groups[hashlib.sha256(example.path.read_bytes()).digest()].append(example)
    return [
        f"{', '.join(example.file for example in group)} are one picture under different patients: remove all but one"
        for group in groups.values()
        if len({example.patient for example in group}) > 1
    ]


def _most_first(counts: Counter[str]) -> dict[str, int]:
    return dict(counts.most_common())
