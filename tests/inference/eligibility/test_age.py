"""The age: Patient's Age, else the birth date and the first usable date."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.settings import InferenceSettings
from inference.eligibility import eligibility, patient_age_years
from inference.findings import RemarkKind
from inference.header import Header
from inference.not_analysed import NotAnalysed, Reason

Outcome = Callable[..., NotAnalysed | None]


@pytest.mark.parametrize(
    ("age", "born", "dates", "years"),
    [
        ("025Y", "", "", 25), ("25", "", "", 25), ("25 Y", "", "", 25), ("018M", "", "", 1.5), ("007D", "", "", 0.02),
        ("006W", "", "", 0.115), ("411", "", "", None), ("old", "", "", None), ("-25Y", "", "", None),
        ("411", "19800101", "20200101", 40), ("", "19400305", "20040826", 64), ("", "20040827", "20220826", 17),
        ("", "20040827", "20220827", 18), ("", "1990.01.02", "2020.01.01", 29), ("", "1990.0102", "20200101", None),
        ("", "20200101", "19800101", None), ("", "", "20200101", None), ("", "19801399", "20200101", None),
        ("", "d14a028c2a3a2bc9", "20200101", None), ("", "18800101", "20200101", None),
        ("000Y", "19600101", "20200131", 60), ("000", "19600101", "20200131", 60),
        ("000D", "19600101", "20200131", 60),
        ("000Y", "", "", None), ("000", "", "", None), ("000D", "", "", 0), ("000M", "", "20200101", 0),
        ("000Y", "20200101", "20200131", 0),
        ("", "20180101", " 20200131", None), ("", "20180101", "nonsense 20200131", 2),
        ("", "20180101", "19010101 20200131", 2), ("", "19600101", "20200131 19700101", 60),
        ("050Y", "20180101", "20200131", 50),
    ],
)  # fmt: skip
def test_the_age_is_found_where_it_can_be(age: str, born: str, dates: str, years: float | None) -> None:
    taken = tuple(dates.split(" ")) if dates else ()
    header = Header(patient_age=age, birth_date=born, dates=taken if taken[:1] != ("",) else ())
    assert patient_age_years(header) == (None if years is None else pytest.approx(years, abs=0.005))


def test_children_are_not_analysed_and_the_limit_is_a_setting(outcome: Outcome) -> None:
    for changes in (
        {"patient_age": "017Y"},
        {"birth_date": "20180101", "dates": ("20200131",)},
        {"patient_age": "000D"},
    ):
        refusal = outcome(**changes)
        assert refusal is not None
        assert refusal.reason is Reason.AGE
        assert "younger than 18 years" in refusal.because
    for age in ("", "018Y", "000Y", "nonsense"):
        assert outcome(patient_age=age) is None
    assert outcome(InferenceSettings(min_age_years=0), patient_age="002M") is None


def test_of_two_ages_on_both_sides_of_the_limit_the_younger_counts(outcome: Outcome) -> None:
    refusal = outcome(patient_age="060Y", birth_date="20180101", dates=("20200131",))
    assert refusal is not None
    assert refusal.reason is Reason.AGE
    assert "birth date says younger" in refusal.because
    assert outcome(patient_age="002Y", birth_date="19600101", dates=("20200131",)) is not None
    assert outcome(patient_age="060Y", birth_date="19900101", dates=("20200131",)) is None


@given(st.text(max_size=5), st.text("0123456789.", max_size=10), st.lists(st.text("0123456789.", max_size=10)))
def test_an_age_is_plausible_or_unknown(age: str, born: str, dates: list[str]) -> None:
    years = patient_age_years(Header(patient_age=age, birth_date=born, dates=tuple(dates)))
    assert years is None or 0 <= years <= 130


@pytest.mark.parametrize(
    ("age", "born", "dates", "says"),
    [
        ("", "20300101", ("20200131",), "The birth date lies after the study date: age unknown"),
        ("", "20300101", ("20200131", "20190101"), "The birth date lies after the study date: age unknown"),
        (
            "050Y", "20300101", ("20200131",),
            "The birth date lies after the study date: the age is that of Patient's Age",
        ),
        ("", "20200101", ("19010101", "20200131"), None), ("", "19600101", ("20200131",), None),
        ("", "20300101", (), None), ("", "nonsense", ("20200131",), None),
    ],
)  # fmt: skip
def test_a_birth_date_after_the_study_is_a_remark(
    age: str, born: str, dates: tuple[str, ...], says: str | None
) -> None:
    answer = eligibility(Header(patient_age=age, birth_date=born, dates=dates), InferenceSettings())
    assert [(remark.kind, remark.text) for remark in answer.remarks] == (
        [] if says is None else [(RemarkKind.BIRTH_DATE_LATE, says)]
    )
