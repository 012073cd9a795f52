"""Fixtures that every room's tests share."""

import os
from pathlib import Path

import pytest

_BESIDE = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def cxr_data() -> Path:
    """Return the folder of real radiographs; the test is skipped where there is none."""
    folder = Path(os.environ.get("CXR_DATA", _BESIDE))
    if not folder.is_dir():
        pytest.skip("no real radiographs here: CXR_DATA names no folder")
    return folder
