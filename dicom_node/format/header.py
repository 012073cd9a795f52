"""The few attributes that decide where an instance belongs, read from encoded bytes without trusting them.

The data set is walked element by element (PS3.5 7.1) up to the pixels. Everything is bounded: the number of elements,
the depth of sequences, the length of a value. A sloppy value is repaired or left empty; only a data set without usable
UIDs of study and series is refused.

Of an element that a data set holds twice the first value counts, as in DCMTK and Orthanc; pydicom keeps the last. That
an identifying element has a second value is reported, because readers of the file will not agree on whose image it is.
pydicom is not used here because its parser is eager to raise and to warn on what hospitals send every day.
"""

import codecs
import re
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from pydicom.charset import decode_bytes, python_encoding

from config.errors import UnreadableInstance
from dicom_node.format.syntaxes import DEFLATED, EXPLICIT_BIG, IMPLICIT_LITTLE
from tracking.studies.instances import StudyHeader
from tracking.studies.patient import ELEMENTS

PREFIX_BYTES = 65536
"""How much of a data set is enough for nearly every header."""

_CHARACTER_SET = 0x00080005
_SOP_CLASS = 0x00080016
_SOP_INSTANCE = 0x00080018
_MODALITY = 0x00080060
_STUDY_UID = 0x0020000D
_SERIES_UID = 0x0020000E
_TEXTS = {
    0x00080020: "study_date",
    0x00080030: "study_time",
    0x00080050: "accession_number",
    0x00081030: "description",
    0x00100010: "patient_name",
    0x00100020: "patient_id",
    0x00100021: "issuer_of_patient_id",
    0x00100030: "patient_birth_date",
    0x00100040: "patient_sex",
}
_WANTED = frozenset({_CHARACTER_SET, _SOP_CLASS, _SOP_INSTANCE, _MODALITY, _STUDY_UID, _SERIES_UID, *_TEXTS})

_IDENTIFYING = {
    _CHARACTER_SET: "Specific Character Set",
    _SOP_CLASS: "SOP Class UID",
    _SOP_INSTANCE: "SOP Instance UID",
    _STUDY_UID: "Study Instance UID",
    _SERIES_UID: "Series Instance UID",
    0x00080050: "Accession Number",
    **{tag: name for tag, name in _TEXTS.items() if name in ELEMENTS},
}
"""Elements of which a second value is reported, by the name it is reported under."""
_PIXELS = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})

_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_PIXEL_DATA = 0x7FE00010
_UNDEFINED = 0xFFFFFFFF
_LONG_FORM = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"})
_MAX_ELEMENTS = 20_000
_MAX_DEPTH = 32
_MAX_VALUE_BYTES = 4096
_MAX_TEXT = 1024
_MAX_INFLATED = 16 * PREFIX_BYTES

_PADDING = b"\x00 "
_UID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_PLAIN_CODECS = {
    b"": "ascii", b"ISO_IR 6": "ascii", b"ISO_IR 100": "latin_1", b"ISO_IR 101": "iso8859_2",
    b"ISO_IR 109": "iso8859_3", b"ISO_IR 110": "iso8859_4", b"ISO_IR 144": "iso8859_5", b"ISO_IR 127": "iso8859_6",
    b"ISO_IR 126": "iso8859_7", b"ISO_IR 138": "iso8859_8", b"ISO_IR 148": "iso8859_9", b"ISO_IR 203": "iso8859_15",
    b"ISO_IR 166": "iso8859_11", b"ISO_IR 13": "shift_jis", b"ISO_IR 192": "utf_8", b"GB18030": "gb18030",
    b"GBK": "gbk",
}  # fmt: skip
_one_at_a_time = threading.Lock()


class _Truncated(Exception):
    """The bytes end before the walk does."""


class _TooComplex(_Truncated):
    """There are more elements, or deeper sequences, than anybody follows."""


class _Element(NamedTuple):
    tag: int
    value: bytes


