"""An HL7 version 2 message as people read it: segment by segment, each field by HL7's own name."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from reporting.hl7.er7 import COMPONENT, FIELD, REPETITION, SEGMENT_END, unescape
from reporting.hl7.message import CODECS

_HL7_VERSION = "2.5.1"
_VARIES = "OBX_5"
_ABBREVIATIONS = re.compile(r"\b(?:[Ii]d|uid|msh|pid|pv1|orc|obr|obx)\b")
_NUMBERED = re.compile(r"[A-Z][A-Z0-9]*_(\d+)")


@dataclass(frozen=True, slots=True)
class MessageField:
    """A field of a segment that holds something; ``parts`` are its components where it has several."""

    position: str
    """Such as ``PID-5``."""
    name: str
    """As HL7 calls it; empty where that is not known."""
    value: str
    parts: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class MessageSegment:
    """One segment of a message."""

    name: str
    fields: tuple[MessageField, ...]


def message_text(content: bytes) -> tuple[MessageSegment, ...]:
    """Return an HL7 v2 message segment by segment, in the characters that it names in MSH-18."""
    text = content.decode(_codec(content), "replace")
    return tuple(_segment(line) for line in text.split(SEGMENT_END) if line.strip())


def _codec(content: bytes) -> str:
    """Return the codec of MSH-18; a message that names none, or one unknown here, is read as UTF-8."""
    fields = content.split(SEGMENT_END.encode(), 1)[0].decode("latin-1").split(FIELD)
    return CODECS.get(fields[17] if len(fields) > 17 else "", "utf-8")


def _segment(line: str) -> MessageSegment:
    name, *values = line.split(FIELD)
    if name == "MSH":
        values = [FIELD, *values]
    known = _structure(name, "Segment")
    kinds = dict(enumerate(values, 1))
    fields = [
        _field(name, number, value, known.get(number), kinds.get(2, "")) for number, value in kinds.items() if value
    ]
    return MessageSegment(name, tuple(fields))


def _field(segment: str, number: int, value: str, known: Sequence[Any] | None, value_type: str) -> MessageField:
    name = "" if known is None else _words(known[1][3])
    if segment == "MSH" and number <= 2:
        return MessageField(f"{segment}-{number}", name, value, ())
    structure = () if known is None else known[1]
    components = _by_number(structure[1]) if structure and structure[0] == "sequence" else {}
    if f"{segment}_{number}" == _VARIES:
        components = _structure(value_type, "Datatypes_Structs")
    shown = "; ".join(
        " ".join(unescape(part) for part in repetition.split(COMPONENT) if part)
        for repetition in value.split(REPETITION)
    )
    return MessageField(f"{segment}-{number}", name, shown, _parts(value, components))


def _parts(value: str, components: dict[int, Sequence[Any]]) -> tuple[tuple[str, str], ...]:
    """Return the components of a field that has several, by name; of a repeated field there are none."""
    if REPETITION in value or COMPONENT not in value:
        return ()
    return tuple(
        (_words(components[number][1][3]) if number in components else f"component {number}", unescape(part))
        for number, part in enumerate(value.split(COMPONENT), 1)
        if part
    )


def _structure(name: str, kind: str) -> dict[int, Sequence[Any]]:
    """Return hl7apy's entries of a segment or data type by number; none where it does not know the name."""
    from hl7apy import load_reference
    from hl7apy.exceptions import ChildNotFound

    try:
        reference = load_reference(name, kind, _HL7_VERSION)
    except (ChildNotFound, KeyError):
        return {}
    entries = reference[1] if kind == "Segment" else reference
    return _by_number(entries)


def _by_number(entries: Sequence[Any] | None) -> dict[int, Sequence[Any]]:
    found = ((_NUMBERED.fullmatch(str(entry[0])), entry) for entry in entries or ())
    return {int(match[1]): entry for match, entry in found if match is not None}


def _words(name: object) -> str:
    """Return a name of hl7apy's tables as words: abbreviations in capitals, examples left out."""
    words = str(name or "").replace("_", " ").partition(" E G ")[0].capitalize()
    return _ABBREVIATIONS.sub(lambda match: match[0].upper(), words)
