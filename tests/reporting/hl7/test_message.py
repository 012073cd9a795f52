"""The HL7 message: what it says, and that no value of a patient can become structure."""

from dataclasses import replace
from itertools import groupby
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from config.destinations import Hl7Destination
from inference.findings import Code, Finding, Remark, RemarkKind
from reporting.account import AnalysedImage
from reporting.hl7.er7 import LONGEST_STRING, components, escape, segment, unescape, wrapped, xpn
from reporting.hl7.message import ReportReference, build_message, encode_for
from reporting.hl7.message_gate import check_message
from reporting.hl7.validation import require_valid
from reporting.notes.correction import build_correction
from tests.accounts import CHESTS, SLOPPY, account, chest, finding, good_header, lateral, not_analysed_account, raw
from tracking.outbox.reasons import Reason
from tracking.outbox.rejections import Note

IMPRESSION = "59776-5^Procedure findings^LN"
NASTY = st.text(st.one_of(st.sampled_from("|^~\\&\r\n\x0b\x1c\x00\x7f\x85\u2028｜＾～"), st.characters()), max_size=60)
EXPECTED_NAMES = ["MSH", "PID", "PV1", "ORC", "OBR"]


def destination(**changes: Any) -> Hl7Destination:
    return Hl7Destination(kind="hl7", name="ris", host="ris.example", port=2575, **changes)


def segments(content: bytes, codec: str = "utf-8") -> list[list[str]]:
    return [line.split("|") for line in content.decode(codec).rstrip("\r").split("\r")]


def observations(content: bytes) -> list[list[str]]:
    return [fields for fields in segments(content) if fields[0] == "OBX"]


def message(**changes: Any) -> bytes:
    made = account(**changes)
    built = build_message(made, destination(), ReportReference("1.5", "1.6"))
    check_message(built, made, "UNICODE UTF-8")
    return built.content


@pytest.mark.parametrize("skipped", [False, True])
def test_an_older_receiver_gets_version_2_3_1(skipped: bool) -> None:
    made = not_analysed_account() if skipped else account(good_header(1), good_header(2))
    built = build_message(made, destination(version="2.3.1"), ReportReference("1.5", "1.6"))
    check_message(built, made, "UNICODE UTF-8")
    lines = segments(built.content)
    assert lines[0][11] == "2.3.1"
    assert {fields[2] for fields in observations(built.content)} <= {"ST", "CE", "NM", "TX"}
    said = [fields for fields in observations(built.content) if fields[11] != "O"]
    assert all(len(fields) == 18 and fields[17].split("^")[3:5] == ["opacity", "1.0.0"] for fields in said)


def test_a_receiver_gets_its_own_codes_with_the_packages_beside_them() -> None:
    made = account()
    to = destination(codes={"lung_opacity": ("RID1", "RADLEX", "opacity of the lung")})
    built = build_message(made, to, None)
    check_message(built, made, "UNICODE UTF-8")
    named = [fields[5] for fields in observations(built.content) if fields[3].startswith("121071^")]
    assert named[0] == "RID1^opacity of the lung^RADLEX^95436008^Lung opacity^SCT"
    assert all("RADLEX" not in code for code in named[1:])


def test_only_a_critical_finding_that_is_stated_and_present_is_flagged_so() -> None:
    def flags(score: float, *, stated: bool = True) -> set[str]:
        found = (finding("pneumothorax", score, stated=stated), finding("lung_opacity", 0.9))
        made = account(analysed=(AnalysedImage(account().lead, found),))
        built = build_message(made, destination(scored_only=True), None, ("pneumothorax",))
        check_message(built, made, "UNICODE UTF-8")
        coded = (fields for fields in observations(built.content) if fields[3] != IMPRESSION)
        group = [list(lines) for _, lines in groupby(coded, key=lambda fields: fields[4])]
        (own,) = (lines for lines in group if any("Pneumothorax" in fields[5] for fields in lines if fields[4]))
        return {fields[8] for fields in own[1:]}

    assert flags(0.9) == {"HH"}
    assert flags(0.5) == {"A"}
    assert flags(0.1) == {"N"}
    assert flags(0.9, stated=False) == {""}


@given(NASTY)
def test_escaping_is_undone_by_unescaping(value: str) -> None:
    kept = "".join(" " if c in "\u2028\u2029" or "\x80" <= c <= "\x9f" else c for c in value)
    assert unescape(escape(value, 10**6)) == kept


