"""Kill -9 of random services, and of PostgreSQL, while radiographs come in; then ask what became of each of them.

    .venv/bin/python -m benchmarks.kills --kills 200                 SQLite
    .venv/bin/python -m benchmarks.kills --kills 200 --postgresql    PostgreSQL, itself among the killed
    .venv/bin/python -m benchmarks.kills --kills 200 --acts          late images, reanalysis, withdrawal, resend between

A sender does what a modality does: it sends each image until the answer is success. Most kills meet a service that
has come up, some one that still starts. When the kills are done, the node is left
alone until nothing more happens. The archive follows rejection notes (``tests/archive.py``): what it still shows of a
study, and the message that the RIS got last, must be the one result that holds, or nothing after a withdrawal.

*Lost*: an acknowledged study without all of its documents at the peers. *Doubled*: more than one current document of a
kind for a study or image, or one shown that does not hold. *Stuck*: a study that does not come to an end by itself.
*Gave up*: a service that ended by itself. Each run is added to ``benchmarks/results/kills.json``.
"""

import argparse
import json
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import tomlkit
from pynetdicom import evt
from sqlalchemy import select

from benchmarks import kill_services
from benchmarks.kill_acts import Operator, Sender
from benchmarks.kill_judge import Expected, Shown, Told, judge
from benchmarks.postgresql import Server
from benchmarks.turnaround import await_node, free_port
from config.load import load_settings
from config.settings import Settings
from cxrnode.demo_peers import DemoRis
from tests.archive import Archive, open_archive
from tracking.audit_log import audit
from tracking.engine.database import Database
from tracking.lists import worklist
from tracking.lists.summaries import StudySummary
from tracking.tables.models import Analysis, Document

RESULTS = Path(__file__).parent / "results" / "kills.json"
SERVICES = ("receive", "work", "deliver")
DATABASE = "postgresql"
WEIGHTS = {"work": 0.5, DATABASE: 0.5}
"""Chosen half as often as the others: on a slow machine the worker would get nothing done."""
AT_ANY_MOMENT = 0.25
"""How often a service that still starts is killed when it is chosen: always, and a slow machine gets nothing done."""
KILLS_A_STUDY = 10
"""So many kills for each study that is acted on."""
QUIET_SECONDS = 900
"""Without any change for so long, what is not done is stuck."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How often to kill, how many seconds apart at the mean, for how many minutes at most, and whether to act."""

    kills: int
    every: float
    minutes: float
    acts: bool


@dataclass
class Killed:
    """A node whose services are killed and started again."""

    settings_file: Path
    folder: Path
    server: Server | None
    context: ForkServerContext = field(default_factory=kill_services.context)
    processes: dict[str, BaseProcess] = field(default_factory=dict)
    log_begins: dict[str, int] = field(default_factory=dict)
    """Where in its log a service began last."""
    gave_up: int = 0

    def start(self, name: str) -> None:
        """Start a service."""
        log = self._log(name)
        self.log_begins[name] = log.stat().st_size if log.exists() else 0
        self.processes[name] = kill_services.start(self.context, name, self.settings_file, log)

    def is_up(self, name: str) -> bool:
        """Say whether a service has come up since it was started last."""
        if name == DATABASE:
            return True
        if not self._log(name).exists():
            return False
        with self._log(name).open("rb") as log:
            log.seek(self.log_begins[name])
            return b"service-started" in log.read()

    def kill(self, name: str) -> None:
        """Kill a service, or the database, and start it again."""
        if name == DATABASE and self.server is not None:
            self.server.stop(signal.SIGQUIT)
            self.server.start()
            return
        process = self.processes[name]
        self.gave_up += process.exitcode is not None
        process.kill()
        process.join()
        self.start(name)

    def stop(self) -> None:
        """Stop whatever runs."""
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            process.join(60)

    def _log(self, name: str) -> Path:
        return self.folder / f"{name}.log"


