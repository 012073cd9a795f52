"""Ten thousand radiographs through the real node: memory, descriptors, threads and the time of a claim stay level.

    .venv/bin/python -m benchmarks.soak [--radiographs 10000] [--minutes M] [--postgresql] [--write]

``cxrnode serve`` with receiver, worker, deliverer and console receives phantoms, each a study of its own, analyses them
with the package of the settings and delivers report, capture and message to a PACS and a RIS. The sender never lets
more than a few dozen wait. Now and then it is noted what each service holds, its decoder with it, and how long a claim
of a job takes on the node's database, measured with jobs of a queue of its own. After a warm-up, the first fifth, a
line is laid through each: what it rises by until the end, in parts of what it begins with. Ends early, and says so,
where the minutes are over. Writes ``benchmarks/results/soak.json``.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmarks.idle import running_node, services
from benchmarks.postgresql import postgresql
from benchmarks.receive import machine
from benchmarks.turnaround import target
from config.errors import CxrnodeError
from config.settings import Settings
from cxrnode.demo_peers import DemoPacs
from cxrnode.phantom import phantom_dataset
from dicom_node.storage_scu import send
from tracking.engine.database import Database
from tracking.jobs.queue import claim, enqueue, finish

RESULTS = Path(__file__).parent / "results" / "soak.json"
MOST_WAITING = 40
"""Radiographs sent and not delivered yet."""
WARM_UP = 0.2
MOST_GROWTH = {"memory_mib": 0.05, "descriptors": 0.05, "threads": 0.05, "claim_ms": 0.25}
"""From the end of the warm-up to the end, in parts; a claim's time has the noise of a busy machine."""
_SIZES = (256, 320, 384, 512)
_DOCUMENTS = 2
_CLAIMS = 15
_STALLED_SECONDS = 900


@dataclass(frozen=True, slots=True)
class Sample:
    """What a service held when so many radiographs had been delivered."""

    delivered: int
    service: str
    memory_mib: float
    descriptors: int
    threads: int
    claim_ms: float


@dataclass(frozen=True, slots=True)
class Level:
    """How a figure of a service went: medians after the warm-up and at the end, and the line's rise, in parts."""

    service: str
    figure: str
    first: float
    last: float
    rise: float
    flat: bool


def run(folder: Path, url: str, radiographs: int, minutes: float, every: float, sections: Any) -> dict[str, Any]:
    """Send, sample and judge."""
    with running_node(folder, url, **sections) as (settings, node, pacs):
        database = Database.open(settings.database_url())
        samples: list[Sample] = []
        began = time.perf_counter()
        deadline = began + 60 * minutes
        try:
            sent = _send_all(
                folder, settings, pacs, radiographs, deadline, _sampler(node, database, pacs, samples, every)
            )
            _await(pacs, sent)
            seconds = time.perf_counter() - began
            samples += _take(node, database, _delivered(pacs))
        finally:
            database.close()
        doubled = sum(times > 1 for times in pacs.times_received.values())
    levels = judge(samples)
    return {
        "radiographs": sent, "asked_for": radiographs, "delivered": _delivered(pacs), "documents_doubled": doubled,
        "seconds": round(seconds), "package": str(settings.inference.package), "flat": all(row.flat for row in levels),
        "levels": [asdict(row) for row in levels], "samples": [asdict(row) for row in samples],
    }  # fmt: skip


def judge(samples: Sequence[Sample]) -> list[Level]:
    """Lay a line through each figure of each service after the warm-up."""
    end = max(sample.delivered for sample in samples)
    rows = []
    for service in sorted({sample.service for sample in samples}):
        after = [sample for sample in samples if sample.service == service and sample.delivered >= WARM_UP * end]
        rows += [_level(service, figure, after) for figure in MOST_GROWTH if figure != "claim_ms"]
    claims = [sample for sample in samples if sample.service == "work" and sample.delivered >= WARM_UP * end]
    return [*rows, _level("database", "claim_ms", claims)]


