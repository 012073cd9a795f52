"""Bundles, and a FHIR server of the tests' own."""

from collections.abc import Iterator

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
