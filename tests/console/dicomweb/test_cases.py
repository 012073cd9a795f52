"""Inputs that once went wrong, over STOW-RS and back: answered as over DIMSE, and no look at them is an error."""

from collections.abc import Callable
from pathlib import Path

from starlette.testclient import TestClient

from tests.console.dicomweb.test_store import failures, store
from tracking.engine.database import Database
from tracking.tables.models import Instance

LONG_STUDY_UID = 0x0117


def test_every_case_is_stored_or_refused_as_over_dimse_and_can_be_looked_at(
    browse: Callable[..., TestClient], cxr_cases: Path, database: Database
) -> None:
    files = [path.read_bytes() for path in sorted((cxr_cases / "dicom").glob("*.dcm"))]
    browser = browse(raising=False)
    answer = store(browser, *files)
    assert list(failures(answer).values()).count(LONG_STUDY_UID) == 1
    with database.reading() as read:
        rows = read.query(Instance).all()
    assert len(rows) >= 25
    broken = []
    for row in rows:
        place = f"/dicom-web/studies/{row.study_uid}/series/{row.series_uid}/instances/{row.instance_uid}"
        for look in ("/metadata", "/frames/1", "/rendered"):
            status = browser.get(place + look).status_code
            if status >= 500:
                broken.append((row.instance_uid, look, status))
        search = browser.get(f"/dicom-web/studies/{row.study_uid}/instances?includefield=all")
        if search.status_code >= 500:
            broken.append((row.instance_uid, "search", search.status_code))
    assert broken == []
    assert browser.get("/dicom-web/studies?PatientName=*").status_code == 200
