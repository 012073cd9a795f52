"""A node with its peers, on SQLite: what the database does is tested on both kinds in tests/tracking."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from config.settings import Settings
from tests.reporting.way import Way, open_way


@pytest.fixture
def database_url(tmp_path: Path, sqlite_template: Path) -> str:
    """The URL of a migrated, empty SQLite database of the test's own."""
    path = tmp_path / "cxrnode.db"
    shutil.copyfile(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture
def way(studies: Any, settings: Settings) -> Iterator[Way]:
    """A node with an archive that follows rejection notes, and a RIS."""
    with open_way(studies, settings) as opened:
        yield opened


@pytest.fixture
def way_to_orthanc(studies: Any, settings: Settings, orthanc: Any) -> Iterator[tuple[Way, Any]]:
    """A node that delivers to an Orthanc, which keeps rejection notes and does nothing with them; and that Orthanc."""
    with open_way(studies, settings, pacs_port=orthanc.dicom_port) as opened:
        yield opened, orthanc
