"""How fast images are received: DCMTK storescp, Orthanc and cxrnode, the same files, in one run, taking turns.

    python benchmarks/receive.py            full, several minutes
    python benchmarks/receive.py --quick    under a minute

What is compared is not the same promise: cxrnode answers when file, folder and database are on disk (fsync and
commit); Orthanc flushes the file but commits its index lazily; storescp flushes nothing. Two senders are shown.
DCMTK's ``storescu`` is what hospitals' toolkits are made of; with its Nagle algorithm it stalls for 40 ms an image
unless the receiver acknowledges at once. The lean sender (``dicom_node.send``) writes each PDU at once, never
stalls, and so shows what the receivers themselves cost. With one association an image, storescu's figures hold the
start of a process for each image, the same for all three receivers.
"""

import argparse
import io
import json
import os
import platform
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import psutil
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

RESULTS = Path(__file__).parent / "results" / "receive.json"
EXPLICIT, JPEG = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.50"
_MARK = "9" * 30


@dataclass(frozen=True)
class Size:
    """A kind of image to send: ``side`` x ``side`` pixels, 16 bit, or 8 bit JPEG."""

    name: str
    side: int
    syntax: str


SMALL = Size("130 KB JPEG", 600, JPEG)
MEDIUM = Size("0.5 MB", 512, EXPLICIT)
LARGE = Size("8 MB", 2048, EXPLICIT)


@dataclass(frozen=True)
class Load:
    """What is sent: how many images of which size, by how many senders, and how they use associations."""

    size: Size
    images: int
    senders: int
    association_each: bool
    sender: str

    @property
    def name(self) -> str:
        """The load in words."""
        how = "one association an image" if self.association_each else "many images an association"
        return f"{self.size.name}, {how}, {self.senders} sender{'s' if self.senders > 1 else ''}"


@dataclass(frozen=True)
class Sample:
    """One measurement; times in seconds."""

    receiver: str
    load: str
    sender: str
    images: int
    seconds: float
    receiver_cpu_seconds: float


