"""The peers that the other tests rely on are what those tests take them for."""

import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from tracking.engine import schema

pytestmark = pytest.mark.peers


def test_both_databases_come_up_migrated_and_apart(database: Any) -> None:
    assert schema.current(database) == schema.head()


def test_orthanc_answers_over_rest_and_over_dicom(orthanc: Any, dcmtk: Callable[[str], str]) -> None:
    assert orthanc.find("Study", PatientID="*") == []
    subprocess.run([dcmtk("echoscu"), "127.0.0.1", str(orthanc.dicom_port)], check=True, timeout=20)


def test_dcmtk_is_the_real_one(dcmtk: Callable[[str], str]) -> None:
    output = subprocess.run([dcmtk("storescu"), "--version"], check=True, capture_output=True, text=True).stdout
    assert "$dcmtk: storescu" in output
