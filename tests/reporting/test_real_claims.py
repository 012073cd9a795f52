"""Over real radiographs and phantoms no document says more than the package's evidence allows."""

from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from pydicom import Dataset

from config.destinations import Hl7Destination
from inference.evidence import may_be_stated
from inference.findings import Finding
from inference.model import Model
from inference.pixels import read_picture
from reporting.account import AnalysedImage
from reporting.hl7.message import build_message
from reporting.hl7.message_gate import check_message
from reporting.source import read_source
from reporting.sr.report import build_report
from reporting.sr.report_gate import check_report
from tests.accounts import account, told
from tests.phantoms import phantom_dataset

RIS = Hl7Destination(kind="hl7", name="ris", host="ris.example", port=2575)
_PRESENT, _UNDETERMINED = "Present", "Undetermined"


@pytest.fixture(scope="module")
def model() -> Model:
    """The package that ships."""
    return Model.open("chest-default")


def documents(model: Model, path: Path) -> tuple[tuple[Finding, ...], Dataset, str]:
    """Return an image's findings, its report and its message."""
    source = read_source(path)
    found = model.findings(read_picture(path, 100_000_000))
    made = account(model=model.identity, analysed=(AnalysedImage(source, found),),
                   source_uids=(source.sop_instance_uid,))  # fmt: skip
    report, message = build_report(made, 9001), build_message(made, RIS, None)
    check_report(report, made)
    check_message(message, made, "UNICODE UTF-8")
    return found, pydicom.dcmread(BytesIO(report.content)), message.content.decode()


def contradictions(found: tuple[Finding, ...], report: Dataset, message: str) -> list[str]:
    """Return what the documents say that the scores, the points and the evidence do not bear out."""
    by_name = {one.code.meaning: one for one in found}
    wrong: list[str] = []
    claims: dict[str, tuple[str | None, float]] = {}
    for item in told(report):
        name, region, presence, value = item.name, item.region, item.presence, item.value
        one = by_name[name]
        stated = may_be_stated(one.evidence, one.points.specific, abnormal=one.abnormal)
        if presence is not None and not stated:
            wrong.append(f"{name}: a claim without evidence")
        if presence == _PRESENT and one.score < one.points.specific:
            wrong.append(f"{name}: present below its specific point")
        if not region:
            claims[name] = (presence, value)
            continue
        whole, number = claims[name]
        if value > number or (presence == _PRESENT and whole != _PRESENT) or whole not in {_PRESENT, _UNDETERMINED}:
            wrong.append(f"{name} region {region}: surer than its finding")
    for name, one in by_name.items():
        if not one.stated and name in message:
            wrong.append(f"{name}: scored only, and named in the message")
    return wrong


@pytest.mark.data
@pytest.mark.timeout(900)
def test_no_document_of_real_radiographs_says_more_than_the_evidence(cxr_data: Path, model: Model) -> None:
    paths = sorted((cxr_data / "dicom" / "rsna").glob("*.dcm"))
    assert len(paths) == 60
    wrong = {path.name: found for path in paths if (found := contradictions(*documents(model, path)))}
    assert wrong == {}


@pytest.mark.parametrize("opacity", [False, True])
def test_no_document_of_phantoms_says_more_than_the_evidence(tmp_path: Path, model: Model, opacity: bool) -> None:
    for number in range(2):
        path = tmp_path / f"{number}.dcm"
        phantom_dataset(number, size=768, opacity=opacity).save_as(path, enforce_file_format=True)
        found, report, message = documents(model, path)
        assert contradictions(found, report, message) == []
        assert {one.label for one in found if one.stated} == {"lung_opacity"}
