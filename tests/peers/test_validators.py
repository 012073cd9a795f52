"""Three validators that nobody here wrote find no error in what we write.

dciodvfy (dicom3tools), dsrdump (DCMTK) and PixelMed's DicomSRValidator. Their warnings are not failures: dciodvfy
does not know Device UID in Contributing Equipment, PixelMed not the row of qualitative evaluations.
"""

import subprocess
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset, dcmread

from inference.findings import Finding
from inference.pixels import read_picture
from reporting.account import Account, AnalysedImage, Predecessor
from reporting.capture.map_capture import build_map_capture
from reporting.capture.radiograph import Radiograph
from reporting.capture.secondary_capture import build_capture
from reporting.claims import mapped_of
from reporting.source import describe, read_source
from reporting.sr.report import build_report
from reporting.sr.report_classes import ReportClass
from reporting.sr.report_gate import check_report
from tests.accounts import (
    CHESTS,
    SLOPPY,
    account,
    finding,
    good_header,
    lateral,
    mapped_account,
    not_analysed_account,
    picture,
)

pytestmark = pytest.mark.peers
PIXELMED = Path("/usr/share/java/pixelmed.jar")
NO_LIMITS = [
    f"-Djdk.xml.{name}=0"
    for name in (
        "xpathExprOpLimit", "xpathTotalOpLimit", "xpathExprGrpLimit", "elementAttributeLimit", "entityExpansionLimit"
    )
]  # fmt: skip


def run(*command: str) -> str:
    done = subprocess.run(command, check=False, capture_output=True, timeout=400)
    return (done.stdout + done.stderr).decode("utf-8", "replace")


def errors(output: str) -> list[str]:
    return [line for line in output.splitlines() if line.startswith("Error")]


def first_of(values: Iterable[Any], ids: Iterable[str] = ()) -> dict[str, Any]:
    """Return the arguments of parametrize: PixelMed takes ten seconds a report, so that all but one are long tests."""
    first, *others = values
    return {
        "argvalues": [first, *(pytest.param(other, marks=pytest.mark.long) for other in others)],
        "ids": [*ids] or None,
    }


@pytest.fixture
def dciodvfy(program: Callable[[str], str]) -> Callable[[Path], list[str]]:
    """A function that returns dciodvfy's errors on a file."""
    executable = program("dciodvfy")
    return lambda path: errors(run(executable, "-new", str(path)))


@pytest.fixture
def sr_validators(program: Callable[[str], str]) -> Callable[[Sequence[Path]], list[str]]:
    """A function that returns the errors of PixelMed and dsrdump on structured reports."""
    java, dsrdump = program("java"), program("dsrdump")
    if not PIXELMED.exists():
        pytest.skip("PixelMed (pixelmed-apps) is not installed")

    def validate(paths: Sequence[Path]) -> list[str]:
        found = []
        for path in paths:
            output = run(
                java, *NO_LIMITS, "-cp", "/usr/share/java/*", "com.pixelmed.validate.DicomSRValidator", str(path)
            )
            assert "Root Template" in output or "Warning" in output or "Found" in output, output
            found += errors(output)
            if subprocess.run([dsrdump, str(path)], check=False, capture_output=True, timeout=60).returncode:
                found.append(f"dsrdump refuses {path.name}")
        return found

    return validate


@pytest.mark.parametrize("kind", **first_of(ReportClass))
def test_every_class_of_report_is_valid(
    kind: ReportClass,
    tmp_path: Path,
    dciodvfy: Callable[[Path], list[str]],
    sr_validators: Callable[[Sequence[Path]], list[str]],
) -> None:
    made = account(
        good_header(1), good_header(2), skipped=(lateral(),), revision=2, corrects=True,
        predecessor=Predecessor("1.5", kind.value, "1.6"),
    )  # fmt: skip
    path = tmp_path / "sr.dcm"
    path.write_bytes(build_report(made, 9001, kind).content)
    assert dciodvfy(path) == []
    assert sr_validators([path]) == []


NOT_ANALYSED = {"radiograph": {}, "another modality": {"SOPClassUID": b"1.2.840.10008.5.1.4.1.1.4", "Modality": b"MR"}}


@pytest.mark.long
@pytest.mark.parametrize("changes", NOT_ANALYSED.values(), ids=NOT_ANALYSED)
def test_a_report_that_no_image_was_analysed_is_valid(
    changes: dict[str, bytes],
    tmp_path: Path,
    dciodvfy: Callable[[Path], list[str]],
    sr_validators: Callable[[Sequence[Path]], list[str]],
) -> None:
    path = tmp_path / "sr.dcm"
    path.write_bytes(build_report(not_analysed_account(good_header(**changes)), 9001, ReportClass.ENHANCED).content)
    assert dciodvfy(path) == []
    assert sr_validators([path]) == []


def but_the_term_that_the_source_declared(found: list[str]) -> list[str]:
    """Leave out complaints about a character set that is not the Standard's: it is repeated as it came."""
    return [line for line in found if "SpecificCharacterSet" not in line and "Specific Character Set" not in line]


@pytest.mark.parametrize("make", SLOPPY.values(), ids=SLOPPY)
def test_documents_of_sloppy_sources_are_valid(
    make: Callable[[], Dataset], tmp_path: Path, dciodvfy: Callable[[Path], list[str]]
) -> None:
    made = mapped_account(make())
    (mapped,) = mapped_of(made.analysed[0].findings)
    for name, content in (
        ("sr.dcm", build_report(made, 9001).content),
        ("sc.dcm", build_capture(made, made.analysed[0], Radiograph.of(picture(), 512), 9002).content),
        ("map.dcm", build_map_capture(made, made.analysed[0], mapped, Radiograph.of(picture(), 512), 9003).content),
    ):
        path = tmp_path / name
        path.write_bytes(content)
        assert but_the_term_that_the_source_declared(dciodvfy(path)) == []


