"""Elements whose encoded value is written as it stands, and what the dictionary says of keywords."""

from functools import cache

from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.tag import BaseTag, Tag


def raw_element(keyword: str, value: bytes) -> RawDataElement:
    """Return an element in Explicit VR Little Endian whose encoded value pydicom is to write as it stands.

    A value of odd length gets the padding of its VR (PS3.5 6.2).
    """
    padding = b"\0" if vr_of(keyword) == "UI" else b" "
    padded = value + padding if len(value) % 2 else value
    return RawDataElement(tag_of(keyword), vr_of(keyword), len(padded), padded, 0, False, True)


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
