"""Headers that were judged wrongly: each file of ../shared/cases gets what its README calls right."""

from pathlib import Path

import pytest

from config.settings import InferenceSettings
from inference.eligibility import Region, View, eligibility
from inference.header import Header
from inference.not_analysed import Reason
from inference.pixels import read_dataset


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "reason", "words"),
    [
        ("D57_child_no_studydate", Reason.AGE, "younger than 18 years"),
        ("D58_dog", Reason.SUBJECT, "an animal"),
        ("D59_quality_control_image", Reason.SUBJECT, "quality control image"),
        ("D60_view_AP_LLD", Reason.VIEW, "decubitus"),
        ("D62_hand_in_trauma_study", Reason.BODY_PART, "HAND"),
    ],
)
def test_refused_by_its_header(cxr_cases: Path, name: str, reason: Reason, words: str) -> None:
    dataset = read_dataset(cxr_cases / "dicom" / f"{name}.dcm")
    refusal = eligibility(Header.of(dataset), InferenceSettings()).refusal
    assert refusal is not None
    assert refusal.reason is reason
    assert words in refusal.because


@pytest.mark.data
@pytest.mark.parametrize("name", ["D28_acr_nema_dates", "D34_age_000Y_birth_1960", "D74_phantom_upright"])
def test_accepted_by_its_header(cxr_cases: Path, name: str) -> None:
    answer = eligibility(Header.of(read_dataset(cxr_cases / "dicom" / f"{name}.dcm")), InferenceSettings())
    assert (answer.refusal, answer.doubt) == (None, None)
    assert (answer.view, answer.region) == (View.FRONTAL, Region.CHEST)
