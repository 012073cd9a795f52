"""What is taken from a source, and what is left empty."""

from collections.abc import Callable
from datetime import date, time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset
from pydicom.tag import BaseTag, Tag

from config.errors import UnreadableInstance
from inference.findings import Code
from reporting.source import DESCRIBING, FILING, describe, read_source, valid_for_vr
from tests.accounts import FILED_WRONG, SLOPPY, good_header


@pytest.mark.parametrize("make", [*SLOPPY.values(), *FILED_WRONG.values()], ids=[*SLOPPY, *FILED_WRONG])
def test_a_sloppy_header_is_described_and_files_to_the_byte(make: Callable[[], Dataset]) -> None:
    header = make()
    source = describe(header)
    elements = source.identity()
    for keyword in FILING:
        if keyword in header:
            assert elements[_tag(keyword)].value.rstrip(b" \0") == header.get_item(_tag(keyword)).value
    for keyword in (*FILING, *DESCRIBING):
        assert isinstance(source.text(keyword), str)
    assert source.evidence().get_item("StudyInstanceUID").value == source.study_uid


def _tag(keyword: str) -> BaseTag:
    return Tag(keyword)


@pytest.mark.parametrize(
    ("name", "keyword", "text"),
    [
        ("undeclared UTF-8", "PatientName", "Müller^Jörg"),
        ("undeclared Latin-1", "PatientName", "M?ller^J?rg^^Dr^Jr"),
        ("character set unknown", "PatientName", "M?ller^J?rg^^Dr^Jr"),
        ("character set misspelt", "PatientName", "Müller^Jörg^^Dr^Jr"),
        ("character set in words", "PatientName", "Ďurič^Željko"),
        ("ISO 2022 JP", "PatientName", "Yamada^Tarou=山田^太郎"),
        ("ISO 2022 KR", "PatientName", "Hong^Gildong=洪^吉洞=홍^길동"),
        ("GB18030", "PatientName", "Wang^XiaoDong=王^小东"),
    ],
)
def test_text_is_read_as_it_was_meant(name: str, keyword: str, text: str) -> None:
    assert describe(SLOPPY[name]()).text(keyword) == text


@pytest.mark.parametrize("declared", [None, b"", b"ISO_IR 999", b"ISO 2022 IR 6, IS", b"ISO_IR 6"])
@pytest.mark.parametrize(
    ("default", "codec", "text"),
    [
        ("ISO_IR 100", "latin-1", "Müller^Jörg"),
        ("ISO_IR 144", "iso8859-5", "Иванов^Пётр"),
        ("ISO_IR 192", "utf-8", "Ďurič^Željko"),
        ("ISO_IR 13", "shift_jis", "ﾔﾏﾀﾞ^ﾀﾛｳ"),
        ("GB18030", "gb18030", "王^小东"),
    ],
)
def test_a_sites_default_is_declared_where_the_source_declares_nothing_usable(
    declared: bytes | None, default: str, codec: str, text: str
) -> None:
    header = good_header(SpecificCharacterSet=declared, PatientName=text.encode(codec), StudyDescription=b"x")
    source = describe(header, default)
    assert source.text("PatientName") == text
    assert source.identity()[_tag("SpecificCharacterSet")].value.strip() == default.encode()


@pytest.mark.parametrize(
    ("declared", "repeated"),
    [(None, None), (b"", None), (b"ISO_IR 999", b"ISO_IR 999"), (b"ISO 2022 IR 6, IS", b"ISO 2022 IR 6, IS"),
     (b"ISO_IR 6", b"ISO_IR 6")],
)  # fmt: skip
@pytest.mark.parametrize("codec", ["latin-1", "iso8859-5", "shift_jis", "euc_kr", "cp1252"])
def test_no_set_is_asserted_that_nobody_declared(declared: bytes | None, repeated: bytes | None, codec: str) -> None:
    text = {"iso8859-5": "Иванов", "shift_jis": "山田", "euc_kr": "김희중"}.get(codec, "Müller")
    header = good_header(SpecificCharacterSet=declared, PatientName=text.encode(codec), StudyDescription=b"x")
    elements = describe(header).identity()
    found = elements.get(_tag("SpecificCharacterSet"))
    assert (found and found.value.strip()) == repeated
    assert elements[_tag("PatientName")].value.rstrip() == text.encode(codec)
    assert describe(header).text("PatientName").isascii()


def test_a_default_that_the_bytes_contradict_is_not_declared() -> None:
    header = good_header(SpecificCharacterSet=None, PatientName="Иванов".encode("iso8859-5"), StudyDescription=b"x")
    assert _tag("SpecificCharacterSet") not in describe(header, "ISO_IR 192").identity()


def _coded(value: str, scheme: str = "99RIS", meaning: str = "Röntgen Thorax") -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, scheme, meaning
    return code


def test_the_procedure_is_that_of_the_order_before_that_of_the_study() -> None:
    header = good_header()
    assert describe(header).procedure is None
    header.ProcedureCodeSequence = [_coded("STUDY")]
    assert describe(header).procedure == Code("STUDY", "99RIS", "Röntgen Thorax")
    header.RequestedProcedureCodeSequence = [_coded("ORDER")]
    assert describe(header).procedure == Code("ORDER", "99RIS", "Röntgen Thorax")
    order = Dataset()
    order.RequestedProcedureCodeSequence = [_coded("REQUEST", meaning="")]
    header.RequestAttributesSequence = [order]
    assert describe(header).procedure == Code("REQUEST", "99RIS", "REQUEST")


