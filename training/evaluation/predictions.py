"""What a package said about a data set's pictures, with what is known about them: all that any figure needs.

Kept as compressed JSON, so that comparing two packages, or writing a page anew, never runs a model again. A file
holds the data set's own file names and patient numbers: treat it as the data set itself.
"""

import gzip
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from config.errors import DataError
from training.data.examples import Example, TruthBox, View

SCHEMA = 1
DIGITS = 7
"""Decimals that scores and coordinates are rounded to, in memory as in the file, so that both give the same figures."""

Numbers = NDArray[np.float64]
Truths = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Asked:
    """One finding that the package reports, with the operating points in force."""

    label: str
    title: str
    abnormal: bool
    sensitive: float
    specific: float
    box_points: tuple[float, float] | None = None
    """The two operating points of its boxes; None where it draws none."""
    learnt_as: str = ""
    """The class that its score follows from, where that is called otherwise: ``normal`` may have been learnt as
    ``no_finding``. Its truth counts where the finding's own is not known."""

    @property
    def points(self) -> dict[str, float]:
        """Its two operating points by name."""
        return {"sensitive": self.sensitive, "specific": self.specific}


@dataclass(frozen=True, slots=True)
class Head:
    """One softmax head: exclusive classes, of which every picture gets a probability each."""

    name: str
    classes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FoundBox:
    """A box the package drew, in fractions of the picture's width and height, however unsure."""

    x0: float
    y0: float
    x1: float
    y1: float
    score: float


@dataclass(frozen=True, slots=True)
class Said:
    """What the package said about one picture."""

    scores: tuple[float, ...]
    """Calibrated probabilities, in the order of the findings."""
    heads: tuple[tuple[float, ...], ...] = ()
    """Of each softmax head the probabilities of its classes."""
    boxes: Mapping[str, tuple[FoundBox, ...]] | None = None
    """By finding, the surest first, read down to score 0; one without boxes may be missing."""


@dataclass(frozen=True, slots=True)
class Package:
    """Which package spoke."""

    name: str
    version: str
    digest: str
    engine: str
    title: str = ""

    @property
    def words(self) -> str:
        """Name and version."""
        return f"{self.name} {self.version}"


@dataclass(frozen=True, slots=True)
class Predictions:
    """A package's answers on examples, in their order."""

    package: Package
    findings: tuple[Asked, ...]
    heads: tuple[Head, ...]
    examples: tuple[Example, ...]
    said: tuple[Said, ...]
    used: tuple[str, ...] = ()
    """What the package was made from: for each example ``training``, ``validation``, ``test``, "" (not known to it) or
    ``unknown`` (it does not remember its patients), see :class:`training.evaluation.record.Record`; empty where
    nobody asked."""

    def __post_init__(self) -> None:
        """Refuse answers that do not belong to the examples."""
        if len(self.examples) != len(self.said) or len(self.used) not in (0, len(self.said)):
            raise DataError(f"{len(self.said)} answers cannot belong to {len(self.examples)} pictures: predict again")

    @property
    def patients(self) -> tuple[str, ...]:
        """Whose each picture is."""
        return tuple(example.patient for example in self.examples)

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of the findings."""
        return tuple(asked.label for asked in self.findings)

    def asked(self, label: str) -> Asked:
        """Return a finding by its label; KeyError where the package has none of it."""
        return {asked.label: asked for asked in self.findings}[label]

    def scores(self, label: str) -> Numbers:
        """Return a finding's score on each picture, (n)."""
        column = self.labels.index(label)
        return np.asarray([said.scores[column] for said in self.said], np.float64)

    def probabilities(self, head: str) -> Numbers:
        """Return a softmax head's probabilities, (n, classes)."""
        column = [one.name for one in self.heads].index(head)
        width = len(self.heads[column].classes)
        return np.asarray([said.heads[column] for said in self.said], np.float64).reshape(-1, width)

    def known(self, label: str) -> tuple[NDArray[np.intp], Truths]:
        """Return the pictures about which it is known whether they have the finding, and whether they do."""
        truths = [self._truth(example, label) for example in self.examples]
        where = np.asarray([index for index, truth in enumerate(truths) if truth is not None], np.intp)
        return where, np.asarray([truths[index] for index in where], bool)

    def true(self, label: str) -> Truths:
        """Return which pictures are known to have the finding, (n)."""
        return np.asarray([bool(self._truth(example, label)) for example in self.examples], bool)

    def _truth(self, example: Example, label: str) -> bool | None:
        known = example.truths.get(label)
        if known is None:
            names = {asked.label: asked.learnt_as for asked in self.findings}
            return example.truths.get(names.get(label, ""))
        return known

    def found(self, index: int, label: str) -> tuple[Numbers, Numbers]:
        """Return the boxes of one finding on one picture, (b, 4) as x0, y0, x1, y1 in fractions, and scores (b)."""
        boxes = (self.said[index].boxes or {}).get(label, ())
        corners = np.asarray([(box.x0, box.y0, box.x1, box.y1) for box in boxes], np.float64).reshape(-1, 4)
        return corners, np.asarray([box.score for box in boxes], np.float64)

    def drawn(self, index: int, label: str) -> Numbers:
        """Return the true boxes of one finding on one picture, (t, 4) as x0, y0, x1, y1 in fractions."""
        boxes = [box for box in self.examples[index].boxes if box.label == label]
        corners = [(box.x, box.y, box.x + box.w, box.y + box.h) for box in boxes]
        return np.asarray(corners, np.float64).reshape(-1, 4)

    def only(self, where: Iterable[int] | NDArray[np.intp]) -> "Predictions":
        """Return the predictions of these pictures, in this order."""
        places = [int(index) for index in where]
        return replace(
            self,
            examples=tuple(self.examples[place] for place in places),
            said=tuple(self.said[place] for place in places),
            used=tuple(self.used[place] for place in places) if self.used else (),
        )

    @property
    def seen(self) -> dict[str, int]:
        """How many pictures are of patients that the package was fitted on or chosen on, by part; empty if none.

        Under ``unknown``, of how many nobody can tell.
        """
        return {part: self.used.count(part) for part in ("training", "validation", "unknown") if part in self.used}

    def kept_apart(self, prefixes: tuple[str, ...]) -> "tuple[Predictions, Predictions]":
        """Return the predictions without and with the pictures whose file names begin so."""
        apart = np.asarray([bool(prefixes) and example.file.startswith(prefixes) for example in self.examples], bool)
        return self.only(np.flatnonzero(~apart)), self.only(np.flatnonzero(apart))