@given(NASTY)
def test_an_escaped_value_delimits_nothing(value: str) -> None:
    escaped = escape(value)
    assert not set(escaped) & set("|^~&\r\n\x0b\x1c")
    assert len(escaped) <= LONGEST_STRING


@given(NASTY, st.integers(0, 30))
def test_a_cut_never_splits_an_escape_sequence(value: str, limit: int) -> None:
    cut = escape(value, limit)
    assert len(cut) <= limit
    assert cut.count("\\") % 2 == 0


@given(st.text(st.one_of(st.sampled_from("|^~\\& \r"), st.characters()), max_size=400))
def test_a_long_text_is_wrapped_into_pieces_that_validate_and_lose_nothing_but_overlong_words(value: str) -> None:
    pieces = wrapped(value)
    assert all(len(piece) <= LONGEST_STRING for piece in pieces)
    assert all(piece.count("\\") % 2 == 0 for piece in pieces)
    if all(len(word) <= LONGEST_STRING for word in escape(value, 10**6).split(" ")):
        assert " ".join(pieces) == escape(value, 10**6)


def test_an_unknown_escape_sequence_stays() -> None:
    assert unescape(r"a\H\b\Zx\c") == r"a\H\b\Zx\c"
    assert unescape(r"\X4142\ ") == "AB "


def test_a_segment_cannot_hold_a_line_break() -> None:
    with pytest.raises(ValueError, match="PID"):
        segment("PID", {1: "a\rb"})
    assert segment("MSH", {2: "^~\\&", 4: "x"}) == "MSH|^~\\&||x"
    assert components("a|b", "", "c^d", "") == "a\\F\\b^^c\\S\\d"


@pytest.mark.parametrize(
    ("name", "encoded"),
    [
        ("Müller^Jörg^Karl^Dr^Jr", "Müller^Jörg^Karl^Jr^Dr^^L"),
        ("DOE JOHN", "DOE JOHN^^^^^^L"),
        ("", ""),
        ("^^^^", ""),
        (
            "Yamada^Tarou=山田^太郎=やまだ^たろう",
            "Yamada^Tarou^^^^^L^A~山田^太郎^^^^^L^I~やまだ^たろう^^^^^L^P",
        ),
        ("=山田^太郎", "山田^太郎^^^^^L"),
        ("A&B^C~D", "A\\T\\B^C\\R\\D^^^^^L"),
    ],
)
def test_a_person_name_keeps_its_parts_in_hl7_order(name: str, encoded: str) -> None:
    assert xpn(name) == encoded


@hypothesis(max_examples=25)
@given(NASTY, NASTY, NASTY, NASTY, st.sampled_from(["UNICODE UTF-8", "8859/1", "ASCII"]))
def test_no_value_of_a_patient_adds_a_segment_or_a_field(
    name: str, patient_id: str, accession: str, because: str, character_set: str
) -> None:
    plain = account(good_header(SpecificCharacterSet=b"ISO_IR 192"), skipped=(lateral(),))
    header = good_header(SpecificCharacterSet=b"ISO_IR 192")
    for keyword, text in (("PatientName", name), ("PatientID", patient_id), ("AccessionNumber", accession)):
        raw(header, keyword, text.encode("utf-8", "replace"))
    skipped = type(lateral())("1.2", "1.2", because)
    hostile = account(header, skipped=(skipped,))
    to = destination(character_set=character_set)
    codec = {"UNICODE UTF-8": "utf-8", "8859/1": "latin-1", "ASCII": "ascii"}[character_set]
    built = build_message(hostile, to, None)
    check_message(built, hostile, character_set)
    ours = segments(built.content, codec)
    theirs = segments(build_message(plain, to, None).content, codec)
    assert [fields[0] for fields in ours] == [fields[0] for fields in theirs]
    assert all(len(one) <= len(other) for one, other in zip(ours, theirs, strict=True))
    assert b"\x0b" not in built.content
    assert b"\x1c" not in built.content


def test_the_header_is_version_2_5_1_and_asks_for_an_application_acknowledgement() -> None:
    to = destination(receiving_application="RIS|A", receiving_facility="H", sending_facility="F")
    made = account()
    header = segments(build_message(made, to, None).content)[0]
    assert header[1:12] == [
        "^~\\&", "CXRNODE", "F", "RIS\\F\\A", "H", header[6], "", "ORU^R01^ORU_R01", header[9], "P", "2.5.1",
    ]  # fmt: skip
    assert header[14:18] == ["NE", "AL", "", "UNICODE UTF-8"]
    assert 0 < len(header[9]) <= 20


