"""Who was used for what, in numbers: the part of a package's figures that says what they are worth."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from inference.package import AnyPackage
from training.data.examples import Example
from training.data.selection import Selection
from training.evaluation.metric import RESAMPLES
from training.evaluation.record import MARK_BYTES, figures_of, marks, salt_of
from training.recipe.recipe import Recipe


def protocol(recipe: Recipe, selection: Selection, *, quick: bool) -> dict[str, Any]:
    """Return the protocol of a run as plain values."""
    dealt = f"dealt out by {recipe.data.by}, stratified" if recipe.data.folds else "by patient; folds of the data set"
    split = selection.split
    parts = {"training": split.training, "validation": split.validation, "test": split.test}
    if selection.kept_apart:
        parts["kept_apart"] = selection.kept_apart
    salt = None
    if recipe.data.remember_patients:
        everybody = (example.patient for part in parts.values() for example in part)
        salt = salt_of(recipe.model_dump_json(), everybody)
    return {
        "quick": quick,
        "seed": recipe.seed,
        "split": dealt,
        "by": recipe.data.by,
        "intervals": f"95 %, bootstrap over patients, {RESAMPLES} resamples",
        **({} if salt is None else {"marks": {"salt": salt.hex(), "bytes": MARK_BYTES}}),
        "parts": {name: _part(recipe, part, salt) for name, part in parts.items()},
        "left_out": selection.left_out,
    }


def twin_in(package: AnyPackage) -> dict[str, Any]:
    """Return what the protocol of networks that learnt again says of the package that all was chosen with."""
    fitted = figures_of(package)["protocol"]["parts"]["training"]
    return {"twin": {"digest": package.digest, **{name: fitted[name] for name in ("folds", "pictures", "patients")}}}


def _part(recipe: Recipe, part: Sequence[Example], salt: bytes | None) -> dict[str, Any]:
    labels = dict.fromkeys((*recipe.classes, *recipe.maps))
    return {
        "folds": sorted({example.fold for example in part if example.fold is not None}),
        "pictures": len(part),
        "patients": len({example.patient for example in part}),
        "labels": {
            label: {
                "yes": sum(example.truths.get(label) is True for example in part),
                "no": sum(example.truths.get(label) is False for example in part),
                "read": sum(label in example.read for example in part),
            }
            for label in labels
        },
        "boxes": {label: sum(box.label == label for example in part for box in example.boxes) for label in recipe.maps},
        "sources": dict(sorted(Counter(example.source for example in part).items())),
        "licences": dict(sorted(Counter(example.licence for example in part).items())),
        **({} if salt is None else {"patient_marks": marks((example.patient for example in part), salt)}),
    }
