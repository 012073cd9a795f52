"""``cxrnode analyse``: files in hand, without a node and without a database."""

import json
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cxrnode import cli_analyse
from cxrnode.cli import main
from cxrnode.phantom import View
from reporting.words import DISCLAIMER
from tests.phantoms import draw, phantom_dataset

SEED = 9
"""A phantom that the package that ships finds an opacity in, and that is not unlike what it learnt from."""
FOUND = r"Opacity (present|undetermined)"
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two PNG files, and deeper in it a JPEG, a DICOM file without extension and a text."""
    top = tmp_path_factory.mktemp("images")
    for name, view in (("chest", View.PA), ("hand", View.HAND)):
        stored = (draw(SEED, view=view, opacity=True, size=512) >> 4).astype(np.uint8)
        Image.fromarray(stored).save(top / f"{name}.png")
    folder = top / "folder" / "deeper"
    folder.mkdir(parents=True)
    with Image.open(top / "chest.png") as image:
        image.save(folder / "chest.jpg")
    phantom_dataset(SEED, size=256, patient="DOE^JANE", patient_id="7").save_as(folder / "a", enforce_file_format=True)
    (folder / "notes.txt").write_text("no image")
    return top


@pytest.fixture
def run(images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs ``cxrnode analyse`` in a folder with those files: exit code, output, errors."""
    shutil.copytree(images, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def command(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["cxrnode", "analyse", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    return command


def test_the_table_begins_with_what_it_is_and_answers_every_file(run: Run, tmp_path: Path) -> None:
    code, output, _ = run("chest.png", "hand.png")
    assert code == 0
    assert output.startswith(DISCLAIMER)
    assert re.search(FOUND, output)
    assert "Not analysed because its image does not show a chest radiograph" in output
    assert "1 of 2 files analysed with chest-default" in output
    assert not (tmp_path / "cxrnode-data").exists()


def test_json_holds_findings_reasons_and_the_disclaimer(run: Run) -> None:
    code, output, errors = run("--json", "chest.png", "hand.png")
    answer = json.loads(output)
    assert code == 0
    assert answer["disclaimer"] == DISCLAIMER
    chest, hand = answer["files"]
    assert (chest["file"], chest["kind"], chest["analysed"]) == ("chest.png", "PNG", True)
    assert chest["findings"][0]["claim"] in {"present", "undetermined"}
    assert {finding["claim"] for finding in chest["findings"][1:]} == {"scored-only"}
    assert (hand["analysed"], hand["reason"], hand["findings"]) == (False, "verdict", [])
    assert "DOE" not in output + errors


def test_of_a_folder_the_images_are_taken_by_their_content(run: Run) -> None:
    code, output, _ = run("--json", "folder")
    assert code == 0
    assert [entry["file"] for entry in json.loads(output)["files"]] == ["deeper/a", "deeper/chest.jpg"]


def test_overlays_are_written_and_nothing_is_written_over(run: Run, tmp_path: Path) -> None:
    for _ in range(2):
        assert run("chest.png", "hand.png", "--overlay", "out/here")[0] == 0
    assert sorted(path.name for path in (tmp_path / "out" / "here").iterdir()) == [
        "chest-ai-2-map-lung_opacity.png", "chest-ai-2.png", "chest-ai-map-lung_opacity.png", "chest-ai.png",
    ]  # fmt: skip
    sizes = set()
    for name in ("chest-ai.png", "chest-ai-map-lung_opacity.png"):
        with Image.open(tmp_path / "out" / "here" / name) as png:
            assert png.format == "PNG"
            sizes.add(png.size)
    assert len(sizes) == 1


def test_json_names_the_files_that_were_written(run: Run) -> None:
    code, output, _ = run("--json", "chest.png", "hand.png", "--overlay", "out")
    chest, hand = json.loads(output)["files"]
    assert code == 0
    assert (chest["overlay"], chest["maps"]) == (
        "out/chest-ai.png", {"lung_opacity": "out/chest-ai-map-lung_opacity.png"},
    )  # fmt: skip
    assert (hand["overlay"], hand["maps"]) == (None, {})


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("gone.png",), "does not exist"),
        (("empty",), "there is no PNG, JPEG or DICOM file"),
        (("chest.png", "--overlay", "hand.png"), "cannot be made"),
        ((), "Missing argument"),
    ],
)
def test_bad_use_is_exit_code_2(run: Run, tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    (tmp_path / "empty").mkdir()
    code, _, errors = run(*arguments)
    assert code == 2
    assert words in errors


def test_a_named_file_that_is_no_image_is_answered_in_words(run: Run) -> None:
    code, output, _ = run("--json", "folder/deeper/notes.txt")
    assert code == 0
    assert "neither PNG nor JPEG nor DICOM" in " ".join(output.split())


def test_a_file_that_cannot_be_read_is_named_with_what_to_do(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(cli_analyse, "_read", refuse)
    monkeypatch.setattr("inference.analyse.Analyser", lambda _: type("Any", (), {"identity": None})())
    code, output, errors = run("--json", "chest.png")
    assert code == 1
    assert json.loads(output)["files"] == []
    assert "chest.png cannot be read: Permission denied" in errors


def test_an_unknown_package_is_named(run: Run) -> None:
    code, _, errors = run("chest.png", "--model", "nowhere")
    assert code == 1
    assert "nowhere" in errors
