"""A PostgreSQL of the benchmark's own, in a folder, with the settings that its documentation begins with."""

import os
import pwd
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SETTINGS = {
    "listen_addresses": "", "shared_buffers": "1GB", "max_wal_size": "8GB", "maintenance_work_mem": "512MB",
    "checkpoint_completion_target": "0.9",
}  # fmt: skip
_START_SECONDS = 60


@dataclass
class Server:
    """A server over the files in a folder; it may be killed and started again."""

    folder: Path
    _who: dict[str, Any] = field(default_factory=dict)
    _process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The URL of its database."""
        return f"postgresql+psycopg://cxrnode@/postgres?host={self.folder}"

    def make(self) -> None:
        """Make the folder with an empty database. Raises FileNotFoundError where no server is installed."""
        self.folder.mkdir()
        if os.getuid() == 0:  # it refuses to be root
            user = pwd.getpwnam("postgres")
            os.chown(self.folder, user.pw_uid, user.pw_gid)
            self._who = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        data = ["-D", self.folder / "data", "-U", "cxrnode", "--auth=trust", "--encoding=UTF8", "--no-sync"]
        subprocess.run([_program("initdb"), *data], check=True, capture_output=True, cwd="/", **self._who)

    def start(self) -> None:
        """Start it and wait until it takes connections."""
        options = [part for name, value in SETTINGS.items() for part in ("-c", f"{name}={value}")]
        command = [_program("postgres"), "-D", self.folder / "data", "-k", self.folder, *options]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd="/", **self._who)
        ready = _program("pg_isready")
        deadline = time.monotonic() + _START_SECONDS
        while subprocess.run([ready, "-h", self.folder], capture_output=True, check=False).returncode:
            if self._process.poll() is not None or time.monotonic() > deadline:
                msg = f"PostgreSQL did not start: {(self.folder / 'log').read_text(errors='replace')[-500:]}"
                raise RuntimeError(msg)
            time.sleep(0.1)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop it: by SIGINT connections are ended first, by SIGQUIT it drops everything at once, as in a crash."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(_START_SECONDS)


@contextmanager
def postgresql(folder: Path) -> Iterator[str]:
    """Start a server with an empty database; yield its URL. Raises FileNotFoundError where none is installed."""
    server = Server(folder)
    server.make()
    try:
        server.start()
        yield server.url
    finally:
        server.stop()


def _program(name: str) -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    if not found:
        msg = "PostgreSQL's server is not installed (Debian's package postgresql)"
        raise FileNotFoundError(msg)
    return found[-1]