def test_patient_and_order_are_the_studys() -> None:
    header = good_header(PlacerOrderNumberImagingServiceRequest=b"P-1", FillerOrderNumberImagingServiceRequest=b"F-1")
    _, pid, pv1, orc, obr, *_ = segments(build_message(account(header), destination(), None).content)
    assert pid[3] == "PID-1^^^HOSP^PI"
    assert pid[5] == "Müller^Jörg^^Jr^Dr^^L"
    assert pid[7:9] == ["19700131", "M"]
    assert pv1[2] == "U"
    assert orc[1:4] == ["RE", "P-1", "F-1^CXRNODE"]
    assert obr[2:5] == ["P-1", "F-1^CXRNODE", "30745-4^XR Chest Views^LN"]
    assert obr[7] == "20260101101112"
    assert (obr[18], obr[24], obr[25]) == ("ACC-1", "RAD", "P")


@pytest.mark.parametrize(
    ("name", "facility", "assigner"),
    [
        ("Klinikum Süd", "Klinikum Süd", "Klinikum Süd"),
        ("A" * 20, "A" * 20, "A" * 20),
        ("Universitätsklinikum Süd", "^Universitätsklinikum Süd^L", "&Universitätsklinikum Süd&L"),
        ("1.2.276.0.76.3.1.188.2.7", "^1.2.276.0.76.3.1.188.2.7^ISO", "&1.2.276.0.76.3.1.188.2.7&ISO"),
        ("North & South Hospital", r"^North \T\ South Hospital^L", r"&North \T\ South Hospital&L"),
    ],
)
def test_a_name_too_long_for_a_namespace_is_a_universal_id(name: str, facility: str, assigner: str) -> None:
    made = account(good_header(IssuerOfPatientID=name.encode("latin-1")), institution=name)
    built = build_message(made, destination(sending_application="A" * 21), None)
    check_message(built, made, "UNICODE UTF-8")
    header, patient, _, order, _, *_ = segments(built.content)
    assert (header[2], header[3]) == (f"^{'A' * 21}^L", facility)
    assert patient[3] == f"PID-1^^^{assigner}^PI"
    assert order[3] == f"ACC-1^^{'A' * 21}^L"


def test_what_is_missing_or_wrong_in_the_source_is_left_empty() -> None:
    header = good_header(PatientID=None, PatientBirthDate=b"1970", PatientSex=b"U", StudyDate=b"x", AccessionNumber=b"")
    _, pid, _, orc, obr, *_ = segments(build_message(account(header), destination(), None).content)
    assert pid[3] == "1.2.3^^^^U"
    assert pid[7:9] == ["", "U"]
    assert orc[3] == "1.2.3^^1.2.3^ISO"
    assert obr[7] == ""


def test_an_accession_number_of_56_is_whole() -> None:
    obr = segments(build_message(account(SLOPPY["accession number of 56"]()), destination(), None).content)[4]
    assert obr[18] == "a" * 56


def test_the_procedure_is_the_accounts_whatever_images_there_are() -> None:
    for uids in (("1.2",), ("1.2", "1.3")):
        obr = segments(message(source_uids=uids, procedure=Code("RPC&1", "99RIS", "Thorax p.a.")))[4]
        assert obr[4] == "RPC\\T\\1^Thorax p.a.^99RIS"


def test_every_finding_is_a_code_a_presence_and_a_percentage_that_belong_together() -> None:
    found = [fields for fields in observations(message()) if fields[4] == "1"]
    assert [(fields[2], fields[3].split("^")[0], fields[5]) for fields in found] == [
        ("ST", "IMAGE-UID", "1.2.3.4.1"),
        ("CWE", "121071", "95436008^Lung opacity^SCT"),
        ("CWE", "121052", "52101004^Present^SCT"),
        ("NM", "111012", "91"),
    ]
    assert found[3][6] == "%^percent^UCUM"
    flags = {fields[4]: fields[8] for fields in observations(message()) if fields[2] == "NM"}
    assert flags == {"1": "A", "2": "A"}


@pytest.mark.parametrize("found", CHESTS.values(), ids=CHESTS)
def test_a_findings_lines_are_found_by_a_number_that_no_score_changes(found: tuple[Finding, ...]) -> None:
    lead = account().lead
    two = (AnalysedImage(lead, found), AnalysedImage(lead, chest()))
    lines = [fields for fields in observations(message(analysed=two)) if fields[3].startswith("121071^")]
    numbers = {(fields[4], fields[5].split("^")[0]) for fields in lines}
    expected = {
        (str(place), one.code.value) for place, one in enumerate((*found, *chest()), 1) if one.stated
    }  # the package's places, image by image
    assert numbers == expected
    assert len(lines) == len({number for number, _ in numbers}) == len(expected)