@dataclass(frozen=True, slots=True)
class Header:
    """What receiving needs to know about an instance; all text is decoded and free of control characters."""

    sop_class_uid: str
    instance_uid: str
    series_uid: str
    modality: str
    study: StudyHeader
    repeated: Mapping[str, str] = field(default_factory=dict)
    """Identifying elements that the data set holds a second time with another value, with that value: patient elements
    by the fields of :data:`tracking.studies.patient.ELEMENTS`, others by their names."""


class UnusableUid(UnreadableInstance):
    """The UID of the study or the series is there, but cannot serve as one (PS3.5 9.1); ``element`` says which."""

    def __init__(self, element: str) -> None:
        self.element = element
        super().__init__(f"{element} is too long or not printable")


def is_usable_uid(value: str) -> bool:
    """Tell whether a UID can serve as a key: 1 to 64 letters, digits, dots, hyphens and underscores.

    Stricter than a file system needs and laxer than PS3.5 9.1, because real archives hold UIDs with letters.
    """
    return bool(_UID.fullmatch(value)) and value not in {".", ".."}


def plain_uid(raw: bytes) -> str:
    """Decode a UID as it stands in a data set or command: padding stripped, other oddities kept for the check."""
    return raw.strip(_PADDING).decode("latin_1")


def parse_header(
    encoded: bytes | bytearray | memoryview, transfer_syntax_uid: str, *, complete: bool = True
) -> Header | None:
    """Read the header from the beginning of an encoded data set.

    Parameters
    ----------
    encoded
        The data set as received, or its first bytes.
    transfer_syntax_uid
        How it is encoded; compressed syntaxes are Explicit VR Little Endian up to the pixels.
    complete
        Whether ``encoded`` is all there is. When False and the bytes end before the header does, None is
        returned and the caller comes back with more.

    Raises
    ------
    UnreadableInstance
        There is no Study Instance UID.
    UnusableUid
        There is one, or a Series Instance UID, that is longer than 64 characters or not printable.
    """
    elements = _find(encoded, transfer_syntax_uid)
    if not elements.ended and not complete:
        return None
    found = elements.first
    study_uid, series_uid = (plain_uid(found.get(tag, b"")) for tag in (_STUDY_UID, _SERIES_UID))
    if not study_uid:
        msg = "the data set cannot be parsed as far as a Study Instance UID (0020,000D)"
        raise UnreadableInstance(msg)
    for uid, element in ((study_uid, "Study Instance UID"), (series_uid, "Series Instance UID")):
        if uid and not is_usable_uid(uid):
            raise UnusableUid(element)
    character_set = found.get(_CHARACTER_SET, b"")
    texts = {name: decode_text(found.get(tag, b""), character_set) for tag, name in _TEXTS.items()}
    return Header(
        sop_class_uid=plain_uid(found.get(_SOP_CLASS, b"")),
        instance_uid=plain_uid(found.get(_SOP_INSTANCE, b"")),
        series_uid=series_uid,
        modality=decode_text(found.get(_MODALITY, b""), b"")[:16],
        study=StudyHeader(study_uid=study_uid, **texts),
        repeated={
            _IDENTIFYING[tag]: decode_text(value, elements.last.get(_CHARACTER_SET, character_set))
            for tag, value in elements.last.items()
        },
    )


def is_cut_short(encoded: bytes | bytearray | memoryview, transfer_syntax_uid: str) -> bool:
    """Tell whether an element of a whole data set claims more bytes than came.

    A deflated data set, and one that cannot be followed (its tags do not ascend, PS3.5 7.1, or it is nested too deep),
    counts as whole: such data sets are stored.
    """
    if transfer_syntax_uid == DEFLATED:
        return False
    data = memoryview(encoded)
    implicit = transfer_syntax_uid == IMPLICIT_LITTLE
    walker = _Walker(data, implicit=implicit, big=transfer_syntax_uid == EXPLICIT_BIG)
    position, last_tag = 0, -1
    try:
        while position < len(data):
            if not any(data[position : position + 8]):  # padding behind the last element
                return False
            tag, vr, length, value = walker.read(position, implicit=implicit)
            if tag <= last_tag:
                return False
            last_tag = tag
            if length != _UNDEFINED:
                position = value + length
            elif tag == _PIXEL_DATA:
                position = walker.skip_fragments(value)
            else:
                position = walker.skip_undefined(value, implicit=implicit or vr == b"UN")
    except _TooComplex:
        return False
    except _Truncated:
        return True
    return position > len(data)


