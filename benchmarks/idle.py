"""What the node costs while nothing happens: the processor time of all its services, in per cent of one core.

    .venv/bin/python -m benchmarks.idle [--seconds 60] [--write]

``cxrnode serve`` with receiver, worker, deliverer and console, a PACS and a RIS among its destinations, one radiograph
through all of it first, so that nothing is left to load; on SQLite and on PostgreSQL, whose server counts apart.
Processor time is no matter of what else the machine does. Writes ``benchmarks/results/idle.json``.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import tomlkit

from benchmarks.postgresql import postgresql
from benchmarks.receive import machine
from benchmarks.turnaround import await_node, free_port, target
from config.load import load_settings
from config.settings import Settings
from cxrnode.demo_peers import DemoPacs, DemoRis
from cxrnode.phantom import phantom_dataset
from dicom_node.storage_scu import send
from tracking.engine.database import Database
from tracking.lists import worklist

RESULTS = Path(__file__).parent / "results" / "idle.json"
GOAL_PERCENT = 2.0
"""Of one core, all services together."""
_READY_SECONDS = 900
_QUIET_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Idle:
    """Processor time of the idle node, in per cent of one core, by service and together."""

    database: str
    seconds: float
    by_service: dict[str, float]
    percent: float
    met: bool


@contextmanager
def running_node(folder: Path, url: str, **sections: Any) -> Iterator[tuple[Settings, psutil.Process, DemoPacs]]:
    """Run ``cxrnode serve`` between a PACS and a RIS; yield settings, its process and the PACS."""
    peers = folder / "peers"
    peers.mkdir()
    pacs, ris = DemoPacs(peers), DemoRis(peers)
    document: dict[str, Any] = {
        "node": {"data_dir": str(folder / "node")},
        "database": {"url": url},
        "console": {"enabled": True, "port": free_port()},
        "receive": {"port": free_port(), "min_free_disk_bytes": 0, "settle_seconds": 0.5},
        "destinations": [
            {"kind": "dicom", "name": "pacs", "host": "127.0.0.1", "port": pacs.start(), "ae_title": "DEMOPACS"},
            {"kind": "hl7", "name": "ris", "host": "127.0.0.1", "port": ris.start()},
        ],
    }  # fmt: skip
    for name, values in sections.items():
        document.setdefault(name, {}).update(values)
    file = folder / "cxrnode.toml"
    file.write_text(tomlkit.dumps(document))
    settings = load_settings(file)
    with (folder / "node.log").open("wb") as log:
        command = [sys.executable, "-P", "-m", "cxrnode", "--config", str(file), "serve"]
        node = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        await_node(settings, _READY_SECONDS)
        yield settings, psutil.Process(node.pid), pacs
    finally:
        node.terminate()
        node.wait(120)
        pacs.stop()
        ris.stop()


def services(node: psutil.Process) -> dict[str, psutil.Process]:
    """Return the supervisor and its services by name; a decoder counts with the service that started it."""
    found = {"serve": node}
    for child in node.children():
        found[child.cmdline()[-1]] = child
    return found


def delivered(settings: Settings) -> int:
    """Return how many of the newest studies have been delivered."""
    database = Database.open(settings.database_url())
    try:
        with database.reading() as read:
            return sum(study.status == "delivered" for study in worklist.list_studies(read, limit=100))
    finally:
        database.close()


def measure(folder: Path, database: str, url: str, seconds: float) -> Idle:
    """Send one radiograph, wait until it is through, and measure what follows."""
    with running_node(folder, url) as (settings, node, _):
        path = folder / "radiograph.dcm"
        phantom_dataset(1, size=512).save_as(path, enforce_file_format=True)
        send.store([path], target(settings))
        deadline = time.monotonic() + _READY_SECONDS
        while not delivered(settings):
            if time.monotonic() > deadline:
                raise SystemExit(f"nothing was delivered: {(folder / 'node.log').read_text()[-2000:]}")
            time.sleep(1)
        time.sleep(_QUIET_SECONDS)
        before = {name: _cpu_seconds(process) for name, process in services(node).items()}
        began = time.perf_counter()
        time.sleep(seconds)
        lasted = time.perf_counter() - began
        used = {name: _cpu_seconds(process) - before[name] for name, process in services(node).items()}
    by_service = {name: round(100 * cpu / lasted, 2) for name, cpu in used.items()}
    percent = round(100 * sum(used.values()) / lasted, 2)
    return Idle(database, round(lasted, 1), by_service, percent, percent <= GOAL_PERCENT)


def _cpu_seconds(process: psutil.Process) -> float:
    family = [process] if process.cmdline()[-1] == "serve" else [process, *process.children(recursive=True)]
    return sum(sum(member.cpu_times()[:2]) for member in family)


def main() -> int:
    """Measure on both databases; return 1 where the goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--write", action="store_true", help=f"keep the figures in {RESULTS.name}")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory(prefix="idle-") as place:
        folder = Path(place)
        folder.chmod(0o755)  # PostgreSQL runs as another user
        for name in ("sqlite", "postgresql"):
            (folder / name).mkdir(mode=0o700)
        rows.append(measure(folder / "sqlite", "sqlite", "", options.seconds))
        print(rows[-1], flush=True)
        with postgresql(folder / "server") as url:
            rows.append(measure(folder / "postgresql", "postgresql", url, options.seconds))
        print(rows[-1], flush=True)
    if options.write:
        report = {"measured": datetime.now(UTC).date().isoformat(), "machine": machine(), "goal_percent": GOAL_PERCENT}
        RESULTS.write_text(json.dumps(report | {"databases": [asdict(row) for row in rows]}, indent=2) + "\n")
    return int(not all(row.met for row in rows))


if __name__ == "__main__":
    raise SystemExit(main())
