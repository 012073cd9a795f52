"""How fast images are received: DCMTK storescp, Orthanc and cxrnode, the same files, in one run, taking turns.

    .venv/bin/python -m benchmarks.receive            full, several minutes; the machine had better be idle
    .venv/bin/python -m benchmarks.receive --quick    under a minute

What is compared is not the same promise: cxrnode answers when file, folder and database are on disk (fsync and
commit); Orthanc flushes the file but commits its index lazily; storescp flushes nothing. Two senders are shown.
DCMTK's ``storescu`` is what hospitals' toolkits are made of; with its Nagle algorithm it stalls for 40 ms an image
unless the receiver acknowledges at once. The lean sender (``dicom_node.storage_scu``) writes each PDU at once, never
stalls, and so shows what the receivers themselves cost. With one association an image, storescu's figures hold the
start of a process for each image, the same for all three receivers.

Sender and receiver share this machine, so in the same rounds three floors are measured (:mod:`benchmarks.floors`): the
sender alone, the durable write alone, and both at once. Where even the slowest of them is slower than the goal asks,
the goal cannot be reached here by any durable receiver, and the table says so.
"""

import argparse
import json
import os
import platform
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

from benchmarks.floors import DurableWrites, Sink, both_at_once, emptied
from benchmarks.images import LARGE, MEDIUM, SMALL, Images
from benchmarks.performance_page import GOAL
from benchmarks.receivers import RECEIVERS, Cxrnode, Receiver
from benchmarks.senders import LeanSenders, Load, send_with_storescu

RESULTS = Path(__file__).parent / "results" / "receive.json"
FLOORS = ("sender alone", "durable write alone", "both at once")

Send = Callable[[Sequence[Path], int, Load], None]


@dataclass(frozen=True)
class Sample:
    """One measurement of a receiver or of a floor; times in seconds."""

    receiver: str
    load: str
    sender: str
    images: int
    seconds: float
    receiver_cpu_seconds: float


