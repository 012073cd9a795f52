"""One patient or two: the rule, value by value."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracking.studies.patient import ELEMENTS, PatientIdentity, contradictions, contradictions_among, names_patient

JANE = PatientIdentity("P1", "HOSPITAL", "Doe^Jane", "19600101", "F")


@pytest.mark.parametrize(
    "change",
    [
        {"patient_id": " P1 \0"},
        {"issuer_of_patient_id": ""},
        {"patient_name": "DOE^JANE"},
        {"patient_name": "Doe ^ Jane^^^ "},
        {"patient_name": "Doe^Jane=="},
        {"patient_name": "Doe^Jane=ドウ^ジェーン"},
        {"patient_name": "=ドウ^ジェーン"},
        {"patient_name": "Doe^Jane^Mary"},
        {"patient_name": "Doe"},
        {"patient_name": ""},
        {"patient_birth_date": "1960.01.01"},
        {"patient_birth_date": "1960-01-01"},
        {"patient_birth_date": ""},
        {"patient_birth_date": "00000000"},
        {"patient_sex": "female"},
        {"patient_sex": ""},
        {"patient_sex": "U"},
        {"patient_id": ""},
    ],
    ids=str,
)
def test_what_is_evidently_the_same_or_absent_is_one_patient(change: dict[str, str]) -> None:
    assert contradictions(JANE, replace(JANE, **change)) == ()


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"patient_id": "P2"}, ("patient_id",)),
        ({"patient_id": "p1"}, ("patient_id",)),
        ({"issuer_of_patient_id": "CLINIC"}, ("issuer_of_patient_id",)),
        ({"patient_name": "Roe^Jane"}, ("patient_name",)),
        ({"patient_name": "Doe^John"}, ("patient_name",)),
        ({"patient_name": "Jane^Doe"}, ("patient_name",)),
        ({"patient_birth_date": "19600102"}, ("patient_birth_date",)),
        ({"patient_birth_date": "unknown"}, ("patient_birth_date",)),
        ({"patient_sex": "M"}, ("patient_sex",)),
        ({"patient_id": "P2", "patient_name": "Roe^Mary"}, ("patient_id", "patient_name")),
        ({"patient_id": "", "patient_name": ""}, ("patient_id",)),
        ({"patient_id": "", "patient_name": "Doe"}, ("patient_id",)),
    ],
    ids=str,
)
def test_what_differs_or_is_tied_by_nothing_is_two_patients(change: dict[str, str], fields: tuple[str, ...]) -> None:
    assert contradictions(JANE, replace(JANE, **change)) == fields


def test_images_that_name_nobody_are_of_one_patient_as_long_as_nothing_differs() -> None:
    nobody = PatientIdentity()
    assert contradictions(nobody, PatientIdentity(patient_sex="F")) == ()
    assert contradictions(PatientIdentity(patient_sex="M"), PatientIdentity(patient_sex="F")) == ("patient_sex",)
    assert contradictions(nobody, PatientIdentity(patient_name="Doe^Jane")) == ("patient_id",)


def test_of_several_identities_any_two_may_contradict() -> None:
    silent = replace(JANE, patient_birth_date="")
    assert contradictions_among([silent, JANE, silent]) == ()
    assert contradictions_among([silent, JANE, replace(JANE, patient_birth_date="19700101")]) == ("patient_birth_date",)
    assert contradictions_among([]) == ()


def test_a_patient_is_named_by_id_and_where_given_by_issuer() -> None:
    assert names_patient(JANE, "P1 ")
    assert names_patient(JANE, "P1", "HOSPITAL")
    assert not names_patient(JANE, "P1", "CLINIC")
    assert not names_patient(JANE, "P1", "")
    assert not names_patient(PatientIdentity(), "P1")


def identities() -> st.SearchStrategy[PatientIdentity]:
    """Return identities that agree often, in part and in sloppy spellings."""
    return st.builds(
        PatientIdentity,
        st.sampled_from(["", "A", "A ", "B"]),
        st.sampled_from(["", "X", "Y"]),
        st.sampled_from(["", "Doe^Jane", "DOE^JANE^^", "Doe", "Roe^Mary", "=山田^花子", "Doe^Jane=山田^花子"]),
        st.sampled_from(["", "19600101", "1960.01.01", "00000000", "19700101"]),
        st.sampled_from(["", "F", "female", "M", "U"]),
    )


@given(identities(), identities())
def test_the_rule_has_no_sides_and_knows_itself(first: PatientIdentity, second: PatientIdentity) -> None:
    assert contradictions(first, second) == contradictions(second, first)
    assert contradictions(first, first) == ()


@given(identities(), identities())
def test_two_patient_ids_are_never_one_patient(first: PatientIdentity, second: PatientIdentity) -> None:
    ids = {first.patient_id.strip(), second.patient_id.strip()}
    if len(ids - {""}) == 2:
        assert "patient_id" in contradictions(first, second)


@given(st.text(), st.text(), st.sampled_from(sorted(ELEMENTS)))
def test_any_text_is_compared_without_an_error(first: str, second: str, field: str) -> None:
    contradictions(replace(JANE, **{field: first}), replace(JANE, **{field: second}))
