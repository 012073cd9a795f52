"""highdicom, which knows the value types, reads every content item back as what was written."""

from io import BytesIO
from typing import Any

import pydicom
import pytest
from highdicom import sr
from pydicom.sr.coding import Code

from reporting.charset import CharacterSet
from reporting.elements import element
from reporting.sr.content import Coded, Container, Image, Item, Number, Polyline, Reference, Relationship, Text
from reporting.sr.content import encode_content as encode

CONTAINS = Relationship.CONTAINS
NAME = Code("121071", "DCM", "Finding")
PERCENT = Code("%", "UCUM", "Percent")
PICTURE = Image(Relationship.SELECTED_FROM, NAME, "1.2.840.10008.5.1.4.1.1.1", "1.2.3")
SQUARE = ((0.0, 0.0), (4.5, 0.0), (4.5, 4.0), (0.0, 4.0), (0.0, 0.0))


def read(*items: Item, charset: str = "ISO_IR 192") -> Any:
    """Return content items as highdicom reads them."""
    content = element("SpecificCharacterSet", charset.encode("ascii"))
    content += element("ContentSequence", encode(items, CharacterSet((charset,))))
    return sr.ContentSequence.from_sequence(pydicom.dcmread(BytesIO(content), force=True).ContentSequence)


def test_a_code_is_read_back() -> None:
    (item,) = read(Coded(CONTAINS, NAME, Code("52101004", "SCT", "Present")))
    assert (item.RelationshipType, item.name, item.value) == ("CONTAINS", NAME, Code("52101004", "SCT", "Present"))


def test_a_code_has_its_properties_beneath_it() -> None:
    inside = (Number(Relationship.HAS_PROPERTIES, NAME, 3.5, PERCENT),)
    (item,) = read(Coded(CONTAINS, NAME, Code("52101004", "SCT", "Present"), inside))
    assert item.value == Code("52101004", "SCT", "Present")
    assert [(child.RelationshipType, child.value) for child in item.ContentSequence] == [("HAS PROPERTIES", 3.5)]


def test_words_are_read_back_in_the_documents_character_set() -> None:
    for charset in ("ISO_IR 192", "ISO_IR 100"):
        (item,) = read(Text(CONTAINS, NAME, "Müller"), charset=charset)
        assert item.value == "Müller"


def test_words_in_latin_9_have_the_letters_that_latin_1_lacks() -> None:
    assert "Škoda".encode("iso8859-15") in encode([Text(CONTAINS, NAME, "Škoda")], CharacterSet(("ISO_IR 203",)))


def test_a_reference_is_read_back() -> None:
    (item,) = read(Reference(CONTAINS, NAME, "1.2.345"))
    assert item.value == "1.2.345"


@pytest.mark.parametrize("value", [0, 2048, 0.0, 91.3, 100.0, 1 / 3])
def test_a_number_is_read_back(value: float) -> None:
    (item,) = read(Number(CONTAINS, NAME, value, PERCENT))
    assert item.value == value
    assert item.unit == PERCENT
    assert len(str(item.MeasuredValueSequence[0].NumericValue)) <= 16


def test_a_region_is_read_back_with_its_picture() -> None:
    (item,) = read(Polyline(CONTAINS, NAME, SQUARE, PICTURE))
    assert item.graphic_type == sr.GraphicTypeValues.POLYLINE
    assert [tuple(point) for point in item.value] == list(SQUARE)
    assert item.ContentSequence[0].referenced_sop_instance_uid == "1.2.3"


def test_a_number_says_what_it_was_inferred_from() -> None:
    region = Polyline(Relationship.INFERRED_FROM, NAME, SQUARE, PICTURE)
    (item,) = read(Number(CONTAINS, NAME, 1.0, PERCENT, region))
    assert item.ContentSequence[0].RelationshipType == "INFERRED FROM"


def test_a_container_holds_its_items_in_order() -> None:
    inside = (Text(CONTAINS, NAME, "one"), Text(CONTAINS, NAME, "two"))
    (item,) = read(Container(CONTAINS, NAME, inside, template="1501"))
    assert [child.value for child in item.ContentSequence] == ["one", "two"]
    assert (item.template_id, item.ContinuityOfContent) == ("1501", "SEPARATE")


@pytest.mark.parametrize(
    ("value", "keyword"),
    [("1234567890123456", "CodeValue"), ("12345678901234567", "LongCodeValue"), ("urn:oid:1.2.3.4.5", "URNCodeValue")],
)
def test_a_code_stands_where_it_has_room(value: str, keyword: str) -> None:
    (item,) = read(Coded(CONTAINS, NAME, Code(value, "99X", "Meaning")))
    assert item.ConceptCodeSequence[0][keyword].value == value


def test_the_same_code_with_another_meaning_is_written_with_its_own() -> None:
    items = read(*(Coded(CONTAINS, NAME, Code("1", "99X", meaning)) for meaning in ("Here", "There")))
    assert [item.ConceptCodeSequence[0].CodeMeaning for item in items] == ["Here", "There"]


def test_a_meaning_that_has_no_room_is_refused() -> None:
    with pytest.raises(ValueError, match="64"):
        encode([Coded(CONTAINS, NAME, Code("1", "99X", "x" * 65))], CharacterSet())
