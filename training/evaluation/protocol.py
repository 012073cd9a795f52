"""Who a package was made from: what its figures remember, asked when it is evaluated.

A package remembers its patients as short hashes, so that it can be said of any picture, of whatever data set with the
same patient numbers, whether the package was fitted on that patient. Packages without them remember their folds.
"""

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from config.errors import PackageError
from inference.package import FIGURES, AnyPackage
from training.data.examples import Example

TRAINING, VALIDATION, TEST = "training", "validation", "test"
_MARK_BYTES = 4
"""Two of 4,000 patients share a mark of this length once in 500 data sets."""


def marks(patients: Iterable[str]) -> str:
    """Return patients as short hashes in one string."""
    return base64.b64encode(b"".join(sorted({_mark(patient) for patient in patients}))).decode()


def figures_of(package: AnyPackage) -> dict[str, Any]:
    """Return what a package's ``figures.json`` says; nothing where it has none.

    Raises :class:`PackageError` when the file is no JSON object.
    """
    if FIGURES not in package.manifest.files:
        return {}
    try:
        figures = json.loads(package.path(FIGURES).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _unread(package) from error
    if not isinstance(figures, dict):
        raise _unread(package)
    return figures


def record_in(package: AnyPackage) -> "Record":
    """Return what a package's own figures say about the pictures it was made from.

    Raises :class:`PackageError` when they say it in no way that this program reads.
    """
    figures = figures_of(package)
    try:
        return Record.of(figures)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _unread(package) from error


def _unread(package: AnyPackage) -> PackageError:
    manifest = package.manifest
    return PackageError(
        f"model package {manifest.name} {manifest.version}: {FIGURES} is broken, or none that this program reads; "
        "install the package again, or make it again with its recipe"
    )


@dataclass(frozen=True, slots=True)
class Record:
    """What a package's ``figures.json`` says about the pictures it was made from."""

    folds: Mapping[str, frozenset[int]]
    """By part, the folds."""
    patients: Mapping[str, frozenset[bytes]]
    """By part, the patients' marks; empty in packages that do not remember them."""
    dealt: bool = False
    """Whether its recipe dealt out folds of its own, so that the data set's say nothing about it."""
    kept_apart: tuple[str, ...] = ()
    list: str = ""
    """The list of pictures that its recipe names, relative to the data folder."""
    only: tuple[str, ...] = ()
    """Only pictures of which one of these labels is true; all without any."""
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
            kind = TRAINING if name.startswith(TRAINING) else name
            if kind not in folds:
                continue  # a place kept apart was used for nothing
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
            dealt=bool(data.get("folds")),
            kept_apart=tuple(data.get("kept_apart", ())),
            list=data.get("list", ""),
            only=tuple(data.get("only", ())),
            frontal_adults=bool(data.get("frontal_adults", True)),
            rsna_thresholds=thresholds or None,
        )

    def joined(self, other: "Record") -> "Record":
        """Return what is known of two packages together, as of an ensemble's members: what either was fitted on."""
        return Record(
            folds={name: self.folds[name] | other.folds[name] for name in self.folds},
            patients={name: self.patients[name] | other.patients[name] for name in self.patients},
            dealt=self.dealt or other.dealt,
            kept_apart=tuple(sorted({*self.kept_apart, *other.kept_apart})),
            list=self.list or other.list,
            only=tuple(sorted({*self.only, *other.only})) if self.only and other.only else (),
            frontal_adults=self.frontal_adults and other.frontal_adults,
            rsna_thresholds=self.rsna_thresholds,
        )

    def part_of(self, example: Example) -> str:
        """Return what this example's patient was used for; "" where the package does not know the patient."""
        if any(self.patients.values()):
            mark = _mark(example.patient)
            return next((name for name, known in self.patients.items() if mark in known), "")
        if self.dealt:
            return TRAINING  # nobody can tell, so suppose the worst
        return next((name for name, numbers in self.folds.items() if example.fold in numbers), "")


def _mark(patient: str) -> bytes:
    return hashlib.sha256(patient.encode()).digest()[:_MARK_BYTES]


def _unmarked(text: str) -> set[bytes]:
    encoded = base64.b64decode(text, validate=True)
    return {encoded[start : start + _MARK_BYTES] for start in range(0, len(encoded), _MARK_BYTES)}