class _Archive(Archive):
    """Keeps no pixels: a run makes hundreds of captures."""

    def store(self, event: evt.Event) -> int:
        event.dataset.pop("PixelData", None)
        return super().store(event)


class _Ris(DemoRis):
    """Notes each arrival: what came last is what a reader sees."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.arrivals: list[str] = []

    def keep(self, control_id: str, message: str) -> None:
        self.arrivals.append(control_id)
        super().keep(control_id, message)


def main() -> None:
    """Kill as often as the command line says; add the figures to the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--every", type=float, default=2.0, help="mean seconds between two kills (default 2)")
    parser.add_argument("--minutes", type=float, default=1e9, help="kill no longer than that, however few there were")
    parser.add_argument("--acts", action="store_true", help="late images, reanalysis, withdrawal and resend between")
    parser.add_argument("--postgresql", action="store_true", help="PostgreSQL instead of SQLite, killed like the rest")
    parser.add_argument("--keep", type=Path, help="a new folder for the run's files and logs, which is kept")
    parser.add_argument("--write", action="store_true", help=f"add the run to {RESULTS.name}")
    options = parser.parse_args()
    with _place(options.keep) as folder, _server(folder, wanted=options.postgresql) as server:
        plan = Plan(options.kills, options.every, options.minutes, acts=options.acts)
        row = run(folder, server, plan, random.Random(options.seed))
    row |= {"seed": options.seed, "every_seconds": options.every, "at": datetime.now(UTC).date().isoformat()}
    print(json.dumps(row, indent=2))
    if options.write:
        rows = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
        RESULTS.write_text(json.dumps([*rows, row], indent=2) + "\n")


