"""From a verdict network's probabilities to the verdict on one image, and why it is refused; pure functions."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

from config.language.translation import marked
from inference.not_analysed import NotAnalysed, ReasonCode
from inference.verdict.heads import CONTENTS, MISSING, TURNS, Content

Turn = Literal[0, 90, 180, 270]
_MIRRORED = 0.98
"""From which probability on an image is noted as mirrored, and below one minus which as not mirrored.

On four unseen collections 0.2 % of films as stored reach it, most of them with the heart on the right, and 84 % of
mirrored ones.
"""
_FLAW = 0.5


class Kind(StrEnum):
    """What an image is, as far as its pixels tell."""

    FRONTAL = "frontal"
    """A frontal chest radiograph, upright as the Standard displays it (PS3.3 C.7.6.1.1.1)."""
    LATERAL = "lateral"
    NEGATIVE = "negative"
    TURNED = "turned"
    CUT = "cut"
    """Half of the chest, the apices or the bases are missing."""
    EMPTY = "empty"
    OTHER = "other"
    """No chest radiograph."""
    UNCLEAR = "unclear"
    """Nothing of the above for sure, and no sure frontal chest either."""


@dataclass(frozen=True, slots=True)
class Answers:
    """A verdict network's probabilities, 0 to 1."""

    usable: float
    """That it is a whole, positive, upright frontal chest radiograph."""
    content: dict[Content, float]
    turn: dict[Turn, float]
    negative: float
    missing: dict[str, float]
    """By the names of :data:`inference.verdict.heads.MISSING`."""
    mirrored: float


@dataclass(frozen=True, slots=True)
class Margin:
    """From which probability of ``usable`` on an image is taken for an upright frontal chest."""

    accept: float
    """Where its header says so, too."""
    sure: float
    """Where its header does not; never below ``accept``."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an image says about itself."""

    kind: Kind
    usable: float
    """The probability, 0 to 1, that it is an upright frontal chest radiograph."""
    sure: bool
    """Whether that is enough without a header that says so; only ever true of ``Kind.FRONTAL``."""
    turned: Turn = 0
    """Degrees clockwise by which it is stored turned."""
    negative: bool = False
    missing: tuple[str, ...] = ()
    mirrored: bool | None = None
    """Whether right and left are exchanged; None where it cannot be told."""

    @property
    def frontal_upright(self) -> bool:
        """Say whether findings may be looked for in it as it is stored."""
        return self.kind is Kind.FRONTAL

    @property
    def mendable(self) -> bool:
        """Say whether turning or inverting might make an upright frontal chest of it."""
        return self.kind in {Kind.NEGATIVE, Kind.TURNED} and not self.missing

    def as_json(self) -> dict[str, Any]:
        """Return the verdict as plain JSON values, for the tracking room to keep."""
        return {
            "kind": self.kind.value,
            "usable": round(self.usable, 4),
            "sure": self.sure,
            "turned": self.turned,
            "negative": self.negative,
            "missing": list(self.missing),
            "mirrored": self.mirrored,
        }


def decide(answers: Answers, margin: Margin) -> Verdict:
    """Return the verdict that follows from a network's probabilities."""
    content = max(CONTENTS, key=lambda name: answers.content[name])
    turned = max(TURNS, key=lambda degrees: answers.turn[degrees])
    negative = answers.negative >= _FLAW
    whole_view = content == "frontal" and not turned
    missing = tuple(name for name in MISSING if whole_view and answers.missing[name] >= _FLAW)
    if answers.usable >= margin.accept:
        sure = answers.usable >= max(margin.sure, margin.accept)
        return Verdict(Kind.FRONTAL, answers.usable, sure, mirrored=_mirrored(answers.mirrored))
    kind = Kind.UNCLEAR
    if content != "frontal":
        kind = Kind(content)
    elif negative:
        kind = Kind.NEGATIVE
    elif turned:
        kind = Kind.TURNED
    elif missing:
        kind = Kind.CUT
    return Verdict(kind, answers.usable, sure=False, turned=turned, negative=negative, missing=missing)


def accepted(verdict: Verdict, *, header_agrees: bool) -> bool:
    """Say whether findings may be looked for, where the header calls the image a frontal chest or leaves that open."""
    return verdict.frontal_upright and (header_agrees or verdict.sure)


def refusal(verdict: Verdict, *, is_dicom: bool = True) -> NotAnalysed | None:
    """Return why an image is not analysed; None for an upright frontal chest.

    ``is_dicom`` is False for an image without a DICOM header, which is cured by other means.
    """
    turned = {"degrees": verdict.turned}
    match verdict.kind:
        case Kind.FRONTAL:
            return None
        case Kind.NEGATIVE if verdict.turned:
            return NotAnalysed(ReasonCode.NEGATIVE_TURNED if is_dicom else ReasonCode.NEGATIVE_TURNED_FILE, turned)
        case Kind.NEGATIVE:
            return NotAnalysed(ReasonCode.NEGATIVE if is_dicom else ReasonCode.NEGATIVE_FILE)
        case Kind.TURNED:
            return NotAnalysed(ReasonCode.TURNED if is_dicom else ReasonCode.TURNED_FILE, turned)
        case Kind.CUT:
            return NotAnalysed(ReasonCode.CUT, {"parts": [_PARTS[name] for name in verdict.missing]})
        case Kind.LATERAL:
            return NotAnalysed(ReasonCode.SEEN_LATERAL)
        case Kind.EMPTY:
            return NotAnalysed(ReasonCode.EMPTY)
        case Kind.OTHER:
            return NotAnalysed(ReasonCode.NO_CHEST)
        case Kind.UNCLEAR:
            return NotAnalysed(ReasonCode.UNCLEAR)


_PARTS = {"side": marked("one side"), "upper": marked("the upper part"), "lower": marked("the lower part")}


def _mirrored(probability: float) -> bool | None:
    if probability >= _MIRRORED:
        return True
    return False if probability <= 1 - _MIRRORED else None
