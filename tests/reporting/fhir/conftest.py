"""Bundles, and a FHIR server of the tests' own."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.settings import FhirDestination
from tests.fhir_server import FhirServer, running

ISSUER, SYSTEM = "HOSP", "urn:oid:1.2.3.99"


def destination(**changes: object) -> FhirDestination:
    """Return a destination on this machine."""
    return FhirDestination.model_validate({"kind": "fhir", "name": "ehr", "url": "http://127.0.0.1:1/fhir", **changes})


@pytest.fixture
def fhir_server() -> Iterator[FhirServer]:
    with running() as server:
        yield server


@pytest.fixture(scope="session")
def tls_files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that only itself vouches for, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "key.pem", "-out", "crt.pem"],
        check=True, capture_output=True, cwd=folder,
    )  # fmt: skip
    return folder / "crt.pem", folder / "key.pem"