def test_what_is_scored_only_is_a_number_and_nothing_else_and_only_where_it_is_asked_for() -> None:
    made = account(analysed=(AnalysedImage(account().lead, CHESTS["only opacity stated"]),))
    asked = destination().model_copy(update={"scored_only": True})
    silent, whole = (observations(build_message(made, to, None).content) for to in (destination(), asked))
    assert [fields[5] for fields in silent if fields[3].startswith("121071^")] == ["112001^Opacity^DCM"]
    assert len([fields for fields in whole if fields[3].startswith("121071^")]) == 11
    effusion = next(fields[4] for fields in whole if "^Pleural effusion^" in fields[5])
    assert [(fields[3].split("^")[0], fields[8]) for fields in whole if fields[4] == effusion] == [
        ("IMAGE-UID", ""), ("121071", ""), ("111012", ""),
    ]  # fmt: skip
    for lines in (silent, whole):
        assert "effusion" not in impression(lines)
        assert "Nothing is said of any other finding" in impression(lines)


def impression(lines: list[list[str]]) -> str:
    """Return the impression as one text."""
    return " ".join(fields[5] for fields in lines if fields[3] == IMPRESSION)


def test_how_an_image_was_read_is_said_in_the_impression() -> None:
    remark = Remark(RemarkKind.AUTOMATIC_WINDOW, "The stored window was not believed")
    lead = account().lead
    lines = observations(message(analysed=(AnalysedImage(lead, chest(), (remark,)),)))
    assert "The stored window was not believed." in [fields[5] for fields in lines]


def test_findings_come_in_the_order_of_the_reading_and_numbers_stay_together() -> None:
    lead = account().lead
    lines = observations(message(analysed=(AnalysedImage(lead, chest()),)))
    names = [fields[5].split("^")[1] for fields in lines if fields[3].startswith("121071^")]
    assert names[:3] == ["Opacity", "Pleural effusion", "Cardiomegaly"]
    assert names[-3:] == ["Normal", "Mass", "Pneumothorax"]
    groups = [fields[4] for fields in lines if fields[4] and fields[3] != IMPRESSION]
    assert len({group for group, _ in groupby(groups)}) == len(list(groupby(groups))) == 11
    assert [int(fields[1]) for fields in lines] == list(range(1, len(lines) + 1))


def test_normal_is_not_stated_beside_a_finding_that_is_present() -> None:
    lead = account().lead
    lines = observations(message(analysed=(AnalysedImage(lead, CHESTS["eleven, all present"]),)))
    normal = next(fields[4] for fields in lines if "^Normal^SCT" in fields[5])
    flags = {fields[8] for fields in lines if fields[4] == normal and fields[2] != "ST"}
    presence = next(fields[5] for fields in lines if fields[4] == normal and fields[3].startswith("121052"))
    assert (flags, presence) == ({""}, "373068000^Undetermined^SCT")
    assert "Normal: not stated beside a finding that is present" in impression(lines)


def test_a_note_stands_with_its_finding_and_in_the_impression() -> None:
    lines = observations(message(analysed=(AnalysedImage(account().lead, chest()),)))
    (note,) = (fields for fields in lines if fields[3] == "121106^Comment^DCM")
    assert note[5] == "Only a pattern on top of an opacity, not a test for infection."
    covid = next(fields for fields in lines if "^Pattern of COVID-19 pneumonia^99CXRNODE" in fields[5])
    assert note[4] == covid[4]
    assert note[5] in impression(lines)
    assert impression(lines).endswith(" Not found: Mass, Pneumothorax.")


def test_a_long_note_is_whole_in_several_lines() -> None:
    long = " ".join(["No test for infection & no other."] * 6)[:200]
    found = tuple(replace(one, note=long) for one in chest())
    lines = observations(message(analysed=(AnalysedImage(account().lead, found),)))
    group = next(fields[4] for fields in lines if fields[3] == "121106^Comment^DCM")
    notes = [fields[5] for fields in lines if fields[3:5] == ["121106^Comment^DCM", group]]
    assert len(notes) > 1
    assert unescape(" ".join(notes)) == f"{long.rstrip('.')}."