def decode_text(raw: bytes, character_set: bytes) -> str:
    """Decode a text value; what does not fit its character set is replaced, never raised (PS3.3 C.12.1.1.2)."""
    if not raw:
        return ""
    terms = [term.strip(b" \x00") for term in character_set.split(b"\\")]
    text = _decode_with_escapes(raw, terms) if b"\x1b" in raw else _decode_plain(raw, terms[0])
    return _CONTROLS.sub("", text).strip()[:_MAX_TEXT]


def _decode_plain(raw: bytes, term: bytes) -> str:
    codec = _PLAIN_CODECS.get(term.replace(b"ISO 2022 IR", b"ISO_IR").upper())
    if codec not in {None, "ascii"}:
        return raw.decode(codec or "ascii", errors="replace")
    try:
        return raw.decode("utf_8")  # a missing or unknown character set: UTF-8 proves itself, Latin-1 never fails
    except UnicodeDecodeError:
        return raw.decode("latin_1")


def _decode_with_escapes(raw: bytes, terms: list[bytes]) -> str:
    """Decode ISO 2022 code extensions with pydicom, whose warnings would name the value."""
    encodings = [python_encoding.get(term.decode("latin_1"), "iso8859") for term in terms]
    try:
        for encoding in encodings:
            codecs.lookup(encoding)
        with _one_at_a_time, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return decode_bytes(raw, encodings, {0x09, 0x0A, 0x0C, 0x0D, 0x5E, 0x3D, 0x5C})
    except (LookupError, ValueError, TypeError):
        return raw.decode("latin_1")


def _inflate(encoded: bytes | bytearray | memoryview) -> bytes:
    """Inflate no more than a header needs: a small deflated data set may unfold to gigabytes."""
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(encoded, _MAX_INFLATED)
    except zlib.error:
        return b""


class FileMeta(NamedTuple):
    """What a file's meta information says; ``end`` is where the data set begins."""

    sop_class_uid: str
    instance_uid: str
    transfer_syntax_uid: str
    end: int


def read_file_meta(head: bytes) -> FileMeta:
    """Read group 2 behind preamble and prefix; its own length element is not believed, its elements are."""
    found: dict[int, str] = {}
    walker = _Walker(memoryview(head), implicit=False, big=False)
    position = 132
    try:
        while position < len(head):
            tag, _, length, value = walker.read(position, implicit=False)
            if tag >> 16 != 2 or length == _UNDEFINED:
                break
            found[tag] = plain_uid(head[value : value + length])
            position = value + length
    except _Truncated:
        pass
    return FileMeta(found.get(0x00020002, ""), found.get(0x00020003, ""), found.get(0x00020010, ""), position)


def identify(encoded: bytes, transfer_syntax_uid: str) -> tuple[str, str]:
    """Return SOP Class UID and SOP Instance UID from the beginning of a data set, empty where they are not found."""
    found = _find(encoded, transfer_syntax_uid).first
    return plain_uid(found.get(_SOP_CLASS, b"")), plain_uid(found.get(_SOP_INSTANCE, b""))


class _Elements(NamedTuple):
    """What a walk found: first values, the last of those that have another, and whether it came to its end."""

    first: dict[int, bytes]
    last: dict[int, bytes]
    ended: bool


