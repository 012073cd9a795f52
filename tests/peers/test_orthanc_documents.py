"""Orthanc files report and capture under the study they belong to, and shows the capture as it was drawn."""

import io
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom import Dataset, dcmread

from dicom_node.storage_scu.send import store
from dicom_node.storage_scu.target import Target
from inference.pixels import read_picture
from reporting.account import Account
from reporting.capture.radiograph import Radiograph
from reporting.capture.secondary_capture import build_capture
from reporting.source import read_source
from reporting.sr.report import build_report
from tests.accounts import account
from tests.phantoms import phantom_dataset

pytestmark = pytest.mark.peers


def account_of(path: Path) -> Account:
    source = read_source(path)
    image = type(account().analysed[0])(source, account().analysed[0].findings)
    return account(analysed=(image,), source_uids=(source.sop_instance_uid,))


def send_with_documents(path: Path, folder: Path, target: Target) -> tuple[Path, Path]:
    """Store a radiograph and then what we say about it; return the report and the capture."""
    made = account_of(path)
    report, capture = folder / f"{path.stem}-sr.dcm", folder / f"{path.stem}-sc.dcm"
    report.write_bytes(build_report(made, 9001).content)
    capture.write_bytes(
        build_capture(made, made.analysed[0], Radiograph.of(read_picture(path, 10**8), 1024), 9002).content
    )
    outcomes = store([path, report, capture], target)
    assert [outcome.status for outcome in outcomes] == [0, 0, 0]
    return report, capture


def sloppy_phantoms(folder: Path) -> list[Path]:
    """Return files of phantoms whose headers are sloppy in ways that Orthanc accepts."""
    changes: dict[str, Callable[[Dataset], object]] = {
        "good": lambda d: None,
        "japanese": lambda d: (
            setattr(d, "SpecificCharacterSet", ["", "ISO 2022 IR 87"]),
            setattr(d, "PatientName", "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        ),
        "latin": lambda d: (
            setattr(d, "SpecificCharacterSet", "ISO_IR 100"),
            setattr(d, "PatientName", "Müller^Jörg"),
        ),
        "bare": lambda d: [
            delattr(d, keyword)
            for keyword in ("PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID", "StudyTime")
        ],
    }
    paths = []
    for number, (name, change) in enumerate(changes.items(), 1):
        dataset = phantom_dataset(number, size=320, opacity=True)
        change(dataset)
        path = folder / f"{name}.dcm"
        dataset.save_as(path, enforce_file_format=True)
        paths.append(path)
    return paths


def check_filed(orthanc: Any, source: Path) -> None:
    header = dcmread(source, stop_before_pixels=True)
    (study,) = orthanc.find("Study", StudyInstanceUID=str(header.StudyInstanceUID))
    (patient,) = [orthanc.get(f"/patients/{study['ParentPatient']}")]
    series = [orthanc.get(f"/series/{identifier}") for identifier in study["Series"]]
    by_modality = {entry["MainDicomTags"]["Modality"]: entry for entry in series}
    assert len(series) == 3
    assert {"SR", "OT"} < set(by_modality)
    assert patient["Studies"] == [study["ID"]]
    (original,) = [entry for entry in series if entry["MainDicomTags"]["Modality"] not in {"SR", "OT"}]
    first = orthanc.tags(original["Instances"][0])
    for modality in ("SR", "OT"):
        (instance,) = by_modality[modality]["Instances"]
        tags = orthanc.tags(instance)
        for name in ("PatientName", "PatientID", "StudyInstanceUID", "StudyDate", "StudyDescription"):
            assert tags.get(name, "") == first.get(name, "")
        for name in ("PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID", "StudyTime"):
            assert tags[name] in {first.get(name, ""), ""}


def rendered(orthanc: Any, instance: str) -> np.ndarray[Any, Any]:
    with urllib.request.urlopen(f"{orthanc.url}/instances/{instance}/preview", timeout=20) as answer:
        return np.asarray(Image.open(io.BytesIO(answer.read())).convert("RGB"))


def test_report_and_capture_are_filed_with_the_radiograph_of_the_same_patient(orthanc: Any, tmp_path: Path) -> None:
    target = Target("127.0.0.1", orthanc.dicom_port, orthanc.ae_title, "CXRNODE")
    for path in sloppy_phantoms(tmp_path):
        _, capture = send_with_documents(path, tmp_path, target)
        check_filed(orthanc, path)
        (found,) = orthanc.find("Instance", SOPInstanceUID=str(dcmread(capture).SOPInstanceUID))
        assert np.array_equal(rendered(orthanc, found["ID"]), dcmread(capture).pixel_array)


def test_a_rebuilt_document_is_the_one_that_is_already_there(orthanc: Any, tmp_path: Path) -> None:
    target = Target("127.0.0.1", orthanc.dicom_port, orthanc.ae_title, "CXRNODE")
    (path, *_) = sloppy_phantoms(tmp_path)
    send_with_documents(path, tmp_path, target)
    send_with_documents(path, tmp_path, target)
    assert orthanc.get("/statistics")["CountInstances"] == 3


@pytest.mark.data
def test_documents_of_real_radiographs_are_filed_with_them(orthanc: Any, tmp_path: Path, cxr_data: Path) -> None:
    target = Target("127.0.0.1", orthanc.dicom_port, orthanc.ae_title, "CXRNODE")
    chest = cxr_data / "dicom" / "chest"
    rsna = sorted((cxr_data / "dicom" / "rsna").glob("*.dcm"))[:2]
    for path in [chest / "966_fixed.dcm", chest / "RG1_J2KI.dcm", *rsna]:
        send_with_documents(path, tmp_path, target)
        check_filed(orthanc, path)
