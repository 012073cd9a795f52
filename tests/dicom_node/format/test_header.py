"""Headers of instances: what is read, what is repaired, and what is refused."""

import contextlib
import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.datadict import dictionary_VR
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag

from config.errors import UnreadableInstance
from dicom_node.format.header import PREFIX_BYTES, UnusableUid, decode_text, is_cut_short, is_usable_uid, parse_header
from dicom_node.format.syntaxes import CANDIDATES, DEFLATED, EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE

MakeDataset = Callable[..., Dataset]


def encode(ds: Dataset, syntax: str) -> bytes:
    buffer = DicomBytesIO()
    buffer.is_implicit_VR = syntax == IMPLICIT_LITTLE
    buffer.is_little_endian = syntax != EXPLICIT_BIG
    write_dataset(buffer, ds)
    encoded = buffer.getvalue()
    if syntax == DEFLATED:
        deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        return deflater.compress(encoded) + deflater.flush()
    return encoded


@pytest.mark.parametrize("syntax", [EXPLICIT_LITTLE, IMPLICIT_LITTLE, EXPLICIT_BIG, DEFLATED])
def test_every_attribute_is_found_in_every_encoding(make_dataset: MakeDataset, syntax: str) -> None:
    item = Dataset()
    item.StudyInstanceUID = "9.9.9"
    item.PatientID = "NOT ME"
    ds = make_dataset(
        SpecificCharacterSet="ISO_IR 192",
        PatientName="Müller^Jörg",
        IssuerOfPatientID="KIS",
        StudyDescription="Thorax pa",
        ReferencedStudySequence=Sequence([item]),
    )
    ds["ReferencedStudySequence"].is_undefined_length = True
    header = parse_header(encode(ds, syntax), syntax)
    assert header is not None
    assert (header.sop_class_uid, header.instance_uid) == (ds.SOPClassUID, ds.SOPInstanceUID)
    assert (header.series_uid, header.modality) == (ds.SeriesInstanceUID, "CR")
    study = header.study
    assert (study.study_uid, study.patient_name, study.patient_id) == (ds.StudyInstanceUID, "Müller^Jörg", "P1")
    assert (study.issuer_of_patient_id, study.description) == ("KIS", "Thorax pa")
    assert (study.study_date, study.study_time, study.accession_number) == ("20260102", "030405", "A1")
    assert (study.patient_birth_date, study.patient_sex) == ("19500101", "O")


@pytest.mark.filterwarnings("ignore::UserWarning")  # pydicom on the sloppy values of real files
def test_real_files_read_as_pydicom_reads_them(cxr_data: Path) -> None:
    for path in sorted((cxr_data / "dicom").rglob("*.dcm")):
        ds = dcmread(path, stop_before_pixels=True)
        raw = path.read_bytes()
        offset = 144 + int.from_bytes(raw[140:144], "little")
        header = parse_header(raw[offset:], str(ds.file_meta.TransferSyntaxUID))
        assert header is not None, path.name
        assert header.study.study_uid == str(ds.StudyInstanceUID), path.name
        assert header.instance_uid == str(ds.SOPInstanceUID), path.name
        assert header.study.patient_id == str(ds.get("PatientID", "") or "").strip(), path.name


def test_missing_attributes_are_empty() -> None:
    ds = Dataset()
    ds.StudyInstanceUID = "1.2.3"
    header = parse_header(encode(ds, EXPLICIT_LITTLE), EXPLICIT_LITTLE)
    assert header is not None
    assert (header.sop_class_uid, header.instance_uid, header.series_uid, header.modality) == ("", "", "", "")
    assert header.study.patient_name == ""


def test_a_data_set_without_a_study_is_refused() -> None:
    with pytest.raises(UnreadableInstance, match="0020,000D"):
        parse_header(b"\x20\x00\x0d\x00UI\x00\x00", EXPLICIT_LITTLE)


@pytest.mark.parametrize("uid", ["1.2/../../etc", "x" * 65, "1.2\\1.3", "..", "1.2 3"])
@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "SeriesInstanceUID"])
def test_a_uid_that_cannot_serve_as_one_is_refused_by_its_name(keyword: str, uid: str) -> None:
    uids = {"StudyInstanceUID": "1.2", "SeriesInstanceUID": "1.3"} | {keyword: uid}
    encoded = b"".join(raw(name, value.encode()) for name, value in uids.items())
    with pytest.raises(UnusableUid) as refused:
        parse_header(encoded, EXPLICIT_LITTLE)
    assert refused.value.element.replace(" ", "") == keyword
    assert uid not in str(refused.value)
    assert len(str(refused.value)) <= 64  # Error Comment (0000,0902) is LO


