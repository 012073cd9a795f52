"""A source image's header, as outputs need it: identity repeated byte for byte, everything else repaired.

What a PACS files a result under must be what it filed the radiograph under. So the bytes of the identity
attributes and their character set go into our objects as they came, without a round trip through any decoder.

Two rules settle where a source breaks the Standard:

- **What files a study is repeated even if it is wrong**: Study Instance UID, Patient ID and its issuer, Patient's
  Name. A PACS that took the radiograph with them takes the result with them.
- **Anything else that breaks its VR is left empty** (an Accession Number of 56 characters, a birth date that is
  no date). These attributes are type 2, so empty is legal and means "unknown", and an archive that already knows
  the study keeps its own value. A shortened value would be another value. HL7, where longer values are legal,
  still carries the accession number as it came, and the operator is told what was left out
  (:meth:`SourceImage.left_out`).

Dates and times in the form of ACR-NEMA (2020.01.31, 10:10:10), which PS3.5 6.2 names for backward compatibility, are
rewritten in that of DICOM: the same day and time.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta, timezone
from pathlib import Path

import pydicom
from pydicom import Dataset
from pydicom.charset import convert_encodings, encode_string
from pydicom.datadict import dictionary_description
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.errors import InvalidDicomError
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag
from pydicom.uid import RE_VALID_UID

from config.errors import UnreadableInstance
from inference.findings import Code, Remark, RemarkKind
from reporting.charset import CharacterSet, quiet, understand
from reporting.elements import raw_element, tag_of, vr_of

FILING = ("PatientName", "PatientID", "IssuerOfPatientID", "StudyInstanceUID")
"""Repeated to the byte whatever they hold."""
DESCRIBING = (
    "StudyDate", "StudyTime", "AccessionNumber", "ReferringPhysicianName", "StudyDescription", "TypeOfPatientID",
    "PatientBirthDate", "PatientSex", "PatientAge", "StudyID", "TimezoneOffsetFromUTC",
)  # fmt: skip
"""Repeated to the byte when valid for their VR."""
ORDER = ("PlacerOrderNumberImagingServiceRequest", "FillerOrderNumberImagingServiceRequest")
"""Known to the ordering system only: not repeated in DICOM outputs, but carried in HL7."""
TYPE_2 = frozenset(
    {
        "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "AccessionNumber",
        "ReferringPhysicianName", "StudyID",
    }
)  # fmt: skip
"""Present in every output, empty when the source lacks them (PS3.3 C.7.1.1, C.7.2.1)."""
LOSSY_TRANSFER_SYNTAXES = frozenset(
    {
        "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51", "1.2.840.10008.1.2.4.81",
        "1.2.840.10008.1.2.4.91", "1.2.840.10008.1.2.4.203",
    }
)  # fmt: skip
_MAX_HEADER_VALUE = 1 << 16
_LENGTHS = {"SH": 16, "LO": 64}
_ORIENTATION = re.compile(r"[LRAPHF]{1,3}")
_PROJECTION = {"1.2.840.10008.5.1.4.1.1.1": "CR", "1.2.840.10008.5.1.4.1.1.1.1": "DX"}


@dataclass(frozen=True, slots=True)
class SourceImage:
    """The header of one stored instance, without its pixel data."""

    sop_instance_uid: str
    sop_class_uid: str
    study_uid: str
    series_uid: str
    transfer_syntax_uid: str
    rows: int
    columns: int
    orientation: tuple[str, str] | None
    """Patient Orientation (0020,0020), when it has two valid values."""
    spacing: tuple[float, float] | None
    """Imager Pixel Spacing (0018,1164) in mm between rows and between columns."""
    modality: str
    body_part: str
    lossy: bool
    lossy_ratio: tuple[str, ...]
    lossy_method: tuple[str, ...]
    character_set: CharacterSet
    values: Mapping[str, bytes] = field(repr=False)
    """The identity attributes by keyword, as encoded in the source, without padding."""
    procedure: Code | None = None
    """The procedure that was ordered or done, where the header names it by a code."""

    def with_letters(self) -> "SourceImage":
        """Return the same with a character set in which a document can be written in any language of this node."""
        return replace(self, character_set=self.character_set.with_letters())

    def text(self, keyword: str) -> str:
        """Return an identity attribute as decoded text, whatever it holds; empty when the source lacks it."""
        return self.character_set.decode(self.values.get(keyword, b""), name=vr_of(keyword) == "PN").strip()

    def repeats(self, keyword: str) -> bool:
        """Tell whether the outputs carry the source's own value of ``keyword``."""
        if keyword not in self.values:
            return False
        return keyword in FILING or valid_for_vr(keyword, self.text(keyword))

    def left_out(self) -> tuple[str, ...]:
        """Return the keywords of attributes that the source fills and the DICOM outputs leave empty."""
        return tuple(keyword for keyword in DESCRIBING if self.values.get(keyword) and not self.repeats(keyword))

    def remarks(self) -> tuple[Remark, ...]:
        """Return what the operator must know of :meth:`left_out`: the attribute and why, never its value."""
        return tuple(
            Remark(
                RemarkKind.ATTRIBUTE_LEFT_OUT,
                f"{dictionary_description(tag_of(keyword))} {_why_left_out(keyword, self.text(keyword))}, so the "
                f"structured report and the captures leave it empty{_in_hl7(keyword)}",
            )
            for keyword in self.left_out()
        )

    def identity(self) -> dict[BaseTag, RawDataElement]:
        """Return the elements that every DICOM output of this study carries, ready to be written.

        Encoded for Explicit VR Little Endian; all are text, so the source's own transfer syntax does not matter.
        """
        elements = {}
        for keyword in (*FILING, *DESCRIBING):
            if self.repeats(keyword):
                elements[tag_of(keyword)] = raw_element(keyword, self.values[keyword])
            elif keyword in TYPE_2:
                elements[tag_of(keyword)] = raw_element(keyword, b"")
        if self.character_set.terms:
            elements[tag_of("SpecificCharacterSet")] = raw_element(
                "SpecificCharacterSet", self.character_set.value.encode("ascii")
            )
        return elements

    def timezone(self) -> timezone | None:
        """Return the offset that the source's own times are in, or None when it does not say."""
        if not self.repeats("TimezoneOffsetFromUTC"):
            return None
        text = self.text("TimezoneOffsetFromUTC")
        offset = timedelta(hours=int(text[1:3]), minutes=int(text[3:5]))
        return timezone(-offset if text[0] == "-" else offset)

    @property
    def projection(self) -> str:
        """Return CR or DX for an image whose SOP class is that of a radiograph, else nothing."""
        return _PROJECTION.get(self.sop_class_uid, "")

    @quiet()
    def evidence(self) -> Dataset:
        """Return a clean stand-in for this instance that highdicom accepts as evidence.

        Identity attributes are empty in it: the real ones are written over the finished document.
        """
        stand_in = Dataset()
        stand_in.SOPClassUID = self.sop_class_uid
        stand_in.SOPInstanceUID = self.sop_instance_uid
        stand_in.StudyInstanceUID = self.study_uid
        stand_in.SeriesInstanceUID = self.series_uid
        for keyword in TYPE_2:
            setattr(stand_in, keyword, "")
        return stand_in


