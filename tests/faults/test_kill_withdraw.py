"""Kill -9 of the command that withdraws a result, and of the service that tells others: told once, and whole."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cxrnode.demo_peers import DemoRis
from tests.archive import Archive, open_archive
from tests.nodes import Node

pytestmark = [pytest.mark.faults, pytest.mark.long, pytest.mark.timeout(600)]


def withdraw(node: Node, uid: str, *, die_at: str | None = None) -> int:
    """Give the command in a process of its own, perhaps one that will die at a point; return its exit code."""
    command = [sys.executable, "-P", "-m", "cxrnode"]
    environment = dict(os.environ)
    if die_at is not None:
        command = [sys.executable, str(Path(__file__).parent / "die_at.py")]
        environment |= {"DIE_AT": die_at, "DIE_FLAG": str(node.folder / "died")}
        environment["PYTHONPATH"] = str(Path(__file__).parents[2])
    arguments = ["--config", str(node.settings_file), "withdraw", uid, "--why", "a test"]
    return subprocess.run([*command, *arguments], check=False, env=environment, capture_output=True).returncode


def await_told(node: Node, archive: Archive, ris: DemoRis) -> None:
    """Wait until the archive shows nothing, and the RIS has two messages."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        (study,) = node.studies()
        notes = [way for way in study.deliveries if way.kind in {"note", "hl7-note"}]
        if len(notes) == 2 and all(way.state == "delivered" for way in notes):
            break
        time.sleep(0.2)
    else:
        pytest.fail(f"not told: {node.logs()}")
    assert archive.shown() == []
    assert len(archive.notes) == 1
    assert len(ris.received) == 2
    assert (study.status, node.audit_text().count("study-withdrawn")) == ("withdrawn", 1)
    assert node.audit_is_intact()


@pytest.mark.parametrize(
    "point",
    [
        "withdraw tracking.outbox.withdrawal:take_back:before",
        "withdraw tracking.outbox.withdrawal:take_back:after",
        "deliver reporting.delivery.deliver:record_built:after",
        "deliver reporting.delivery.dicom_carrier:record_delivered:before",
    ],
)
def test_death_by_sigkill_while_a_result_is_withdrawn(
    point: str, start_node: Callable[..., Any], ris: DemoRis, phantoms: Callable[[int], list[Path]]
) -> None:
    who, place = point.split()
    with open_archive() as archive:
        node = start_node(archive.port)
        (path,) = phantoms(1)
        node.send_until_acknowledged(path)
        (study,) = node.await_settled(1)
        if who == "withdraw":
            assert withdraw(node, study.study_uid, die_at=place) == -signal.SIGKILL
            assert withdraw(node, study.study_uid) == 0
        else:
            node.kill("deliver")
            node.start("deliver", die_at=place)
            assert withdraw(node, study.study_uid) == 0
            node.await_death("deliver")
            node.start("deliver", die_at=place)
        await_told(node, archive, ris)
