"""Parts to learn from, to choose with and to report on: by patient, stratified, seeded, and never with a leak."""

import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Literal

from config.errors import DataError
from training.data.examples import Example, Split, refuse_leak

By = Literal["patient", "image"]


def deal(
    examples: Iterable[Example], folds: int, *, by: By, stratify: Callable[[Example], str], seed: int
) -> tuple[Example, ...]:
    """Return the examples with new folds, 0 to ``folds`` - 1, each with about the same share of every stratum.

    Parameters
    ----------
    examples
        What to deal out; their own folds are replaced.
    folds
        How many, 2 or more.
    by
        What stays whole: a patient, or only a picture (how many figures were published; it flatters).
    stratify
        The stratum of an example, such as its class. One with fewer members than folds is spread as far as it goes.
    seed
        The same examples, in any order, and the same seed give the same folds.

    Raises
    ------
    DataError
        When there are fewer patients (or pictures) than folds.
    """
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    given = tuple(examples)
    ordered = sorted(given, key=lambda example: example.file)
    whole = len({example.patient for example in given}) if by == "patient" else len(given)
    if folds < 2:
        raise DataError(f"{folds} folds cannot hold a test and a training part: deal at least 2, better 5")
    if whole < folds:
        raise DataError(f"{whole} {by}s cannot be dealt into {folds} folds: add pictures or deal fewer folds")
    strata = [stratify(example) for example in ordered]
    sizes = Counter(strata)
    strata = [name if sizes[name] >= folds else "" for name in strata]
    if max(Counter(strata).values()) < folds:
        strata = [""] * len(strata)
    patients = [example.patient for example in ordered] if by == "patient" else None
    dealer = (StratifiedKFold if patients is None else StratifiedGroupKFold)(folds, shuffle=True, random_state=seed)
    fold_of: dict[str, int] = {}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The least populated class")  # spread as far as it goes
        for fold, (_others, members) in enumerate(dealer.split(strata, strata, patients)):
            fold_of |= {ordered[member].file: fold for member in members}
    return tuple(replace(example, fold=fold_of[example.file]) for example in given)


def split_by_fold(examples: Iterable[Example], *, test: int, validation: int, by: By = "patient") -> Split:
    """Split by the examples' folds; what is in neither named fold is for training.

    Raises
    ------
    DataError
        When a part would be empty, an example has no fold, or (by patient) a patient would stand in two parts.
    """
    if test == validation:
        raise DataError(f"fold {test} cannot be both test and validation: choose another validation fold")
    examples = tuple(examples)
    homeless = next((example for example in examples if example.fold is None), None)
    if homeless is not None:
        raise DataError(f"{homeless.file} has no fold: deal folds out (folds = 5 in the recipe's data table)")
    split = Split(
        training=tuple(example for example in examples if example.fold not in (test, validation)),
        validation=tuple(example for example in examples if example.fold == validation),
        test=tuple(example for example in examples if example.fold == test),
    )
    parts = {"training": split.training, "validation": split.validation, "test": split.test}
    for name, part in parts.items():
        if not part:
            there = ", ".join(str(fold) for fold in sorted({example.fold or 0 for example in examples}))
            raise DataError(f"the {name} part is empty: the data have folds {there or 'of nothing'}, choose among them")
    if by == "patient":
        refuse_leak(parts)
    return split


def require_classes(part: Iterable[Example], classes: Sequence[str], name: str) -> None:
    """Raise :class:`DataError` when a class has no example in this part; ``name`` is what the message calls it."""
    present = {label for example in part for label, true in example.truths.items() if true}
    missing = [label for label in classes if label not in present]
    if missing:
        raise DataError(
            f"the class {missing[0]} has no picture in the {name} part: add some, or choose other folds or classes"
        )