def read_source(path: Path, default_charset: str = "") -> SourceImage:
    """Read the header of a stored instance; ``default_charset`` is what a source is in that declares no set.

    Raises
    ------
    UnreadableInstance
        The file is no DICOM, or lacks what would make its study or the picture identifiable.
    """
    with quiet():
        try:
            header = pydicom.dcmread(path, stop_before_pixels=True, force=True)
        except (OSError, EOFError, InvalidDicomError, ValueError, TypeError, AttributeError, KeyError) as error:
            msg = f"a stored instance cannot be parsed ({type(error).__name__}); see `cxrnode doctor`"
            raise UnreadableInstance(msg) from None
        return describe(header, default_charset)


def describe(header: Dataset, default_charset: str = "") -> SourceImage:
    """Return what outputs need of ``header``; see :func:`read_source`."""
    with quiet():
        values = {
            keyword: _rewritten(keyword, value)
            for keyword in (*FILING, *DESCRIBING, *ORDER)
            if (value := _octets(header, keyword)) is not None and len(value) <= _MAX_HEADER_VALUE
        }
        uids = {
            keyword: (_octets(header, keyword) or b"").decode("ascii", "replace")
            for keyword in ("SOPInstanceUID", "SOPClassUID", "StudyInstanceUID", "SeriesInstanceUID")
        }
        for keyword, uid in uids.items():
            if not uid:
                msg = f"a stored instance has no {keyword}, so no result can refer to it"
                raise UnreadableInstance(msg)
        meta = getattr(header, "file_meta", Dataset())
        transfer_syntax = str(meta.get("TransferSyntaxUID", ""))
        flag = _texts(header, "LossyImageCompression")
        return SourceImage(
            sop_instance_uid=uids["SOPInstanceUID"],
            sop_class_uid=uids["SOPClassUID"],
            study_uid=uids["StudyInstanceUID"],
            series_uid=uids["SeriesInstanceUID"],
            transfer_syntax_uid=transfer_syntax,
            rows=_count(header, "Rows"),
            columns=_count(header, "Columns"),
            orientation=_orientation(_texts(header, "PatientOrientation")),
            spacing=_spacing(_texts(header, "ImagerPixelSpacing")),
            modality=(_texts(header, "Modality") or ("",))[0],
            body_part=_body_part(_texts(header, "BodyPartExamined")),
            lossy="01" in flag or transfer_syntax in LOSSY_TRANSFER_SYNTAXES,
            lossy_ratio=tuple(r for r in _texts(header, "LossyImageCompressionRatio") if _positive(r)),
            lossy_method=tuple(
                m for m in _texts(header, "LossyImageCompressionMethod") if re.fullmatch(r"[A-Z0-9_ ]{1,16}", m)
            ),
            character_set=understand(_octets(header, "SpecificCharacterSet"), values.values(), default_charset),
            values=values,
            procedure=_procedure(header),
        )


