"""What is repeated to the byte is written as it stands."""

import pytest
from pydicom import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from reporting.elements import raw_element, tag_of


def written(dataset: Dataset) -> bytes:
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, False
    write_dataset(buffer, dataset)
    return bytes(buffer.getvalue())


@pytest.mark.parametrize(
    ("keyword", "value"),
    [("PatientID", "odd"), ("PatientID", "even"), ("PatientID", ""), ("StudyInstanceUID", "1.2.3")],
)
def test_a_raw_element_is_what_pydicom_writes(keyword: str, value: str) -> None:
    expected = Dataset()
    setattr(expected, keyword, value)
    raw = Dataset({tag_of(keyword): raw_element(keyword, value.encode("ascii"))})
    assert written(raw) == written(expected)


def test_a_keyword_that_the_standard_does_not_know_is_a_slip() -> None:
    with pytest.raises(KeyError, match="NoSuchThing"):
        raw_element("NoSuchThing", b"")
