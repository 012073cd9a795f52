"""The wheel: everything that the program reads is in it, and it runs outside the checkout."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.phantoms import phantom_dataset

ROOT = Path(__file__).parents[2]
LARGE_BYTES = 500_000
PACKAGES = (
    "config", "console", "cxrnode", "dicom_node", "inference", "migrations", "reporting", "tracking", "training",
)  # fmt: skip


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, with the names of the networks' large files and none of their bytes, which take long to compress."""
    return build_wheel(tmp_path_factory.mktemp("wheel"), copy=copy_small)


def copy_small(source: str, target: str) -> None:
    """Copy a file; of a large one only its name."""
    if Path(source).stat().st_size > LARGE_BYTES:
        Path(target).touch()
    else:
        shutil.copyfile(source, target)


def build_wheel(folder: Path, *, copy: Callable[[str, str], object] = shutil.copyfile) -> Path:
    """Build the wheel of a copy of the sources, so that the build leaves nothing in the checkout."""
    for name in PACKAGES:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, folder / name, ignore=ignored, copy_function=copy)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copyfile(ROOT / name, folder / name)
    build = "import sys, setuptools.build_meta as build; print(build.build_wheel(sys.argv[1]))"
    command = [sys.executable, "-W", "ignore", "-c", build, str(folder)]
    built = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return folder / built.stdout.splitlines()[-1]


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The environment with the wheel."""
    return install(wheel, tmp_path_factory.mktemp("installed"))


def install(wheel: Path, folder: Path) -> Path:
    """Install a wheel into a fresh environment that borrows the dependencies; return its folder."""
    venv.create(folder, symlinks=True)
    packages = next((folder / "lib").glob("python*/site-packages"))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)
    # A path in a .pth file is searched for packages, but not for .pth files: an editable install there does not count.
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return folder


def run(installed: Path, folder: Path, *arguments: str) -> str:
    """Run the program of the wheel in a folder of its own; return what it prints."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("CXRNODE_", "PYTHON"))}
    command = [installed / "bin" / "python", "-P", "-m", "cxrnode", *arguments]
    answer = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


def test_every_file_of_the_rooms_is_in_the_wheel(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        there = set(archive.namelist())
    files = {
        path.relative_to(ROOT).as_posix()
        for name in PACKAGES
        for path in (ROOT / name).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {Path(path).suffix for path in files} >= {".py", ".html", ".css", ".js", ".mo", ".toml", ".tflite", ".mako"}
    assert files - there == set()
    assert not [name for name in there if name.startswith(("tests/", "benchmarks/", "docs/"))]


def test_it_runs_outside_the_checkout(installed: Path, tmp_path: Path) -> None:
    where = "import config, migrations; print(config.__path__[0], migrations.__path__[0])"
    command = [installed / "bin" / "python", "-P", "-c", where]
    found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout.split()
    assert all(Path(folder).is_relative_to(installed) for folder in found)
    assert run(installed, tmp_path, "--version").startswith("cxrnode ")
    run(installed, tmp_path, "db", "upgrade")
    assert (tmp_path / "cxrnode-data" / "cxrnode.db").is_file()


@pytest.mark.long
def test_its_settings_and_models_work_outside_the_checkout(tmp_path: Path) -> None:
    for name in ("wheel", "installed"):
        (tmp_path / name).mkdir()
    installed = install(build_wheel(tmp_path / "wheel"), tmp_path / "installed")
    assert "CXRNODE on 127.0.0.1:11112" in run(installed, tmp_path, "config", "check")
    phantom_dataset(1).save_as(tmp_path / "phantom.dcm")
    (answer,) = json.loads(run(installed, tmp_path, "analyse", "phantom.dcm", "--json"))["files"]
    assert (answer["analysed"], answer["findings"][0]["label"]) == (True, "lung_opacity")