def _procedure(header: Dataset) -> Code | None:
    """Return the procedure's code: that of the order (PS3.3 10.6), else that of the study (C.7.2.1)."""
    orders = _items(header, "RequestAttributesSequence")
    named = [
        *(code for order in orders for code in _items(order, "RequestedProcedureCodeSequence")),
        *_items(header, "RequestedProcedureCodeSequence"),
        *_items(header, "ProcedureCodeSequence"),
    ]
    return next((code for item in named if (code := _code(item)) is not None), None)


def _items(dataset: Dataset, keyword: str) -> list[Dataset]:
    try:
        items = dataset.get(keyword)
        return list(items) if isinstance(items, Sequence) else []
    except (ValueError, TypeError, AttributeError, KeyError, NotImplementedError):
        return []


def _code(item: Dataset) -> Code | None:
    """Return a code sequence's item as a code, None where it lacks value or scheme (PS3.3 8.8)."""
    try:
        value = str(item.get("CodeValue") or item.get("LongCodeValue") or "").strip(" \0")
        scheme = str(item.get("CodingSchemeDesignator") or "").strip(" \0")
        meaning = str(item.get("CodeMeaning") or "").strip(" \0")
    except (ValueError, TypeError, AttributeError, KeyError):
        return None
    usable = value and scheme and all(_single(text) and len(text) <= 64 for text in (value, scheme, meaning))
    return Code(value, scheme, meaning or value) if usable else None


def valid_for_vr(keyword: str, text: str) -> bool:
    """Tell whether ``text`` is a legal value of the attribute (PS3.5 6.2), as far as an archive might care."""
    if text == "":
        return True
    if keyword == "PatientSex":
        return text in {"M", "F", "O"}
    if keyword == "TimezoneOffsetFromUTC":
        return re.fullmatch(r"[+-]\d\d[0-5]\d", text) is not None and -1200 <= int(text) <= 1400
    vr = vr_of(keyword)
    if vr == "DA":
        return _date(text)
    if vr == "TM":
        return re.fullmatch(r"([01]\d|2[0-3])([0-5]\d([0-5]\d(\.\d{1,6})?)?)?", text) is not None
    if vr == "AS":
        return re.fullmatch(r"\d{3}[DWMY]", text) is not None
    if vr == "PN":
        return _single(text) and all(len(group) <= 64 for group in text.split("=")) and text.count("=") <= 2
    return _single(text) and len(text) <= _LENGTHS.get(vr, 64)


