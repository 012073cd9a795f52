"""The Bundle: what it says, under which identities, and that the gate lets nothing else pass."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.errors import DocumentRejected
from config.language.translation import Language, gettext, speaking
from inference.findings import Finding
from reporting.account import Account, AnalysedImage
from reporting.claims import Claim, claims_of, number
from reporting.fhir.bundle import build_bundle
from reporting.fhir.bundle_gate import check_bundle, check_bundle_alone
from reporting.fhir.bundle_uid import bundle_uid
from reporting.fhir.superseded import REPLACED
from reporting.identity import tracking_uid
from reporting.impression import summarise
from reporting.words import DISCLAIMER
from tests.accounts import CHESTS, FILED_WRONG, MODEL, SLOPPY, account, chest, good_header, lateral
from tests.reporting.fhir.conftest import ISSUER, SYSTEM, destination

PLAIN = destination()
CREATING = destination(patient="create", patient_systems={ISSUER: SYSTEM})


def resources(content: bytes, kind: str) -> list[dict[str, Any]]:
    found = [entry["resource"] for entry in json.loads(content)["entry"]]
    return [resource for resource in found if resource["resourceType"] == kind]


def with_findings(findings: tuple[Finding, ...]) -> Account:
    made = account()
    return replace(made, analysed=tuple(AnalysedImage(image.source, findings) for image in made.analysed))


@pytest.mark.parametrize("header", [*SLOPPY.values(), *FILED_WRONG.values()], ids=[*SLOPPY, *FILED_WRONG])
def test_every_header_makes_a_valid_bundle(header: Any) -> None:
    made = account(header())
    made = replace(made, analysed=tuple(replace(image, findings=image.findings[:1]) for image in made.analysed))
    built = build_bundle(made, CREATING)
    check_bundle(built, made, CREATING)
    assert built.uid == bundle_uid(made, "ehr")


@pytest.mark.parametrize("findings", CHESTS.values(), ids=CHESTS)
@pytest.mark.parametrize("scored_only", [False, True])
def test_observations_are_the_findings_that_are_stated(findings: tuple[Finding, ...], scored_only: bool) -> None:
    made, to = with_findings(findings), destination(scored_only=scored_only)
    built = build_bundle(made, to)
    check_bundle(built, made, to)
    claims = [entry for entry in claims_of(findings) if entry.stated or scored_only]
    observations = resources(built.content, "Observation")
    assert [item["code"]["coding"][0]["code"] for item in observations] == [
        entry.finding.code.value for entry in claims
    ]
    for item, entry in zip(observations, claims, strict=True):
        assert ("valueCodeableConcept" in item) == entry.stated
        assert item["note"][0]["text"].startswith(DISCLAIMER)
        scores = [part["valueQuantity"]["value"] for part in item.get("component", [])]
        hidden = entry.claim is Claim.ABSENT and not scored_only
        assert scores == ([] if hidden else [number(entry.finding)])


def test_a_report_speaks_the_words_of_the_other_documents() -> None:
    made = account(good_header(1), good_header(2), skipped=(lateral(),))
    (report,) = resources(build_bundle(made, PLAIN).content, "DiagnosticReport")
    assert report["status"] == "preliminary"
    assert report["conclusion"].split("\n") == [f"{line}." for line in summarise(made)]
    assert report["conclusion"].startswith(DISCLAIMER)
    assert report["text"]["div"].count("<p>") == len(summarise(made))
    assert [concept["coding"][0]["code"] for concept in report["conclusionCode"]] == ["95436008"]
    assert report["code"]["coding"][0]["code"] == "30745-4"
    (order,) = report["basedOn"]
    assert order["identifier"]["value"] == "ACC-1"


def test_only_a_stated_finding_that_is_present_is_a_conclusion_code() -> None:
    unstated = with_findings(CHESTS["nothing stated"])
    (report,) = resources(build_bundle(unstated, destination(scored_only=True)).content, "DiagnosticReport")
    assert "conclusionCode" not in report
    (report,) = resources(build_bundle(unstated, PLAIN).content, "DiagnosticReport")
    assert "result" not in report


def test_identities_are_those_of_the_other_documents_and_stay() -> None:
    made = account()
    first = build_bundle(made, PLAIN).content
    assert build_bundle(account(), PLAIN).content == first
    later = build_bundle(replace(made, revision=2, corrects=True), PLAIN, [first]).content
    for kind in ("DiagnosticReport", "Observation", "ImagingStudy", "Device"):
        assert [item["identifier"] for item in resources(first, kind)] == [
            item["identifier"] for item in resources(later, kind)
        ]
    (observation, *_) = resources(first, "Observation")
    uid = tracking_uid(MODEL, "1.2.3.4.1", "lung_opacity", 0)
    assert observation["identifier"] == [{"system": "urn:dicom:uid", "value": f"urn:oid:{uid}"}]
    (provenance,) = resources(later, "Provenance")
    assert provenance["activity"]["coding"][0]["code"] == "UPDATE"
    assert provenance["entity"][-1]["what"]["identifier"] == json.loads(first)["identifier"]


def test_what_a_revision_does_not_say_again_becomes_an_error() -> None:
    first = build_bundle(account(good_header(1), good_header(2)), PLAIN).content
    made = replace(account(good_header(2)), revision=2, corrects=True)
    built = build_bundle(made, PLAIN, [first])
    check_bundle(built, made, PLAIN)
    by_status: dict[str, list[dict[str, Any]]] = {}
    for item in resources(built.content, "Observation"):
        by_status.setdefault(item["status"], []).append(item)
    assert len(by_status["amended"]) == len(by_status["entered-in-error"]) == 3
    for item in by_status["entered-in-error"]:
        assert "valueCodeableConcept" not in item
        assert "component" not in item
        assert item["note"] == [{"text": REPLACED}]
    (report,) = resources(built.content, "DiagnosticReport")
    assert len(report["result"]) == 3


def test_an_error_of_another_model_brings_its_device() -> None:
    first = build_bundle(account(), PLAIN).content
    newer = replace(MODEL, version="2.0.0", digest="f" * 64)
    made = replace(account(), revision=2, corrects=True, model=newer)
    built = build_bundle(made, PLAIN, [first])
    check_bundle(built, made, PLAIN)
    assert [device["version"][0]["value"] for device in resources(built.content, "Device")] == ["2.0.0", "1.0.0"]


def test_a_patient_is_named_and_never_invented() -> None:
    (observation, *_) = resources(build_bundle(account(), PLAIN).content, "Observation")
    assert observation["subject"] == {
        "type": "Patient", "identifier": {"value": "PID-1", "assigner": {"display": "HOSP"}},
    }  # fmt: skip
    assert resources(build_bundle(account(), PLAIN).content, "Patient") == []
    (patient,) = resources(build_bundle(account(), CREATING).content, "Patient")
    assert patient["identifier"] == [{"system": SYSTEM, "value": "PID-1"}]
    assert patient["name"] == [{"family": "Müller", "given": ["Jörg"], "prefix": ["Dr"], "suffix": ["Jr"]}]
    assert (patient["gender"], patient["birthDate"]) == ("male", "1970-01-31")
    bare = good_header(PatientName=None, PatientBirthDate=None, PatientSex=None)
    (patient,) = resources(build_bundle(account(bare), CREATING).content, "Patient")
    assert set(patient) == {"resourceType", "identifier"}


@pytest.mark.parametrize(
    ("issuer", "expected"),
    [
        (b"1.2.3.5", {"system": "urn:oid:1.2.3.5", "value": "PID-1"}),
        (b"https://hospital.example/id", {"system": "https://hospital.example/id", "value": "PID-1"}),
        (b"HOSP", {"system": SYSTEM, "value": "PID-1"}),
        (b"OTHER", {"value": "PID-1", "assigner": {"display": "OTHER"}}),
        (None, {"value": "PID-1"}),
    ],
)
def test_the_system_of_a_patient_id_is_its_issuer(issuer: bytes | None, expected: dict[str, Any]) -> None:
    to = destination(patient_systems={ISSUER: SYSTEM})
    (study,) = resources(build_bundle(account(good_header(IssuerOfPatientID=issuer)), to).content, "ImagingStudy")
    assert study["subject"]["identifier"] == expected


def test_a_patient_without_a_system_is_never_created_since_the_number_may_be_another_ones() -> None:
    made = account(good_header(IssuerOfPatientID=b"OTHER"))
    assert resources(build_bundle(made, CREATING).content, "Patient") == []


def test_a_patient_without_an_id_is_no_reference_to_anybody() -> None:
    (study,) = resources(build_bundle(account(good_header(PatientID=b"")), CREATING).content, "ImagingStudy")
    assert study["subject"] == {"type": "Patient", "display": "The image names no Patient ID"}


def test_a_time_of_day_stands_only_with_its_offset() -> None:
    (study,) = resources(build_bundle(account(), PLAIN).content, "ImagingStudy")
    assert study["started"] == "2026-01-01"
    (study,) = resources(
        build_bundle(account(good_header(TimezoneOffsetFromUTC=b"-0330")), PLAIN).content, "ImagingStudy"
    )
    assert study["started"] == "2026-01-01T10:11:12-03:30"


def test_criteria_escape_what_a_search_would_read_as_structure() -> None:
    made = account(good_header(PatientID=b"a|b,c$d&e=f g"))
    content = json.loads(build_bundle(made, CREATING).content)
    (request,) = (entry["request"] for entry in content["entry"] if entry["request"]["url"] == "Patient")
    assert request["ifNoneExist"] == "identifier=urn:oid:1.2.3.99%7Ca%5C%7Cb%5C%2Cc%5C%24d%26e%3Df%20g"


def test_a_bundle_speaks_the_language_of_the_node() -> None:
    first = build_bundle(account(good_header(1), good_header(2)), PLAIN).content
    made = replace(account(good_header(2)), revision=2, corrects=True)
    with speaking(Language.GERMAN):
        built = build_bundle(made, PLAIN, [first])
        check_bundle(built, made, PLAIN)
        begins = gettext(DISCLAIMER)
    (report,) = resources(built.content, "DiagnosticReport")
    assert report["conclusion"].startswith(begins)
    assert begins != DISCLAIMER
    observations = resources(built.content, "Observation")
    assert {item["language"] for item in (report, *observations)} == {"de"}
    displays = [item["valueCodeableConcept"]["text"] for item in observations if "valueCodeableConcept" in item]
    assert displays == ["Present", "Undetermined", "Absent"]


def _altered(change: Any) -> bytes:
    content = json.loads(build_bundle(account(), PLAIN).content)
    change({entry["resource"]["resourceType"]: entry for entry in reversed(content["entry"])})
    return json.dumps(content).encode()


@pytest.mark.parametrize(
    "change",
    [
        lambda found: found["Observation"]["request"].update(url="Observation"),
        lambda found: found["Device"]["request"].pop("ifNoneExist"),
        lambda found: found["DiagnosticReport"]["resource"].update(status="final"),
        lambda found: found["DiagnosticReport"]["resource"].update(conclusion="Pneumonia."),
        lambda found: found["DiagnosticReport"]["resource"].pop("result"),
        lambda found: found["DiagnosticReport"]["resource"].pop("conclusionCode"),
        lambda found: found["Observation"]["resource"].pop("valueCodeableConcept"),
        lambda found: found["Observation"]["resource"].update(valueCodeableConcept={"coding": [{"code": "x"}]}),
        lambda found: found["Observation"]["resource"].update(invented=1),
        lambda found: found["Observation"]["resource"].pop("code"),
        lambda found: found["Observation"]["resource"]["device"].update(reference="urn:uuid:nowhere"),
        lambda found: found["Observation"].update(fullUrl=found["Device"]["fullUrl"]),
    ],
)
def test_the_gate_refuses_what_is_not_the_reading(change: Any) -> None:
    made = account()
    built = build_bundle(made, PLAIN)
    with pytest.raises(DocumentRejected):
        check_bundle(replace(built, content=_altered(change)), made, PLAIN)


def test_the_gate_refuses_what_is_no_bundle() -> None:
    for content in (b"", b"{}", b"[]", b'{"resourceType": "Bundle", "type": "transaction"}', b"\xff"):
        with pytest.raises(DocumentRejected):
            check_bundle_alone(content)


@settings(max_examples=8, deadline=None)
@given(
    scores=st.lists(st.floats(0, 1), min_size=11, max_size=11),
    stated=st.sets(st.sampled_from(["effusion", "lung_opacity", "normal", "nodule"])),
    scored_only=st.booleans(),
    name=st.text(max_size=40),
)
def test_whatever_is_found_the_bundle_passes_its_gate(
    scores: list[float], stated: set[str], scored_only: bool, name: str
) -> None:
    header = good_header(PatientName=name.encode("utf-8", "replace"), SpecificCharacterSet=b"ISO_IR 192")
    made = replace(account(header), analysed=(AnalysedImage(account(header).lead, chest(scores, stated=stated)),))
    to = destination(scored_only=scored_only)
    check_bundle(build_bundle(made, to), made, to)
