"""Somebody's own images go from data to a measured package by the guide alone: 60 PNGs, and DICOM with a CSV."""

import csv
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cxrnode.cli import main
from inference.model import Model
from inference.package import FIGURES
from inference.pixels import read_picture
from tests.phantoms import phantom_dataset

GUIDE = Path(__file__).parents[2] / "docs" / "training-data.md"
SIDE = 96

# TensorFlow's and Keras's own, while networks are built and exported
pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)


def _draw(rng: np.random.Generator, labels: set[str]) -> np.ndarray:  # type: ignore[type-arg]
    ys, xs = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    grey = 0.4 + 0.05 * rng.standard_normal((SIDE, SIDE))
    if "lung_opacity" in labels:
        grey += 0.5 * np.exp(-(((xs - 0.3) / 0.1) ** 2) - ((ys - rng.uniform(0.3, 0.6)) / 0.1) ** 2)
    if "effusion" in labels:
        grey[ys > 0.8] += 0.4
    return (grey.clip(0, 1) * 255).astype(np.uint8)


def _label(folder: Path, ending: str, images: int) -> None:
    """Draw images of two findings, two images a patient, and label them in three columns."""
    rng = np.random.default_rng(0)
    rows = []
    for number in range(images):
        labels = {"lung_opacity"} if number // 2 % 2 else set()
        labels |= {"effusion"} if number // 4 % 2 else set()
        grey = _draw(rng, labels)
        path = folder / "images" / f"{number:03d}{ending}"
        path.parent.mkdir(exist_ok=True)
        if ending == ".png":
            Image.fromarray(grey).save(path)
        else:
            phantom_dataset(number, size=SIDE, opacity="lung_opacity" in labels).save_as(path, enforce_file_format=True)
        rows.append((f"images/{path.name}", f"p{number // 2}", "|".join(sorted(labels)) or "none"))
    with (folder / "labels.csv").open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([("file", "patient", "labels"), *rows])


def _run(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> None:
    monkeypatch.setattr(sys, "argv", ["cxrnode", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code


@pytest.mark.long  # half a minute
def test_own_images_become_a_package_by_the_guide_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (recipe,) = re.findall(r"```toml\n(package = .*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "mine.toml").write_text(recipe, encoding="utf-8")
    images, dicom, package = tmp_path / "png", tmp_path / "dicom", tmp_path / "package"
    images.mkdir()
    dicom.mkdir()
    _label(images, ".png", 60)
    _label(dicom, ".dcm", 8)
    _run(monkeypatch, "data", "check", images, "--reader", "labels")
    _run(monkeypatch, "data", "check", dicom, "--reader", "labels")
    options = ["--quick", "--cache", tmp_path / "work"]
    _run(monkeypatch, "train", tmp_path / "mine.toml", "--data", images, "--out", package, *options)
    figures = json.loads((package / FIGURES).read_text(encoding="utf-8"))
    assert figures["protocol"]["parts"]["training"]["labels"]["effusion"]["yes"] > 0
    assert set(figures["test"]["findings"]) == {"lung_opacity", "effusion"}

    report = tmp_path / "report"
    _run(
        monkeypatch, "evaluate", package, "--data", dicom, "--reader", "labels", "--all", "--out", report,
        "--resamples", "100",
    )  # fmt: skip
    assert json.loads((report / "figures.json").read_text(encoding="utf-8"))["figures"]["pictures"] == 8
    _run(monkeypatch, "site-report", package, "--data", dicom, "--out", tmp_path / "site.json")
    site = json.loads((tmp_path / "site.json").read_text(encoding="utf-8"))
    assert (site["images"], site["unreadable"], site["distances"]) == (8, 0, None)
    findings = Model.open(package).findings(read_picture(dicom / "images" / "000.dcm", 10**8))
    assert [finding.label for finding in findings] == ["lung_opacity", "effusion"]


def test_why_no_image_is_left_is_said_with_the_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (recipe,) = re.findall(r"```toml\n(package = .*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "mine.toml").write_text(recipe.replace("accept_unknown_view = true, ", ""), encoding="utf-8")
    _label(tmp_path, ".png", 8)
    arguments = ["train", tmp_path / "mine.toml", "--data", tmp_path, "--out", tmp_path / "package"]
    monkeypatch.setattr(sys, "argv", ["cxrnode", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code
    said = " ".join(capsys.readouterr().err.split())
    assert "view unknown: 8" in said
    assert "accept_unknown_view = true" in said
    assert not (tmp_path / "package").exists()
