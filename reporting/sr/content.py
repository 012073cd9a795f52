"""The content items of a structured report (PS3.3 C.17.3) as plain values, and their encoding.

A report of eleven findings has more than two hundred items. They are written straight to bytes, because a data set
built attribute by attribute, copied and encoded for each of them took longer than the rest of all documents.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from struct import pack

from pydicom.charset import encode_string
from pydicom.sr.coding import Code
from pydicom.valuerep import format_number_as_ds

from reporting.charset import CharacterSet
from reporting.elements import element, items_of, sequence

_LONGEST_CODE = 16
_LONGEST_MEANING = 64


class Relationship(StrEnum):
    """How an item relates to the one above it (PS3.3 C.17.3.2.4)."""

    CONTAINS = "CONTAINS"
    HAS_OBSERVATION_CONTEXT = "HAS OBS CONTEXT"
    HAS_ACQUISITION_CONTEXT = "HAS ACQ CONTEXT"
    HAS_CONCEPT_MODIFIER = "HAS CONCEPT MOD"
    HAS_PROPERTIES = "HAS PROPERTIES"
    INFERRED_FROM = "INFERRED FROM"
    SELECTED_FROM = "SELECTED FROM"


@dataclass(frozen=True, slots=True)
class Coded:
    """A coded value, CODE, and what is said of it."""

    relationship: Relationship
    name: Code
    value: Code
    children: tuple["Item", ...] = ()


@dataclass(frozen=True, slots=True)
class Text:
    """Words, TEXT; the document's character set must have them all."""

    relationship: Relationship
    name: Code
    value: str


@dataclass(frozen=True, slots=True)
class Reference:
    """A UID, UIDREF."""

    relationship: Relationship
    name: Code
    value: str


@dataclass(frozen=True, slots=True)
class Polyline:
    """A line on a picture, SCOORD; ``points`` are (column, row) (PS3.3 C.18.6.1.1)."""

    relationship: Relationship
    name: Code
    points: tuple[tuple[float, float], ...]
    source: "Image"


@dataclass(frozen=True, slots=True)
class Number:
    """A number with its unit, NUM; ``inferred_from`` says where it was measured unless its group does."""

    relationship: Relationship
    name: Code
    value: int | float
    unit: Code
    inferred_from: Polyline | None = None


@dataclass(frozen=True, slots=True)
class Image:
    """A picture, IMAGE, and what is said of it."""

    relationship: Relationship
    name: Code
    sop_class_uid: str
    sop_instance_uid: str
    children: tuple["Item", ...] = ()


@dataclass(frozen=True, slots=True)
class Container:
    """Items under a heading, CONTAINER, each standing for itself (SEPARATE); ``template`` as PS3.16 numbers it."""

    relationship: Relationship
    name: Code
    children: tuple["Item", ...]
    template: str = ""


Encodings = tuple[str, ...]
"""Python's codecs for a document's character set."""
Item = Coded | Text | Reference | Number | Image | Polyline | Container


def encode_content(items: Iterable[Item], character_set: CharacterSet) -> bytes:
    """Return the value of a Content Sequence (0040,A730) in Explicit VR Little Endian.

    Raises ValueError for a code that the Standard has no room for.
    """
    encodings = tuple(character_set.encodings)
    return items_of(_encode(item, encodings) for item in items)


def _encode(item: Item, encodings: Encodings) -> bytes:
    """Return one item's attributes, in the order of their tags."""
    kind, value, children, after = _parts(item, encodings)
    before = b""
    if isinstance(item, Image):
        before = sequence("ReferencedSOPSequence", _referenced(item))
    parts = [
        before,
        element("RelationshipType", item.relationship.value.encode("ascii")),
        element("ValueType", kind),
        _concept("ConceptNameCodeSequence", item.name, encodings),
        value,
    ]
    if children:
        parts.append(sequence("ContentSequence", *(_encode(child, encodings) for child in children)))
    return b"".join((*parts, after))


def _parts(item: Item, encodings: Encodings) -> tuple[bytes, bytes, tuple[Item, ...], bytes]:
    """Return an item's value type, its value, the items beneath it, and what is written behind those."""
    match item:
        case Coded():
            return b"CODE", _concept("ConceptCodeSequence", item.value, encodings), item.children, b""
        case Text():
            return b"TEXT", element("TextValue", _text(item.value, encodings)), (), b""
        case Reference():
            return b"UIDREF", element("UID", item.value.encode("ascii")), (), b""
        case Number():
            beneath = (item.inferred_from,) if item.inferred_from else ()
            return b"NUM", sequence("MeasuredValueSequence", _measured(item, encodings)), beneath, b""
        case Image():
            return b"IMAGE", b"", item.children, b""
        case Polyline():
            return b"SCOORD", b"", (item.source,), _graphic(item)
        case Container():
            return b"CONTAINER", _heading(item), item.children, b""


def _heading(item: Container) -> bytes:
    continuity = element("ContinuityOfContent", b"SEPARATE")
    if not item.template:
        return continuity
    resource = element("MappingResource", b"DCMR")
    identifier = element("TemplateIdentifier", item.template.encode("ascii"))
    return continuity + sequence("ContentTemplateSequence", resource + identifier)


def _measured(item: Number, encodings: Encodings) -> bytes:
    """Return a number as a decimal string of up to 16 characters, and in full if it is no whole number."""
    exact = element("FloatingPointValue", pack("<d", item.value)) if isinstance(item.value, float) else b""
    decimal = format_number_as_ds(float(item.value)).encode("ascii")
    return _concept("MeasurementUnitsCodeSequence", item.unit, encodings) + exact + element("NumericValue", decimal)


def _referenced(item: Image) -> bytes:
    return element("ReferencedSOPClassUID", item.sop_class_uid.encode("ascii")) + element(
        "ReferencedSOPInstanceUID", item.sop_instance_uid.encode("ascii")
    )


def _graphic(item: Polyline) -> bytes:
    numbers = [number for point in item.points for number in point]
    return element("GraphicData", pack(f"<{len(numbers)}f", *numbers)) + element("GraphicType", b"POLYLINE")


def _concept(keyword: str, code: Code, encodings: Encodings) -> bytes:
    """Return a sequence of one coded concept."""
    return _coded(keyword, code.value, code.scheme_designator, code.meaning, encodings)


@lru_cache(maxsize=1024)
def _coded(keyword: str, value: str, scheme: str, meaning: str, encodings: Encodings) -> bytes:
    """Return a sequence of one coded concept (PS3.3 8.8); a report repeats the same few.

    The parts are apart because two of pydicom's codes are equal, and would be one in a cache, whatever they mean.
    """
    if len(meaning) > _LONGEST_MEANING:
        msg = f"the meaning of the code {value} is longer than {_LONGEST_MEANING} characters"
        raise ValueError(msg)
    described = element("CodingSchemeDesignator", _text(scheme, encodings)) + element(
        "CodeMeaning", _text(meaning, encodings)
    )
    if len(value) <= _LONGEST_CODE:
        return sequence(keyword, element("CodeValue", _text(value, encodings)) + described)
    uniform = value.startswith("urn") or "://" in value
    return sequence(
        keyword, described + element("URNCodeValue" if uniform else "LongCodeValue", _text(value, encodings))
    )


def _text(value: str, encodings: Encodings) -> bytes:
    return bytes(encode_string(value, list(encodings)))
