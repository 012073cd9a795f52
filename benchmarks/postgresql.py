"""A PostgreSQL of the benchmark's own, in a folder, with the settings that its documentation begins with."""

import os
import pwd
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SETTINGS = {
    "listen_addresses": "", "shared_buffers": "1GB", "max_wal_size": "8GB", "maintenance_work_mem": "512MB",
    "checkpoint_completion_target": "0.9",
}  # fmt: skip
_START_SECONDS = 60


@contextmanager
def postgresql(folder: Path) -> Iterator[str]:
    """Start a server with an empty database; yield its URL. Raises FileNotFoundError where none is installed."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not programs:
        msg = "PostgreSQL's server is not installed (Debian's package postgresql)"
        raise FileNotFoundError(msg)
    folder.mkdir()
    who: dict[str, Any] = {}
    if os.getuid() == 0:  # it refuses to be root
        user = pwd.getpwnam("postgres")
        os.chown(folder, user.pw_uid, user.pw_gid)
        who = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    initdb = [programs[-1], "-D", folder / "data", "-U", "cxrnode", "--auth=trust", "--encoding=UTF8", "--no-sync"]
    subprocess.run(initdb, check=True, capture_output=True, cwd="/", **who)
    options = [part for name, value in SETTINGS.items() for part in ("-c", f"{name}={value}")]
    command = [programs[-1].with_name("postgres"), "-D", folder / "data", "-k", folder, *options]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd="/", **who)
    try:
        _await(folder, server)
        yield f"postgresql+psycopg://cxrnode@/postgres?host={folder}"
    finally:
        server.send_signal(signal.SIGINT)  # "fast": ends connections, then stops
        server.wait(_START_SECONDS)


def _await(folder: Path, server: subprocess.Popen[bytes]) -> None:
    ready = [*sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_isready"))][-1]
    deadline = time.monotonic() + _START_SECONDS
    while subprocess.run([ready, "-h", folder], capture_output=True, check=False).returncode:
        if server.poll() is not None or time.monotonic() > deadline:
            msg = f"PostgreSQL did not start: {(folder / 'log').read_text(errors='replace')[-500:]}"
            raise RuntimeError(msg)
        time.sleep(0.1)
