"""Images that lie about themselves, each by itself, through the packages that ship."""

from pathlib import Path

import pytest

from config.settings import Settings
from inference.analyse import Analyser, StageTimes
from inference.not_analysed import NotAnalysed, Reason


@pytest.fixture(scope="module")
def analyser() -> Analyser:
    return Analyser(Settings().inference)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("D75_phantom_negative", "its image is a negative"),
        ("D76_phantom_rot90", "its image is turned by 270 degrees clockwise"),
        ("D78_noise", "its image does not show a chest radiograph"),
        ("D80_grey_ramp", "its image is nearly empty"),
    ],
)
def test_an_image_that_is_no_upright_chest_is_refused(
    cxr_cases: Path, analyser: Analyser, name: str, words: str
) -> None:
    outcome = analyser.analyse_file(cxr_cases / "dicom" / f"{name}.dcm", StageTimes()).outcome
    assert isinstance(outcome, NotAnalysed)
    assert outcome.reason is Reason.VERDICT
    assert outcome.because.startswith(words)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("mended", ["D65", "D66", "D67", "D69", "D70", "D72", "D74", "D84", "D89"])
def test_an_upright_chest_is_analysed_however_it_is_stored(cxr_cases: Path, analyser: Analyser, mended: str) -> None:
    (path,) = (cxr_cases / "dicom").glob(f"{mended}_*.dcm")
    analysis = analyser.analyse_file(path, StageTimes())
    assert not analysis.refused
    assert analysis.verdict is not None
    assert analysis.verdict["kind"] == "frontal"
