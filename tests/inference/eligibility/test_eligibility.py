"""What is analysed, the words for what is not, and headers as real sources write them."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from config.settings import InferenceSettings
from inference.eligibility import HeaderAnswer, Region, View, eligibility
from inference.header import CodedTerm, Description, Header, Source
from inference.not_analysed import NotAnalysed, Reason
from inference.pixels import read_dataset

Ask = Callable[..., HeaderAnswer]
Outcome = Callable[..., NotAnalysed | None]
DEFAULTS = InferenceSettings()
CR, DX, RAW_DX = "1.2.840.10008.5.1.4.1.1.1", "1.2.840.10008.5.1.4.1.1.1.1", "1.2.840.10008.5.1.4.1.1.1.1.1"
CAPTURE, CT, REPORT = "1.2.840.10008.5.1.4.1.1.7", "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.88.33"


@pytest.mark.parametrize(
    ("sop_class", "modality"), [(CR, "CR"), (DX, "DX"), (CR, ""), (CR, "OT"), (CAPTURE, "CR"), (CAPTURE, "DX")]
)
def test_radiographs_are_analysed_whatever_wraps_them(outcome: Outcome, sop_class: str, modality: str) -> None:
    assert outcome(sop_class_uid=sop_class, modality=modality) is None


@pytest.mark.parametrize(
    ("changes", "expected", "words"),
    [
        ({"sop_class_uid": CT, "modality": "CT"}, Reason.MODALITY, "it is a CT image, not a radiograph"),
        ({"sop_class_uid": CAPTURE, "modality": "NM"}, Reason.MODALITY, "nuclear medicine"),
        ({"sop_class_uid": CAPTURE, "modality": "OT"}, Reason.SOP_CLASS, "secondary capture"),
        ({"sop_class_uid": REPORT, "modality": ""}, Reason.SOP_CLASS, "Comprehensive SR"),
        ({"sop_class_uid": "1.2.3", "modality": "CR"}, Reason.SOP_CLASS, "not known"),
        ({"sop_class_uid": "", "modality": ""}, Reason.SOP_CLASS, "not known"),
        ({"sop_class_uid": RAW_DX, "modality": "DX"}, Reason.SOP_CLASS, "processing"),
        ({"presentation_intent": "FOR PROCESSING"}, Reason.SOP_CLASS, "processing"),
        ({"frames": 10}, Reason.PIXELS, "10 frames"),
        ({"samples_per_pixel": 4}, Reason.PIXELS, "4 samples"),
        ({"bits_allocated": 32}, Reason.PIXELS, "32 bits"),
        ({"has_pixels": False}, Reason.PIXELS, "holds no"),
        ({"rows": 0}, Reason.PIXELS, "how large"),
        ({"rows": 20000, "columns": 20000}, Reason.PIXELS, "inference.max_pixels"),
    ],
)
def test_what_is_not_analysed_says_why(outcome: Outcome, changes: dict[str, Any], expected: Reason, words: str) -> None:
    refusal = outcome(**changes)
    assert refusal is not None
    assert refusal.reason is expected
    assert words in refusal.because


def test_the_answer_has_three_states(ask: Ask) -> None:
    assert ask() == HeaderAnswer(None, None, View.FRONTAL, Region.CHEST)
    unknown = ask(view_position="", body_part="")
    assert (unknown.refusal, unknown.view, unknown.region) == (None, View.UNKNOWN, Region.UNKNOWN)
    assert unknown.doubt is not None
    assert unknown.doubt.reason is Reason.BODY_PART
    refused = ask(view_position="LL", body_part="")
    assert (refused.doubt, refused.view, refused.region) == (None, View.LATERAL, Region.UNKNOWN)
    assert refused.refusal is not None


def test_a_refusal_outranks_a_doubt(ask: Ask) -> None:
    answer = ask(view_position="", body_part="", patient_age="005Y")
    assert answer.refusal is not None
    assert answer.refusal.reason is Reason.AGE
    assert answer.doubt is None


_WORDS = st.text(max_size=20) | st.sampled_from(["PA", "LATERAL", "CHEST", "HAND", "胸部正侧位", "décubitus", "TEST"])
_TERMS = st.lists(st.builds(CodedTerm, _WORDS, _WORDS), max_size=2).map(tuple)


@given(st.builds(
    Header, sop_class_uid=st.sampled_from([CR, DX, CAPTURE, ""]), modality=st.sampled_from(["CR", "DX", "", "x"]),
    quality_control_image=_WORDS, body_part=_WORDS, regions=_TERMS, view_codes=_TERMS, view_position=_WORDS,
    patient_name=_WORDS, patient_id=_WORDS, species=_TERMS, species_description=_WORDS, breed=_WORDS,
    patient_age=st.text(max_size=5), birth_date=st.text(max_size=8),
    dates=st.tuples(st.text("0123456789.", max_size=10)),
    descriptions=st.tuples(*(st.builds(Description, st.just(source), _WORDS) for source in Source)),
    patient_orientation=st.tuples(st.text(max_size=2), st.text()),
    has_pixels=st.booleans(), rows=st.integers(), columns=st.integers(), frames=st.integers(),
))  # fmt: skip
def test_no_header_is_too_sloppy_to_decide_and_no_free_text_is_repeated(header: Header) -> None:
    answer = eligibility(header, DEFAULTS)
    outcome = answer.refusal or answer.doubt
    if outcome is None:
        assert (answer.view, answer.region) == (View.FRONTAL, Region.CHEST)
        return
    assert answer.refusal is None or answer.doubt is None
    assert outcome.because.isprintable()
    texts = (*(text.text for text in header.descriptions), header.patient_name, header.birth_date)
    known = ("LATERAL", "CHEST", "HAND")
    assert all(len(text) < 5 or text.upper() in known or text not in outcome.because for text in texts)


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
    assert (header.frames, header.body_part) == (1, "")
    assert header.descriptions == (Description(Source.SERIES, "pa"),)
    assert header.patient_orientation == ("L", "F")
    assert eligibility(header, DEFAULTS) == HeaderAnswer(None, None, View.FRONTAL, Region.CHEST)
    assert Header.of(Dataset()) == Header()


@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
def test_code_strings_in_lower_case_or_padded_mean_the_same(radiograph: Any) -> None:
    upper = {
        "Modality": "CR", "BodyPartExamined": "CHEST", "ViewPosition": "PA", "PatientAge": "050Y",
        "PresentationIntentType": "FOR PRESENTATION", "QualityControlImage": "YES", "PatientOrientation": ["L", "F"],
    }  # fmt: skip
    expected = Header.of(radiograph(**upper))
    for spelt in (lambda text: f" {text.lower()}\0", lambda text: f"{text.title()}\0 \0", lambda text: f"\t{text}\n"):
        sloppy = {
            keyword: [spelt(part) for part in value] if isinstance(value, list) else spelt(value)
            for keyword, value in upper.items()
        }
        assert Header.of(radiograph(**sloppy)) == expected


def test_descriptions_come_nearest_first_and_modifiers_are_views(radiograph: Any) -> None:
    request, view, modifier, posture, decubitus = (Dataset() for _ in range(5))
    request.ScheduledProcedureStepDescription, request.RequestedProcedureDescription = "step", "request"
    modifier.CodeValue, view.ViewModifierCodeSequence = "399061009", Sequence([modifier])
    decubitus.CodeValue, posture.PatientOrientationModifierCodeSequence = "102536004", Sequence([decubitus])
    header = Header.of(
        radiograph(
            StudyDescription="study", PerformedProcedureStepDescription="performed", ProtocolName="protocol",
            SeriesDescription="series", AcquisitionDeviceProcessingDescription="processing",
            RequestAttributesSequence=Sequence([request]), ViewCodeSequence=Sequence([view]),
            PatientOrientationCodeSequence=Sequence([posture]),
        )
    )  # fmt: skip
    assert [text.text for text in header.descriptions] == [
        "processing", "series", "protocol", "performed", "step", "request", "study",
    ]  # fmt: skip
    assert [term.value for term in header.view_codes] == ["", "399061009", "102536004"]


def test_a_header_does_not_show_its_patient() -> None:
    header = Header(patient_name="Secret^Name", patient_id="SECRET-ID", birth_date="19600101")
    assert not any(text in repr(header) for text in ("Secret", "SECRET", "19600101"))


@pytest.mark.data
def test_real_radiographs_of_adults_are_analysed(cxr_data: Path) -> None:
    files = [*(cxr_data / "dicom" / "chest").glob("*.dcm"), *(cxr_data / "dicom" / "rsna").glob("*.dcm")]
    answers = [eligibility(Header.of(read_dataset(file)), DEFAULTS) for file in files]
    assert len(files) == 63
    assert Counter(answer.refusal.reason for answer in answers if answer.refusal) == {Reason.AGE: 2}
    assert {(answer.doubt, answer.view, answer.region) for answer in answers} == {(None, View.FRONTAL, Region.CHEST)}


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
    refusal = eligibility(Header.of(read_dataset(cxr_data / "dicom" / "other" / name)), DEFAULTS).refusal
    assert refusal is not None
    assert words in refusal.because


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, ""),
        ({"view_position": ""}, "View is taken from the image: the header states none"),
        ({"body_part": ""}, "Body part is taken from the image: the header states none"),
        ({"view_position": "", "body_part": ""},
         "Body part and view are taken from the image: the header states neither"),
        ({"view_position": "ERECT", "body_part": "THING"},
         "Body part is taken from the image: the header has a value that is not known here; "
         "view is taken from the image: the header has a value that is not known here"),
        ({"view_position": "PA/LAT"}, "View is taken from the image: the header contradicts itself"),
        ({"view_position": "LL", "body_part": ""}, ""),
    ],
)  # fmt: skip
def test_what_the_image_settles_is_said_in_words(ask: Ask, changes: dict[str, Any], words: str) -> None:
    assert ask(**changes).from_image == words
