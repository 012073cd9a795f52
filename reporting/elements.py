"""Explicit VR Little Endian, written straight to bytes (PS3.5 7.1.2): for what a document holds by the hundred."""

from collections.abc import Iterable
from functools import cache
from struct import Struct

from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.tag import BaseTag, Tag
from pydicom.valuerep import EXPLICIT_VR_LENGTH_32

_SHORT, _LONG = Struct("<H"), Struct("<I")
_ITEM = b"\xfe\xff\x00\xe0"


def element(keyword: str, value: bytes) -> bytes:
    """Return one data element: tag, VR, length, and the encoded value padded to an even length."""
    head, long, _ = _head(keyword)
    padded = pad(keyword, value)
    return head + (b"\0\0" + _LONG.pack(len(padded)) if long else _SHORT.pack(len(padded))) + padded


def sequence(keyword: str, *items: bytes) -> bytes:
    """Return a sequence of encoded items, all of defined length."""
    return element(keyword, items_of(items))


def items_of(items: Iterable[bytes]) -> bytes:
    """Return the value of a sequence: each of the encoded items behind its own tag and length."""
    return b"".join(_ITEM + _LONG.pack(len(item)) + item for item in items)


def raw_element(keyword: str, value: bytes) -> RawDataElement:
    """Return an element of a data set whose encoded value pydicom is to write as it stands."""
    padded = pad(keyword, value)
    return RawDataElement(tag_of(keyword), vr_of(keyword), len(padded), padded, 0, False, True)


def pad(keyword: str, value: bytes) -> bytes:
    """Return a value with the padding of its VR, if its length is odd (PS3.5 6.2)."""
    return value + _head(keyword)[2] if len(value) % 2 else value


@cache
def tag_of(keyword: str) -> BaseTag:
    """Return the tag of a keyword. Raises KeyError for one that the Standard does not know: a slip in our tables."""
    tag = tag_for_keyword(keyword)
    if tag is None:
        raise KeyError(keyword)
    return Tag(tag)


@cache
def vr_of(keyword: str) -> str:
    """Return the VR of a keyword."""
    return dictionary_VR(tag_of(keyword))


@cache
def _head(keyword: str) -> tuple[bytes, bool, bytes]:
    """Return an element's tag and VR as bytes, whether its length takes 32 bits, and its padding."""
    tag, vr = tag_of(keyword), vr_of(keyword)
    octets = _SHORT.pack(tag.group) + _SHORT.pack(tag.element) + vr.encode("ascii")
    return octets, vr in EXPLICIT_VR_LENGTH_32, b"\0" if vr == "UI" else b" "
