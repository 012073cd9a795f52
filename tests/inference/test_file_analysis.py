"""One file in hand: PNG, JPEG and DICOM, and every refusal in words."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom.uid import UID

from config.settings import InferenceSettings
from cxrnode.phantom import View
from inference.analyse import Analyser, StageTimes
from inference.file_analysis import NOT_AN_IMAGE, FileAnalysis, analyse_content
from inference.findings import RemarkKind
from inference.no_header import DOUBT
from inference.not_analysed import NotAnalysed, Reason
from inference.pixels.image_file import FileKind
from inference.verdict.decide import Kind, Verdict
from inference.verdict.network import VerdictNetwork
from tests.mixtures import SYNTAXES, mixtures
from tests.phantoms import draw, phantom_dataset

SEED = 9
MOST = 100_000_000


@pytest.fixture(scope="module")
def analyser() -> Analyser:
    """The analyser of the package that ships."""
    return Analyser(InferenceSettings())


def image_file(kind: str, view: View = View.PA, *, opacity: bool = False, deep: bool = False) -> bytes:
    """Return a phantom as an image file."""
    stored = draw(SEED, view=view, opacity=opacity, size=512)
    file = io.BytesIO()
    Image.fromarray(stored << 4 if deep else (stored >> 4).astype(np.uint8)).save(file, kind)
    return file.getvalue()


def refusal(answer: FileAnalysis) -> NotAnalysed:
    assert isinstance(answer.analysis.outcome, NotAnalysed)
    return answer.analysis.outcome


@pytest.mark.parametrize(("kind", "deep"), [("PNG", False), ("PNG", True), ("JPEG", False)])
def test_a_frontal_chest_gets_findings_and_the_word_that_age_was_not_checked(
    analyser: Analyser, kind: str, deep: bool
) -> None:
    answer = analyse_content(analyser, image_file(kind, opacity=True, deep=deep), MOST)
    assert answer.kind is FileKind(kind)
    assert not isinstance(answer.analysis.outcome, NotAnalysed)
    assert {finding.label for finding in answer.analysis.outcome} >= {"lung_opacity", "normal"}
    assert answer.analysis.remarks[-1].kind is RemarkKind.NO_HEADER
    assert answer.image is not None
    assert (answer.image.rows, answer.image.columns) == (512, 512)


@pytest.mark.parametrize(("view", "words"), [(View.LATERAL, "lateral"), (View.HAND, "does not show a chest")])
def test_an_image_of_something_else_is_refused_by_its_own_look(analyser: Analyser, view: View, words: str) -> None:
    answer = analyse_content(analyser, image_file("PNG", view), MOST)
    assert refusal(answer).reason is Reason.VERDICT
    assert words in refusal(answer).because


def test_an_image_that_is_not_surely_a_chest_is_refused_for_want_of_a_header(
    analyser: Analyser, monkeypatch: pytest.MonkeyPatch
) -> None:
    unsure = Verdict(Kind.FRONTAL, 0.5, sure=False)
    monkeypatch.setattr(VerdictNetwork, "verdict", lambda *_: unsure)
    assert refusal(analyse_content(analyser, image_file("PNG"), MOST)) == DOUBT


def test_dicom_is_answered_as_the_node_answers_it(analyser: Analyser, tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    phantom_dataset(SEED, opacity=True, size=512, patient="DOE^JANE", patient_id="1").save_as(
        path, enforce_file_format=True
    )
    answer = analyse_content(analyser, path.read_bytes(), MOST)
    assert answer.kind is FileKind.DICOM
    assert answer.analysis == analyser.analyse_file(path, StageTimes())
    assert not answer.analysis.refused


def test_a_header_that_refuses_stands_and_nothing_is_decoded(analyser: Analyser) -> None:
    file = io.BytesIO()
    phantom_dataset(SEED, view=View.HAND, size=256).save_as(file, enforce_file_format=True)
    answer = analyse_content(analyser, file.getvalue(), MOST)
    assert answer.analysis.refused
    assert answer.image is None


@pytest.mark.filterwarnings("ignore:The value length:UserWarning", "ignore:Invalid value for VR UI:UserWarning")
def test_a_file_that_the_node_would_not_store_is_refused_with_the_nodes_own_answer(analyser: Analyser) -> None:
    long = phantom_dataset(SEED, size=256)
    long.StudyInstanceUID = "1." + "2" * 67
    none = phantom_dataset(SEED, size=256)
    del none.StudyInstanceUID
    for dataset, words in (
        (long, "Study Instance UID is too long or not printable (status 0117)"),
        (none, "no usable Study Instance UID could be read (status C000)"),
    ):
        file = io.BytesIO()
        dataset.save_as(file, enforce_file_format=True)
        answer = analyse_content(analyser, file.getvalue(), MOST)
        assert refusal(answer).reason is Reason.NOT_ADMITTED
        assert words in refusal(answer).because
        assert answer.image is None
        cut = refusal(analyse_content(analyser, file.getvalue()[:-100], MOST))
        assert cut.reason is Reason.NOT_ADMITTED


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_a_file_that_names_two_patients_is_held_as_the_node_holds_it(
    analyser: Analyser, syntax: UID, tmp_path: Path
) -> None:
    for mixture in mixtures(syntax):
        if len(mixture.images) == 1:
            path = mixture.images[0].save(tmp_path / "a.dcm")
            answer = refusal(analyse_content(analyser, path.read_bytes(), MOST))
            assert (answer.reason is Reason.PATIENT) == mixture.conflict, mixture.name
            assert not any(value in answer.because for value in ("PAT-B", "Roe", "CLINIC"))


@pytest.mark.parametrize("content", [b"", b"GIF89a" + bytes(500), b"%PDF-1.7", b"PK\x03\x04" * 100])
def test_what_is_no_image_file_is_refused_in_words(analyser: Analyser, content: bytes) -> None:
    assert refusal(analyse_content(analyser, content, MOST)) == NOT_AN_IMAGE


def test_a_broken_or_a_too_large_file_is_refused_in_words(analyser: Analyser) -> None:
    content = image_file("PNG")
    broken = refusal(analyse_content(analyser, content[:3000], MOST))
    large = refusal(analyse_content(analyser, content, 1000))
    assert broken.reason is large.reason is Reason.PIXELS
    assert "export it again" in broken.because
    assert "more than 1,000 pixels; export it smaller" in large.because
    assert refusal(analyse_content(analyser, bytes(128) + b"DICM" + b"\xff" * 50, MOST)).reason is Reason.NOT_ADMITTED


@pytest.mark.data
def test_real_radiographs_as_jpeg_are_answered(analyser: Analyser, cxr_data: Path) -> None:
    for folder in ("nih", "rsna", "ieee8023"):
        path = min((cxr_data / "images" / folder).glob("*.jpg"))
        assert not analyse_content(analyser, path.read_bytes(), MOST).analysis.refused


def test_a_header_that_says_mirrored_is_said_or_followed() -> None:
    dataset = phantom_dataset(SEED, size=512)
    dataset.PatientOrientation = ["R", "F"]
    dataset.PixelData = np.ascontiguousarray(dataset.pixel_array[:, ::-1]).tobytes()
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    kinds = []
    for mend in (False, True):
        answer = analyse_content(Analyser(InferenceSettings(mend_orientation=mend)), file.getvalue(), MOST)
        assert not answer.analysis.refused
        kinds.append([remark.kind for remark in answer.analysis.remarks])
    assert kinds == [[RemarkKind.MIRRORED], [RemarkKind.ORIENTATION_MENDED]]
