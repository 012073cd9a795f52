"""The gate finds what is wrong with a document before anybody else does."""

from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from pydicom import Dataset

from config.destinations import Hl7Destination
from config.errors import DocumentRejected
from reporting.account import Account
from reporting.capture.capture_gate import check_capture, check_map_capture
from reporting.capture.map_capture import build_map_capture
from reporting.capture.radiograph import Radiograph
from reporting.capture.secondary_capture import build_capture
from reporting.claims import mapped_of
from reporting.dicom_object import BuiltObject
from reporting.hl7.message import build_message
from reporting.hl7.message_gate import check_message
from reporting.registry import check_file
from reporting.sr.report import build_report
from reporting.sr.report_gate import check_report
from tests.accounts import account, good_header, mapped_account, mapped_findings, picture, walk

Damage = Callable[[Dataset], object]


@pytest.fixture(scope="module")
def made() -> Account:
    return account()


@pytest.fixture(scope="module")
def report(made: Account) -> BuiltObject:
    return build_report(made, 9001)


@pytest.fixture(scope="module")
def capture(made: Account) -> BuiltObject:
    return build_capture(made, made.analysed[0], Radiograph.of(picture(), 600), 9002)


def damaged(built: BuiltObject, damage: Damage) -> BuiltObject:
    document = pydicom.dcmread(BytesIO(built.content))
    damage(document)
    buffer = BytesIO()
    document.save_as(buffer)
    return replace(built, content=buffer.getvalue())


def of_type(document: Dataset, kind: str) -> Dataset:
    return next(item for item in walk(document) if item.ValueType == kind)


def named(document: Dataset, code: str) -> Dataset:
    return next(item for item in walk(document) if item.ConceptNameCodeSequence[0].get("CodeValue") == code)


def group(document: Dataset) -> Dataset:
    return named(document, "125007")


SR_DAMAGE: dict[str, tuple[Damage, str]] = {
    "patient ID": (lambda d: setattr(d, "PatientID", "OTHER"), "PatientID"),
    "patient name": (lambda d: setattr(d, "PatientName", "Muller^Jorg"), "PatientName"),
    "birth date": (lambda d: d.pop("PatientBirthDate"), "PatientBirthDate"),
    "study": (lambda d: setattr(d, "StudyInstanceUID", "1.2.9"), "StudyInstanceUID"),
    "accession": (lambda d: setattr(d, "AccessionNumber", ""), "AccessionNumber"),
    "series": (lambda d: setattr(d, "SeriesInstanceUID", "1.2.9"), "Series Instance UID"),
    "verified": (lambda d: setattr(d, "VerificationFlag", "VERIFIED"), "VerificationFlag"),
    "root": (lambda d: setattr(d.ConceptNameCodeSequence[0], "CodeValue", "111036"), "126000"),
    "template": (lambda d: d.pop("ContentTemplateSequence"), "1500"),
    "continuous": (lambda d: setattr(d, "ContinuityOfContent", "CONTINUOUS"), "SEPARATE"),
    "image": (
        lambda d: setattr(of_type(d, "IMAGE").ReferencedSOPSequence[0], "ReferencedSOPInstanceUID", "1.9"), "image"
    ),
    "open region": (lambda d: setattr(of_type(d, "SCOORD"), "GraphicData", [0, 0, 1, 0, 1, 1, 0, 1, 0, 2]), "closed"),
    "empty region": (lambda d: setattr(of_type(d, "SCOORD"), "GraphicData", []), "rectangle"),
    "region outside": (
        lambda d: [
            setattr(item, "GraphicData", [0, 0, 9999, 0, 9999, 9, 0, 9, 0, 0])
            for item in walk(group(d))
            if item.ValueType == "SCOORD"
        ],
        "outside",
    ),
    "no tracking": (lambda d: group(d).ContentSequence.pop(0), "Tracking Identifier"),
    "no group": (lambda d: setattr(named(d, "126010"), "ContentSequence", []), "measurement group"),
    "another claim": (
        lambda d: setattr(named(d, "121052").ConceptCodeSequence[0], "CodeValue", "272519000"), "the reading does not"
    ),
    "no outline beneath a number": (lambda d: of_type(group(d), "NUM").pop("ContentSequence"), "outline"),
    "no comment": (lambda d: group(d).ContentSequence.pop(), "Comment"),
    "evidence": (lambda d: d.pop("CurrentRequestedProcedureEvidenceSequence"), "evidence"),
    "equipment": (lambda d: d.pop("ContributingEquipmentSequence"), "contributing equipment"),
    "manufacturer": (lambda d: d.pop("Manufacturer"), "Manufacturer"),
}  # fmt: skip


