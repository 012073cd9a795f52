"""Bundles, and a FHIR server of the tests' own."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from config.destinations import FhirDestination
from config.settings import Settings
from tests.fhir_server import FhirServer, running
from tests.reporting.way import Way, open_way

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


@pytest.fixture
def database_url(tmp_path: Path, sqlite_template: Path) -> str:
    """The URL of a migrated, empty SQLite database of the test's own."""
    path = tmp_path / "cxrnode.db"
    shutil.copyfile(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture
def way(studies: Any, settings: Settings, fhir_server: FhirServer) -> Iterator[Way]:
    """A node whose one destination is a FHIR server."""
    with open_way(studies, settings) as opened:
        servers = (destination(url=fhir_server.url, response_seconds=5),)
        opened.settings = opened.settings.model_copy(update={"destinations": servers})
        yield opened
