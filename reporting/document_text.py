"""Documents as people read them: a structured report as a tree of names and values, a message segment by segment."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Self

from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError
from pydicom.uid import UID

from config.errors import UnreadableInstance
from reporting.hl7.er7 import COMPONENT, FIELD, REPETITION, SEGMENT_END, unescape
from reporting.hl7.message import CODECS

_HL7_VERSION = "2.5.1"
_VARIES = "OBX_5"
_ABBREVIATIONS = re.compile(r"\b(?:[Ii]d|uid|msh|pid|pv1|orc|obr|obx)\b")
_NUMBERED = re.compile(r"[A-Z][A-Z0-9]*_(\d+)")


@dataclass(frozen=True, slots=True)
class ReportItem:
    """A content item of a structured report (PS3.3 C.17.3) and those beneath it."""

    name: str
    """Meaning of its concept name; its value type where it has none."""
    value: str
    """Empty for a container."""
    children: tuple[Self, ...]


@dataclass(frozen=True, slots=True)
class ReportText:
    """A structured report as text; ``facts`` are names and values about the document itself."""

    facts: tuple[tuple[str, str], ...]
    root: ReportItem


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


def report_text(content: bytes) -> ReportText:
    """Return a structured report as text. Raises UnreadableInstance where the bytes are none."""
    try:
        document = dcmread(BytesIO(content))
        facts = (
            ("Class", UID(str(document.SOPClassUID)).name),
            ("Instance", str(document.SOPInstanceUID)),
            ("Title", str(document.get("SeriesDescription", ""))),
            ("Written", _moment(str(document.get("ContentDate", "")), str(document.get("ContentTime", "")))),
            ("Completion", str(document.get("CompletionFlag", ""))),
            ("Verification", str(document.get("VerificationFlag", ""))),
            ("Status", str(document.get("PreliminaryFlag", ""))),
        )
        return ReportText(tuple(fact for fact in facts if fact[1]), _item(document))
    except (InvalidDicomError, AttributeError, ValueError, TypeError, IndexError) as error:
        raise UnreadableInstance(f"the document is no structured report ({type(error).__name__})") from None


def message_text(content: bytes) -> tuple[MessageSegment, ...]:
    """Return an HL7 v2 message segment by segment, in the characters that it names in MSH-18."""
    text = content.decode(_codec(content), "replace")
    return tuple(_segment(line) for line in text.split(SEGMENT_END) if line.strip())


def _moment(date: str, time: str) -> str:
    """Return a date and a time (PS3.5 6.2) as people write them, to the second."""
    day, hour = f"{date[:4]}-{date[4:6]}-{date[6:8]}", f"{time[:2]}:{time[2:4]}:{time[4:6]}"
    return f"{day} {hour}" if len(date) == 8 and len(time) >= 6 else f"{date} {time}".strip()


def _item(item: Dataset) -> ReportItem:
    kind = str(item.get("ValueType", ""))
    names = item.get("ConceptNameCodeSequence")
    name = _meaning(names[0]) if names else kind.capitalize()
    children = tuple(_item(child) for child in item.get("ContentSequence") or () if "ValueType" in child)
    return ReportItem(name, _value(item, kind), children)


def _value(item: Dataset, kind: str) -> str:
    if kind == "CODE":
        return _coded(item.ConceptCodeSequence[0])
    if kind == "NUM":
        return _measured(item)
    if kind in {"IMAGE", "COMPOSITE"}:
        reference = item.ReferencedSOPSequence[0]
        return f"{UID(str(reference.ReferencedSOPClassUID)).name} {reference.ReferencedSOPInstanceUID}"
    if kind == "SCOORD":
        return _graphic(item)
    keyword = {
        "TEXT": "TextValue", "UIDREF": "UID", "PNAME": "PersonName", "DATE": "Date", "TIME": "Time",
        "DATETIME": "DateTime",
    }.get(kind)  # fmt: skip
    return "" if keyword is None else str(item.get(keyword, ""))


def _measured(item: Dataset) -> str:
    if not item.get("MeasuredValueSequence"):
        return "no value"
    measured = item.MeasuredValueSequence[0]
    unit = measured.MeasurementUnitsCodeSequence[0]
    return f"{measured.NumericValue} {unit.get('CodeMeaning', '') or unit.get('CodeValue', '')}".strip()


def _graphic(item: Dataset) -> str:
    """Return a graphic's points as (column, row) pairs (PS3.3 C.18.6)."""
    data = [float(value) for value in item.get("GraphicData") or ()]
    points = " ".join(f"({x:g}, {y:g})" for x, y in zip(data[::2], data[1::2], strict=False))
    return f"{str(item.get('GraphicType', '')).capitalize()} {points}".strip()


def _coded(code: Dataset) -> str:
    value = code.get("CodeValue") or code.get("LongCodeValue") or code.get("URNCodeValue") or ""
    return f"{_meaning(code)} ({value}, {code.get('CodingSchemeDesignator', '')})"


def _meaning(code: Dataset) -> str:
    return str(code.get("CodeMeaning", ""))


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
