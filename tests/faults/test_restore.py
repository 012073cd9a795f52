"""Yesterday's database beside today's store: each acknowledged image is analysed again, delivered under its UIDs."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cxrnode.demo_peers import DemoPacs, DemoRis
from tests.nodes import SERVICES, Node

pytestmark = [pytest.mark.faults, pytest.mark.timeout(600)]
ROOT = Path(__file__).parents[2]


def command(node: Node, *arguments: str, die_at: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command of the node, perhaps one that dies at a point, once."""
    program = ["-P", "-m", "cxrnode"] if die_at is None else [str(ROOT / "tests" / "faults" / "die_at.py")]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    if die_at is not None:
        environment |= {"DIE_AT": die_at, "DIE_FLAG": str(node.folder / f"died-{die_at}")}
    line = [sys.executable, *program, "--config", str(node.settings_file), *arguments]
    return subprocess.run(line, capture_output=True, text=True, check=False, env=environment)


def stop(node: Node) -> None:
    node.stop()
    node.processes.clear()


@pytest.mark.parametrize(
    "point", ["register_instance:after", pytest.param("Recovery._register:after", marks=pytest.mark.long)]
)
@pytest.mark.fault(
    "`cxrnode recover` is killed",
    promise="the next run goes on; no image is taken in twice",
    area="killed",
)
def test_a_recovery_that_is_killed_goes_on(start_node: Callable[..., Node], point: str) -> None:
    from tests.cxrnode.stores import StoredNode

    node = start_node(1, [])
    stored = StoredNode(node.settings)
    for number in range(2):
        stored.put(number, on_record=False)
    assert command(node, "recover", die_at=f"dicom_node.instance_store.recovery:{point}").returncode == -signal.SIGKILL
    assert command(node, "recover").returncode == 0
    written = node.audit_text()
    assert written.count("instance-recovered") == 2
    assert command(node, "audit", "verify", "--contents").returncode == 0


@pytest.mark.long
@pytest.mark.fault(
    "yesterday's database stands beside today's store",
    promise="services refuse to start; after `cxrnode recover` every acknowledged image is analysed and delivered "
    "under the UIDs it had; an HL7 message goes out once more, with the same control ID",
    area="apart",
)
def test_yesterdays_database_beside_todays_store_ends_with_everything_delivered_under_the_same_uids(
    start_node: Callable[..., Node], ris: DemoRis, phantoms: Callable[[int], list[Path]], tmp_path: Path
) -> None:
    (tmp_path / "pacs").mkdir()
    pacs = DemoPacs(tmp_path / "pacs")
    try:
        node = start_node(pacs.start())
        database = node.settings.node.data_dir / "cxrnode.db"
        first, second = phantoms(2)
        node.send_until_acknowledged(first)
        node.await_settled(1)
        stop(node)
        shutil.copyfile(database, tmp_path / "yesterday.db")
        early = set(pacs.received)
        for name in SERVICES:
            node.start(name)
        node.send_until_acknowledged(second)
        node.await_settled(2)
        stop(node)
        before, messages = dict(pacs.times_received), set(ris.received)
        shutil.copyfile(tmp_path / "yesterday.db", database)
        refused = command(node, "receive")
        assert (refused.returncode, "cxrnode recover" in refused.stderr) == (3, True)
        assert command(node, "recover").returncode == 0
        for name in SERVICES:
            node.start(name)
        node.await_settled(2)
        stop(node)
    finally:
        pacs.stop()
    assert set(pacs.times_received) == set(before)
    assert {uid: count for uid, count in pacs.times_received.items() if uid in early} == dict.fromkeys(early, 1)
    assert {count for uid, count in pacs.times_received.items() if uid not in early} == {2}
    assert set(ris.received) == messages
    assert node.audit_is_intact()
