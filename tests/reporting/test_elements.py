"""What is written straight to bytes is what pydicom writes."""

from io import BytesIO

import pydicom
import pytest
from pydicom import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from reporting.elements import element, items_of, raw_element, sequence, tag_of


def written(dataset: Dataset) -> bytes:
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, False
    write_dataset(buffer, dataset)
    return bytes(buffer.getvalue())


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("CodeValue", "121071"), ("CodeMeaning", "Finding"), ("TextValue", "odd"), ("TextValue", "x" * 70_000),
        ("LongCodeValue", "882784691000119100"), ("URNCodeValue", "urn:oid:1.2"), ("UID", "1.2.3"), ("UID", "1.2.34"),
        ("ValueType", "CODE"), ("NumericValue", "91.0"), ("PatientID", ""),
    ],
)  # fmt: skip
def test_an_element_is_what_pydicom_writes(keyword: str, value: str) -> None:
    dataset = Dataset()
    setattr(dataset, keyword, value)
    assert element(keyword, value.encode("ascii")) == written(dataset)


def test_a_sequence_is_what_pydicom_writes() -> None:
    one, other, outer = Dataset(), Dataset(), Dataset()
    one.CodeValue, other.CodeMeaning = "1", "Two"
    outer.ConceptNameCodeSequence = [one, other]
    items = (element("CodeValue", b"1"), element("CodeMeaning", b"Two"))
    assert sequence("ConceptNameCodeSequence", *items) == written(outer)


def test_a_raw_element_is_written_as_it_stands() -> None:
    value = items_of([element("CodeValue", b"1")])
    dataset = Dataset({tag_of("ConceptNameCodeSequence"): raw_element("ConceptNameCodeSequence", value)})
    assert written(dataset) == sequence("ConceptNameCodeSequence", element("CodeValue", b"1"))
    read = pydicom.dcmread(BytesIO(written(dataset)), force=True)
    assert read.ConceptNameCodeSequence[0].CodeValue == "1"


def test_a_keyword_that_the_standard_does_not_know_is_a_slip() -> None:
    with pytest.raises(KeyError, match="NoSuchThing"):
        element("NoSuchThing", b"")