def save_predictions(path: Path, predictions: Predictions) -> None:
    """Write predictions as gzipped JSON, whole or not at all; the same predictions give the same bytes."""
    document = {
        "schema": SCHEMA,
        "package": _plain(predictions.package),
        "findings": [_plain(asked) for asked in predictions.findings],
        "heads": [_plain(head) for head in predictions.heads],
        "pictures": [
            {**_example_json(example), **_said_json(said), **({"used": used} if used else {})}
            for example, said, used in zip(
                predictions.examples,
                predictions.said,
                predictions.used or ("",) * len(predictions.said),
                strict=True,
            )
        ],
    }
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(gzip.compress(text.encode(), mtime=0))
    partial.replace(path)


def load_predictions(path: Path) -> Predictions:
    """Read predictions back; the pictures' own paths are not kept, so they are file names only.

    Raises
    ------
    DataError
        When the file is none of ours, or damaged.
    """
    try:
        document = json.loads(gzip.decompress(path.read_bytes()))
        if document["schema"] != SCHEMA:
            raise DataError(f"{path.name} has schema {document['schema']}; this program reads {SCHEMA}: predict again")
        return Predictions(
            package=Package(**document["package"]),
            findings=tuple(_asked(entry) for entry in document["findings"]),
            heads=tuple(Head(entry["name"], tuple(entry["classes"])) for entry in document["heads"]),
            examples=tuple(_example(entry) for entry in document["pictures"]),
            said=tuple(_said(entry) for entry in document["pictures"]),
            used=tuple(entry.get("used", "") for entry in document["pictures"]),
        )
    except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{path.name} cannot be read as predictions ({type(error).__name__}): "
            "give the file that `cxrnode evaluate` wrote, or evaluate again"
        ) from error


def rounded(number: float) -> float:
    """Return a score or a coordinate as it is kept."""
    return round(float(number), DIGITS)


def _plain(one: Any) -> dict[str, Any]:
    return {name: getattr(one, name) for name in one.__slots__}


def _example_json(example: Example) -> dict[str, Any]:
    document: dict[str, Any] = {
        "file": example.file,
        "patient": example.patient,
        "source": example.source,
        "fold": example.fold,
        "view": example.view.value,
        "age": example.age,
        "sex": example.sex,
        "licence": example.licence,
        "truths": dict(example.truths),
        "read": sorted(example.read),
        "boxed": sorted(example.boxed),
        "true_boxes": [[box.label, box.x, box.y, box.w, box.h, box.source] for box in example.boxes],
    }
    return {name: value for name, value in document.items() if value not in ("", None, [], {})}


def _said_json(said: Said) -> dict[str, Any]:
    document: dict[str, Any] = {"scores": list(said.scores)}
    if said.heads:
        document["heads"] = [list(head) for head in said.heads]
    if said.boxes:
        document["boxes"] = {
            label: [[box.x0, box.y0, box.x1, box.y1, box.score] for box in boxes]
            for label, boxes in said.boxes.items()
            if boxes
        }
    return document


def _asked(entry: dict[str, Any]) -> Asked:
    points = entry["box_points"]
    return Asked(**{**entry, "box_points": None if points is None else (points[0], points[1])})


def _example(entry: dict[str, Any]) -> Example:
    return Example(
        file=entry["file"],
        path=Path(entry["file"]),
        patient=entry["patient"],
        source=entry.get("source", ""),
        fold=entry.get("fold"),
        view=View(entry.get("view", View.UNKNOWN)),
        age=entry.get("age"),
        sex=entry.get("sex", ""),
        licence=entry.get("licence", ""),
        truths=entry.get("truths", {}),
        read=frozenset(entry.get("read", ())),
        boxes=tuple(TruthBox(*box) for box in entry.get("true_boxes", ())),
        boxed=frozenset(entry.get("boxed", ())),
    )


def _said(entry: dict[str, Any]) -> Said:
    boxes = {label: tuple(FoundBox(*box) for box in found) for label, found in entry.get("boxes", {}).items()}
    return Said(tuple(entry["scores"]), tuple(tuple(head) for head in entry.get("heads", ())), boxes or None)