_SETS = {
    "ISO_IR 100": ("latin-1", "Müller^Jörg"), "ISO_IR 101": ("iso8859-2", "Ďurič^Željko"),
    "ISO_IR 144": ("iso8859-5", "Люкceмбypг"), "ISO_IR 126": ("iso8859-7", "Διονυσιος"),
    "ISO_IR 127": ("iso8859-6", "قباني^لنزار"), "ISO_IR 138": ("iso8859-8", "שרון^דבורה"),
    "ISO_IR 148": ("iso8859-9", "Çavuşoğlu^İbrahim"), "ISO_IR 166": ("iso8859-11", "สมชาย"),
    "ISO_IR 192": ("utf-8", "Wang^XiaoDong=王^小东"),
    "GB18030": ("gb18030", "Wang^XiaoDong=王^小东"),
}  # fmt: skip
"""Names by character set, without ISO_IR 13, whose letters dciodvfy does not know."""


@pytest.mark.parametrize("term", _SETS)
@pytest.mark.parametrize("declared", [True, False], ids=["declared", "undeclared"])
@pytest.mark.parametrize("default", [True, False], ids=["default", "no default"])
def test_documents_of_every_character_set_are_valid(
    term: str, declared: bool, default: bool, tmp_path: Path, dciodvfy: Callable[[Path], list[str]]
) -> None:
    codec, name = _SETS[term]
    header = good_header(
        SpecificCharacterSet=term.encode() if declared else None, PatientName=name.encode(codec), StudyDescription=b"x"
    )
    source = describe(header, term if default else "")
    made = account(analysed=(AnalysedImage(source, (finding("lung_opacity", 0.9),)),))
    report = build_report(made, 9001)
    check_report(report, made)
    path = tmp_path / "sr.dcm"
    path.write_bytes(report.content)
    assert [line for line in dciodvfy(path) if declared or default or "character repertoire" not in line] == []
    asserted = dcmread(path).get("SpecificCharacterSet")
    assert asserted == (term if declared or default else None)


@pytest.mark.parametrize(
    "name", **first_of(["ISO 2022 JP", "sent as secondary capture", "empty identity", "orientation empty"])
)
def test_reports_of_sloppy_sources_satisfy_the_template(
    name: str, tmp_path: Path, sr_validators: Callable[[Sequence[Path]], list[str]]
) -> None:
    path = tmp_path / "sr.dcm"
    path.write_bytes(build_report(account(SLOPPY[name]()), 9001).content)
    assert sr_validators([path]) == []


@pytest.mark.parametrize("boxes", **first_of([2, 0, 1, 3]))
def test_reports_with_any_number_of_regions_satisfy_the_template(
    boxes: int, tmp_path: Path, sr_validators: Callable[[Sequence[Path]], list[str]]
) -> None:
    places = [(10.0, 10.0 + 20 * number, 40.0, 25.0 + 20 * number, 0.8) for number in range(boxes)]
    found = (finding("lung_opacity", 0.9, *places), finding("normal", 0.1))
    made = account()
    path = tmp_path / "sr.dcm"
    path.write_bytes(build_report(account(analysed=(type(made.analysed[0])(made.lead, found),)), 9001).content)
    assert sr_validators([path]) == []


@pytest.mark.parametrize("found", **first_of(CHESTS.values(), CHESTS))
def test_documents_of_eleven_findings_are_valid(
    found: tuple[Finding, ...],
    tmp_path: Path,
    dciodvfy: Callable[[Path], list[str]],
    sr_validators: Callable[[Sequence[Path]], list[str]],
) -> None:
    made = account()
    made = account(analysed=(AnalysedImage(made.lead, found),), skipped=(lateral(),))
    report, capture = tmp_path / "sr.dcm", tmp_path / "sc.dcm"
    report.write_bytes(build_report(made, 9001).content)
    capture.write_bytes(build_capture(made, made.analysed[0], Radiograph.of(picture(), 512), 9002).content)
    assert dciodvfy(report) == []
    assert dciodvfy(capture) == []
    assert sr_validators([report]) == []


@pytest.mark.data
def test_documents_of_real_radiographs_are_valid(
    cxr_data: Path,
    tmp_path: Path,
    dciodvfy: Callable[[Path], list[str]],
    sr_validators: Callable[[Sequence[Path]], list[str]],
) -> None:
    chest = sorted((cxr_data / "dicom" / "chest").iterdir())
    reports = []
    for number, path in enumerate([*chest, *sorted((cxr_data / "dicom" / "rsna").glob("*.dcm"))[:6]]):
        made = _account_of(path)
        report, capture = tmp_path / f"sr{number}.dcm", tmp_path / f"sc{number}.dcm"
        report.write_bytes(build_report(made, 9001).content)
        seen = read_picture(path, 10**8)
        capture.write_bytes(build_capture(made, made.analysed[0], Radiograph.of(seen, 2048), 9002).content)
        assert dciodvfy(report) == []
        assert dciodvfy(capture) == []
        reports.append(report)
    assert sr_validators(reports[:1]) == []


def _account_of(path: Path) -> Account:
    source = read_source(path)
    made = account()
    image = type(made.analysed[0])(source, made.analysed[0].findings)
    return account(analysed=(image,), source_uids=(source.sop_instance_uid,))