def run(folder: Path, server: Server | None, plan: Plan, chance: random.Random) -> dict[str, Any]:
    """Start node and peers, send and kill, and return what became of it."""
    peers = folder / "peers"
    peers.mkdir()
    ris, archive = _Ris(peers), _Archive()
    with open_archive(archive=archive):
        most = max(1, plan.kills // KILLS_A_STUDY) if plan.acts else plan.kills
        settings = _settings(folder, server, archive.port, ris.start())
        node = Killed(folder / "cxrnode.toml", folder, server)
        sender = Sender(folder, settings, random.Random(chance.random()), pause=3 * plan.every, most=most)
        operator = Operator(sender, settings, random.Random(chance.random()), pause=plan.every) if plan.acts else None
        busy = [thread for thread in (sender, operator) if thread is not None]
        try:
            for name in SERVICES:
                node.start(name)
            await_node(settings)
            for thread in busy:
                thread.start()
            killed = _kill(node, plan, chance)
            for thread in busy:
                thread.stop()
            studies = _settled(settings, sender.expected)
            intact = _reading(settings, lambda session: audit.verify(session).intact)
            told = _reading(settings, lambda session: _told(session, ris.arrivals))
            gave_up = node.gave_up + sum(process.exitcode is not None for process in node.processes.values())
        finally:
            for thread in busy:
                thread.stop()
            node.stop()
            ris.stop()
    verdict = judge(sender.expected, studies, _shown(archive), told, refused=len(archive.refused))
    for problem in verdict.problems:
        print(problem, file=sys.stderr)
    return {"database": DATABASE if server else "sqlite", "acts": dict(operator.acts) if operator else {},
            "kills": killed.total(), "killed": dict(killed), "gave_up": gave_up, "audit_intact": intact,
            "studies": len(sender.expected), "images": sum(len(one.images) for one in sender.expected.values()),
            "notes": len(archive.notes), **verdict.counts()}  # fmt: skip


def _kill(node: Killed, plan: Plan, chance: random.Random) -> Counter[str]:
    """Kill so often, at random; return how often each was killed."""
    killed: Counter[str] = Counter()
    names = (*SERVICES, *((DATABASE,) if node.server is not None else ()))
    ends = time.monotonic() + 60 * plan.minutes
    while killed.total() < plan.kills and time.monotonic() < ends:
        time.sleep(chance.uniform(0.1, 2 * plan.every - 0.1))
        (name,) = chance.choices(names, [WEIGHTS.get(name, 1.0) for name in names])
        if node.is_up(name) or chance.random() < AT_ANY_MOMENT:
            node.kill(name)
            killed[name] += 1
    return killed


def _settled(settings: Settings, expected: dict[str, Expected]) -> list[StudySummary]:
    """Wait until every study has come to an end, or nothing has changed for minutes."""

    def read() -> list[StudySummary]:
        studies: list[StudySummary] = _reading(
            settings, lambda session: worklist.list_studies(session, limit=len(expected) + 100)
        )
        return studies

    studies = read()
    changed = time.monotonic()
    while time.monotonic() - changed < QUIET_SECONDS:
        if len(studies) >= len(expected) and all(is_at_an_end(study) for study in studies):
            break
        time.sleep(2)
        before, studies = studies, read()
        if studies != before:
            changed = time.monotonic()
    return studies


def is_at_an_end(study: StudySummary) -> bool:
    """Say whether a study needs nothing more."""
    waits = any(delivery.state in {"waiting", "stopped"} for delivery in study.deliveries)
    return study.status in {"delivered", "withdrawn"} and not waits


def _shown(archive: Archive) -> list[Shown]:
    return [
        Shown(str(shown.SOPInstanceUID), str(shown.StudyInstanceUID), _image_of(shown)) for shown in archive.shown()
    ]


def _image_of(shown: Any) -> str | None:
    """Return the image that a capture shows; None for a report."""
    return None if shown.Modality == "SR" else str(shown.SourceImageSequence[0].ReferencedSOPInstanceUID)


def _told(session: Any, arrivals: list[str]) -> dict[str, Told]:
    """Return the message that the RIS got last, by study."""
    query = select(Document.uid, Document.kind, Analysis.study_uid).join(Analysis, Document.analysis_id == Analysis.id)
    messages = {uid: (study, Told(uid, kind)) for uid, kind, study in session.execute(query)}
    return dict(messages[control_id] for control_id in arrivals if control_id in messages)


def _reading(settings: Settings, read: Callable[[Any], Any]) -> Any:
    database = Database.open(settings.database_url())
    try:
        with database.reading() as session:
            return read(session)
    finally:
        database.close()


@contextmanager
def _place(keep: Path | None) -> Iterator[Path]:
    """Yield the folder of a run."""
    if keep is not None:
        keep.mkdir(parents=True)
        yield keep
        return
    with tempfile.TemporaryDirectory(prefix="kills-") as place:
        Path(place).chmod(0o755)  # PostgreSQL runs as another user
        yield Path(place)


@contextmanager
def _server(folder: Path, *, wanted: bool) -> Iterator[Server | None]:
    """Yield a PostgreSQL, if it is wanted."""
    if not wanted:
        yield None
        return
    server = Server(folder / "postgresql")
    server.make()
    server.start()
    try:
        yield server
    finally:
        server.stop()


def _settings(folder: Path, server: Server | None, pacs_port: int, ris_port: int) -> Settings:
    document: dict[str, Any] = {
        "node": {"data_dir": str(folder / "node")},
        "database": {"url": server.url if server is not None else ""},
        "receive": {"port": free_port(), "min_free_disk_bytes": 0, "settle_seconds": 0.3,
                    "settle_after_release_seconds": 0.1},
        "work": {"poll_seconds": 0.1, "max_crashes": 1000, "drain_seconds": 5},
        "delivery": {"first_retry_seconds": 0.2, "longest_retry_seconds": 1.0},
        "report": {"capture_longest_side": 512},
        "destinations": [
            {"kind": "dicom", "name": "pacs", "host": "127.0.0.1", "port": pacs_port, "ae_title": "ORTHANC"},
            {"kind": "hl7", "name": "ris", "host": "127.0.0.1", "port": ris_port},
        ],
    }  # fmt: skip
    (folder / "cxrnode.toml").write_text(tomlkit.dumps(document))
    return load_settings(folder / "cxrnode.toml")


if __name__ == "__main__":
    main()
