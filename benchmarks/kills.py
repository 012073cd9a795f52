"""Kill -9 of random services, and of PostgreSQL, while radiographs come in; then ask what became of each of them.

    .venv/bin/python -m benchmarks.kills --kills 200                 SQLite
    .venv/bin/python -m benchmarks.kills --kills 200 --postgresql    PostgreSQL, itself among the killed

A sender does what a modality does: it sends each phantom until the answer is success. When the kills are done, the
node is left alone until nothing more happens. *Lost*: an acknowledged study without all of its documents at the peers.
*Doubled*: more than one document of a kind for a study, on record or at a peer. *Stuck*: a study that does not come to
an end by itself. *Gave up*: a service that ended by itself. Each run is added to ``benchmarks/results/kills.json``.
"""

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import tomlkit

from benchmarks.postgresql import Server
from benchmarks.turnaround import await_node, free_port, target
from config.errors import CxrnodeError
from config.load import load_settings
from config.settings import Settings
from cxrnode.demo_peers import DemoPacs, DemoRis
from cxrnode.phantom import phantom_dataset
from dicom_node.storage_scu import send
from tracking.audit_log import audit
from tracking.engine.database import Database
from tracking.lists import worklist
from tracking.lists.summaries import StudySummary

RESULTS = Path(__file__).parent / "results" / "kills.json"
SERVICES = ("receive", "work", "deliver")
DATABASE = "postgresql"
KINDS = {"sr": 1, "sc": 1, "hl7": 1}
SETTLE_SECONDS = 600
SIDE = 512


@dataclass
class Killed:
    """A node whose services are killed and started again."""

    settings_file: Path
    folder: Path
    server: Server | None
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    gave_up: int = 0

    def start(self, name: str) -> None:
        """Start a service."""
        command = [sys.executable, "-P", "-m", "cxrnode", "--config", str(self.settings_file), name]
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(command, stdout=log, stderr=log)

    def kill(self, name: str) -> None:
        """Kill a service, or the database, and start it again."""
        if name == DATABASE and self.server is not None:
            self.server.stop(signal.SIGQUIT)
            self.server.start()
            return
        process = self.processes[name]
        if process.poll() is not None:
            self.gave_up += 1
        process.kill()
        process.wait()
        self.start(name)

    def stop(self) -> None:
        """Stop whatever runs."""
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            process.wait(60)


