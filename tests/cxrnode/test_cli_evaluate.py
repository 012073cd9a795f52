"""The commands that measure packages: tables on the terminal, a page and files where asked, refusals with a cure."""

import csv
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cxrnode import cli, cli_evaluate

COLUMNS = ("file", "source", "patient", "fold", "view", "age", "sex", "nih_labels", "rsna_class", "covid_finding",
           "width", "height", "licence")  # fmt: skip
FITTED_ON = ("00000017", "00000030", "00000188", "00000248", "00000265", "00000318")
"""Numbers of public NIH patients whose pictures the built-in package was fitted on."""
Run = Callable[..., int]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Thirty small pictures, half of them with a bright blob, in two folds."""
    root, rng = tmp_path / "data", np.random.default_rng(0)
    (root / "images").mkdir(parents=True)
    rows = []
    for number in range(30):
        grey = (80 + 20 * rng.standard_normal((96, 96))).clip(0, 255)
        if number % 2:
            grey[30:60, 20:45] += 120
        Image.fromarray(grey.clip(0, 255).astype(np.uint8)).save(root / "images" / f"{number}.jpg")
        values: dict[str, Any] = dict.fromkeys(COLUMNS, "")
        rows.append(
            values | {
                "file": f"{number}.jpg", "source": "nih",
                "patient": FITTED_ON[number - 24] if number >= 24 else f"p{number}", "fold": 0 if number < 24 else 2,
                "view": "PA", "age": 50, "sex": "F", "rsna_class": "Lung Opacity" if number % 2 else "Normal",
                "width": 96, "height": 96, "licence": "drawn here",
            }
        )  # fmt: skip
    with (root / "manifest.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    boxes = "".join(f"{number}.jpg,Lung Opacity,0.2,0.3,0.25,0.3,drawn\n" for number in range(1, 30, 2))
    (root / "boxes.csv").write_text(f"file,label,x,y,w,h,source\n{boxes}")
    return root


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """A function that runs the command line and returns its exit code."""

    def command(*arguments: object) -> int:
        monkeypatch.setattr(sys, "argv", ["cxrnode", *(str(argument) for argument in arguments)])
        monkeypatch.setenv("COLUMNS", "120")
        try:
            cli.main()
        except SystemExit as stop:
            return int(stop.code or 0)
        return 0

    return command


def test_a_package_is_measured_on_new_patients_and_leaves_a_page(
    run: Run, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert run("evaluate", "chest-default", "--data", data, "--out", out, "--resamples", 100) == 0
    told = capsys.readouterr()
    assert "24 pictures of 24 patients" in told.out
    assert "research use only" in told.out
    assert "flatter" not in told.err
    assert {path.name for path in out.iterdir()} == {"report.html", "figures.json", "predictions.json.gz"}
    assert "data:image" not in (out / "report.html").read_text()
    document = json.loads((out / "figures.json").read_text())
    assert document["package"]["name"] == "chest-default"
    assert document["seen"] == {}
    assert run("evaluate", "chest-default", "--data", data, "--all", "--resamples", 100, "--json") == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["seen"] == {"training": 6}
    assert "these figures flatter" in told.err
    files = out / "predictions.json.gz"
    assert run("compare", files, files, "--resamples", 100, "--out", tmp_path / "compared") == 0
    assert "no difference can be told" in capsys.readouterr().out
    assert (tmp_path / "compared" / "compare.html").is_file()
    assert run("compare", files, files, "--resamples", 100, "--out", tmp_path / "compared", "--json") == 0
    told = capsys.readouterr()
    assert json.loads(told.out) == json.loads((tmp_path / "compared" / "comparison.json").read_text())
    assert "written:" in told.err
    assert run("compare", "chest-default", files, "--data", data, "--resamples", 100) == 0


def test_patients_it_was_fitted_on_are_marked_loudly_and_pictures_are_shown_on_request(
    run: Run, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert (
        run("evaluate", "chest-default", "--data", data, "--all", "--pictures", "--out", out, "--resamples", 100) == 0
    )
    told = capsys.readouterr()
    assert "these figures flatter" in told.err
    assert "6 of the pictures are of patients that chest-default 1.3.0 was fitted on" in told.err
    assert "share it only as you may share those" in told.out
    page = (out / "report.html").read_text()
    assert "data:image/jpeg" in page
    assert "These figures flatter." in page


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--fold", 9), "fold 9 has no picture"),
        (("--fold", 0, "--all"), "not both"),
        (("--pictures",), "give --out too"),
        (("--reader", "tarot"), "tarot"),
    ],
)
def test_what_cannot_be_done_is_said_with_its_cure(
    run: Run, data: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[object, ...], words: str
) -> None:
    assert run("evaluate", "chest-default", "--data", data, *arguments) != 0
    assert words in capsys.readouterr().err


def test_a_package_cannot_be_compared_without_pictures(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("compare", "chest-default", "chest-default") != 0
    assert "give --data" in capsys.readouterr().err
    (tmp_path / "odd.json.gz").write_bytes(b"x")
    assert run("compare", tmp_path / "odd.json.gz", tmp_path / "odd.json.gz") != 0
    assert "odd.json.gz" in capsys.readouterr().err


def test_where_nobody_can_tell_whom_a_package_learnt_from_it_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    cli_evaluate._warn({"own 1.0.0": {"unknown": 7}})
    told = " ".join(capsys.readouterr().err.split())
    assert "nobody can tell whether these figures flatter: own 1.0.0 does not remember its patients" in told
    assert "7 of the pictures" in told
