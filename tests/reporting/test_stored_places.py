"""Where the regions of a stored image lie, for the study page: by its header, and nothing where that cannot be read."""

from pathlib import Path

from inference.findings import finding_to_json
from reporting.stored_places import stored_places
from tests.accounts import finding
from tests.phantoms import phantom_dataset
from tracking.results.analyses import FindingRecord, OutcomeRecord


def outcome(*details: dict[str, object]) -> OutcomeRecord:
    records = tuple(FindingRecord("lung_opacity", "1", "SCT", "O", 0.9, "present", True, detail) for detail in details)
    return OutcomeRecord("1.1", None, None, records)


def test_the_place_is_that_of_the_documents(tmp_path: Path) -> None:
    image = phantom_dataset(1, size=256)
    image.PatientOrientation = ["L", "F"]
    path = tmp_path / "image.dcm"
    image.save_as(path, enforce_file_format=True)
    across, down = int(image.Columns), int(image.Rows)
    box = (across * 0.7, down * 0.7, across * 0.8, down * 0.72, 0.9)
    located, plain = finding_to_json(finding("lung_opacity", 0.9, box)), finding_to_json(finding("lung_opacity", 0.9))
    assert stored_places(path, outcome(located)) == {"lung_opacity": "left lower zone"}
    assert stored_places(path, outcome(plain)) == {}
    assert stored_places(path, outcome({"boxes": [{}]})) == {}
    assert stored_places(tmp_path / "missing.dcm", outcome(located)) == {}