def main() -> None:
    """Kill as often as the command line says; add the figures to the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--every", type=float, default=2.0, help="mean seconds between two kills (default 2)")
    parser.add_argument("--postgresql", action="store_true", help="PostgreSQL instead of SQLite, killed like the rest")
    parser.add_argument("--write", action="store_true", help=f"add the run to {RESULTS.name}")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kills-") as place:
        folder = Path(place)
        folder.chmod(0o755)  # PostgreSQL runs as another user
        server = Server(folder / "postgresql") if options.postgresql else None
        if server is not None:
            server.make()
            server.start()
        try:
            row = run(folder, server, options.kills, options.every, random.Random(options.seed))
        finally:
            if server is not None:
                server.stop()
    row |= {"seed": options.seed, "every_seconds": options.every, "at": datetime.now(UTC).date().isoformat()}
    print(json.dumps(row, indent=2))
    if options.write:
        rows = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
        RESULTS.write_text(json.dumps([*rows, row], indent=2) + "\n")


def run(folder: Path, server: Server | None, kills: int, every: float, chance: random.Random) -> dict[str, Any]:
    """Start node and peers, send and kill, and return what became of it."""
    peers = folder / "peers"
    peers.mkdir()
    pacs, ris = DemoPacs(peers), DemoRis(peers)
    settings = _settings(folder, server, pacs.start(), ris.start())
    node = Killed(folder / "cxrnode.toml", folder, server)
    sender = _Sender(folder, settings)
    killed: Counter[str] = Counter()
    try:
        for name in SERVICES:
            node.start(name)
        await_node(settings)
        sender.start()
        received = 0
        names = (*SERVICES, *((DATABASE,) if server is not None else ()))
        while killed.total() < kills:
            time.sleep(chance.uniform(0.1, 2 * every - 0.1))
            name = chance.choice(names)
            if name == "receive":  # which may not have come up since it was killed last, on a slow machine
                if len(sender.acknowledged) == received:
                    continue
                received = len(sender.acknowledged)
            node.kill(name)
            killed[name] += 1
        sender.stop()
        studies = _settled(settings, len(sender.acknowledged))
        intact = _audit_is_intact(settings)
        gave_up = node.gave_up + sum(process.poll() is not None for process in node.processes.values())
    finally:
        sender.stop()
        node.stop()
        pacs.stop()
        ris.stop()
    return {"database": DATABASE if server else "sqlite", "kills": killed.total(), "killed": dict(killed),
            "gave_up": gave_up, "audit_intact": intact,
            **judge(sender.acknowledged, studies, set(pacs.received), set(ris.received))}  # fmt: skip


def judge(acknowledged: list[str], studies: list[StudySummary], at_pacs: set[str], at_ris: set[str]) -> dict[str, int]:
    """Count what was lost, doubled or stuck."""
    by_uid = {study.study_uid: study for study in studies}
    arrived = at_pacs | at_ris
    lost = doubled = stuck = 0
    known: set[str] = set()
    for uid in acknowledged:
        study = by_uid.get(uid)
        if study is None:
            lost += 1
            continue
        kinds = Counter(document.kind for document in study.documents)
        known |= {document.uid for document in study.documents}
        stuck += study.status != "delivered"
        doubled += any(number > KINDS.get(kind, 0) for kind, number in kinds.items())
        lost += kinds != KINDS or any(document.uid not in arrived for document in study.documents)
    return {"acknowledged": len(acknowledged), "lost": lost, "doubled": doubled + len(arrived - known), "stuck": stuck}


class _Sender(threading.Thread):
    """Sends phantoms one after the other, each until it is acknowledged."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        super().__init__(daemon=True)
        self.acknowledged: list[str] = []
        self._folder, self._settings, self._ending = folder, settings, threading.Event()

    def run(self) -> None:
        number = 0
        while not self._ending.is_set():
            number += 1
            data = phantom_dataset(number, size=SIDE, opacity=number % 2 == 1)
            path = self._folder / "next.dcm"
            data.save_as(path, enforce_file_format=True)
            if _sent(path, self._settings):
                self.acknowledged.append(str(data.StudyInstanceUID))

    def stop(self) -> None:
        """Send what is begun, and no more."""
        self._ending.set()
        if self.ident is not None:
            self.join(SETTLE_SECONDS)


def _sent(path: Path, settings: Settings) -> bool:
    deadline = time.monotonic() + SETTLE_SECONDS
    while time.monotonic() < deadline:
        try:
            (outcome,) = send.store([path], target(settings))
        except CxrnodeError:
            time.sleep(0.2)
            continue
        if outcome.stored:
            return True
        time.sleep(0.2)
    return False


def _settled(settings: Settings, count: int) -> list[StudySummary]:
    """Wait until every study has come to an end, or nothing has changed for minutes."""
    deadline = time.monotonic() + SETTLE_SECONDS

    def read() -> list[StudySummary]:
        return _reading(settings, lambda session: worklist.list_studies(session, limit=count + 100))

    studies = read()
    while sum(study.status == "delivered" for study in studies) < count and time.monotonic() < deadline:
        time.sleep(1)
        studies = read()
    return studies


def _audit_is_intact(settings: Settings) -> bool:
    return _reading(settings, lambda session: audit.verify(session).intact)


def _reading(settings: Settings, read: Callable[[Any], Any]) -> Any:
    database = Database.open(settings.database_url())
    try:
        with database.reading() as session:
            return read(session)
    finally:
        database.close()


def _settings(folder: Path, server: Server | None, pacs_port: int, ris_port: int) -> Settings:
    document: dict[str, Any] = {
        "node": {"data_dir": str(folder / "node")},
        "database": {"url": server.url if server is not None else ""},
        "receive": {"port": free_port(), "min_free_disk_bytes": 0, "settle_seconds": 0.3,
                    "settle_after_release_seconds": 0.1},
        "work": {"poll_seconds": 0.1, "max_crashes": 1000, "drain_seconds": 5},
        "delivery": {"first_retry_seconds": 0.2, "longest_retry_seconds": 1.0},
        "destinations": [
            {"kind": "dicom", "name": "pacs", "host": "127.0.0.1", "port": pacs_port, "ae_title": "DEMOPACS"},
            {"kind": "hl7", "name": "ris", "host": "127.0.0.1", "port": ris_port},
        ],
    }  # fmt: skip
    (folder / "cxrnode.toml").write_text(tomlkit.dumps(document))
    return load_settings(folder / "cxrnode.toml")


if __name__ == "__main__":
    main()
