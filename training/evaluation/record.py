"""Who a package was made from: what its figures remember, asked when it is evaluated.

A package remembers its patients as salted hashes, so that it can be said of any picture, of whatever data set with the
same patient numbers, whether the package was fitted on that patient. A hash is no secret: who knows the numbers that
there may be can try them all. So a recipe can leave them out (``remember_patients``), and nobody can tell afterwards.
Old packages without them remember their folds.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from config.errors import PackageError
from inference.package import FIGURES, AnyPackage
from training.data.examples import Example
from training.data.frontal_adults import Unstated

TRAINING, VALIDATION, TEST = "training", "validation", "test"
UNKNOWN = "unknown"
"""What a patient was used for where the package does not remember its patients."""
_PARTS = (TRAINING, VALIDATION, TEST)
MARK_BYTES = 8
"""Of two data sets of 100,000 patients each, two patients share a mark of this length once in a thousand million."""
_OLD_MARK_BYTES = 4
_SALT_BYTES = 16


def salt_of(words: str, patients: Iterable[str]) -> bytes:
    """Return a package's salt: the same for the same package of the same patients, so that a run can be repeated.

    Parameters
    ----------
    words
        What tells the package from others, such as its name and recipe.
    patients
        All patients of the data.
    """
    sums = hashlib.sha256(words.encode())
    for patient in sorted(set(patients)):
        sums.update(b"/" + patient.encode())
    return sums.digest()[:_SALT_BYTES]


def marks(patients: Iterable[str], salt: bytes) -> str:
    """Return patients as salted hashes in one string."""
    return base64.b64encode(b"".join(sorted({_mark(patient, salt, MARK_BYTES) for patient in patients}))).decode()


@dataclass(frozen=True, slots=True)
class Marks:
    """One package's marks of its patients."""

    salt: bytes
    """Empty in old packages, whose marks are short and have none."""
    length: int
    known: Mapping[str, frozenset[bytes]]
    """By part."""

    @classmethod
    def of(cls, protocol: Mapping[str, Any]) -> "Marks":
        """Read them from the protocol of a package's figures."""
        made = protocol.get("marks")
        salt, length = (b"", _OLD_MARK_BYTES) if made is None else (bytes.fromhex(made["salt"]), int(made["bytes"]))
        if length < 1:
            raise ValueError("marks of no length")
        known: dict[str, set[bytes]] = {name: set() for name in _PARTS}
        for name, part in _used(protocol):
            joined = base64.b64decode(part.get("patient_marks", ""), validate=True)
            known[name] |= {joined[start : start + length] for start in range(0, len(joined), length)}
        return cls(salt, length, {name: frozenset(found) for name, found in known.items()})

    def has(self, part: str, patient: str) -> bool:
        """Say whether a patient was used for this part."""
        return _mark(patient, self.salt, self.length) in self.known[part]


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


