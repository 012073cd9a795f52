"""``cxrnode data``: what it prints, writes and returns."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from config.errors import DataError, SettingsError
from cxrnode.cli import _assemble, app
from cxrnode.cli_data import Reader
from training.data.readers import READERS, open_data

SHEET = (
    "<annotation><filename>{name}.png</filename><size><width>80</width><height>60</height><depth>1</depth></size>"
    "<object><name>{label}</name><bndbox><xmin>8</xmin><ymin>6</ymin><xmax>40</xmax><ymax>30</ymax></bndbox></object>"
    "</annotation>"
)


def test_the_help_names_every_layout() -> None:
    (option,) = Reader.__metadata__
    assert set(option.help.removeprefix("Its layout: ").rstrip(".").replace(" or ", ", ").split(", ")) == set(READERS)


@pytest.fixture
def run() -> CliRunner:
    """The command line."""
    _assemble()
    return CliRunner()


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    """Two pictures that LabelImg labelled."""
    root = tmp_path / "labelled"
    root.mkdir()
    for seed, (name, label) in enumerate((("a", "mass"), ("b", "nodule"))):
        grey = np.random.default_rng(seed).integers(0, 256, (60, 80), np.uint8)
        Image.fromarray(grey).save(root / f"{name}.png")
        (root / f"{name}.xml").write_text(SHEET.format(name=name, label=label))
    return root


def test_check_counts_and_is_content(run: CliRunner, labelled: Path) -> None:
    result = run.invoke(app, ["data", "check", str(labelled), "--reader", "voc"])
    assert result.exit_code == 0
    assert "2 pictures of 2 patients" in result.stdout
    assert "no problem found" in result.stdout
    assert "splits are by image" in result.stderr


def test_check_finds_a_broken_picture_and_says_no(run: CliRunner, labelled: Path) -> None:
    (labelled / "a.png").write_bytes((labelled / "a.png").read_bytes()[:200])
    result = run.invoke(app, ["data", "check", str(labelled), "--reader", "voc", "--json"])
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert found["labels"]["mass"]["boxes"] == 1
    assert [problem.startswith("a.png cannot be read") for problem in found["problems"]] == [True]


def test_convert_goes_to_tfrecord_and_back(run: CliRunner, labelled: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorflow")
    records, again = tmp_path / "records", tmp_path / "again"
    first = ["data", "convert", str(labelled), "--reader", "voc", "--to", "tfrecord", "--labels", "nodule, mass"]
    assert run.invoke(app, [*first, "--out", str(records)]).exit_code == 0
    second = ["data", "convert", str(records), "--reader", "tfrecord", "--to", "voc", "--out", str(again)]
    result = run.invoke(app, second)
    assert "2 pictures with boxes of mass, nodule" in " ".join(result.stdout.split())
    before, after = open_data(labelled, "voc"), open_data(again, "voc")
    assert [(one.file, one.boxes, one.truths) for one in before] == [(one.file, one.boxes, one.truths) for one in after]


def test_what_is_wrong_stops_before_anything_is_written(run: CliRunner, labelled: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    convert = ["data", "convert", str(labelled), "--to", "voc", "--out", str(out)]
    unknown = run.invoke(app, [*convert, "--reader", "voc", "--labels", "hernia"])
    assert isinstance(unknown.exception, DataError)
    assert isinstance(run.invoke(app, [*convert, "--reader", "kaggle"]).exception, SettingsError)
    assert not out.exists()


@pytest.mark.data
def test_export_draws_a_covid_detectors_boxes(run: CliRunner, cxr_data: Path, tmp_path: Path) -> None:
    """On six real pictures of each label, in a manifest of their own."""
    root = tmp_path / "data"
    with (cxr_data / "manifest.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    kinds = (("COVID-19",), ("Pneumocystis", "Streptococcus"))
    chosen = [row for kind in kinds for row in [row for row in rows if row["covid_finding"] in kind][:6]]
    for row in chosen:
        path = root / "images" / row["file"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes((cxr_data / "images" / row["file"]).read_bytes())
    with (root / "manifest.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(chosen)
    (root / "boxes.csv").write_text("file,label,x,y,w,h,source\n")
    out = tmp_path / "covid"
    result = run.invoke(app, ["data", "export", str(root), "--package", "chest-default", "--out", str(out)])
    assert result.exit_code == 0, result.output
    examples = open_data(out, "voc")
    assert {box.label for example in examples for box in example.boxes} == {"covid19", "covid19_negative"}
    assert {box.source for example in examples for box in example.boxes} == {"machine-drawn by chest-default 1.3.0"}
    assert all(example.patient and example.fold is not None for example in examples)
