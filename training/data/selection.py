"""Which pictures of a data folder a recipe learns from, chooses with and reports on, and why others are left out."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from config.errors import DataError
from config.logs import get_logger
from training.data.examples import Example, Split
from training.data.frontal_adults import Unstated, in_words, why_left_out
from training.data.known_labels import is_known
from training.data.lists import restrict
from training.data.readers import open_data
from training.data.splits import deal, require_classes, split_by_fold
from training.recipe.recipe import HeadSettings, Recipe

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Selection:
    """What a recipe uses of a data set."""

    split: Split
    kept_apart: tuple[Example, ...]
    """Pictures of the place that is only reported on."""
    dicom: tuple[Example, ...]
    """DICOM files of the same classes, to try the whole pixel pipeline on."""
    left_out: dict[str, int]
    """Why pictures are not used, and how many."""


def select_examples(recipe: Recipe, data: Path) -> Selection:
    """Open a data folder and deal its pictures out as the recipe says.

    Raises
    ------
    DataError
        Naming what is wrong with the data: unreadable, malformed, a class without pictures, a leak.
    """
    given = open_data(data, recipe.data.reader)
    if recipe.data.list:
        given = restrict(given, data / recipe.data.list)
    reasons: Counter[str] = Counter()
    wanted = []
    for example in given:
        reason = _why_not(recipe, example)
        if reason:
            reasons[reason] += 1
        else:
            wanted.append(_without_boxes_where_absent(recipe, example))
    apart = tuple(one for one in wanted if recipe.data.kept_apart and one.file.startswith(recipe.data.kept_apart))
    patients = {one.patient for one in apart}
    rest = tuple(one for one in wanted if one.patient not in patients)
    if len(rest) + len(apart) < len(wanted):
        reasons["of a patient at a place kept apart"] = len(wanted) - len(rest) - len(apart)
    if reasons:
        _log.warning("images are left out", count=reasons.total(), reason=in_words(reasons))
    if not rest:
        said = f" ({in_words(reasons)})" if reasons else ""
        cure = (
            "; where you know that they are frontal, say accept_unknown_view = true in its data table"
            if reasons["view unknown"]
            else ""
        )
        raise DataError(
            f"no image is left that the recipe could use{said}: check its data table and the data's labels{cure}"
        )
    if recipe.data.folds:
        rest = deal(rest, recipe.data.folds, by=recipe.data.by, stratify=stratum(recipe), seed=recipe.seed)
    split = split_by_fold(rest, test=recipe.data.test_fold, validation=recipe.data.validation_fold, by=recipe.data.by)
    for name, part in (("training", split.training), ("validation", split.validation), ("test", split.test)):
        for head in recipe.heads:
            _require(head, part, name)
    dicom = open_data(data / recipe.data.dicom_check, "dicom") if _is_there(recipe, data) else ()
    return Selection(split, apart, dicom, dict(sorted(reasons.items())))


def stratum(recipe: Recipe) -> Callable[[Example], str]:
    """Return what folds are stratified by: the class of the first head with exclusive ones, else its truths."""
    first = next((head for head in recipe.heads if head.activation == "softmax"), recipe.heads[0])

    def of(example: Example) -> str:
        if first.activation == "softmax":
            true = example.class_of(first.classes)
            return "" if true is None else first.classes[true]
        return "|".join(name for name in first.classes if example.truths.get(name))

    return of


def cut_down(selection: Selection, recipe: Recipe) -> Selection:
    """Keep few pictures of each part, of every class as evenly as there are some: what ``--quick`` runs on."""
    rng = np.random.default_rng(recipe.seed)

    def few(part: Sequence[Example], keep: int) -> tuple[Example, ...]:
        """Take turns among the things that the recipe wants to know, so that none is forgotten."""
        groups = [
            [one for one in part if one.truths.get(name) is answer]
            for head in recipe.heads
            for name in head.classes
            for answer in (True, False)
        ]
        groups += [[one for one in part if any(box.label == label for box in one.boxes)] for label in recipe.maps]
        orders = [[group[place] for place in rng.permutation(len(group))] for group in groups if group]
        chosen: dict[str, Example] = {}
        while orders and len(chosen) < keep:
            for order in orders:
                if order:
                    one = order.pop()
                    chosen.setdefault(one.file, one)
            orders = [order for order in orders if order]
        return tuple(list(chosen.values())[: max(keep, 3)])

    count = recipe.quick.pictures
    split = selection.split
    return replace(
        selection,
        split=Split(few(split.training, count), few(split.validation, count), few(split.test, count)),
        dicom=selection.dicom[:6],
    )


def _without_boxes_where_absent(recipe: Recipe, example: Example) -> Example:
    """Know that there is no box of what is known to be absent."""
    absent = {label for label in recipe.maps if example.truths.get(label) is False}
    drawn = {box.label for box in example.boxes if box.label in recipe.maps}
    return replace(example, boxed=example.boxed | (absent - drawn))


def _why_not(recipe: Recipe, example: Example) -> str:
    settings = recipe.data
    if settings.frontal_adults:
        reason = why_left_out(example, Unstated(settings.accept_unknown_view, settings.accept_unknown_age))
        if reason:
            return reason
    if recipe.data.only and not any(example.truths.get(label) for label in recipe.data.only):
        return "none of the labels that the recipe asks for"
    return "" if is_known(example, recipe.heads) else "nothing known that the recipe asks for"


def _require(head: HeadSettings, part: Sequence[Example], name: str) -> None:
    if head.activation == "softmax":
        require_classes(part, head.classes, name)
        return
    for label in head.classes:
        answers = {example.truths.get(label) for example in part}
        if not {True, False} <= answers and name == "training":
            missing = "with" if True not in answers else "without"
            raise DataError(
                f"no picture {missing} {label} in the training part: add some, or leave it out of head {head.name}"
            )


def _is_there(recipe: Recipe, data: Path) -> bool:
    return bool(recipe.data.dicom_check) and (data / recipe.data.dicom_check).is_dir()