class Competition:
    """The receivers and the floors, which take turns."""

    def __init__(self, work: Path) -> None:
        self._images = Images(work / "files")
        self._lean = LeanSenders()
        self._senders: dict[str, Send] = {"storescu": send_with_storescu, "lean": self._lean}
        self._sink = Sink()
        self._writes = DurableWrites(work / "writes")
        self._receivers: list[Receiver] = []
        try:
            for kind in RECEIVERS:
                self._receivers.append(kind(work / kind.name.replace(" ", "-")))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Stop everything."""
        for receiver in self._receivers:
            receiver.stop()
        self._lean.close()
        self._sink.close()
        self._writes.close()

    def warm_up(self, load: Load) -> None:
        """Let every receiver see the load once."""
        paths = self._images.make(load.size, load.senders)
        for port in (self._sink.port, *(receiver.port for receiver in self._receivers)):
            self._senders[load.sender](paths, port, load)
        emptied(paths)

    def round(self, load: Load, turn: int) -> list[Sample]:
        """Give the same new images to every receiver and floor, in an order that moves on with each turn."""
        paths = self._images.make(load.size, load.images)
        contents = [(path.name, path.read_bytes()) for path in paths]
        send = self._senders[load.sender]

        def sends() -> None:
            send(paths, self._sink.port, load)

        def writes() -> None:
            self._writes(contents, load.senders)

        runs: list[tuple[str, Receiver | None, Callable[[], None]]] = [
            (receiver.name, receiver, lambda port=receiver.port: send(paths, port, load))  # type: ignore[misc]
            for receiver in self._receivers
        ]
        floors = (sends, writes, lambda: both_at_once(sends, writes))
        runs += [(name, None, run) for name, run in zip(FLOORS, floors, strict=True)]
        shift = turn % len(runs)
        samples = []
        for name, receiver, run in runs[shift:] + runs[:shift]:
            before = receiver.cpu_seconds() if receiver else 0.0
            start = time.perf_counter()
            run()
            seconds = time.perf_counter() - start
            used = receiver.cpu_seconds() - before if receiver else 0.0
            samples.append(Sample(name, load.name, load.sender, load.images, seconds, used))
            if run is writes or name == FLOORS[-1]:
                self._writes.clear()
        emptied(paths)
        return samples


def measure(loads: Sequence[Load], rounds: int, work: Path, console: Console) -> list[Sample]:
    """Run every load on every receiver and floor, ``rounds`` times, all taking turns within each round."""
    samples: list[Sample] = []
    competition = Competition(work)
    try:
        for load in loads:
            competition.warm_up(load)
            for turn in range(rounds):
                samples += competition.round(load, turn)
            console.print(f"  {load.sender}: {load.name}")
    finally:
        competition.close()
    return samples


def measure_memory(work: Path, total: int) -> list[dict[str, float]]:
    """Send ``total`` images to one receiver and note its resident memory on the way, MiB."""
    images, lean = Images(work / "memory-files"), LeanSenders()
    receiver = Cxrnode(work / "memory")
    process = psutil.Process(receiver.process.pid)
    load = Load(MEDIUM, 0, 1, association_each=False, sender="lean")
    points = [0, *(n for n in (50, 200, 500, 1000, 2000) if n <= total)]
    noted = []
    try:
        for before, after in zip([0, *points], points, strict=False):
            for start in range(before, after, 50):
                paths = images.make(MEDIUM, min(50, after - start))
                lean(paths, receiver.port, load)
                emptied(paths)
            noted.append({"images": after, "rss_mib": round(process.memory_info().rss / 2**20, 1)})
    finally:
        receiver.stop()
        lean.close()
    return noted


def summarise(samples: Sequence[Sample]) -> list[dict[str, Any]]:
    """Return one row a load: milliseconds an image, how many times faster cxrnode is, and how many it could be.

    Receivers' times are medians over the rounds, and a ratio is the median of ratios within a round. A floor is the
    fastest of its rounds: whatever else the machine did can only have made it slower.
    """
    rows = []
    for sender, load in dict.fromkeys((sample.sender, sample.load) for sample in samples):
        mine = [sample for sample in samples if (sample.sender, sample.load) == (sender, load)]
        wall = {kind.name: _ms(mine, kind.name, "seconds", statistics.median) for kind in RECEIVERS}
        floors = {name: _ms(mine, name, "seconds", min) for name in FLOORS}
        faster = {peer: _median_ratio(mine, peer) for peer in GOAL}
        at_most = {peer: round(wall[peer] / max(floors.values()), 2) for peer in GOAL}
        cpu = {kind.name: _ms(mine, kind.name, "receiver_cpu_seconds", statistics.median) for kind in RECEIVERS}
        rows.append(
            {
                "sender": sender, "load": load, "ms_an_image": wall, "floor_ms_an_image": floors,
                "cxrnode_times_faster": faster, "floor_times_faster": at_most, "goal": _verdict(faster, at_most),
                "receiver_cpu_ms_an_image": cpu,
            }
        )  # fmt: skip
    return rows


def _verdict(faster: dict[str, float], at_most: dict[str, float]) -> str:
    """Say whether the goal is met and, if not, whether the floor alone is beyond it."""
    if all(faster[peer] >= least for peer, least in GOAL.items()):
        return "met"
    return "missed" if all(at_most[peer] >= least for peer, least in GOAL.items()) else "out of reach"


def _median_ratio(samples: Sequence[Sample], peer: str) -> float:
    """Return how many times faster cxrnode is than a peer; samples of one receiver are in the order of the rounds."""
    theirs, ours = ([s.seconds for s in samples if s.receiver == name] for name in (peer, Cxrnode.name))
    return round(statistics.median([their / our for their, our in zip(theirs, ours, strict=True)]), 2)


def _ms(samples: Sequence[Sample], name: str, what: str, of: Callable[[list[float]], float]) -> float:
    return round(of([1000 * getattr(s, what) / s.images for s in samples if s.receiver == name]), 2)


def show(rows: Sequence[dict[str, Any]], memory: Sequence[dict[str, float]], console: Console) -> None:
    """Print the tables."""
    table = Table("sender", "load", *(kind.name for kind in RECEIVERS), *FLOORS, title="ms an image")
    for row in rows:
        times = [row["ms_an_image"][kind.name] for kind in RECEIVERS] + [
            row["floor_ms_an_image"][name] for name in FLOORS
        ]
        table.add_row(row["sender"], row["load"], *(f"{time:.2f}" for time in times))
    console.print(table)
    goals = (f"x {peer} (at most)" for peer in GOAL)
    table = Table("sender", "load", *goals, "goal reachable?", title="how many times faster cxrnode is")
    words = {"met": "met", "missed": "yes, but missed", "out of reach": "no"}
    for row in rows:
        ratios = [f"{row['cxrnode_times_faster'][peer]:.2f} ({row['floor_times_faster'][peer]:.2f})" for peer in GOAL]
        table.add_row(row["sender"], row["load"], *ratios, words[row["goal"]])
    console.print(table)
    console.print("(at most): what a receiver would reach that is as fast as the slowest floor")
    console.print("durability before the answer: " + "; ".join(f"{kind.name} {kind.promise}" for kind in RECEIVERS))
    if memory:
        table = Table(*(f"{point['images']:.0f} images" for point in memory), title="resident memory of cxrnode, MiB")
        table.add_row(*(f"{point['rss_mib']:.1f}" for point in memory))
        console.print(table)


def loads_for(*, quick: bool) -> Iterator[Load]:
    """Yield the loads of a run."""
    scale = 1 if quick else 2
    for sender in ("storescu", "lean"):
        for size, count in ((MEDIUM, 24),) if quick else ((SMALL, 24), (MEDIUM, 24), (LARGE, 6)):
            for senders in (1, 8):
                for each in (False, True) if size is MEDIUM else (False,):
                    images = count * scale * (1 if senders == 1 or each or size is LARGE else 3)
                    yield Load(size, images, senders, each, sender)


def machine() -> dict[str, object]:
    """Describe the machine without naming it."""
    return {
        "processors": os.cpu_count(),
        "architecture": platform.machine(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "python": platform.python_version(),
        "niceness": os.nice(0),
        "busy_at_start": round(os.getloadavg()[0], 1),
    }


def main() -> int:
    """Run the benchmark from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one size, few images, under a minute")
    parser.add_argument("--rounds", type=int, default=5, help="how often each load is repeated (default 5)")
    parser.add_argument("--work", type=Path, help="folder for temporary files, on the disk to be measured")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the receivers are stopped on the way out
    console = Console()
    missing = [
        path for path in ("/usr/bin/storescp", "/usr/bin/storescu", "/usr/sbin/Orthanc") if not Path(path).exists()
    ]
    if missing:
        console.print(f"[red]missing: {', '.join(missing)}; install the packages dcmtk and orthanc[/]")
        return 2
    about = machine()
    with tempfile.TemporaryDirectory(dir=arguments.work, prefix="receive-") as work:
        rounds = 2 if arguments.quick else arguments.rounds
        samples = measure(list(loads_for(quick=arguments.quick)), rounds, Path(work), console)
        memory = measure_memory(Path(work), 200 if arguments.quick else 2000)
    about["busy_at_end"] = round(os.getloadavg()[0], 1)
    rows = summarise(samples)
    show(rows, memory, console)
    if not arguments.quick:
        RESULTS.parent.mkdir(exist_ok=True)
        result = {
            "measured": datetime.now(UTC).date().isoformat(), "machine": about, "rounds": rounds,
            "promises": {kind.name: kind.promise for kind in RECEIVERS}, "loads": rows, "memory": memory,
            "samples": [asdict(sample) for sample in samples],
        }  # fmt: skip
        RESULTS.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
