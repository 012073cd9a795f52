"""Patient Orientation: a frontal view must also be stored upright."""

from collections.abc import Callable
from typing import Any

import pytest

from config.settings import InferenceSettings
from inference.eligibility import eligibility
from inference.header import CodedTerm, Header
from inference.not_analysed import NotAnalysed, Reason

Outcome = Callable[..., NotAnalysed | None]
PA = CodedTerm("272479007", "postero-anterior")


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
    [
        {"view_position": "PA"}, {"view_position": "AP"}, {"view_position": "", "view_codes": (PA,)},
        {"view_position": ""}, {"view_position": "ERECT"},
    ],
    ids=["PA", "AP", "code", "silent", "unrecognised"],
)  # fmt: skip
def test_a_view_that_is_not_stored_upright_is_not_analysed_and_says_what_to_do(
    outcome: Outcome, named: dict[str, Any], orientation: tuple[str, str], words: str
) -> None:
    refusal = outcome(patient_orientation=orientation, **named)
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
    outcome: Outcome, orientation: tuple[str, ...]
) -> None:
    assert outcome(view_position="PA", patient_orientation=orientation) is None
    assert outcome(view_position="", view_codes=(PA,), patient_orientation=orientation) is None


def test_a_site_that_assumes_frontal_views_has_none_analysed_on_its_side(outcome: Outcome) -> None:
    refusal = outcome(InferenceSettings(assume_frontal=True), view_position="", patient_orientation=("F", "R"))
    assert refusal is not None
    assert refusal.reason is Reason.VIEW


def test_a_lateral_view_is_called_so_however_it_lies(outcome: Outcome) -> None:
    refusal = outcome(view_position="LL", patient_orientation=("F", "R"))
    assert refusal is not None
    assert "lateral" in refusal.because


@pytest.mark.parametrize(
    ("orientation", "mirrored"),
    [
        (("R", "F"), True), (("RP", "FA"), True), (("L", "F"), False), (("R", "H"), False), (("R",), False),
        ((), False), (("A", "F"), False), (("R", "X"), False),
    ],
)  # fmt: skip
def test_patient_orientation_alone_says_that_an_image_is_mirrored(orientation: tuple[str, ...], mirrored: bool) -> None:
    header = Header(patient_orientation=orientation, view_position="PA", body_part="CHEST")
    assert eligibility(header, InferenceSettings()).mirrored is mirrored
