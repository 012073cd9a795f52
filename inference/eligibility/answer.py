"""What a header says about an image: the view, the region, a refusal or a doubt."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from config.language.translation import marked
from inference.findings import Remark
from inference.not_analysed import NotAnalysed


class View(StrEnum):
    """How the beam went through the patient, as far as the header tells."""

    FRONTAL = "frontal"
    LATERAL = "lateral"
    OBLIQUE = "oblique"
    DECUBITUS = "decubitus"
    """On the side, with a horizontal beam."""
    LORDOTIC = "lordotic"
    """Lordotic or axial: the apices, with the clavicles above the lungs."""
    SWIMMERS = "swimmers"
    UNKNOWN = "unknown"


class Region(StrEnum):
    """Which part of the body the image shows, as far as the header tells."""

    CHEST = "chest"
    OTHER = "other"
    UNKNOWN = "unknown"


class Doubt(StrEnum):
    """Why something is unknown."""

    SILENT = "silent"
    """Nothing in the header says it."""
    UNRECOGNISED = "unrecognised"
    """A value that should say it is in no table."""
    CONTRADICTION = "contradiction"
    """The header says two things that exclude each other."""


@dataclass(frozen=True, slots=True)
class HeaderAnswer:
    """Three states: refused, accepted by the header as a frontal chest, or unknown.

    ``refusal`` is set when the header alone is reason enough. Otherwise ``doubt`` is set when view or region is
    unknown: it is the refusal that holds unless something else, such as the image itself, tells. Both are None for
    an image that its header calls a frontal chest radiograph of an adult.
    """

    refusal: NotAnalysed | None
    doubt: NotAnalysed | None
    view: View
    region: Region
    remarks: tuple[Remark, ...] = ()
    """What a reader must know about the header of an image that is analysed."""
    mirrored: bool = False
    """Whether Patient Orientation says that the image is stored mirrored."""
    from_image: str = ""
    """What is said, a sentence without its full stop, where the image settles the doubt; empty without a doubt."""
    is_dicom: bool = True
    """False for an image without a header."""


Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Statement(Generic[Value]):
    """What one source in a header says; ``doubt`` is set exactly when the value is unknown."""

    value: Value
    source: str = ""
    """The source's name, such as "series description"."""
    doubt: Doubt | None = None


@dataclass(frozen=True, slots=True)
class Sources(Generic[Value]):
    """The statements of a header about one thing, the nearest to the image first; None for a silent source."""

    near: Sequence[Statement[Value] | None]
    """What describes this image or its series."""
    far: Sequence[Statement[Value] | None]
    """What describes the procedure step, the order or the study, which may hold other images as well."""


def taken_from_image(part: Doubt | None, view: Doubt | None) -> str:
    """Return the sentence that says which of body part and view the image settled, and what the header says of it."""
    doubts = {name: doubt for name, doubt in (("body part", part), ("view", view)) if doubt is not None}
    if len(doubts) == 2 and part is view is Doubt.SILENT:
        return marked("Body part and view are taken from the image: the header states neither")
    sentence = "; ".join(f"{name} is taken from the image: the header {_SAYS[doubt]}" for name, doubt in doubts.items())
    return sentence[:1].upper() + sentence[1:]


_SAYS = {
    Doubt.SILENT: "states none",
    Doubt.UNRECOGNISED: "has a value that is not known here",
    Doubt.CONTRADICTION: "contradicts itself",
}


def nearest(sources: Sources[Value], good: Value, unknown: Value, narrower: Collection[Value] = ()) -> Statement[Value]:
    """Return what the nearest source that speaks says.

    Another source of image or series can only make that answer safer. Where it says other than a ``good`` answer,
    the result is a contradiction, or the other value if that one is ``narrower`` than the good one. Where the nearer
    source is unknown, the other value counts. Step, order and study are asked only where image and series are silent.
    """
    spoken = [statement for statement in sources.near if statement is not None]
    if not spoken:
        spoken = [statement for statement in sources.far if statement is not None][:1]
    if not spoken:
        return Statement(unknown, doubt=Doubt.SILENT)
    first, *others = spoken
    other = next((other for other in others if other.value not in {good, unknown}), None)
    if other is None or first.value not in {good, unknown}:
        return first
    if first.value == unknown or other.value in narrower:
        return other
    return Statement(unknown, other.source, Doubt.CONTRADICTION)