def test_observations_name_method_device_and_time() -> None:
    nm = next(fields for fields in observations(message()) if fields[2] == "NM")
    assert nm[11] == "P"
    assert nm[14].startswith("2026")
    assert nm[17] == "123110^Artificial Intelligence^DCM"
    assert nm[18].startswith("opacity 1.0.0^cxrnode^2.25.")


def test_study_and_report_are_referred_to_but_are_no_results() -> None:
    context = [fields for fields in observations(message()) if fields[11] == "O"]
    assert [fields[5] for fields in context] == ["1.2.3", "1.5", "1.6"]
    assert {fields[11] for fields in context} == {"O"}
    assert all(len(fields) == 12 for fields in context)
    without = observations(build_message(account(), destination(), None).content)
    assert [fields[5] for fields in without if fields[11] == "O"] == ["1.2.3"]


def test_the_impression_comes_first_a_line_of_text_in_each_segment() -> None:
    lines = observations(message(skipped=(lateral(),)))
    words = [fields for fields in lines if fields[3] == IMPRESSION]
    assert lines[: len(words)] == words
    assert {fields[2] for fields in words} == {"TX"}
    assert [fields[4] for fields in words] == [f"T{number}" for number in range(1, len(words) + 1)]
    assert not any("~" in fields[5] for fields in lines)
    whole = impression(lines)
    assert whole.startswith("AI result, not verified by a radiologist, research use only: Lung opacity present;")
    assert "Lung opacity: present (91 %), 2 regions marked; 7 of 10 such calls were right." in whole
    assert words[-1][5] == "Image 1.2.3.4.99 was not analysed because it is a lateral view."


def test_a_correction_says_so_in_every_status() -> None:
    content = message(corrects=True, revision=2)
    assert segments(content)[4][25] == "C"
    assert {fields[11] for fields in observations(content)} == {"O", "C"}


def test_a_resend_is_the_same_and_another_destination_is_not() -> None:
    first = build_message(account(), destination(), None)
    assert build_message(account(), destination(), None) == first
    other = build_message(account(), Hl7Destination(kind="hl7", name="other", host="h", port=1), None)
    assert other.control_id != first.control_id


@pytest.mark.parametrize("make", SLOPPY.values(), ids=SLOPPY)
@pytest.mark.parametrize("character_set", ["UNICODE UTF-8", "ASCII"])
def test_a_sloppy_source_gives_a_message_that_parses_strictly(make: Any, character_set: str) -> None:
    made = account(make())
    built = build_message(made, destination(character_set=character_set), None)
    check_message(built, made, character_set)


def test_folding_to_a_smaller_set_makes_no_delimiter() -> None:
    assert encode_for("Müller｜＾ – Ďurič 山", "ASCII") == b"Muller?? - Duric ?"
    assert encode_for("Müller", "8859/1") == "Müller".encode("latin-1")


@pytest.mark.parametrize("character_set", ["ASCII", "8859/1", "UNICODE UTF-8"])
def test_folding_does_not_lengthen_a_text_beyond_what_validates(character_set: str) -> None:
    note = "… ".join(["No test for infection"] * 9)[:199]
    found = tuple(replace(one, note=note) for one in chest())
    header = good_header(SpecificCharacterSet=b"ISO_IR 192", PatientName="㍿".encode() * 90, StudyDescription=b"x")
    made = account(header)
    made = replace(made, analysed=(replace(made.analysed[0], findings=found),))
    check_message(build_message(made, destination(character_set=character_set), None), made, character_set)


def priority(content: bytes) -> str:
    """Return TQ1-9 and the sixth component of OBR-27, one of which may hold something."""
    lines = {fields[0]: fields for fields in segments(content)}
    quantity = lines["OBR"][27] if len(lines["OBR"]) > 27 else ""
    return "".join([*lines.get("TQ1", [""] * 10)[9:10], *quantity.split("^")[5:6]])


@pytest.mark.parametrize(("version", "value"), [("2.5.1", "S^Stat^HL70485"), ("2.3.1", "S")])
@pytest.mark.parametrize("urgent", [False, True])
def test_only_a_message_on_an_urgent_study_has_a_priority(version: str, value: str, urgent: bool) -> None:
    made = account(corrects=True, revision=2)
    built = build_message(made, destination(version=version), None, urgent=urgent)
    check_message(built, made, "UNICODE UTF-8")
    assert priority(built.content) == (value if urgent else "")
    taken_back = build_correction(Note("CONTROL1", None, Reason.QUALITY, (), 0), built.content).content
    require_valid(taken_back.decode())
    assert priority(taken_back) == priority(built.content)
