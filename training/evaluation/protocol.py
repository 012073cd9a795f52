"""Who was used for what: written into a package's figures when it is made, asked when it is evaluated.

A package remembers its patients as short hashes, so that it can be said of any picture, of whatever data set with the
same patient numbers, whether the package was fitted on that patient. Packages without them remember their folds.
"""

import base64
import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from training.data.examples import Example, View
from training.measures import RESAMPLES

TRAINING, VALIDATION, TEST = "training", "validation", "test"
_MARK_BYTES = 4
"""Two of 4,000 patients share a mark of this length once in 500 data sets."""


def protocol(
    parts: Mapping[str, Sequence[Example]],
    labels: Sequence[str],
    *,
    seed: int,
    split: str,
    quick: bool,
    left_out: Mapping[str, int],
    resamples: int = RESAMPLES,
) -> dict[str, Any]:
    """Return the ``protocol`` of a package's ``figures.json``.

    Parameters
    ----------
    parts
        The examples of ``training``, ``validation`` and ``test``.
    labels
        What to count: the classes of the recipe.
    seed, split, quick
        How they were dealt out, in words, and whether ``--quick`` cut the run down.
    left_out
        Why examples of the data set were not used, and how many.
    resamples
        Draws behind each interval.
    """
    return {
        "quick": quick,
        "seed": seed,
        "split": split,
        "intervals": f"95 %, bootstrap over patients, {resamples} resamples",
        "parts": {name: describe(examples, labels) for name, examples in parts.items()},
        "left_out": dict(sorted(left_out.items())),
    }


def describe(examples: Sequence[Example], labels: Sequence[str]) -> dict[str, Any]:
    """Return one part in numbers: folds, pictures, patients, truths, boxes, sources, licences, and who they were."""
    return {
        "folds": sorted({example.fold for example in examples if example.fold is not None}),
        "pictures": len(examples),
        "patients": len({example.patient for example in examples}),
        "labels": {
            label: {
                "positives": sum(example.truths.get(label) is True for example in examples),
                "negatives": sum(example.truths.get(label) is False for example in examples),
                "read": sum(label in example.read for example in examples),
            }
            for label in labels
        },
        "boxes": sum(len(example.boxes) for example in examples),
        "sources": _tally(example.source for example in examples),
        "licences": _tally(example.licence for example in examples),
        "patient_marks": marks(example.patient for example in examples),
    }


def marks(patients: Iterable[str]) -> str:
    """Return patients as short hashes in one string."""
    return base64.b64encode(b"".join(sorted({_mark(patient) for patient in patients}))).decode()


def why_left_out(example: Example) -> str:
    """Return why a recipe for frontal pictures of adults leaves an example out."""
    if example.view is View.LATERAL:
        return "lateral view"
    return "view unknown" if example.view is View.UNKNOWN else "below 18 years"


@dataclass(frozen=True, slots=True)
class Record:
    """What a package's ``figures.json`` says about the pictures it was made from."""

    folds: Mapping[str, frozenset[int]]
    """By part, the folds."""
    patients: Mapping[str, frozenset[bytes]]
    """By part, the patients' marks; empty in packages that do not remember them."""
    by: str = "patient"
    kept_apart: tuple[str, ...] = ()
    list: str = ""
    """The list of pictures that its recipe names, relative to the data folder."""
    frontal_adults: bool = True
    rsna_thresholds: Mapping[str, float] | None = None

    @classmethod
    def of(cls, figures: Mapping[str, Any]) -> "Record":
        """Read it from a package's figures; from those of an ensemble without any, nothing is known."""
        parts: Mapping[str, Any] = figures.get("protocol", {}).get("parts", {})
        data: Mapping[str, Any] = figures.get("recipe", {}).get("data", {})
        folds: dict[str, set[int]] = {TRAINING: set(), VALIDATION: set(), TEST: set()}
        patients: dict[str, set[bytes]] = {TRAINING: set(), VALIDATION: set(), TEST: set()}
        for name, part in parts.items():
            kind = name if name in folds else TRAINING  # whatever else it was used for, it was used
            folds[kind] |= set(part.get("folds", ()))
            patients[kind] |= _unmarked(part.get("patient_marks", ""))
        boxes: Mapping[str, Any] = figures.get("test", {}).get("boxes", {})
        thresholds = {
            label: part["rsna_map"]["threshold"]
            for label, part in boxes.items()
            if isinstance(part, dict) and "rsna_map" in part
        }
        return cls(
            folds={name: frozenset(numbers) for name, numbers in folds.items()},
            patients={name: frozenset(found) for name, found in patients.items()},
            by=data.get("by", "patient"),
            kept_apart=tuple(data.get("kept_apart", ())),
            list=data.get("list", ""),
            frontal_adults=bool(data.get("frontal_adults", True)),
            rsna_thresholds=thresholds or None,
        )

    def joined(self, other: "Record") -> "Record":
        """Return what is known of two packages together, as of an ensemble's members: what either was fitted on."""
        return Record(
            folds={name: self.folds[name] | other.folds[name] for name in self.folds},
            patients={name: self.patients[name] | other.patients[name] for name in self.patients},
            by=self.by,
            kept_apart=tuple(sorted({*self.kept_apart, *other.kept_apart})),
            list=self.list or other.list,
            frontal_adults=self.frontal_adults and other.frontal_adults,
            rsna_thresholds=self.rsna_thresholds,
        )

    def part_of(self, example: Example) -> str:
        """Return what this example's patient was used for; "" where the package does not know the patient."""
        if any(self.patients.values()):
            mark = _mark(example.patient)
            return next((name for name, known in self.patients.items() if mark in known), "")
        return next((name for name, numbers in self.folds.items() if example.fold in numbers), "")


def _mark(patient: str) -> bytes:
    return hashlib.sha256(patient.encode()).digest()[:_MARK_BYTES]


def _unmarked(text: str) -> set[bytes]:
    encoded = base64.b64decode(text)
    return {encoded[start : start + _MARK_BYTES] for start in range(0, len(encoded), _MARK_BYTES)}


def _tally(names: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(name for name in names if name).items()))
