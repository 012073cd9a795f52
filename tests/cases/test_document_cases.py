"""Documents of inputs that once went wrong: character sets, dates, an accession number too long for DICOM."""

from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag

from config.destinations import Hl7Destination
from inference.pixels import read_picture
from reporting.account import AnalysedImage
from reporting.capture.capture_gate import check_capture
from reporting.capture.radiograph import Radiograph
from reporting.capture.secondary_capture import build_capture
from reporting.hl7.message import build_message
from reporting.hl7.message_gate import check_message
from reporting.source import read_source
from reporting.sr.report import build_report
from reporting.sr.report_gate import check_report
from tests.accounts import account, finding

pytestmark = pytest.mark.filterwarnings("ignore:Unknown encoding:UserWarning")
MAX_PIXELS = 100_000_000


def documents(path: Path, default_charset: str = "") -> tuple[list[pydicom.Dataset], list[list[str]]]:
    """Return report and capture, and the message's segments, of a file; each has passed its own check."""
    source = read_source(path, default_charset)
    made = account(analysed=(AnalysedImage(source, (finding("lung_opacity", 0.9),)),),
                   source_uids=(source.sop_instance_uid,))  # fmt: skip
    report = build_report(made, 9001)
    check_report(report, made)
    capture = build_capture(made, made.analysed[0], Radiograph.of(read_picture(path, MAX_PIXELS), 600), 9002)
    check_capture(capture, made, made.analysed[0])
    destination = Hl7Destination(kind="hl7", name="ris", host="127.0.0.1", port=1)
    message = build_message(made, destination, None)
    check_message(message, made, destination.character_set)
    segments = [line.split("|") for line in message.content.decode("utf-8").rstrip("\r").split("\r")]
    return [pydicom.dcmread(BytesIO(built.content)) for built in (report, capture)], segments


def octets(document: pydicom.Dataset, keyword: str) -> bytes | None:
    """Return an element's bytes as they stand in a document; None where there is no such element."""
    tag = Tag(keyword)
    if tag not in document:
        return None
    element = document.get_item(tag)
    value = element.value if isinstance(element, RawDataElement) else str(element.value).encode()  # type: ignore[union-attr]
    return (value or b"").rstrip(b" ")


@pytest.mark.parametrize(
    ("file", "declared"),
    [
        ("D21_charset_garbage_cyrillic.dcm", b"ISO 2022 IR 6, IS"),
        ("D43_cyrillic_no_charset.dcm", None),
        ("D44_shiftjis_no_charset.dcm", None),
    ],
)
def test_a_character_set_is_the_sources_own_or_none(cxr_cases: Path, file: str, declared: bytes | None) -> None:
    path = cxr_cases / "dicom" / file
    name = octets(pydicom.dcmread(path, stop_before_pixels=True), "PatientName")
    built, segments = documents(path)
    for document in built:
        assert octets(document, "PatientName") == name
        assert octets(document, "SpecificCharacterSet") == declared
    assert segments[1][5].isascii()


@pytest.mark.parametrize(
    ("file", "default", "codec"),
    [
        ("D21_charset_garbage_cyrillic.dcm", "ISO_IR 144", "iso8859-5"),
        ("D43_cyrillic_no_charset.dcm", "ISO_IR 144", "iso8859-5"),
        ("D44_shiftjis_no_charset.dcm", "ISO_IR 13", "shift_jis"),
    ],
)
def test_a_sites_default_is_declared_and_hl7_has_the_letters(
    cxr_cases: Path, file: str, default: str, codec: str
) -> None:
    path = cxr_cases / "dicom" / file
    name = octets(pydicom.dcmread(path, stop_before_pixels=True), "PatientName") or b""
    built, segments = documents(path, default)
    for document in built:
        assert octets(document, "PatientName") == name
        assert octets(document, "SpecificCharacterSet") == default.encode()
    assert segments[1][5].split("^")[0].split("~")[0] == name.decode(codec).split("^")[0].split("=")[0]


def test_an_accession_number_too_long_for_dicom_is_whole_in_hl7_and_named_to_the_operator(cxr_cases: Path) -> None:
    path = cxr_cases / "dicom" / "D27_accession_slash_23.dcm"
    built, segments = documents(path)
    assert [document.AccessionNumber for document in built] == ["", ""]
    assert segments[4][18] == "RAD/2020/0131/000012345"
    (remark,) = read_source(path).remarks()
    assert remark.text.startswith("Accession Number has 23 characters where DICOM allows 16")


def test_dates_and_times_of_acr_nema_are_understood_in_every_document(cxr_cases: Path) -> None:
    built, segments = documents(cxr_cases / "dicom" / "D28_acr_nema_dates.dcm")
    for document in built:
        assert (document.StudyDate, document.StudyTime, document.PatientBirthDate) == ("20200131", "101010", "19600101")
    assert segments[4][7] == "20200131101010"
    assert segments[1][7] == "19600101"
