"""A node in separate processes that a test can kill and start again, with a PACS and a RIS that keep count."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import tomlkit

from config.errors import CxrnodeError
from config.load import load_settings
from config.settings import Settings
from cxrnode.demo_peers import DemoRis
from dicom_node.storage_scu import send
from dicom_node.storage_scu.target import Target
from tests.phantoms import phantom_dataset
from tracking.audit_log import audit
from tracking.engine.database import Database
from tracking.lists import worklist
from tracking.lists.summaries import StudySummary

SERVICES = ("receive", "work", "deliver")
SETTLED = {"delivered", "not-analysed"}


@dataclass
class Node:
    """The services of one node, each a process of its own."""

    settings_file: Path
    settings: Settings
    folder: Path
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str, *, die_at: str | None = None) -> None:
        """Start a service (``work``, or ``work-2`` for another of its kind), perhaps one that will die at a point."""
        command = [sys.executable, "-P", "-m", "cxrnode"]
        environment = dict(os.environ)
        if die_at is not None:
            command = [sys.executable, str(Path(__file__).parent / "faults" / "die_at.py")]
            environment |= {"DIE_AT": die_at, "DIE_FLAG": str(self.folder / "died")}
            environment["PYTHONPATH"] = str(Path(__file__).parents[1])
        service = name.split("-", maxsplit=1)[0]
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [*command, "--config", str(self.settings_file), service], stdout=log, stderr=log, env=environment
            )

    def kill(self, name: str) -> None:
        """End a service by SIGKILL."""
        process = self.processes.pop(name)
        process.kill()
        process.wait()

    def await_death(self, name: str, seconds: float = 150) -> None:
        """Wait until a service has died by itself."""
        assert self.processes[name].wait(seconds) == -signal.SIGKILL
        del self.processes[name]

    def stop(self) -> None:
        """Stop whatever runs."""
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    @property
    def target(self) -> Target:
        """The node as a modality sees it."""
        return Target(
            host="127.0.0.1", port=self.settings.receive.port, called_ae="CXRNODE", calling_ae="MODALITY",
            connect_seconds=2, response_seconds=20,
        )  # fmt: skip

    def send_until_acknowledged(self, path: Path, seconds: float = 150) -> None:
        """Do what a modality does: send again until the answer is success."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                (outcome,) = send.store([path], self.target)
            except CxrnodeError:
                time.sleep(0.1)
                continue
            if outcome.stored:
                return
            time.sleep(0.1)
        pytest.fail(f"{path.name} was never acknowledged; {self.logs()}")

    def studies(self) -> list[StudySummary]:
        """Return every study on record."""
        with self._database() as database, database.reading() as read:
            return worklist.list_studies(read, limit=1000)

    def await_settled(self, count: int, seconds: float = 120) -> list[StudySummary]:
        """Wait until so many studies are delivered or not analysed."""
        deadline = time.monotonic() + seconds
        studies = self.studies()
        while time.monotonic() < deadline:
            if sum(study.status in SETTLED for study in studies) == count:
                return studies
            time.sleep(0.2)
            studies = self.studies()
        pytest.fail(f"not settled: {[(s.study_uid, s.status, s.problems) for s in studies]}; {self.logs()}")

    def await_ready(self, seconds: float = 150) -> None:
        """Wait until the receiver answers C-ECHO."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                send.echo(self.target)
            except CxrnodeError:
                time.sleep(0.1)
            else:
                return
        pytest.fail(f"the receiver does not answer; {self.logs()}")

    def audit_text(self) -> str:
        """Return the whole audit log as text."""
        with self._database() as database, database.reading() as read:
            return "\n".join(str(line) for line in audit.lines(read))

    def audit_is_intact(self) -> bool:
        """Say whether the audit log survived too."""
        with self._database() as database, database.reading() as read:
            return audit.verify(read).intact

    def logs(self) -> str:
        """Return the end of every service's log."""
        return "\n".join(path.read_text()[-1500:] for path in sorted(self.folder.glob("*.log")))

    @contextmanager
    def _database(self) -> Iterator[Database]:
        database = Database.open(self.settings.database_url())
        try:
            yield database
        finally:
            database.close()


@pytest.fixture
def ris(tmp_path: Path) -> DemoRis:
    """A RIS that keeps count of every message."""
    folder = tmp_path / "ris"
    folder.mkdir()
    return DemoRis(folder)


@pytest.fixture
def start_node(tmp_path: Path, free_port: Callable[[], int], ris: DemoRis) -> Iterator[Callable[..., Node]]:
    """Return a function that starts a node delivering to a DICOM port and to the RIS."""
    started: list[Node] = []

    def start(
        pacs_port: int,
        services: Sequence[str] = SERVICES,
        *,
        ris_port: int | None = None,
        database_url: str = "",
        pacs: dict[str, Any] | None = None,
        **sections: dict[str, Any],
    ) -> Node:
        folder = tmp_path / "node"
        folder.mkdir()
        ris_port = ris.start() if ris_port is None else ris_port
        document: dict[str, Any] = {
            "node": {"data_dir": str(folder / "data")},
            "database": {"url": database_url},
            "receive": {
                "port": free_port(), "min_free_disk_bytes": 0,
                "settle_seconds": 0.3, "settle_after_release_seconds": 0.1,
            },
            "work": {"poll_seconds": 0.05, "max_crashes": 10, "drain_seconds": 5},
            "delivery": {"first_retry_seconds": 0.2, "longest_retry_seconds": 1.0},
            "destinations": [
                {"kind": "dicom", "name": "pacs", "host": "127.0.0.1", "port": pacs_port, "ae_title": "ORTHANC"}
                | (pacs or {}),
                {"kind": "hl7", "name": "ris", "host": "127.0.0.1", "port": ris_port},
            ],
        }  # fmt: skip
        for section, values in sections.items():
            document[section] = document.get(section, {}) | values
        settings_file = folder / "cxrnode.toml"
        settings_file.write_text(tomlkit.dumps(document))
        node = Node(settings_file, load_settings(settings_file), folder)
        for name in services:
            node.start(name)
        started.append(node)
        return node

    yield start
    for node in started:
        node.stop()
    ris.stop()


@pytest.fixture
def phantoms(tmp_path: Path) -> Callable[[int], list[Path]]:
    """Return a function that draws small phantoms, one study each."""

    def draw(count: int) -> list[Path]:
        folder = tmp_path / "phantoms"
        folder.mkdir(exist_ok=True)
        paths = []
        for seed in range(count):
            path = folder / f"{seed}.dcm"
            phantom_dataset(1000 + seed, size=512, opacity=seed % 2 == 1).save_as(path, enforce_file_format=True)
            paths.append(path)
        return paths

    return draw
