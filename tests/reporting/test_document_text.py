"""Documents as people read them: every content item of a report, every value of a message under HL7's own name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.destinations import Hl7Destination
from config.errors import UnreadableInstance
from reporting.document_tree import DocumentItem
from reporting.hl7.message import ReportReference, build_message
from reporting.hl7.message_text import MessageField, message_text
from reporting.sr.report import build_report
from reporting.sr.report_classes import ReportClass
from reporting.sr.report_text import report_text
from tests.accounts import account


def items(item: DocumentItem) -> list[tuple[str, str]]:
    return [(item.name, item.value), *(found for child in item.children for found in items(child))]


@pytest.fixture(scope="module")
def message() -> bytes:
    ris = Hl7Destination(kind="hl7", name="ris", host="ris.example", port=2575)
    return build_message(account(), ris, ReportReference("1.5", "1.6")).content


def fields(content: bytes) -> dict[str, MessageField]:
    return {field.position: field for segment in message_text(content) for field in segment.fields}


def test_a_report_is_a_tree_of_names_and_values() -> None:
    text = report_text(build_report(account(), 9001, ReportClass.COMPREHENSIVE_3D).content)
    facts = dict(text.facts)
    assert facts["Written"] == "2026-01-02 03:04:05"
    assert (facts["Class"], facts["Verification"]) == ("Comprehensive 3D SR Storage", "UNVERIFIED")
    assert text.root.name == "Imaging Measurement Report"
    told = items(text.root)
    assert ("Finding", "Lung opacity (95436008, SCT)") in told
    assert ("Finding Site", "Lung (39607008, SCT)") in told
    assert ("Certainty of Finding", "91.0 Percent") in told
    assert any(value.startswith("Polyline (180, 150)") for _, value in told)
    assert any(value.startswith("Computed Radiography Image Storage 1.2.3.4.1") for _, value in told)


@pytest.mark.parametrize("content", [b"", b"no DICOM", b"\0" * 128 + b"DICM"])
def test_what_is_no_report_is_refused(content: bytes) -> None:
    with pytest.raises(UnreadableInstance):
        report_text(content)


def test_a_message_is_named_field_by_field(message: bytes) -> None:
    assert [segment.name for segment in message_text(message)][:5] == ["MSH", "PID", "PV1", "ORC", "OBR"]
    told = fields(message)
    assert (told["MSH-1"].value, told["MSH-2"].value) == ("|", "^~\\&")
    assert (told["MSH-10"].name, len(told["MSH-10"].value)) == ("Message control ID", 20)
    assert told["PID-3"].parts[0] == ("ID number", "PID-1")
    assert told["PID-5"].name == "Patient name"
    assert ("Family name", "Müller") in told["PID-5"].parts
    coded = [
        field
        for segment in message_text(message)
        for field in segment.fields
        if field.position == "OBX-5" and ("Name of coding system", "SCT") in field.parts
    ]
    assert coded, "the data type of OBX-5 is named by OBX-2"


def test_a_message_is_read_in_the_characters_that_it_names(message: bytes) -> None:
    latin = message.decode("utf-8").replace("UNICODE UTF-8", "8859/1").encode("latin-1")
    assert ("Family name", "Müller") in fields(latin)["PID-5"].parts


def test_escaped_values_are_shown_as_they_were_meant() -> None:
    content = b"MSH|^~\\&|A\rZZZ|a\\T\\b|x~y\rPID|||1\\S\\2^^^H\r"
    told = fields(content)
    assert (told["ZZZ-1"].value, told["ZZZ-1"].name, told["ZZZ-2"].value) == ("a&b", "", "x; y")
    assert told["PID-3"].parts[0] == ("ID number", "1^2")


@given(st.binary(max_size=200))
def test_any_bytes_are_some_text(content: bytes) -> None:
    for segment in message_text(content):
        assert all(field.value for field in segment.fields)