def record_of(package: AnyPackage) -> "Record":
    """Return what a package remembers of the pictures it was made from; of an ensemble, what its members do.

    Raises :class:`PackageError` as :func:`record_in` does.
    """
    joined, *others = (record_in(member) for member in package.members)
    for record in others:
        joined = joined.joined(record)
    own = record_in(package)
    return joined if own.rsna_thresholds is None else replace(joined, rsna_thresholds=own.rsna_thresholds)


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
    patients: tuple[Marks, ...]
    """The patients' marks, of each network its own; none in packages that do not remember them."""
    forgets: bool = False
    """Whether its recipe, or that of one of its networks, left the marks out."""
    dealt: bool = False
    """Whether its recipe dealt out folds of its own, so that the data set's say nothing about it."""
    kept_apart: tuple[str, ...] = ()
    list: str = ""
    """The list of pictures that its recipe names, relative to the data folder."""
    only: tuple[str, ...] = ()
    """Only pictures of which one of these labels is true; all without any."""
    frontal_adults: bool = True
    accepted: Unstated = field(default_factory=Unstated)
    """What it accepted of images whose view or age nobody stated."""
    rsna_thresholds: Mapping[str, float] | None = None

    @classmethod
    def of(cls, figures: Mapping[str, Any]) -> "Record":
        """Read it from a package's figures; from those of an ensemble without any, nothing is known."""
        protocol: Mapping[str, Any] = figures.get("protocol", {})
        data: Mapping[str, Any] = figures.get("recipe", {}).get("data", {})
        folds: dict[str, set[int]] = {name: set() for name in _PARTS}
        for name, part in _used(protocol):
            folds[name] |= set(part.get("folds", ()))
        found = Marks.of(protocol)
        boxes: Mapping[str, Any] = figures.get("test", {}).get("boxes", {})
        thresholds = {
            label: part["rsna_map"]["threshold"]
            for label, part in boxes.items()
            if isinstance(part, dict) and "rsna_map" in part
        }
        return cls(
            folds={name: frozenset(numbers) for name, numbers in folds.items()},
            patients=(found,) if any(found.known.values()) else (),
            forgets=data.get("remember_patients", True) is False,
            dealt=bool(data.get("folds")),
            kept_apart=tuple(data.get("kept_apart", ())),
            list=data.get("list", ""),
            only=tuple(data.get("only", ())),
            frontal_adults=bool(data.get("frontal_adults", True)),
            accepted=Unstated(
                view=bool(data.get("accept_unknown_view", False)), age=bool(data.get("accept_unknown_age", True))
            ),
            rsna_thresholds=thresholds or None,
        )

    def joined(self, other: "Record") -> "Record":
        """Return what is known of two packages together, as of an ensemble's members: what either was fitted on."""
        return Record(
            folds={name: self.folds[name] | other.folds[name] for name in self.folds},
            patients=(*self.patients, *other.patients),
            forgets=self.forgets or other.forgets,
            dealt=self.dealt or other.dealt,
            kept_apart=tuple(sorted({*self.kept_apart, *other.kept_apart})),
            list=self.list or other.list,
            only=tuple(sorted({*self.only, *other.only})) if self.only and other.only else (),
            frontal_adults=self.frontal_adults and other.frontal_adults,
            accepted=Unstated(
                view=self.accepted.view and other.accepted.view, age=self.accepted.age and other.accepted.age
            ),
            rsna_thresholds=self.rsna_thresholds,
        )

    def part_of(self, example: Example) -> str:
        """Return what this example's patient was used for; "" where the package does not know the patient.

        :data:`UNKNOWN` where the package does not remember its patients, so that nobody can tell.
        """
        known = next((part for part in _PARTS if any(one.has(part, example.patient) for one in self.patients)), "")
        if self.forgets:
            return known if known in (TRAINING, VALIDATION) else self._by_fold(example)
        if self.patients:
            return known
        if self.dealt:
            return TRAINING  # nobody can tell, so suppose the worst
        return next((name for name, numbers in self.folds.items() if example.fold in numbers), "")

    def learnt(self, example: Example) -> bool:
        """Say whether this example's patient was fitted or chosen on, as far as the package remembers."""
        return self.part_of(example) in (TRAINING, VALIDATION)

    def _by_fold(self, example: Example) -> str:
        """Suppose the worst of folds that are the data set's own; of other pictures nothing can be said."""
        if self.dealt:
            return UNKNOWN
        return next((name for name in (TRAINING, VALIDATION) if example.fold in self.folds[name]), UNKNOWN)


def _used(protocol: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the parts that a package was made or measured on; a place kept apart was used for nothing."""
    for name, part in protocol.get("parts", {}).items():
        kind = TRAINING if name.startswith(TRAINING) else name
        if kind in _PARTS:
            yield kind, part


def _mark(patient: str, salt: bytes, length: int) -> bytes:
    if not salt:
        return hashlib.sha256(patient.encode()).digest()[:length]
    return hmac.digest(salt, patient.encode(), "sha256")[:length]
