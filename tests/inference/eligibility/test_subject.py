"""The subject: animals, phantoms, quality control images and test patients are not analysed."""

from collections.abc import Callable

import pytest

from config.settings import InferenceSettings
from inference.eligibility import eligibility
from inference.header import CodedTerm, Header
from inference.not_analysed import NotAnalysed, Reason
from tests.phantoms import phantom_dataset

Outcome = Callable[..., NotAnalysed | None]


def refused(outcome: Outcome, settings: InferenceSettings | None = None, **changes: object) -> bool:
    refusal = outcome(settings, **changes)
    assert refusal is None or refusal.reason is Reason.SUBJECT
    return refusal is not None


def test_quality_control_images_and_phantoms(outcome: Outcome) -> None:
    assert refused(outcome, quality_control_image="YES")
    assert not refused(outcome, quality_control_image="NO")
    assert not refused(outcome, quality_control_image="BOTH")
    assert refused(outcome, body_part="PHANTOM")
    assert refused(outcome, regions=(CodedTerm("706342009", "Phantom"),))


@pytest.mark.parametrize("text", ["", "HUMAN", "Homo sapiens", "Mensch", "человек", "ヒト", "UNKNOWN", "n/a"])
def test_humans(outcome: Outcome, text: str) -> None:
    assert not refused(outcome, species_description=text)
    assert not refused(outcome, species=(CodedTerm("", text),))


@pytest.mark.parametrize("text", ["CANINE", "canine", "Feline", "Canis lupus familiaris", "Katze", "犬"])
def test_animals(outcome: Outcome, text: str) -> None:
    assert refused(outcome, species_description=text)
    assert refused(outcome, species=(CodedTerm("", text),))
    assert refused(outcome, breed=text)


def test_species_codes(outcome: Outcome) -> None:
    assert refused(outcome, species=(CodedTerm("448771007", "Canis lupus familiaris"),))
    assert not refused(outcome, species=(CodedTerm("337915000", "Homo sapiens"),))
    assert not refused(outcome, species=(CodedTerm("L-85B00", ""),))


@pytest.mark.parametrize(
    "name",
    [
        "PHANTOM", "PHANTOM^CHEST", "Chest^Phantom", "TEST^PATIENT", "patient^test", "Test", "TEST^^^^", "TEST 01",
        "Test^Test",
        "TESTPATIENT", "ZZTEST^ANNA", "DUMMY^PATIENT", "DUMMY", "QC", "QC^TEST", "QUALITY^CONTROL", "ＴＥＳＴ",
    ],
)  # fmt: skip
def test_test_patients_by_name(outcome: Outcome, name: str) -> None:
    assert refused(outcome, patient_name=name)


@pytest.mark.parametrize(
    "name",
    [
        "", "Test^Anna", "Testa^Marco", "Tester^Eva", "Dummy^Anna", "Phan^Tom", "Contest^Ann", "Smith^John^^QC",
        "Qc^An", "Odd^Case34", "Anonymous", "Patient^Anna", "=", "山田^太郎",
    ],
)  # fmt: skip
def test_people_of_such_names_are_analysed(outcome: Outcome, name: str) -> None:
    assert not refused(outcome, patient_name=name)


def test_test_patients_by_identifier(outcome: Outcome) -> None:
    for identifier in ("PHANTOM-7", "TEST", "TEST-PATIENT-1", "zztest01"):
        assert refused(outcome, patient_id=identifier)
    for identifier in ("", "QC123456", "QC 123456", "PAT-1", "TESTA01", "12345"):
        assert not refused(outcome, patient_id=identifier)


def test_the_patterns_are_a_setting_and_the_reason_names_it(outcome: Outcome) -> None:
    refusal = outcome(patient_name="TEST^PATIENT")
    assert refusal is not None
    assert "inference.refuse_test_patients" in refusal.because
    settings = InferenceSettings(refuse_test_patients=("Musterfrau", "="))
    assert refused(outcome, settings, patient_name="Musterfrau^Erika")
    assert not refused(outcome, settings, patient_name="TEST^PATIENT")
    assert not refused(outcome, InferenceSettings(refuse_test_patients=()), patient_name="TEST^PATIENT")


def test_the_phantoms_of_this_project_are_analysed() -> None:
    header = Header.of(phantom_dataset(7, size=512))
    answer = eligibility(header, InferenceSettings())
    assert answer.refusal is None
    assert answer.doubt is None
    assert header.patient_id_issuer == "CXRNODE-PHANTOM"


@pytest.mark.parametrize("name", ["TEST^PATIENT", "PHANTOM^X", "Test^Test", "ZZTEST^X", "TEST"])
def test_a_test_patient_is_told_by_the_name_in_a_file(name: str) -> None:
    dataset = phantom_dataset(1, size=256)
    del dataset.IssuerOfPatientID
    dataset.PatientID, dataset.PatientName = "P1", "Doe^Jane"
    assert not isinstance(eligibility(Header.of(dataset), InferenceSettings()).refusal, NotAnalysed)
    dataset.PatientName = name
    refusal = eligibility(Header.of(dataset), InferenceSettings()).refusal
    assert refusal is not None
    assert "test patient" in refusal.because
