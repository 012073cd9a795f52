"""The whole way from a data folder to a package."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from config.errors import DataError
from config.settings import InferenceSettings
from inference.engines import open_engine
from inference.interpret import findings_of
from inference.package import load_package
from inference.pixels import to_model_input
from training import run
from training.card import card
from training.docs import page
from training.pictures import read_grey
from training.recipe import Recipe

WriteData = Callable[..., Path]

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning:keras"
)

TINY = Recipe.model_validate(
    {
        "package": {"name": "tiny", "version": "0.0.1", "title": "Tiny", "summary": "For tests."},
        "model": {"side": 96, "neck": 16},
        "augment": {"variants": 2, "weak_variants": 1},
        "fit": {"batch": 8, "epochs": 1},
        "quick": {"pictures": 3, "side": 96},
    }
)


@pytest.fixture
def small_bootstrap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.measures.bootstrap.__defaults__", (20,))


@pytest.mark.usefixtures("small_bootstrap")
def test_a_tiny_fit_writes_a_package_that_both_engines_load(write_data: WriteData, tmp_path: Path) -> None:
    data, out = write_data(), tmp_path / "packages" / "tiny"
    written = run.train(TINY, data, out, cache=tmp_path / "cache")
    package = load_package(out)
    assert package.digest == written.digest
    grey = read_grey(next((data / "images" / "nih").iterdir()))
    pixels, placement = to_model_input(grey, 96, 96)
    litert, tensorflow = (
        open_engine(package, InferenceSettings(engine=name)).forward(pixels[None]) for name in ("litert", "tensorflow")
    )
    for one, other in zip(litert, tensorflow, strict=True):
        assert np.abs(one - other).max() < 1e-3
    assert [finding.label for finding in findings_of(package, litert, placement)] == ["lung_opacity", "normal"]
    figures = json.loads((out / "figures.json").read_text(encoding="utf-8"))
    assert figures["protocol"]["parts"]["test"]["folds"] == [0]
    assert figures["protocol"]["parts"]["training"]["pictures"] == 18
    assert (out / "card.md").read_text(encoding="utf-8") == card(package.manifest, figures)
    assert "tiny 0.0.1" in page([out])


def test_bad_data_leave_nothing_behind(write_data: WriteData, tmp_path: Path) -> None:
    data, out = write_data(), tmp_path / "packages" / "tiny"
    (data / "images" / "nih" / "0000.jpg").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"0000\.jpg cannot be read as a picture"):
        run.train(TINY, data, out)
    assert not out.exists()


def test_held_out_patients_never_lend_their_mined_labels(write_data: WriteData) -> None:
    rows = run.choose_rows(TINY, run.read_manifest(write_data()))
    assert {row.fold for row in rows.weak} == {2, 3, 4}
    assert all(row.read is None for row in rows.weak)
    assert not rows.used & {row.patient for row in rows.read.test}


def test_the_command_line_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main(["opacity", "--data", str(tmp_path), "--out", str(tmp_path / "out")]) == 1
    assert "boxes.csv is missing" in capsys.readouterr().err


@pytest.mark.data
@pytest.mark.timeout(400)
def test_a_quick_run_on_real_radiographs_writes_a_package(cxr_data: Path, tmp_path: Path) -> None:
    folders = ["--data", str(cxr_data), "--out", str(tmp_path / "opacity"), "--cache", str(tmp_path / "cache")]
    assert run.main(["opacity", *folders, "--quick"]) == 0
    package = load_package(tmp_path / "opacity")
    figures = json.loads(package.path("figures.json").read_text(encoding="utf-8"))
    assert figures["protocol"]["quick"] is True
    assert np.isfinite(figures["test"]["opacity_against_normal"]["value"])
    assert "quick run" in package.path("card.md").read_text(encoding="utf-8")