def raw(keyword: str, value: bytes) -> bytes:
    """Return one element in Explicit VR Little Endian, whatever its value."""
    tag = Tag(keyword)
    value += b" " * (len(value) % 2)
    vr = dictionary_VR(tag).encode()
    return struct.pack("<HH2sH", tag.group, tag.element, vr, len(value)) + value


@pytest.mark.parametrize(
    ("elements", "first", "repeated"),
    [
        ([("PatientID", b"A"), ("PatientID", b"B")], "A", {"patient_id": "B"}),
        ([("PatientID", b"A"), ("PatientID", b"A ")], "A", {}),
        ([("PatientID", b""), ("PatientID", b"B")], "", {"patient_id": "B"}),
        ([("PatientID", b"A"), ("PatientID", b"B"), ("PatientID", b"A")], "A", {"patient_id": "A"}),
        ([("PatientID", b"A"), ("Rows", b"\1\0"), ("PatientID", b"B")], "A", {"patient_id": "B"}),
        ([("Rows", b"\1\0"), ("PatientID", b"B")], "B", {}),
        ([("PatientID", b"A"), ("StudyInstanceUID", b"1.9")], "A", {"Study Instance UID": "1.9"}),
        ([("PatientID", b"A"), ("PatientAge", b"030Y"), ("PatientAge", b"040Y")], "A", {}),
    ],
    ids=["two", "padding", "empty first", "back again", "behind the series", "only there", "two studies", "other"],
)
def test_of_a_repeated_element_the_first_value_counts_and_the_last_is_reported(
    elements: list[tuple[str, bytes]], first: str, repeated: dict[str, str]
) -> None:
    encoded = b"".join(
        raw(name, value) for name, value in [("StudyInstanceUID", b"1.2"), ("SeriesInstanceUID", b"1.3"), *elements]
    )
    header = parse_header(encoded, EXPLICIT_LITTLE)
    assert header is not None
    assert (header.study.patient_id, header.study.study_uid, dict(header.repeated)) == (first, "1.2", repeated)


def test_a_hexadecimal_uid_is_usable() -> None:
    assert is_usable_uid("1.2.DEADbeef")


def test_a_header_longer_than_the_prefix_asks_for_more(make_dataset: MakeDataset) -> None:
    encoded = encode(make_dataset(ImageComments="x"), EXPLICIT_LITTLE)
    long = b"\x08\x00\x00\x10UT\x00\x00" + (PREFIX_BYTES).to_bytes(4, "little") + bytes(PREFIX_BYTES)
    split = encoded.index(b"\x08\x00\x16\x00UI")
    whole = encoded[:split] + long.replace(b"\x08\x00\x00\x10", b"\x08\x00\x15\x00") + encoded[split:]
    assert parse_header(whole[:PREFIX_BYTES], EXPLICIT_LITTLE, complete=False) is None
    assert parse_header(whole, EXPLICIT_LITTLE) is not None


@pytest.mark.fault(
    "a deflated data set unfolds without end",
    promise="not unfolded",
    area="content",
)
def test_a_deflated_bomb_is_not_unfolded() -> None:
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    bomb = deflater.compress(b"\x08\x00\x15\x00UT\x00\x00\xf0\xff\xff\x0f" + bytes(1 << 26)) + deflater.flush()
    with pytest.raises(UnreadableInstance):
        parse_header(bomb, DEFLATED)


@pytest.mark.fault(
    "sequences are nested without end",
    promise="given up; the receiver lives",
    area="content",
)
def test_nesting_without_end_is_given_up() -> None:
    deep = b"\x08\x00\x40\x11SQ\x00\x00\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff" * 5000
    with pytest.raises(UnreadableInstance):
        parse_header(deep, EXPLICIT_LITTLE)