def _rewritten(keyword: str, value: bytes) -> bytes:
    """Return a date or time of ACR-NEMA's form in that of DICOM; anything else as it is."""
    vr = vr_of(keyword)
    if vr == "DA":
        return re.sub(rb"^ *(\d{4})\.(\d\d)\.(\d\d) *$", rb"\1\2\3", value)
    if vr == "TM":
        return re.sub(rb"^ *(\d\d):(\d\d)(?::(\d\d(?:\.\d{1,6})?))? *$", rb"\1\2\3", value)
    return value


def _why_left_out(keyword: str, text: str) -> str:
    limit = _LENGTHS.get(vr_of(keyword), 0)
    if limit and len(text) > limit and _single(text):
        return f"has {len(text)} characters where DICOM allows {limit}"
    return "is not legal in DICOM"


def _in_hl7(keyword: str) -> str:
    return "; HL7 messages have it whole" if keyword == "AccessionNumber" else ""


def _single(text: str) -> bool:
    """Tell whether ``text`` is one printable value: a backslash would make several of it."""
    return not any(ord(c) < 32 or 127 <= ord(c) < 160 or c == "\\" for c in text)


def _date(text: str) -> bool:
    if re.fullmatch(r"\d{8}", text) is None:
        return False
    try:
        date(int(text[:4]), int(text[4:6]), int(text[6:]))
    except ValueError:
        return False
    return True


def _octets(header: Dataset, keyword: str) -> bytes | None:
    """Return an element's value as it stands in the file, without padding; None when there is no element."""
    tag = tag_of(keyword)
    if tag not in header:
        return None
    element: DataElement | RawDataElement | None = header.get_item(tag)
    if isinstance(element, RawDataElement):
        value = element.value
        return bytes(value).rstrip(b" \0") if value is not None else b""
    return _encode(header, element).rstrip(b" \0")


def _encode(header: Dataset, element: DataElement | None) -> bytes:
    """Return the bytes of an element that was set in memory, or that pydicom parsed while reading."""
    if element is None or element.is_empty:
        return b""
    terms = header.get("SpecificCharacterSet", "")
    listed = [terms] if isinstance(terms, str) else [str(term) for term in terms]
    value = element.value
    if element.VR == "PN":
        text = "\\".join(str(v) for v in ([value] if element.VM == 1 else value))
    else:
        text = str(value) if element.VM == 1 else "\\".join(str(v) for v in value)
    return bytes(encode_string(text, convert_encodings(listed)))


def _texts(header: Dataset, keyword: str) -> tuple[str, ...]:
    octets = _octets(header, keyword) or b""
    return tuple(part.strip(" \0") for part in octets.decode("ascii", "replace").split("\\")) if octets else ()


def _count(header: Dataset, keyword: str) -> int:
    try:
        return max(int(header.get(keyword, 0) or 0), 0)
    except (TypeError, ValueError, OverflowError):
        return 0


def _orientation(values: tuple[str, ...]) -> tuple[str, str] | None:
    if len(values) == 2 and all(_ORIENTATION.fullmatch(value) for value in values):
        return values[0], values[1]
    return None


def _positive(text: str) -> bool:
    return re.fullmatch(r"[+]?\d{1,8}(\.\d{1,7})?", text) is not None and float(text) > 0


def _spacing(values: tuple[str, ...]) -> tuple[float, float] | None:
    if len(values) == 2 and all(_positive(v) for v in values):
        return float(values[0]), float(values[1])
    return None


def _body_part(values: tuple[str, ...]) -> str:
    """Return Body Part Examined, or CHEST: what is pictured was found to be one before it was analysed."""
    value = values[0] if len(values) == 1 else ""
    return value if re.fullmatch(r"[A-Z0-9_ ]{1,16}", value) else "CHEST"


def is_uid(text: str) -> bool:
    """Tell whether ``text`` is a legal UID (PS3.5 9.1)."""
    return re.fullmatch(RE_VALID_UID, text) is not None and len(text) <= 64