@pytest.mark.parametrize("item", [_coded(""), _coded("A", ""), _coded("A", "B\x07C"), Dataset()])
def test_a_procedure_without_a_code_is_none(item: Dataset) -> None:
    header = good_header()
    header.ProcedureCodeSequence = [item]
    assert describe(header).procedure is None
    header.ProcedureCodeSequence = [item, _coded("STUDY")]
    assert describe(header).procedure == Code("STUDY", "99RIS", "Röntgen Thorax")


def test_a_default_stands_aside_for_what_a_source_declares() -> None:
    assert describe(good_header(), "ISO_IR 144").identity()[_tag("SpecificCharacterSet")].value == b"ISO_IR 100"
    plain = good_header(SpecificCharacterSet=None, PatientName=b"Doe", StudyDescription=b"x")
    assert _tag("SpecificCharacterSet") not in describe(plain, "ISO_IR 144").identity()


@given(day=st.dates(), clock=st.times())
def test_dates_and_times_of_acr_nema_are_the_same_day_and_time(day: date, clock: time) -> None:
    dotted = f"{day:%Y}".zfill(4) + f"{day:.%m.%d}"
    header = good_header(
        StudyDate=dotted.encode(), PatientBirthDate=dotted.encode(), StudyTime=f"{clock:%H:%M:%S}".encode()
    )
    source = describe(header)
    assert source.text("StudyDate") == source.text("PatientBirthDate") == dotted.replace(".", "")
    assert source.text("StudyTime") == f"{clock:%H%M%S}"
    assert source.repeats("StudyDate")
    assert source.repeats("StudyTime")


def test_what_is_left_out_is_named_with_the_reason_and_without_its_value() -> None:
    accession = b"RAD/2020/0131/000012345"
    remarks = describe(good_header(AccessionNumber=accession, PatientBirthDate=b"1970")).remarks()
    assert [remark.text for remark in remarks] == [
        "Accession Number has 23 characters where DICOM allows 16, so the structured report and the captures leave it "
        "empty; HL7 messages have it whole",
        "Patient's Birth Date is not legal in DICOM, so the structured report and the captures leave it empty",
    ]
    assert describe(good_header()).remarks() == ()


@pytest.mark.parametrize("term", [b"ISO_IR 203", b"ISO 2022 IR 203"])
def test_latin_9_has_the_letters_that_latin_1_lacks(term: bytes, caplog: pytest.LogCaptureFixture) -> None:
    header = good_header(SpecificCharacterSet=term, PatientName="Žižka^Œdipe".encode("iso8859-15"))
    assert describe(header).text("PatientName") == "Žižka^Œdipe"
    assert caplog.records == []


@pytest.mark.parametrize(
    ("name", "keyword"),
    [
        ("sex U", "PatientSex"),
        ("birth date of zeros", "PatientBirthDate"),
        ("accession number of 56", "AccessionNumber"),
        ("age without zero", "PatientAge"),
        ("time zone no offset", "TimezoneOffsetFromUTC"),
        ("time zone of nowhere", "TimezoneOffsetFromUTC"),
        ("two referring physicians", "ReferringPhysicianName"),
    ],
)
def test_what_breaks_its_vr_is_not_repeated(name: str, keyword: str) -> None:
    source = describe(SLOPPY[name]())
    assert not source.repeats(keyword)
    element = source.identity().get(_tag(keyword))
    assert element is None or element.value == b""


def test_a_type_2_attribute_that_is_missing_is_there_and_empty() -> None:
    source = describe(SLOPPY["no PatientSex"]())
    assert source.identity()[_tag("PatientSex")].value == b""


def test_valid_values_are_repeated() -> None:
    source = describe(good_header())
    assert all(source.repeats(keyword) for keyword in source.values)


@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "SOPInstanceUID", "SOPClassUID", "SeriesInstanceUID"])
def test_without_the_uids_there_is_nothing_to_refer_to(keyword: str) -> None:
    with pytest.raises(UnreadableInstance, match=keyword):
        describe(good_header(**{keyword: None}))


def test_a_file_that_is_no_dicom_is_unreadable(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"hello")
    with pytest.raises(UnreadableInstance):
        read_source(path)
    with pytest.raises(UnreadableInstance):
        read_source(tmp_path / "gone")


@pytest.mark.parametrize(("text", "valid"), [("235959.999999", True), ("2400", False), ("", True), ("10", True)])
def test_times_are_checked(text: str, valid: bool) -> None:
    assert valid_for_vr("StudyTime", text) is valid


@pytest.mark.data
def test_real_headers_are_described(cxr_data: Path) -> None:
    for path in [*(cxr_data / "dicom" / "chest").iterdir(), *(cxr_data / "dicom" / "rsna").glob("*.dcm")]:
        source = read_source(path)
        assert source.rows > 0
        assert source.repeats("StudyInstanceUID")
    overlong = read_source(cxr_data / "dicom" / "chest" / "966_fixed.dcm")
    assert len(overlong.text("AccessionNumber")) == 56
    assert not overlong.repeats("AccessionNumber")
