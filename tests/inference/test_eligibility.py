"""What is analysed, and the words for what is not."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from config.settings import InferenceSettings
from inference.eligibility import eligibility, patient_age_years
from inference.findings import NotAnalysed, Reason
from inference.header import CodedTerm, Header
from inference.pixels import read_dataset

DEFAULTS = InferenceSettings()
CR, DX, RAW_DX = "1.2.840.10008.5.1.4.1.1.1", "1.2.840.10008.5.1.4.1.1.1.1", "1.2.840.10008.5.1.4.1.1.1.1.1"
CAPTURE, CT, REPORT = "1.2.840.10008.5.1.4.1.1.7", "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.88.33"
GOOD = Header(
    sop_class_uid=CR, modality="CR", body_part="CHEST", view_position="PA", rows=2000, columns=2000,
    bits_allocated=16, has_pixels=True,
)  # fmt: skip


def verdict(settings: InferenceSettings = DEFAULTS, **changes: Any) -> NotAnalysed | None:
    return eligibility(replace(GOOD, **changes), settings)


def reason(settings: InferenceSettings = DEFAULTS, **changes: Any) -> Reason | None:
    refusal = verdict(settings, **changes)
    return None if refusal is None else refusal.reason


@pytest.mark.parametrize(
    ("sop_class", "modality"), [(CR, "CR"), (DX, "DX"), (CR, ""), (CR, "OT"), (CAPTURE, "CR"), (CAPTURE, "DX")]
)
def test_radiographs_are_analysed_whatever_wraps_them(sop_class: str, modality: str) -> None:
    assert verdict(sop_class_uid=sop_class, modality=modality) is None


@pytest.mark.parametrize(
    ("changes", "expected", "words"),
    [
        ({"sop_class_uid": CT, "modality": "CT"}, Reason.MODALITY, "it is a CT image, not a radiograph"),
        ({"sop_class_uid": CAPTURE, "modality": "NM"}, Reason.MODALITY, "nuclear medicine"),
        ({"sop_class_uid": CAPTURE, "modality": "OT"}, Reason.SOP_CLASS, "secondary capture"),
        ({"sop_class_uid": REPORT, "modality": ""}, Reason.SOP_CLASS, "Comprehensive SR"),
        ({"sop_class_uid": "1.2.3", "modality": "CR"}, Reason.SOP_CLASS, "not known"),
        ({"sop_class_uid": "", "modality": ""}, Reason.SOP_CLASS, "not known"),
        ({"sop_class_uid": "1.2.840.10008.5.1.4.1.1.1.1.1", "modality": "DX"}, Reason.SOP_CLASS, "processing"),
        ({"presentation_intent": "FOR PROCESSING"}, Reason.SOP_CLASS, "processing"),
        ({"body_part": "EXTREMITY"}, Reason.BODY_PART, "EXTREMITY"),
        ({"body_part": "SMITH^JOHN"}, Reason.BODY_PART, "the body part examined is not the chest"),
        ({"view_position": "LL"}, Reason.VIEW, "lateral"),
        ({"view_position": "RAO"}, Reason.VIEW, "oblique"),
        ({"view_position": "LLD"}, Reason.VIEW, "decubitus"),
        ({"patient_age": "017Y"}, Reason.AGE, "younger than 18 years"),
        ({"frames": 10}, Reason.PIXELS, "10 frames"),
        ({"samples_per_pixel": 4}, Reason.PIXELS, "4 samples"),
        ({"bits_allocated": 32}, Reason.PIXELS, "32 bits"),
        ({"has_pixels": False}, Reason.PIXELS, "no picture"),
        ({"rows": 0}, Reason.PIXELS, "how large"),
        ({"rows": 20000, "columns": 20000}, Reason.PIXELS, "inference.max_pixels"),
    ],
)
def test_what_is_not_analysed_says_why(changes: dict[str, Any], expected: Reason, words: str) -> None:
    refusal = verdict(**changes)
    assert refusal is not None
    assert refusal.reason is expected
    assert words in refusal.because


@pytest.mark.parametrize("body_part", ["CHEST", "THORAX", "CHEST PA", "PORT CHEST", "CHEST_PA", "LUNG", "TORAX"])
def test_the_chest_has_many_names(body_part: str) -> None:
    assert verdict(body_part=body_part) is None


@pytest.mark.parametrize("body_part", ["TSPINE", "THORACIC SPINE", "RIBS", "ABDOMEN", "ORCHESTRA"])
def test_neighbours_of_the_chest_are_not_the_chest(body_part: str) -> None:
    assert reason(body_part=body_part) is Reason.BODY_PART


@pytest.mark.parametrize("code", ["816094009", "51185008", "T-D3000"])
def test_the_anatomic_region_tells_the_chest(code: str) -> None:
    assert verdict(body_part="", regions=(CodedTerm(code, ""),)) is None


def test_another_anatomic_region_is_not_the_chest() -> None:
    descriptions = ("chest",)
    assert reason(body_part="", regions=(CodedTerm("122495006", "Thoracic spine"),), descriptions=descriptions) is (
        Reason.BODY_PART
    )


def test_a_description_tells_the_chest_and_the_site_may_assume_it() -> None:
    assert verdict(body_part="", descriptions=("", "Thorax a.p. Liegend")) is None
    assert reason(body_part="") is Reason.BODY_PART
    assert verdict(InferenceSettings(assume_chest=True), body_part="") is None
    assert reason(InferenceSettings(assume_chest=True), body_part="HAND") is Reason.BODY_PART


LATERAL, PA = CodedTerm("399067008", "lateral"), CodedTerm("272479007", "postero-anterior")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"view_codes": (LATERAL,), "view_position": "PA"}, Reason.VIEW),
        ({"view_codes": (PA,), "view_position": "LL"}, None),
        ({"view_codes": (CodedTerm("", "Antero-posterior"),), "view_position": ""}, None),
        ({"view_codes": (CodedTerm("399182000", "oblique"),)}, Reason.VIEW),
        ({"view_position": "AP", "patient_orientation": ("A", "F")}, None),
        ({"view_position": "", "patient_orientation": ("L", "F")}, None),
        ({"view_position": "", "patient_orientation": ("R", "F")}, None),
        ({"view_position": "", "patient_orientation": ("A", "F")}, Reason.VIEW),
        ({"view_position": "", "patient_orientation": ("P", "F")}, Reason.VIEW),
        ({"view_position": "", "patient_orientation": ("L", "H")}, Reason.VIEW),
        ({"view_position": "", "patient_orientation": ("F", "L")}, Reason.VIEW),
        ({"view_position": "", "descriptions": ("view: PA",)}, None),
        ({"view_position": "", "descriptions": ("pa",)}, None),
        ({"view_position": "", "descriptions": ("Chest lat.",)}, Reason.VIEW),
        ({"view_position": "", "descriptions": ("Thorax seitlich",)}, Reason.VIEW),
        ({"view_position": "", "descriptions": ("", "", "", "", "CHEST PA AND LATERAL")}, Reason.VIEW_UNKNOWN),
        ({"view_position": "", "descriptions": ("PA", "", "", "", "CHEST PA AND LATERAL")}, None),
        ({"view_position": "", "descriptions": ("SPARE PLATE",)}, Reason.VIEW_UNKNOWN),
        ({"view_position": ""}, Reason.VIEW_UNKNOWN),
    ],
)
def test_the_most_trusted_source_of_the_view_decides(changes: dict[str, Any], expected: Reason | None) -> None:
    assert reason(**changes) is expected


@pytest.mark.parametrize(
    ("orientation", "words"),
    [
        (("F", "R"), "lies on its side"),
        (("H", "L"), "lies on its side"),
        (("FL", "RF"), "lies on its side"),
        (("L", "H"), "stands upside down"),
        (("RHA", "HL"), "stands upside down"),
    ],
)
@pytest.mark.parametrize(
    "named",
    [{"view_position": "PA"}, {"view_position": "AP"}, {"view_position": "", "view_codes": (PA,)}],
    ids=["PA", "AP", "code"],
)
def test_a_frontal_view_that_is_not_stored_upright_is_not_analysed_and_says_what_to_do(
    named: dict[str, Any], orientation: tuple[str, str], words: str
) -> None:
    refusal = verdict(patient_orientation=orientation, **named)
    assert refusal is not None
    assert refusal.reason is Reason.VIEW
    assert words in refusal.because
    assert "send it as a new image" in refusal.because


@pytest.mark.parametrize(
    "orientation",
    [
        (), ("",), ("", ""), ("F",), ("F", ""), ("", "R"), ("F", "R", "L"), ("L", "F"), ("R", "F"), ("LF", "FL"),
        ("LH", "FR"), ("RFP", "FL"), ("F", "H"), ("F", "F"), ("FROG", "LUNG"), ("FOOT", "RIGHT"), ("FH", "R"),
        ("FF", "R"), ("X", "Y"), ("F", "R1"), ("FRAP", "R"), ("1", "0"),
    ],
)  # fmt: skip
def test_an_orientation_that_is_upright_absent_or_nonsense_does_not_stop_a_frontal_view(
    orientation: tuple[str, ...],
) -> None:
    assert verdict(view_position="PA", patient_orientation=orientation) is None
    assert verdict(view_position="", view_codes=(PA,), patient_orientation=orientation) is None


def test_a_site_that_assumes_frontal_views_has_none_analysed_on_its_side() -> None:
    settings = InferenceSettings(assume_frontal=True)
    assert reason(settings, view_position="", patient_orientation=("F", "R")) is Reason.VIEW


def test_a_site_may_assume_frontal_views_but_not_turn_a_lateral_one() -> None:
    settings = InferenceSettings(assume_frontal=True)
    assert verdict(settings, view_position="") is None
    assert reason(settings, view_position="LL") is Reason.VIEW


@pytest.mark.parametrize(
    ("age", "born", "taken", "years"),
    [
        ("025Y", "", "", 25), ("25", "", "", 25), ("052Y", "", "", 52), ("018M", "", "", 1.5), ("007D", "", "", 0.02),
        ("006W", "", "", 0.115), ("", "19400305", "20040826", 64), ("", "20040827", "20220826", 17),
        ("", "1990.01.02", "2020.01.01", 29), ("411", "", "", None), ("411", "19800101", "20200101", 40),
        ("", "20200101", "19800101", None), ("old", "", "", None), ("", "", "20200101", None),
        ("", "19801399", "20200101", None), ("", "d14a028c2a3a2bc9", "20200101", None),
    ],
)  # fmt: skip
def test_the_age_is_found_where_it_can_be(age: str, born: str, taken: str, years: float | None) -> None:
    header = replace(GOOD, patient_age=age, birth_date=born, study_date=taken)
    assert patient_age_years(header) == (None if years is None else pytest.approx(years, abs=0.005))


def test_an_unknown_age_is_analysed_and_the_limit_is_a_setting() -> None:
    assert verdict(patient_age="") is None
    assert verdict(patient_age="018Y") is None
    assert verdict(InferenceSettings(min_age_years=0), patient_age="002M") is None


@given(st.builds(
    Header, sop_class_uid=st.sampled_from([CR, DX, CAPTURE, ""]), modality=st.sampled_from(["CR", "DX", ""]),
    body_part=st.text(max_size=8), view_position=st.text(max_size=4), patient_age=st.text(max_size=5),
    birth_date=st.text(max_size=8), study_date=st.text("0123456789.", max_size=10),
    descriptions=st.tuples(st.text(max_size=20)), patient_orientation=st.tuples(st.text(max_size=2), st.text()),
    has_pixels=st.booleans(), rows=st.integers(), columns=st.integers(), frames=st.integers(),
))  # fmt: skip
def test_no_header_is_too_sloppy_to_decide_and_no_free_text_is_repeated(header: Header) -> None:
    refusal = eligibility(header, DEFAULTS)
    if refusal is not None:
        assert refusal.because.isprintable()
        assert all(len(text) < 5 or text not in refusal.because for text in (*header.descriptions, header.birth_date))


def test_the_header_is_read_from_a_sloppy_data_set(radiograph: Any) -> None:
    region, view = Dataset(), Dataset()
    region.CodeValue, view.CodeValue, view.CodeMeaning = "51185008", "399348003", "antero-posterior"
    dataset = radiograph(
        ViewPosition=None, BodyPartExamined="", AnatomicRegionSequence=Sequence([region]), SeriesDescription=" pa ",
        ViewCodeSequence=Sequence([view]), PatientAge="", NumberOfFrames="", PatientOrientation=["L", "F"],
    )  # fmt: skip
    header = Header.of(dataset)
    assert header.regions == (CodedTerm("51185008", ""),)
    assert header.view_codes == (CodedTerm("399348003", "antero-posterior"),)
    assert (header.frames, header.body_part, header.descriptions[0]) == (1, "", "pa")
    assert header.patient_orientation == ("L", "F")
    assert eligibility(header, DEFAULTS) is None
    assert Header.of(Dataset()) == Header()


@pytest.mark.data
def test_real_radiographs_of_adults_are_analysed(cxr_data: Path) -> None:
    files = [*(cxr_data / "dicom" / "chest").glob("*.dcm"), *(cxr_data / "dicom" / "rsna").glob("*.dcm")]
    verdicts = [eligibility(Header.of(read_dataset(file)), DEFAULTS) for file in files]
    refused = Counter(refusal.reason for refusal in verdicts if refusal is not None)
    assert len(files) == 63
    assert refused == {Reason.AGE: 2}  # two of the RSNA patients are children


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("693_J2KR.dcm", "a CT image"), ("bad_sequence.dcm", "a CT image"), ("explicit_VR-UN.dcm", "a CT image"),
        ("eCT_Supplemental.dcm", "a CT image"), ("MR2_J2KI.dcm", "an MR image"), ("emri_small_RLE.dcm", "an MR image"),
        ("US1_J2KI.dcm", "an ultrasound image"), ("color-px.dcm", "an ultrasound image"),
        ("JPEG-LL.dcm", "a nuclear medicine image"), ("liver.dcm", "a segmentation"),
        ("RG3_J2KI.dcm", "EXTREMITY, not the chest"), ("RG3_J2KR.dcm", "EXTREMITY, not the chest"),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
def test_other_real_files_are_refused_in_plain_words(cxr_data: Path, name: str, words: str) -> None:
    refusal = eligibility(Header.of(read_dataset(cxr_data / "dicom" / "other" / name)), DEFAULTS)
    assert refusal is not None
    assert words in refusal.because
