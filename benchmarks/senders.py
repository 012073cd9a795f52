"""What sends in the receive benchmark: DCMTK's storescu, and the project's own sender (``dicom_node.storage_scu``).

Run as a program, this module is one lean sender: :func:`serve_orders`.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from benchmarks.images import JPEG, Size
from dicom_node.storage_scu.send import store
from dicom_node.storage_scu.target import Target

ROOT = Path(__file__).parents[1]


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


def send_with_storescu(paths: Sequence[Path], port: int, load: Load) -> None:
    """Send with DCMTK's storescu: one process a sender, or one an image."""
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
                    [sys.executable, "-m", "benchmarks.senders"],
                    cwd=ROOT,
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


def serve_orders() -> None:
    """Serve as one lean sender: an order a line on standard input, ``done`` when everything was stored."""
    print("ready", flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        files = [Path(name) for name in order["files"]]
        target = Target("127.0.0.1", order["port"], "ANY", "BENCH")
        batches = [[path] for path in files] if order["each"] else [files]
        stored = all(outcome.stored for batch in batches for outcome in store(batch, target))
        print("done" if stored else "failed", flush=True)


if __name__ == "__main__":
    serve_orders()