@pytest.mark.parametrize(("damage", "says"), SR_DAMAGE.values(), ids=SR_DAMAGE)
def test_a_damaged_report_is_rejected_with_the_reason(
    report: BuiltObject, made: Account, damage: Damage, says: str
) -> None:
    with pytest.raises(DocumentRejected, match=says) as caught:
        check_report(damaged(report, damage), made)
    assert "Müller" not in str(caught.value)
    assert "PID-1" not in str(caught.value)


SC_DAMAGE: dict[str, tuple[Damage, str]] = {
    "pixels": (lambda d: setattr(d, "PixelData", d.PixelData[:-2]), "pixel data"),
    "rows": (lambda d: setattr(d, "Rows", d.Rows - 1), "pixel data"),
    "window": (lambda d: setattr(d, "WindowCenter", 128), "WindowCenter"),
    "colour": (lambda d: setattr(d, "PhotometricInterpretation", "YBR_FULL"), "PhotometricInterpretation"),
    "burned in": (lambda d: setattr(d, "BurnedInAnnotation", "NO"), "BurnedInAnnotation"),
    "source": (lambda d: d.pop("SourceImageSequence"), "source image"),
    "other source": (
        lambda d: setattr(d.SourceImageSequence[0], "ReferencedSOPInstanceUID", "1.9"), "source image"
    ),
    "patient": (lambda d: setattr(d, "IssuerOfPatientID", "X"), "IssuerOfPatientID"),
    "sop class": (lambda d: setattr(d, "SOPClassUID", "1.2.840.10008.5.1.4.1.1.1"), "SOP class"),
}  # fmt: skip


@pytest.mark.parametrize(("damage", "says"), SC_DAMAGE.values(), ids=SC_DAMAGE)
def test_a_damaged_capture_is_rejected_with_the_reason(
    capture: BuiltObject, made: Account, damage: Damage, says: str
) -> None:
    with pytest.raises(DocumentRejected, match=says):
        check_capture(damaged(capture, damage), made, made.analysed[0])


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (b"OBR|1", b"OBX|1", "segments"),
        (b"30745-4^XR Chest Views^LN", b"", "validate"),
        (b"|P\r", b"|F\r", "OBR-25"),
        (b"\rOBX|2|", b"\rOBX|1|", "numbered"),
        (b"\rOBX", b"\nOBX", "CR alone"),
        (b"M\xc3\xbcller", b"M\xfcller", "UNICODE UTF-8"),
        (b"UNICODE UTF-8", b"8859/1", "MSH-18"),
        (b"|ORU^R01^ORU_R01|", b"|ORU^R01^ORU_R01|X", "MSH-10"),
    ],
)
def test_a_damaged_message_is_rejected_with_the_reason(made: Account, old: bytes, new: bytes, says: str) -> None:
    built = build_message(made, Hl7Destination(kind="hl7", name="ris", host="h", port=1), None)
    assert old in built.content
    with pytest.raises(DocumentRejected, match=says):
        check_message(replace(built, content=built.content.replace(old, new, 1)), made, "UNICODE UTF-8")


def test_what_is_no_dicom_is_rejected(report: BuiltObject, made: Account) -> None:
    with pytest.raises(DocumentRejected, match="read back"):
        check_report(replace(report, content=b"hello"), made)


def test_a_score_map_of_another_finding_or_of_none_is_rejected() -> None:
    made = mapped_account()
    image = made.analysed[0]
    (entry,) = mapped_of(image.findings)
    built = build_map_capture(made, image, entry, Radiograph.of(picture(), 600), 9003)
    check_map_capture(built, made, image, "lung_opacity")
    with pytest.raises(DocumentRejected, match="no score map to show"):
        check_map_capture(built, made, image, "normal")
    with pytest.raises(DocumentRejected, match="no score map to show"):
        check_map_capture(built, made, replace(image, findings=mapped_findings(0.1)), "lung_opacity")
    with pytest.raises(DocumentRejected, match="SOP Instance UID differs"):
        check_capture(built, made, image)


def test_a_report_of_another_patient_is_rejected(report: BuiltObject) -> None:
    with pytest.raises(DocumentRejected, match="PatientID"):
        check_report(report, account(good_header(PatientID=b"OTHER")))


def test_a_file_on_disk_is_checked_without_its_analysis(
    report: BuiltObject, capture: BuiltObject, made: Account, tmp_path: Path
) -> None:
    message = build_message(made, Hl7Destination(kind="hl7", name="ris", host="h", port=1), None).content
    broken = damaged(report, lambda d: d.pop("ContentTemplateSequence")).content
    for kind, content, wrong in (
        ("sr", report.content, None),
        ("sc", capture.content, None),
        ("map", capture.content, None),
        ("hl7", message, None),
        ("sr", broken, "the template is not TID 1500"),
        ("hl7", b"hello", "MSH-18 names no known character set"),
    ):
        path = tmp_path / "document"
        path.write_bytes(content)
        assert check_file(path, kind) == wrong
    assert "cannot be read" in str(check_file(tmp_path / "gone", "sr"))
