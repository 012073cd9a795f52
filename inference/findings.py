"""What a model says about one picture, in the terms every later room uses."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic import TypeAdapter

from inference.evidence import Evidence
from inference.not_analysed import NotAnalysed


class Level(StrEnum):
    """Where a score stands against a finding's two operating points."""

    ABSENT = "absent"
    """Below the sensitive point."""
    POSSIBLE = "possible"
    """At or above the sensitive point, below the specific one."""
    PRESENT = "present"
    """At or above the specific point."""


@dataclass(frozen=True, slots=True)
class Code:
    """A coded concept: value, coding scheme designator, meaning (PS3.3 8.8)."""

    value: str
    scheme: str
    meaning: str


@dataclass(frozen=True, slots=True)
class OperatingPoints:
    """The two thresholds of a finding on its calibrated probability, 0 to 1, sensitive <= specific."""

    sensitive: float
    specific: float

    def level(self, score: float) -> Level:
        """Place a score against both points."""
        if score >= self.specific:
            return Level.PRESENT
        return Level.POSSIBLE if score >= self.sensitive else Level.ABSENT


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle on the stored picture, in its pixels: 0-based, x is the column, y the row.

    ``(x0, y0)`` is the upper left corner of the first pixel inside and ``(x1, y1)`` the lower right corner
    of the last one, so ``x1 - x0`` is the width.
    """

    x0: float
    y0: float
    x1: float
    y1: float
    score: float
    level: Level


class MapKind(StrEnum):
    """How a score map was made."""

    HEAT = "heat"
    """The detector's own probability, at each place, that a region of the finding has its middle there."""


@dataclass(frozen=True, slots=True)
class Pointing:
    """How well a finding's maps were measured to point (the pointing game, Zhang et al. 2016)."""

    images: int
    """Images with boxes of the finding that a radiologist drew, of patients that were not learnt from."""
    right: float
    """Share of them on which the map's greatest cell lies in a box, 0 to 1."""
    constant: float
    """The same share for the best constant point, a map that never looked."""


@dataclass(frozen=True, slots=True)
class ScoreMap:
    """Where on the image a finding's score comes from: equal cells that cover the whole stored image evenly."""

    kind: MapKind
    rows: int
    columns: int
    values: tuple[int, ...]
    """Row by row from the upper left corner of the stored image, 0 to 255 for 0 to 1."""
    pointing: Pointing | None = None
    """None where an earlier version made the map."""

    @property
    def peak(self) -> tuple[float, float]:
        """Return the middle of the greatest cell, (x, y) as shares of the image's width and height."""
        row, column = divmod(max(range(len(self.values)), key=self.values.__getitem__), self.columns)
        return (column + 0.5) / self.columns, (row + 0.5) / self.rows


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding on one picture. ``score`` is a calibrated probability, 0 to 1."""

    label: str
    """The package's own key, such as ``lung_opacity``."""
    code: Code
    site: Code
    score: float
    level: Level
    points: OperatingPoints
    abnormal: bool
    """False for findings such as "normal", whose presence is good news."""
    boxes: tuple[Box, ...] = ()
    note: str = ""
    """One plain sentence for whoever reads the score, such as what it is not; empty where none is needed."""
    stated: bool = False
    """Whether words may be made of it (:func:`inference.evidence.may_be_stated`); otherwise it is scored only."""
    evidence: Evidence | None = None
    """How often such calls were right; None where nobody measured."""
    map: ScoreMap | None = None
    """Where the score comes from; None where the package has no map for the finding, or it is absent or not stated."""

    @property
    def marks(self) -> tuple[float, ...]:
        """Return the operating points in force, the sensitive one first."""
        return self.points.sensitive, self.points.specific


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """Which model spoke: enough to find the very bytes again."""

    name: str
    version: str
    digest: str
    """SHA-256 over the package's manifest, hexadecimal."""
    engine: str
    """Such as ``litert 2.3.0 cpu``."""


class RemarkKind(StrEnum):
    """What a reader must know about how an image was read; the words are in :class:`Remark`."""

    ATTRIBUTE_DEFAULTED = "attribute-defaulted"
    """An attribute was absent or unusable, and its evident default was taken."""
    AUTOMATIC_WINDOW = "automatic-window"
    """The stored window was not believed."""
    PIXELS_MISSING = "pixels-missing"
    """Some bytes of the pixel data are missing; those pixels are black."""
    ORIENTATION_MENDED = "orientation-mended"
    """The image was turned upright, or its polarity was put right, before it was analysed."""
    MIRRORED = "mirrored"
    """The header says that the image is stored mirrored, or the heart lies on the right."""
    ATTRIBUTE_LEFT_OUT = "attribute-left-out"
    """The DICOM documents leave an attribute empty, because the source's value is not legal; for the operator."""
    UNLIKE_LEARNT = "unlike-learnt"
    """The image is unlike those that the model learnt from."""
    BIRTH_DATE_LATE = "birth-date-late"
    """The birth date lies after the study date, so that no age follows from it."""
    FROM_IMAGE = "from-image"
    """The header leaves view or body part open, and the image settled it."""
    NO_HEADER = "no-header"
    """The image came in a file that says nothing about the patient."""


@dataclass(frozen=True, slots=True)
class Remark:
    """One sentence about how an image was read, for every document that speaks of it."""

    kind: RemarkKind
    text: str
    """A sentence without its full stop; holds no patient data."""


@dataclass(frozen=True, slots=True)
class ImageAnalysis:
    """What came of one image: findings, or the reason there are none, and how it was read."""

    outcome: tuple[Finding, ...] | NotAnalysed
    remarks: tuple[Remark, ...] = ()
    verdict: dict[str, Any] | None = None
    """What the image itself says it is, as plain JSON values; None where nobody looked. Under ``anatomy`` it holds what
    was measured of lungs and heart (:class:`inference.anatomy.assess.Anatomy`)."""
    distance: float | None = None
    """How far the image lies from what the model learnt, as the share of held-out images that lie nearer, 0 to 1."""

    @property
    def refused(self) -> bool:
        """Say whether the image was not analysed."""
        return isinstance(self.outcome, NotAnalysed)


@dataclass(frozen=True, slots=True)
class ImageResult:
    """What came of one stored instance."""

    sop_instance_uid: str
    analysis: ImageAnalysis


_FINDING = TypeAdapter(Finding)
_REMARKS = TypeAdapter(tuple[Remark, ...])


def remarks_to_json(remarks: tuple[Remark, ...]) -> list[dict[str, Any]]:
    """Return remarks as plain JSON values, for the tracking room to keep."""
    documents: list[dict[str, Any]] = _REMARKS.dump_python(remarks, mode="json")
    return documents


def remarks_from_json(documents: list[dict[str, Any]]) -> tuple[Remark, ...]:
    """Return the remarks that :func:`remarks_to_json` wrote."""
    return _REMARKS.validate_python(documents)


def finding_to_json(finding: Finding) -> dict[str, Any]:
    """Return the finding as plain JSON values, for the tracking room to keep."""
    document: dict[str, Any] = _FINDING.dump_python(finding, mode="json")
    return document


def finding_from_json(document: dict[str, Any]) -> Finding:
    """Return the finding that :func:`finding_to_json` wrote."""
    return _FINDING.validate_python(document)