class Receiver:
    """A receiving program under test, in a process of its own."""

    name = ""
    promise = ""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = _free_port()
        self.folder.mkdir(parents=True)
        self.process = subprocess.Popen(
            self.command(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ | self.environment()
        )
        _await_port(self.port, self.process)

    def command(self) -> list[str]:
        """Return the command line."""
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        """Return extra environment variables."""
        return {}

    def cpu_seconds(self) -> float:
        """Return the processor time used so far, by the process and its ended children."""
        times = psutil.Process(self.process.pid).cpu_times()
        return sum(times[:4])

    def stop(self) -> None:
        """End the program and remove what it stored."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


class Dcmtk(Receiver):
    """DCMTK's storescp: bytes as they come, one process an association so that senders do not queue."""

    name = "DCMTK storescp"
    promise = "none: nothing is flushed"

    def command(self) -> list[str]:
        """Return the command line."""
        return ["/usr/bin/storescp", "--fork", "+B", "+xa", "-od", str(self.folder), str(self.port)]


class Orthanc(Receiver):
    """Orthanc with its default storage on disk and its SQLite index."""

    name = "Orthanc"
    promise = "file flushed, index not"

    def command(self) -> list[str]:
        """Return the command line."""
        config = self.folder / "orthanc.json"
        config.write_text(
            json.dumps(
                {
                    "Name": "benchmark", "StorageDirectory": str(self.folder), "IndexDirectory": str(self.folder),
                    "DicomPort": self.port, "DicomAet": "ORTHANC", "DicomCheckCalledAet": False,
                    "DicomAlwaysAllowStore": True, "DicomAlwaysAllowEcho": True, "HttpPort": _free_port(),
                    "RemoteAccessAllowed": False, "AuthenticationEnabled": False, "OverwriteInstances": False,
                    "Plugins": [],
                }
            )
        )  # fmt: skip
        return ["/usr/sbin/Orthanc", str(config)]


class Cxrnode(Receiver):
    """The receiver of this project with its real database."""

    name = "cxrnode"
    promise = "file, folder and database flushed"

    def command(self) -> list[str]:
        """Return the command line."""
        return [sys.executable, "-m", "cxrnode", "receive"]

    def environment(self) -> dict[str, str]:
        """Return settings as environment variables."""
        return {
            "CXRNODE_NODE__DATA_DIR": str(self.folder / "data"),
            "CXRNODE_RECEIVE__PORT": str(self.port),
            "CXRNODE_RECEIVE__MIN_FREE_DISK_BYTES": "0",
            "CXRNODE_RECEIVE__MAX_ASSOCIATIONS": "64",
            "CXRNODE_LOG__LEVEL": "warning",
        }


RECEIVERS: tuple[type[Receiver], ...] = (Dcmtk, Orthanc, Cxrnode)


class Images:
    """Makes files that differ in nothing but their UIDs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0
        self._templates: dict[Size, bytes] = {}

    def make(self, size: Size, count: int) -> list[Path]:
        """Write ``count`` new files, each a study of its own, and return their paths."""
        template = self._templates.setdefault(size, _template(size))
        folder = self._folder / f"{self._count}"
        folder.mkdir(parents=True)
        paths = []
        for _ in range(count):
            self._count += 1
            path = folder / f"{self._count}.dcm"
            path.write_bytes(template.replace(_MARK.encode(), f"{self._count:030d}".encode()))
            paths.append(path)
        return paths


def _template(size: Size) -> bytes:
    """Encode one radiograph-like picture whose UIDs all hold the mark that is replaced later."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = UID(size.syntax)
    ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.1"
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SOPInstanceUID = (f"2.25.{n}{_MARK}" for n in (1, 2, 3))
    ds.PatientName, ds.PatientID, ds.PatientSex, ds.PatientBirthDate = "Benchmark^Phantom", "BENCH", "O", "19700101"
    ds.AccessionNumber, ds.StudyDate, ds.StudyTime, ds.Modality = "BENCH1", "20260101", "120000", "CR"
    ds.BodyPartExamined, ds.ViewPosition = "CHEST", "PA"
    ds.Rows = ds.Columns = size.side
    ds.SamplesPerPixel, ds.PixelRepresentation, ds.PhotometricInterpretation = 1, 0, "MONOCHROME2"
    across = np.linspace(-1, 1, size.side)
    noise = np.random.default_rng(1).normal(0, 0.04, (size.side, size.side))
    picture = np.clip(0.5 + 0.4 * np.sin(np.hypot.outer(across, across) * 5) + noise, 0, 1)
    if size.syntax == JPEG:
        ds.BitsAllocated, ds.BitsStored, ds.HighBit = 8, 8, 7
        buffer = io.BytesIO()
        Image.fromarray((picture * 255).astype(np.uint8)).save(buffer, "JPEG", quality=85)
        ds.PixelData = encapsulate([buffer.getvalue()])
        ds["PixelData"].VR, ds["PixelData"].is_undefined_length = "OB", True
        ds.LossyImageCompression = "01"
    else:
        ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, 12, 11
        ds.PixelData = (picture * 4095).astype("<u2").tobytes()
        ds["PixelData"].VR = "OW"
    buffer = io.BytesIO()
    ds.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def send_with_storescu(paths: Sequence[Path], port: int, load: Load) -> None:
    """Send with DCMTK's storescu: one process a sender, or one a image."""
    syntax = ["-xy"] if load.size.syntax == JPEG else ["-xe"]
    command = ["/usr/bin/storescu", *syntax, "127.0.0.1", str(port)]

    def run(files: Sequence[Path]) -> None:
        for batch in [[path] for path in files] if load.association_each else [files]:
            subprocess.run([*command, *map(str, batch)], check=True, stdout=subprocess.DEVNULL)

    with ThreadPoolExecutor(load.senders) as pool:
        list(pool.map(run, [paths[n :: load.senders] for n in range(load.senders)]))


class LeanSenders:
    """The project's own sender, one process a sender, started before the clock."""

    def __init__(self) -> None:
        self._processes: list[subprocess.Popen[str]] = []

    def __call__(self, paths: Sequence[Path], port: int, load: Load) -> None:
        """Give every sender its share and wait for all."""
        while len(self._processes) < load.senders:
            self._processes.append(
                subprocess.Popen(
                    [sys.executable, __file__, "--lean-sender"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            assert self._processes[-1].stdout is not None
            self._processes[-1].stdout.readline()
        used = self._processes[: load.senders]
        for n, process in enumerate(used):
            assert process.stdin is not None
            share = [str(path) for path in paths[n :: load.senders]]
            process.stdin.write(json.dumps({"port": port, "each": load.association_each, "files": share}) + "\n")
            process.stdin.flush()
        for process in used:
            assert process.stdout is not None
            if process.stdout.readline().strip() != "done":
                raise RuntimeError("a sender failed")

    def close(self) -> None:
        """End the senders."""
        for process in self._processes:
            process.kill()
            process.wait()


def lean_sender() -> None:
    """Serve as one lean sender: an order a line on standard input, ``done`` when everything was stored."""
    from dicom_node.send import Target, store

    print("ready", flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        files = [Path(name) for name in order["files"]]
        target = Target("127.0.0.1", order["port"], "ANY", "BENCH")
        batches = [[path] for path in files] if order["each"] else [files]
        stored = all(outcome.stored for batch in batches for outcome in store(batch, target))
        print("done" if stored else "failed", flush=True)


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


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await_port(port: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as attempt:
            if attempt.connect_ex(("127.0.0.1", port)) == 0:
                time.sleep(0.3)
                return
        time.sleep(0.05)
    msg = f"{process.args!r} did not start to listen"
    raise RuntimeError(msg)


def main() -> int:
    """Run the benchmark from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one size, few images, under a minute")
    parser.add_argument("--rounds", type=int, default=3, help="how often each load is repeated (default 3)")
    parser.add_argument("--work", type=Path, help="folder for temporary files, on the disk to be measured")
    parser.add_argument("--lean-sender", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.lean_sender:
        lean_sender()
        return 0
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
