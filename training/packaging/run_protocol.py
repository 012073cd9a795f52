"""Who was used for what, in numbers: the part of a package's figures that says what they are worth."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from inference.package import AnyPackage
from training.data.examples import Example
from training.data.selection import Selection
from training.evaluation.metric import RESAMPLES
from training.evaluation.record import MARK_BYTES, figures_of, marks, salt_of
from training.evaluation.resample import OMITTED, as_json
from training.recipe.recipe import Recipe


@dataclass(frozen=True, slots=True)
class LabelCounts:
    """In how many images of a part a label is true or false, and in how many radiologists read it."""

    yes: int
    no: int
    read: int


@dataclass(frozen=True, slots=True)
class PartUsed:
    """One part of the data."""

    folds: list[int]
    pictures: int
    patients: int
    labels: dict[str, LabelCounts]
    boxes: dict[str, int]
    """By label."""
    sources: dict[str, int]
    licences: dict[str, int]
    patient_marks: str | None = field(default=None, metadata=OMITTED)
    """Salted hashes of its patients."""


@dataclass(frozen=True, slots=True)
class MarkSettings:
    """How patients are hashed."""

    salt: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Twin:
    """The package on whose networks everything was chosen, and what these were fitted on."""

    digest: str
    folds: list[int]
    pictures: int
    patients: int

    @classmethod
    def of(cls, package: AnyPackage) -> "Twin":
        """Read it from the twin's own figures."""
        fitted = figures_of(package)["protocol"]["parts"]["training"]
        return cls(package.digest, fitted["folds"], fitted["pictures"], fitted["patients"])


@dataclass(frozen=True, slots=True)
class RunProtocol:
    """What the figures of a run rest on."""

    quick: bool
    seed: int
    split: str
    """How parts were dealt out, in words."""
    by: str
    intervals: str
    marks: MarkSettings | None = field(default=None, metadata=OMITTED)
    parts: dict[str, PartUsed] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)
    """How many images are not used, by reason."""
    twin: Twin | None = field(default=None, metadata=OMITTED)


def protocol(recipe: Recipe, selection: Selection, *, quick: bool, twin: Twin | None = None) -> dict[str, Any]:
    """Return the protocol of a run as plain values; ``twin`` is of networks that were retrained on all."""
    dealt = f"dealt out by {recipe.data.by}, stratified" if recipe.data.folds else "by patient; folds of the data set"
    split = selection.split
    parts = {"training": split.training, "validation": split.validation, "test": split.test}
    if selection.kept_apart:
        parts["kept_apart"] = selection.kept_apart
    salt = None
    if recipe.data.remember_patients:
        everybody = (example.patient for part in parts.values() for example in part)
        salt = salt_of(recipe.model_dump_json(), everybody)
    found = RunProtocol(
        quick=quick,
        seed=recipe.seed,
        split=dealt,
        by=recipe.data.by,
        intervals=f"95 %, bootstrap over patients, {RESAMPLES} resamples",
        marks=None if salt is None else MarkSettings(salt.hex(), MARK_BYTES),
        parts={name: _part(recipe, part, salt) for name, part in parts.items()},
        left_out=selection.left_out,
        twin=twin,
    )
    document: dict[str, Any] = as_json(found)
    return document


def _part(recipe: Recipe, part: Sequence[Example], salt: bytes | None) -> PartUsed:
    labels = dict.fromkeys((*recipe.classes, *recipe.maps))
    return PartUsed(
        folds=sorted({example.fold for example in part if example.fold is not None}),
        pictures=len(part),
        patients=len({example.patient for example in part}),
        labels={
            label: LabelCounts(
                yes=sum(example.truths.get(label) is True for example in part),
                no=sum(example.truths.get(label) is False for example in part),
                read=sum(label in example.read for example in part),
            )
            for label in labels
        },
        boxes={label: sum(box.label == label for example in part for box in example.boxes) for label in recipe.maps},
        sources=dict(sorted(Counter(example.source for example in part).items())),
        licences=dict(sorted(Counter(example.licence for example in part).items())),
        patient_marks=None if salt is None else marks((example.patient for example in part), salt),
    )