def _find(encoded: bytes | bytearray | memoryview, transfer_syntax_uid: str) -> _Elements:
    """Collect the wanted elements up to the pixels; without any, the end of the data set is not told from a cut."""
    data = _inflate(encoded) if transfer_syntax_uid == DEFLATED else encoded
    first: dict[int, bytes] = {}
    last: dict[int, bytes] = {}
    try:
        for element in _wanted_elements(memoryview(data), transfer_syntax_uid):
            known = first.setdefault(element.tag, element.value)
            if element.tag in _IDENTIFYING and (
                element.tag in last or known.strip(_PADDING) != element.value.strip(_PADDING)
            ):
                last[element.tag] = element.value
    except _Truncated:
        return _Elements(first, last, ended=False)
    return _Elements(first, last, ended=True)


class _Walker:
    """Walks elements of one encoding over a buffer; positions are byte offsets."""

    def __init__(self, data: memoryview, *, implicit: bool, big: bool) -> None:
        self.data = data
        self.implicit = implicit
        order = ">" if big else "<"
        self._tag = struct.Struct(f"{order}HH")
        self._short = struct.Struct(f"{order}H")
        self._long = struct.Struct(f"{order}I")
        self._elements = 0

    def read(self, position: int, *, implicit: bool) -> tuple[int, bytes, int, int]:
        """Return tag, VR (empty when implicit), value length and the position of the value."""
        self._elements += 1
        if self._elements > _MAX_ELEMENTS:
            raise _TooComplex
        try:
            group, number = self._tag.unpack_from(self.data, position)
            tag = group << 16 | number
            vr = b"" if implicit or group == 0xFFFE else bytes(self.data[position + 4 : position + 6])
            if vr in _LONG_FORM:
                return tag, vr, self._long.unpack_from(self.data, position + 8)[0], position + 12
            if len(vr) == 2 and vr.isalpha() and vr.isupper():
                return tag, vr, self._short.unpack_from(self.data, position + 6)[0], position + 8
            return tag, b"", self._long.unpack_from(self.data, position + 4)[0], position + 8
        except struct.error as error:
            raise _Truncated from error

    def skip_undefined(self, position: int, *, implicit: bool, depth: int = 0) -> int:
        """Return the position behind a sequence or item list of undefined length."""
        if depth > _MAX_DEPTH:
            raise _TooComplex
        while True:
            tag, _, length, position = self.read(position, implicit=implicit)
            if tag == _SEQUENCE_END:
                return position
            if tag == _ITEM and length == _UNDEFINED:
                position = self._skip_item(position, implicit=implicit, depth=depth + 1)
            else:
                position += length
            if position > len(self.data):
                raise _Truncated

    def skip_fragments(self, position: int) -> int:
        """Return the position behind encapsulated pixels (PS3.5 A.4), whose delimiter may be missing at the end."""
        while position < len(self.data):
            tag, _, length, position = self.read(position, implicit=False)
            if tag == _SEQUENCE_END:
                break
            position += length
        return position

    def _skip_item(self, position: int, *, implicit: bool, depth: int) -> int:
        while True:
            tag, vr, length, position = self.read(position, implicit=implicit)
            if tag == _ITEM_END:
                return position
            if length == _UNDEFINED:
                position = self.skip_undefined(position, implicit=implicit or vr == b"UN", depth=depth + 1)
            else:
                position += length
            if position > len(self.data):
                raise _Truncated


def _wanted_elements(data: memoryview, transfer_syntax_uid: str) -> Iterator[_Element]:
    """Yield the wanted elements of the data set's top level, as they come, up to the pixels."""
    implicit = transfer_syntax_uid == IMPLICIT_LITTLE
    walker = _Walker(data, implicit=implicit, big=transfer_syntax_uid == EXPLICIT_BIG)
    position = 0
    while position < len(data):
        tag, vr, length, position = walker.read(position, implicit=implicit)
        if tag in _PIXELS:
            return
        if length == _UNDEFINED:
            position = walker.skip_undefined(position, implicit=implicit or vr == b"UN")
            continue
        if position + length > len(data):
            raise _Truncated
        if tag in _WANTED:
            yield _Element(tag, bytes(data[position : position + min(length, _MAX_VALUE_BYTES)]))
        position += length
    raise _Truncated
