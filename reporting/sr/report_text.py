"""A structured report as people read it: a tree of names and values."""

from io import BytesIO

from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError
from pydicom.uid import UID

from config.errors import UnreadableInstance
from reporting.document_tree import DocumentItem, DocumentTree


def report_text(content: bytes) -> DocumentTree:
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
        return DocumentTree(tuple(fact for fact in facts if fact[1]), _item(document))
    except (InvalidDicomError, AttributeError, ValueError, TypeError, IndexError) as error:
        raise UnreadableInstance(f"the document is no structured report ({type(error).__name__})") from None


def _moment(date: str, time: str) -> str:
    """Return a date and a time (PS3.5 6.2) as people write them, to the second."""
    day, hour = f"{date[:4]}-{date[4:6]}-{date[6:8]}", f"{time[:2]}:{time[2:4]}:{time[4:6]}"
    return f"{day} {hour}" if len(date) == 8 and len(time) >= 6 else f"{date} {time}".strip()


def _item(item: Dataset) -> DocumentItem:
    kind = str(item.get("ValueType", ""))
    names = item.get("ConceptNameCodeSequence")
    name = _meaning(names[0]) if names else kind.capitalize()
    children = tuple(_item(child) for child in item.get("ContentSequence") or () if "ValueType" in child)
    return DocumentItem(name, _value(item, kind), children)


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
