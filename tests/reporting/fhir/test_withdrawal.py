"""What takes a result back at a FHIR server."""

import json
from dataclasses import replace
from typing import Any

import pytest

from config.errors import DocumentRejected
from reporting.fhir.bundle import build_bundle
from reporting.fhir.bundle_gate import check_bundle_alone
from reporting.fhir.withdrawal import build_withdrawal
from tests.accounts import account, good_header
from tests.reporting.fhir.conftest import destination
from tracking.outbox.reasons import Reason
from tracking.outbox.rejections import Note

NOTE = Note("2.25.77", None, Reason.SAFETY, (), 1_770_000_000_000)


def resources(content: bytes) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for entry in json.loads(content)["entry"]:
        found.setdefault(entry["resource"]["resourceType"], []).append(entry["resource"])
    return found


def test_report_and_observations_are_entered_in_error_and_claim_nothing() -> None:
    sent = build_bundle(account(good_header(1), good_header(2)), destination()).content
    built = build_withdrawal(NOTE, [sent], "Klinikum")
    check_bundle_alone(built.content)
    found = resources(built.content)
    (report,) = found["DiagnosticReport"]
    assert report["status"] == "entered-in-error"
    assert report["conclusion"] == "AI result withdrawn for patient safety reasons: do not use it."
    assert report["conclusion"] in report["text"]["div"]
    assert "conclusionCode" not in report
    assert report["identifier"] == resources(sent)["DiagnosticReport"][0]["identifier"]
    assert len(found["Observation"]) == 6
    for observation in found["Observation"]:
        assert observation["status"] == "entered-in-error"
        assert not {"valueCodeableConcept", "component", "interpretation"} & set(observation)
    (provenance,) = found["Provenance"]
    assert provenance["activity"]["coding"][0]["code"] == "NULLIFY"
    assert provenance["reason"][0]["coding"][0]["code"] == "113037"
    assert provenance["recorded"].startswith("2026-02-02")
    assert provenance["entity"][0]["what"]["identifier"] == json.loads(sent)["identifier"]
    assert build_withdrawal(NOTE, [sent], "Klinikum").content == built.content


def test_all_that_was_ever_said_is_taken_back() -> None:
    first = build_bundle(account(good_header(1), good_header(2)), destination()).content
    second = build_bundle(replace(account(good_header(2)), revision=2, corrects=True), destination(), [first]).content
    found = resources(build_withdrawal(NOTE, [first, second]).content)
    assert len(found["Observation"]) == 6
    assert {entry["status"] for entry in found["Observation"]} == {"entered-in-error"}


def test_there_has_to_be_something_to_take_back() -> None:
    with pytest.raises(DocumentRejected):
        build_withdrawal(NOTE, [])
