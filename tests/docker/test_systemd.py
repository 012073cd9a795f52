"""The units for systemd: whole as systemd reads them, one for each service, and hardened."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cxrnode.service import SERVICES

UNITS = Path(__file__).parents[2] / "docker" / "systemd"
MOST_EXPOSED = 2.0
"""On systemd's scale of 0 (nothing is open) to 10."""
systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """Return a copy of the units whose program is the one under test, as systemd asks whether it is there."""
    folder = tmp_path / "units"
    shutil.copytree(UNITS, folder)
    for unit in folder.glob("*.service"):
        text = unit.read_text(encoding="utf-8")
        unit.write_text(text.replace("/opt/cxrnode/bin/cxrnode", sys.executable), encoding="utf-8")
    return folder


def analyze(units: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": "/usr/bin:/bin", "SYSTEMD_UNIT_PATH": f"{units}:"}
    return subprocess.run(
        ["systemd-analyze", *arguments], cwd=units, env=environment, capture_output=True, text=True, check=False
    )


def test_each_service_has_a_unit_that_the_target_wants_and_that_is_always_started_again() -> None:
    target = (UNITS / "cxrnode.target").read_text(encoding="utf-8")
    wanted = re.search(r"^Wants=(.*)$", target, re.MULTILINE)
    assert wanted is not None
    assert wanted[1].split() == [f"cxrnode-{name}.service" for name in SERVICES]
    for name in SERVICES:
        unit = (UNITS / f"cxrnode-{name}.service").read_text(encoding="utf-8").splitlines()
        for line in (f"ExecStart=/opt/cxrnode/bin/cxrnode {name}", "Restart=always", "StartLimitIntervalSec=0"):
            assert line in unit


def test_what_the_units_share_hardens_them() -> None:
    shared = (UNITS / "cxrnode-.service.d" / "10-node.conf").read_text(encoding="utf-8").splitlines()
    for line in (
        "NoNewPrivileges=yes", "ProtectSystem=strict", "PrivateTmp=yes", "MemoryDenyWriteExecute=yes", "UMask=0077",
        "StateDirectory=cxrnode", "CapabilityBoundingSet=",
    ):  # fmt: skip
        assert line in shared


@systemd
def test_systemd_finds_nothing_wrong(units: Path) -> None:
    names = sorted(f"./{path.name}" for path in units.iterdir() if path.is_file())
    answer = analyze(units, "verify", "--man=no", *names)
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, "", "")


@systemd
def test_systemd_calls_them_little_exposed(units: Path) -> None:
    for name in ("receive", "upgrade"):
        answer = analyze(units, "security", "--offline=true", "--no-pager", f"./cxrnode-{name}.service")
        level = re.search(r"Overall exposure level for \S+: ([\d.]+)", answer.stdout)
        assert level is not None, answer.stderr
        assert float(level[1]) <= MOST_EXPOSED
