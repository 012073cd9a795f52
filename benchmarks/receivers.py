"""The receiving programs under test, each in a process of its own: DCMTK's storescp, Orthanc and cxrnode."""

import abc
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil


class Receiver(abc.ABC):
    """A receiving program under test, in a process of its own."""

    name = ""
    promise = ""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.folder.mkdir(parents=True)
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(self.command(), stdout=log, stderr=log, env=os.environ | self.environment())
        _await_port(self.port, self.process)

    @property
    def log(self) -> Path:
        """What the program said."""
        return self.folder / "program.log"

    @abc.abstractmethod
    def command(self) -> list[str]:
        """Return the command line."""

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
                    "DicomAlwaysAllowStore": True, "DicomAlwaysAllowEcho": True, "HttpPort": free_port(),
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


def free_port() -> int:
    """Return a loopback TCP port that nobody listens on."""
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
