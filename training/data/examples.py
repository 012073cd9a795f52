"""Radiographs as examples: a picture, whose it is, what is known about it, and what is not.

Every reader of this room turns its layout into :class:`Example`; every recipe, split and figure knows examples only.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from config.errors import DataError

ADULT_YEARS = 18


class View(StrEnum):
    """The projection as the source states it."""

    PA = "PA"
    AP = "AP"
    AP_SUPINE = "AP Supine"
    LATERAL = "L"
    UNKNOWN = "?"


FRONTAL = frozenset({View.PA, View.AP, View.AP_SUPINE})


@dataclass(frozen=True, slots=True)
class TruthBox:
    """A box somebody drew, in fractions of the picture's width and height; ``x, y`` is its upper left corner."""

    label: str
    """In the catalogue's terms, such as ``lung_opacity``."""
    x: float
    y: float
    w: float
    h: float
    source: str = ""


@dataclass(frozen=True, slots=True)
class Example:
    """One picture of a data set with everything that is known about it."""

    file: str
    """Its name within the data set: the key that lists, boxes and reports refer to."""
    path: Path
    """A picture file (JPEG, PNG) or a DICOM file; :func:`training.data.image_files.read_grey` reads either."""
    patient: str
    source: str = ""
    fold: int | None = None
    """The data set's own patient-grouped fold, where it has one."""
    view: View = View.UNKNOWN
    age: float | None = None
    sex: str = ""
    licence: str = ""
    truths: Mapping[str, bool] = field(default_factory=dict)
    """Yes or no for each label about which something is known, in the catalogue's terms. A label that is not there
    is unknown, which is not the same as no."""
    read: frozenset[str] = frozenset()
    """The labels among ``truths`` that radiologists read; the others were mined from reports, or stated otherwise."""
    boxes: tuple[TruthBox, ...] = ()
    boxed: frozenset[str] = frozenset()
    """The labels for which somebody drew all the boxes there are, so that no box means there is none."""

    @property
    def is_adult(self) -> bool:
        """Whether nothing says that it is a child's."""
        return self.age is None or self.age >= ADULT_YEARS

    @property
    def is_frontal_adult(self) -> bool:
        """Whether this is a picture the node would analyse: frontal, and an adult's (unknown age counts as one)."""
        return self.view in FRONTAL and self.is_adult

    def class_of(self, classes: Sequence[str]) -> int | None:
        """Return the index of the one class among exclusive ones that is true; None where none is known to be."""
        true = [index for index, name in enumerate(classes) if self.truths.get(name)]
        return true[0] if len(true) == 1 else None


@dataclass(frozen=True, slots=True)
class Split:
    """Examples to learn from, to choose with, and to report on."""

    training: tuple[Example, ...]
    validation: tuple[Example, ...]
    test: tuple[Example, ...]


def refuse_leak(parts: Mapping[str, Iterable[Example]]) -> None:
    """Raise :class:`DataError` when one patient stands in two parts."""
    home: dict[str, str] = {}
    for name, part in parts.items():
        for example in part:
            other = home.setdefault(example.patient, name)
            if other != name:
                raise DataError(
                    f"the patient of {example.file} is both in {other} and in {name}: "
                    "group by patient, pictures of one patient look alike"
                )
