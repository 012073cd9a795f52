"""Documents of a study of which no image was analysed: they pass their gates, and say why and by whom."""

import json
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from typing import Any

import pydicom
import pytest
from pydicom import Dataset

from config.destinations import Hl7Destination
from config.errors import DocumentRejected
from config.language.translation import Language, speaking
from reporting.account import Account
from reporting.fhir.bundle import build_bundle
from reporting.fhir.bundle_gate import check_bundle, check_bundle_alone
from reporting.fhir.withdrawal import build_withdrawal
from reporting.hl7.message import build_message
from reporting.hl7.message_gate import check_message
from reporting.notes.build import check_correction
from reporting.notes.correction import build_correction
from reporting.sr.report import build_report
from reporting.sr.report_classes import ReportClass
from reporting.sr.report_gate import check_report, check_report_alone
from tests.accounts import FILED_WRONG, SLOPPY, account, good_header, not_analysed_account, walk
from tests.reporting.fhir.conftest import destination
from tracking.outbox.reasons import Reason
from tracking.outbox.rejections import Note

RIS = Hl7Destination(kind="hl7", name="ris", host="127.0.0.1", port=1)
EHR = destination(patient="create")
WHY = "it holds 3 frames, and a radiograph has one"


def no_image() -> Dataset:
    """Return the header of an object without pixels."""
    header = good_header(SOPClassUID=b"1.2.840.10008.5.1.4.1.1.88.11", Modality=b"SR", ImagerPixelSpacing=None)
    del header.Rows, header.Columns
    return header


OTHERS: dict[str, Callable[[], Dataset]] = {
    "no image": no_image,
    "another modality": lambda: good_header(SOPClassUID=b"1.2.840.10008.5.1.4.1.1.4", Modality=b"MR"),
    "no modality": lambda: good_header(SOPClassUID=b"1.2.840.10008.5.1.4.1.1.7", Modality=b"??"),
}
WRONG = {**SLOPPY, **FILED_WRONG}
HEADERS = [
    *(pytest.param(header, id=name) for name, header in OTHERS.items()),
    *(pytest.param(header, id=name, marks=pytest.mark.long) for name, header in WRONG.items()),
]


def bundle_of(content: bytes, kind: str) -> list[dict[str, Any]]:
    found = [entry["resource"] for entry in json.loads(content)["entry"]]
    return [resource for resource in found if resource["resourceType"] == kind]


@pytest.mark.parametrize("header", HEADERS)
def test_of_every_header_there_is_a_report_a_message_and_a_bundle(header: Callable[[], Dataset]) -> None:
    made = not_analysed_account(header())
    report = build_report(made, 9001, ReportClass.ENHANCED)
    check_report(report, made)
    check_report_alone(report.content)
    check_message(build_message(made, RIS, None), made, RIS.character_set)
    check_bundle(build_bundle(made, EHR), made, EHR)


@pytest.mark.parametrize("language", Language)
def test_each_says_why_and_by_whom_in_the_language_of_the_site(language: Language) -> None:
    made = not_analysed_account(good_header(1), good_header(2))
    sources = tuple(replace(image, source=image.source and image.source.with_letters()) for image in made.skipped)
    made = replace(made, skipped=sources)
    with speaking(language):
        words = made.skipped[0].words
        document = pydicom.dcmread(BytesIO(build_report(made, 9001).content))
        said = [item.TextValue for item in walk(document) if item.ValueType == "TEXT"]
        message = build_message(made, RIS, None).content.decode("utf-8")
        content = build_bundle(made, EHR).content
    assert (words == WHY) is (language is Language.ENGLISH)
    assert sum(words in text for text in said) == 2
    assert "opacity 1.0.0" in said[-1]
    assert words in message.replace("~", " ")
    (report,) = bundle_of(content, "DiagnosticReport")
    observations = bundle_of(content, "Observation")
    assert {entry["status"] for entry in (report, *observations)} == {"cancelled"}
    assert len(observations) == len(report["result"]) == 2
    for observation in observations:
        assert observation["dataAbsentReason"]["coding"][0]["code"] == "not-performed"
        assert words in observation["note"][0]["text"]
        assert not {"valueCodeableConcept", "interpretation", "component"} & set(observation)


def test_a_code_says_it_to_machines_and_nothing_is_outlined() -> None:
    document = pydicom.dcmread(BytesIO(build_report(not_analysed_account(), 9001).content))
    coded = {
        item.ConceptNameCodeSequence[0].CodeValue: item.ConceptCodeSequence[0].CodeValue
        for item in walk(document)
        if item.ValueType == "CODE"
    }
    assert coded["111017"] == "111245"
    assert not [item for item in walk(document) if item.ValueType == "SCOORD"]


@pytest.mark.parametrize("version", ["2.5.1", "2.3.1"])
@pytest.mark.parametrize("make", [account, not_analysed_account])
def test_a_message_of_either_version_can_be_taken_back(make: Callable[[], Account], version: str) -> None:
    message = build_message(make(), RIS.model_copy(update={"version": version}), None)
    correction = build_correction(Note("N1", None, Reason.QUALITY, (), 1_770_000_000_000), message.content)
    check_correction(correction)
    lines = [line.split("|") for line in correction.content.decode().split("\r")]
    assert {fields[11] for fields in lines if fields[0] == "OBX"} == {"O", "D"}


def test_a_bundle_can_be_taken_back_and_followed_by_a_result() -> None:
    before = build_bundle(not_analysed_account(), EHR).content
    check_bundle_alone(build_withdrawal(Note("2.25.7", None, Reason.SAFETY, (), 1_770_000_000_000), [before]).content)
    late = account(revision=2, corrects=True)
    built = build_bundle(late, EHR, [before])
    check_bundle(built, late, EHR)
    (error,) = [entry for entry in bundle_of(built.content, "Observation") if entry["status"] == "entered-in-error"]
    assert "dataAbsentReason" not in error


def test_no_gate_takes_one_for_the_other() -> None:
    none, found = not_analysed_account(), account()
    with pytest.raises(DocumentRejected):
        check_report(build_report(none, 9001), found)
    with pytest.raises(DocumentRejected):
        check_report(build_report(found, 9001), none)
    with pytest.raises(DocumentRejected):
        check_message(build_message(none, RIS, None), found, RIS.character_set)
    with pytest.raises(DocumentRejected):
        check_bundle(build_bundle(none, EHR), found, EHR)


def test_where_findings_were_said_before_they_are_errors_now() -> None:
    found = account()
    before = build_bundle(found, EHR).content
    now = not_analysed_account(revision=2, corrects=True)
    built = build_bundle(now, EHR, [before])
    check_bundle(built, now, EHR)
    statuses = [entry["status"] for entry in bundle_of(built.content, "Observation")]
    assert sorted(set(statuses)) == ["cancelled", "entered-in-error"]
    assert statuses.count("entered-in-error") == len(bundle_of(before, "Observation"))