def _level(service: str, figure: str, samples: Sequence[Sample]) -> Level:
    values = np.array([getattr(sample, figure) for sample in samples], dtype=float)
    delivered = np.array([sample.delivered for sample in samples], dtype=float)
    quarter = max(1, len(values) // 4)
    first, last = float(np.median(values[:quarter])), float(np.median(values[-quarter:]))
    line = np.polyfit(delivered, values, 1) if np.ptp(delivered) else np.zeros(2)
    rise = float(line[0] * np.ptp(delivered) / max(first, 1e-9))
    return Level(service, figure, round(first, 2), round(last, 2), round(rise, 3), rise <= MOST_GROWTH[figure])


def _send_all(
    folder: Path, settings: Settings, pacs: DemoPacs, count: int, deadline: float, look: Callable[[], None]
) -> int:
    """Send phantoms one after the other, never many more than were delivered; return how many."""
    path = folder / "next.dcm"
    for number in range(count):
        if time.perf_counter() > deadline:
            return number
        data = phantom_dataset(10_000 + number, size=_SIZES[number % len(_SIZES)], opacity=number % 2 == 1)
        data.save_as(path, enforce_file_format=True)
        while not _stored(path, settings):
            time.sleep(0.2)
        look()
        while number - _delivered(pacs) > MOST_WAITING and time.perf_counter() < deadline:
            time.sleep(0.2)
            look()
    return count


def _stored(path: Path, settings: Settings) -> bool:
    try:
        (outcome,) = send.store([path], target(settings))
    except CxrnodeError:
        return False
    return outcome.stored


def _await(pacs: DemoPacs, count: int) -> None:
    """Wait until everything is delivered, or nothing has been for long."""
    last, since = -1, time.monotonic()
    while (now := _delivered(pacs)) < count and time.monotonic() - since < _STALLED_SECONDS:
        if now != last:
            last, since = now, time.monotonic()
        time.sleep(0.5)


def _delivered(pacs: DemoPacs) -> int:
    return len(pacs.received) // _DOCUMENTS


def _sampler(
    node: psutil.Process, database: Database, pacs: DemoPacs, samples: list[Sample], every: float
) -> Callable[[], None]:
    """Return what takes a sample when it is time for one."""
    due = time.monotonic()

    def look() -> None:
        nonlocal due
        if time.monotonic() >= due and _delivered(pacs):
            due = time.monotonic() + every
            samples.extend(_take(node, database, _delivered(pacs)))
            print(samples[-1], flush=True)

    return look


def _take(node: psutil.Process, database: Database, delivered: int) -> list[Sample]:
    claim_ms = _claim_ms(database, delivered)
    taken = []
    for name, process in sorted(services(node).items()):
        family = [process] if name == "serve" else [process, *process.children(recursive=True)]
        memory = sum(member.memory_info().rss for member in family) / 2**20
        descriptors = sum(member.num_fds() for member in family)
        threads = sum(member.num_threads() for member in family)
        taken.append(Sample(delivered, name, round(memory, 1), descriptors, threads, claim_ms))
    return taken


def _claim_ms(database: Database, delivered: int) -> float:
    """Return the median time of a claim among the node's own jobs, in milliseconds."""
    times = []
    for number in range(_CLAIMS):
        with database.transaction() as tx:
            enqueue(tx, "soak", f"soak-{delivered}-{number}-{time.monotonic_ns()}", {})
        began = time.perf_counter()
        job = claim(database, ("soak",), "soak", 60_000)
        times.append(1000 * (time.perf_counter() - began))
        if job is not None:
            with database.transaction() as tx:
                finish(tx, job)
    return round(statistics.median(times), 2)


def main() -> int:
    """Run as the command line says; return 1 where something rises or is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--radiographs", type=int, default=10_000)
    parser.add_argument("--minutes", type=float, default=24 * 60, help="send no more after so many")
    parser.add_argument("--every", type=float, default=20, help="seconds between samples (default 20)")
    parser.add_argument("--package", type=Path, help="another model package than the default")
    parser.add_argument("--postgresql", action="store_true", help="PostgreSQL instead of SQLite")
    parser.add_argument("--write", action="store_true", help=f"keep the figures in {RESULTS.name}")
    options = parser.parse_args()
    sections = {"inference": {"package": str(options.package.resolve())}} if options.package else {}
    with tempfile.TemporaryDirectory(prefix="soak-") as place:
        folder = Path(place)
        folder.chmod(0o755)  # PostgreSQL runs as another user
        (folder / "node").mkdir(mode=0o700)
        limits = (options.radiographs, options.minutes, options.every, sections)
        if options.postgresql:
            with postgresql(folder / "server") as url:
                report = run(folder / "node", url, *limits)
        else:
            report = run(folder / "node", "", *limits)
    kind = "postgresql" if options.postgresql else "sqlite"
    report |= {"measured": datetime.now(UTC).date().isoformat(), "machine": machine(), "database": kind}
    print(json.dumps({name: value for name, value in report.items() if name != "samples"}, indent=2))
    if options.write:
        kept = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
        RESULTS.write_text(json.dumps(kept | {kind: report}, indent=2) + "\n")
    return int(not report["flat"] or report["delivered"] < report["radiographs"])


if __name__ == "__main__":
    raise SystemExit(main())