@pytest.mark.parametrize(
    ("raw", "character_set", "expected"),
    [
        (b"M\xfcller", b"ISO_IR 100", "Müller"),
        ("Müller".encode(), b"ISO_IR 192", "Müller"),
        ("Müller".encode(), b"", "Müller"),
        (b"M\xfcller", b"", "Müller"),
        (b"M\xfcller", b"ISO_IR 999", "Müller"),
        (b"M\xfcller", b"ISO 2022 IR 100", "Müller"),
        (b"M\xfcller", b"ISO_IR 192", "M�ller"),
        (b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B", b"\\ISO 2022 IR 87", "Yamada^Tarou=山田^太郎"),
        (b"\x1b$B\xff\xff", b"\\ISO 2022 IR 87", None),
        (b"\x1b(Q ??", b"NONSENSE\\MORE", None),
        (b"A\x00B\x07C \x00", b"", "ABC"),
    ],
)
def test_text_is_decoded_or_repaired_but_never_raised(raw: bytes, character_set: bytes, expected: str | None) -> None:
    text = decode_text(raw, character_set)
    assert expected is None or text == expected
    assert "\x00" not in text


@given(st.binary(max_size=600), st.sampled_from(CANDIDATES), st.booleans())
def test_garbage_is_refused_and_nothing_else(garbage: bytes, syntax: str, complete: bool) -> None:
    with contextlib.suppress(UnreadableInstance):
        parse_header(garbage, syntax, complete=complete)


@given(st.data())
@pytest.mark.fault(
    "any byte of a header is damaged",
    promise="read or refused, and nothing else",
    area="content",
)
def test_a_damaged_data_set_is_read_or_refused_and_nothing_else(data: st.DataObject) -> None:
    syntax = data.draw(st.sampled_from([EXPLICIT_LITTLE, IMPLICIT_LITTLE, EXPLICIT_BIG]))
    ds = Dataset()
    ds.SpecificCharacterSet, ds.SOPInstanceUID, ds.PatientName = "ISO_IR 100", "1.2", "A^B"
    ds.ReferencedStudySequence = Sequence([Dataset()])
    ds.StudyInstanceUID, ds.SeriesInstanceUID = "1.2.3", "1.2.4"
    encoded = bytearray(encode(ds, syntax))
    for _ in range(data.draw(st.integers(1, 6))):
        encoded[data.draw(st.integers(0, len(encoded) - 1))] = data.draw(st.integers(0, 255))
    try:
        header = parse_header(bytes(encoded), syntax)
    except UnreadableInstance:
        return
    assert header is not None
    assert is_usable_uid(header.study.study_uid)


@given(st.binary(max_size=200), st.binary(max_size=30))
def test_any_bytes_become_clean_text(raw: bytes, character_set: bytes) -> None:
    text = decode_text(raw, character_set)
    text.encode("utf-8")
    assert all(character.isprintable() or character.isspace() or ord(character) > 0x9F for character in text)


def test_broken_bytes_after_the_series_cost_nothing_that_came_before(make_dataset: MakeDataset) -> None:
    encoded = encode(make_dataset(), EXPLICIT_LITTLE)
    cut = encoded.index(b"\x28\x00\x02\x00US")
    assert parse_header(io.BytesIO(encoded[:cut]).getvalue() + b"\xff" * 50, EXPLICIT_LITTLE) is not None


@pytest.mark.parametrize("syntax", [EXPLICIT_LITTLE, IMPLICIT_LITTLE, EXPLICIT_BIG])
def test_a_data_set_is_cut_short_wherever_its_end_is_missing(syntax: str) -> None:
    ds = Dataset()
    ds.StudyInstanceUID, ds.Rows = "1.2.3", 4
    ds.ViewCodeSequence = [Dataset()]
    ds.ViewCodeSequence[0].CodeMeaning = "postero-anterior"
    ds.add_new(0x7FE00010, "OW", bytes(range(32)))
    encoded = encode(ds, syntax)
    assert not is_cut_short(encoded, syntax)
    assert not is_cut_short(encoded + bytes(6), syntax), "padding"
    for missing in range(1, 33):
        assert is_cut_short(encoded[:-missing], syntax)


def test_fragments_are_cut_short_when_their_bytes_are_missing_and_not_when_only_the_delimiter_is() -> None:
    head = b"\xe0\x7f\x10\x00OB\x00\x00\xff\xff\xff\xff\xfe\xff\x00\xe0\x00\x00\x00\x00"
    fragment = b"\xfe\xff\x00\xe0\x08\x00\x00\x00abcdefgh"
    whole = head + fragment + b"\xfe\xff\xdd\xe0\x00\x00\x00\x00"
    assert not is_cut_short(whole, "1.2.840.10008.1.2.4.90")
    assert not is_cut_short(head + fragment, "1.2.840.10008.1.2.4.90")
    for missing in range(1, 8):
        assert is_cut_short((head + fragment)[:-missing], "1.2.840.10008.1.2.4.90")


@given(st.binary(max_size=300), st.sampled_from([EXPLICIT_LITTLE, IMPLICIT_LITTLE, EXPLICIT_BIG]))
def test_whether_noise_is_cut_short_is_decided_without_an_error(noise: bytes, syntax: str) -> None:
    assert is_cut_short(noise, syntax) in {True, False}
