"""How fast images are received: DCMTK storescp, Orthanc and cxrnode, the same files, in one run, taking turns.

    .venv/bin/python -m benchmarks.receive            full, several minutes
    .venv/bin/python -m benchmarks.receive --quick    under a minute

What is compared is not the same promise: cxrnode answers when file, folder and database are on disk (fsync and
commit); Orthanc flushes the file but commits its index lazily; storescp flushes nothing. Two senders are shown.
DCMTK's ``storescu`` is what hospitals' toolkits are made of; with its Nagle algorithm it stalls for 40 ms an image
unless the receiver acknowledges at once. The lean sender (``dicom_node.send``) writes each PDU at once, never
stalls, and so shows what the receivers themselves cost. With one association an image, storescu's figures hold the
start of a process for each image, the same for all three receivers.
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

import psutil
from rich.console import Console
from rich.table import Table

from benchmarks.images import LARGE, MEDIUM, SMALL, Images
from benchmarks.receivers import RECEIVERS, Cxrnode, Receiver
from benchmarks.senders import LeanSenders, Load, send_with_storescu, storescu_alone_seconds

RESULTS = Path(__file__).parent / "results" / "receive.json"


@dataclass(frozen=True)
class Sample:
    """One measurement; times in seconds."""

    receiver: str
    load: str
    sender: str
    images: int
    seconds: float
    receiver_cpu_seconds: float


def measure(loads: Sequence[Load], rounds: int, work: Path, console: Console) -> list[Sample]:
    """Run every load on every receiver, ``rounds`` times, the receivers taking turns within each round."""
    images = Images(work / "files")
    lean = LeanSenders()
    senders: dict[str, Callable[[Sequence[Path], int, Load], None]] = {"storescu": send_with_storescu, "lean": lean}
    samples: list[Sample] = []
    receivers: list[Receiver] = []
    try:
        receivers = [kind(work / kind.name.replace(" ", "-")) for kind in RECEIVERS]
        for load in loads:
            warm_up = images.make(load.size, load.senders)
            for receiver in receivers:
                senders[load.sender](warm_up, receiver.port, load)
            for turn in range(rounds):
                paths = images.make(load.size, load.images)
                for receiver in receivers[turn % len(receivers) :] + receivers[: turn % len(receivers)]:
                    cpu, start = receiver.cpu_seconds(), time.perf_counter()
                    senders[load.sender](paths, receiver.port, load)
                    seconds = time.perf_counter() - start
                    used = receiver.cpu_seconds() - cpu
                    samples.append(Sample(receiver.name, load.name, load.sender, load.images, seconds, used))
                for path in paths:
                    path.unlink()
            console.print(f"  {load.sender}: {load.name}")
    finally:
        for receiver in receivers:
            receiver.stop()
        lean.close()
    return samples


def measure_sender_alone(work: Path, count: int) -> dict[str, float]:
    """Return storescu's own milliseconds an image, by number of senders, with a process and association an image."""
    paths = Images(work / "alone-files").make(MEDIUM, count)
    return {str(senders): round(1000 * storescu_alone_seconds(paths, senders) / len(paths), 2) for senders in (1, 8)}


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
                for path in paths:
                    path.unlink()
            noted.append({"images": after, "rss_mib": round(process.memory_info().rss / 2**20, 1)})
    finally:
        receiver.stop()
        lean.close()
    return noted


def summarise(samples: Sequence[Sample]) -> list[dict[str, object]]:
    """Return one row a load: milliseconds an image (median of the rounds) and how many times faster cxrnode is."""
    rows = []
    for sender, load in dict.fromkeys((sample.sender, sample.load) for sample in samples):
        mine = [sample for sample in samples if (sample.sender, sample.load) == (sender, load)]
        wall = {kind.name: _median_ms(mine, kind.name, "seconds") for kind in RECEIVERS}
        by_receiver = [[s.seconds for s in mine if s.receiver == kind.name] for kind in RECEIVERS]
        ratios = [
            {kind.name: theirs / ours for kind, theirs in zip(RECEIVERS[:2], others, strict=True)}
            for *others, ours in zip(*by_receiver, strict=True)
        ]
        rows.append(
            {
                "sender": sender,
                "load": load,
                "ms_an_image": wall,
                "cxrnode_times_faster": {
                    name: round(statistics.median(ratio[name] for ratio in ratios), 2) for name in ratios[0]
                },
                "receiver_cpu_ms_an_image": {
                    kind.name: _median_ms(mine, kind.name, "receiver_cpu_seconds") for kind in RECEIVERS
                },
            }
        )
    return rows


def _median_ms(samples: Sequence[Sample], receiver: str, what: str) -> float:
    values = [1000 * getattr(s, what) / s.images for s in samples if s.receiver == receiver]
    return round(statistics.median(values), 2)


def show(rows: Sequence[dict[str, object]], memory: Sequence[dict[str, float]], console: Console) -> None:
    """Print the tables."""
    table = Table("sender", "load", *(kind.name for kind in RECEIVERS), "x DCMTK", "x Orthanc", title="ms an image")
    for row in rows:
        wall, ratio = row["ms_an_image"], row["cxrnode_times_faster"]
        assert isinstance(wall, dict)
        assert isinstance(ratio, dict)
        table.add_row(
            str(row["sender"]), str(row["load"]), *(f"{wall[kind.name]:.2f}" for kind in RECEIVERS),
            *(f"{ratio[kind.name]:.2f}" for kind in RECEIVERS[:2]),
        )  # fmt: skip
    console.print(table)
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
        "busy_at_start": round(os.getloadavg()[0], 1),
    }


def main() -> int:
    """Run the benchmark from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one size, few images, under a minute")
    parser.add_argument("--rounds", type=int, default=3, help="how often each load is repeated (default 3)")
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
        alone = measure_sender_alone(Path(work), 24 if arguments.quick else 48)
        memory = measure_memory(Path(work), 200 if arguments.quick else 2000)
    rows = summarise(samples)
    show(rows, memory, console)
    console.print(f"storescu alone, a process an image, ms: 1 sender {alone['1']}, 8 senders {alone['8']}")
    if not arguments.quick:
        RESULTS.parent.mkdir(exist_ok=True)
        result = {
            "measured": datetime.now(UTC).date().isoformat(), "machine": about, "rounds": rounds,
            "promises": {kind.name: kind.promise for kind in RECEIVERS}, "loads": rows, "memory": memory,
            "storescu_alone_ms_an_image": alone, "samples": [asdict(sample) for sample in samples],
        }  # fmt: skip
        RESULTS.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
