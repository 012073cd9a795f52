"""What every test may ask for: real data, free ports, both databases, settings, and the peers by name.

Whatever a fixture starts listens on the loopback interface, lives in a temporary folder and is ended by its own
process. A peer that is not installed, or data that is not there, skips the test and says which.
"""

import json
import logging
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog
from argon2 import PasswordHasher
from hypothesis import settings as hypothesis
from sqlalchemy import create_engine, text

from config.settings import Settings
from tracking.engine import schema
from tracking.engine.database import Database
from tracking.people import passwords

pytest_plugins = ["tests.nodes"]
ROOT = Path(__file__).parents[1]
STARTUP_SECONDS = 120.0
"""On a busy machine; what dies while it starts is noticed at once."""

hypothesis.register_profile("busy-machine", deadline=None)
hypothesis.load_profile("busy-machine")


ROOMS = ("config.", "console.", "cxrnode.", "dicom_node.", "inference.", "reporting.", "tracking.", "training.")


LONGEST_FIRST = (
    "test_recipes_served.py", "test_kill.py", "test_frozen_trunk.py", "test_end_to_end.py", "test_retrain_on_all.py",
    "test_learning_curve.py", "test_train.py", "test_whole_way.py", "test_demo.py", "test_production.py",
)  # fmt: skip


ON_BOTH_DATABASES = ("test_the_worklist", "test_deliver.py")
"""Of the tests of pages and documents. Their SQL is the tracking room's, whose tests all run on both databases."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with the longest files, so that none is left for one worker at the end; spare what need not run twice."""
    spared = [item for item in items if _is_spared(item)]
    items[:] = [item for item in items if not _is_spared(item)]
    config.hook.pytest_deselected(items=spared)
    items.sort(key=lambda item: LONGEST_FIRST.index(item.path.name) if item.path.name in LONGEST_FIRST else 99)


def _is_spared(item: pytest.Item) -> bool:
    """Say whether a test of pages or documents runs on SQLite alone."""
    database = getattr(getattr(item, "callspec", None), "params", {}).get("database_url")
    room = item.path.relative_to(ROOT / "tests").parts[0] if item.path.is_relative_to(ROOT / "tests") else ""
    kept = any(name in item.nodeid for name in ON_BOTH_DATABASES)
    return database == "postgresql" and room in {"console", "reporting"} and not kept


@pytest.fixture(autouse=True)
def _own_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the settings of whoever runs the tests out of them."""
    for name in os.environ:
        if name.startswith("CXRNODE_"):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _own_logs() -> Iterator[None]:
    """Leave logging as it was, whatever a test configures."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    logging.captureWarnings(capture=False)
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    # A module's logger keeps the settings of its first use, which later tests that listen to it would not hear.
    for module in [module for name, module in sys.modules.items() if name.startswith(ROOMS)]:
        logger = getattr(module, "_log", None)
        if logger is not None:
            vars(logger).pop("bind", None)


@pytest.fixture(autouse=True)
def _quick_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash passwords with the least work there is; what is tested does not depend on how much it is."""
    hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(passwords, "_hasher", lambda: hasher)
    passwords._nobodys_hash.cache_clear()


@pytest.fixture(scope="session")
def cxr_data() -> Path:
    """The folder of real radiographs: CXR_DATA, else ../shared/data beside the checkout."""
    named = os.environ.get("CXR_DATA")
    folder = Path(named) if named else ROOT.parent / "shared" / "data"
    if not (folder / "dicom").is_dir():
        pytest.skip(f"no real radiographs: {'CXR_DATA' if named else '../shared/data'} is not there")
    return folder


@pytest.fixture(scope="session")
def cxr_cases() -> Path:
    """The folder of inputs that once went wrong: CXR_CASES, else ../shared/cases beside the checkout."""
    named = os.environ.get("CXR_CASES")
    folder = Path(named) if named else ROOT.parent / "shared" / "cases"
    if not (folder / "dicom").is_dir():
        pytest.skip(f"no cases: {'CXR_CASES' if named else '../shared/cases'} is not there")
    return folder


@pytest.fixture
def free_port() -> Callable[[], int]:
    """A function that returns a loopback TCP port nobody listens on."""
    return _free_port


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Default settings with everything below the test's own folder, and no waiting."""
    return Settings(
        node={"data_dir": tmp_path / "node"},
        receive={"port": 0, "settle_seconds": 0, "settle_after_release_seconds": 0, "min_free_disk_bytes": 0},
        work={"poll_seconds": 0.02},
        delivery={"first_retry_seconds": 0.05},
    )


# --- databases -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cluster:
    """A throw-away PostgreSQL: reached through its socket in ``folder`` as the user ``cxrnode``."""

    folder: Path

    def url(self, name: str) -> str:
        return f"postgresql+psycopg://cxrnode@/{name}?host={self.folder}"

    def command(self, statement: str) -> None:
        engine = create_engine(self.url("postgres"), isolation_level="AUTOCOMMIT")
        try:
            with engine.connect() as connection:
                connection.execute(text(statement))
        finally:
            engine.dispose()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Cluster]:
    """A PostgreSQL of our own for the session, holding a migrated database named ``template``."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not programs:
        pytest.skip("PostgreSQL's server is not installed")
    user = _unprivileged_user()
    folder = Path(tempfile.mkdtemp(prefix="cxrnode-pg-"))
    if user is not None:
        os.chown(folder, user.pw_uid, user.pw_gid)
    who: dict[str, Any] = {} if user is None else {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    try:
        with _postgres(programs[-1].parent, folder, who):
            cluster = Cluster(folder)
            cluster.command("CREATE DATABASE template")
            _migrate(cluster.url("template"))
            yield cluster
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _unprivileged_user() -> pwd.struct_passwd | None:
    """Who runs PostgreSQL, which refuses to be root; None for ourselves."""
    if os.getuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    pytest.skip("PostgreSQL refuses to run as root, and there is no user postgres or nobody")


@contextmanager
def _postgres(programs: Path, folder: Path, who: dict[str, Any]) -> Iterator[None]:
    data = folder / "data"
    initdb = [programs / "initdb", "-D", data, "-U", "cxrnode", "--auth=trust", "--encoding=UTF8", "--no-locale"]
    subprocess.run([*initdb, "--no-sync"], check=True, capture_output=True, cwd="/", **who)
    options = {"listen_addresses": "", "unix_socket_directories": folder, "fsync": "off", "max_connections": 200}
    arguments = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [programs / "postgres", "-D", data, *arguments], stdout=log, stderr=subprocess.STDOUT, cwd="/", **who
        )
        try:
            _wait(lambda: (folder / ".s.PGSQL.5432").exists() and _answers(Cluster(folder)), server, folder / "log")
            yield
        finally:
            server.send_signal(signal.SIGINT)  # "fast": ends connections, then stops
            server.wait(STARTUP_SECONDS)


def _answers(cluster: Cluster) -> bool:
    try:
        cluster.command("SELECT 1")
    except Exception:  # noqa: BLE001 - not yet
        return False
    return True


def _wait(ready: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + STARTUP_SECONDS
    while not ready():
        if process.poll() is not None or time.monotonic() > end:
            pytest.fail(f"{process.args!s} did not start:\n{log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.05)


def _migrate(url: str) -> None:
    database = Database.open(url)
    try:
        schema.upgrade(database)
    finally:
        database.close()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty SQLite database to copy: faster than to migrate one for every test."""
    path = tmp_path_factory.mktemp("template") / "cxrnode.db"
    _migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a migrated, empty database of the test's own: the test runs on SQLite and on PostgreSQL."""
    if request.param == "sqlite":
        path = tmp_path / "cxrnode.db"
        shutil.copyfile(request.getfixturevalue("sqlite_template"), path)
        yield f"sqlite:///{path}"
        return
    cluster: Cluster = request.getfixturevalue("postgresql")
    name = f"test_{time.monotonic_ns()}"
    cluster.command(f"CREATE DATABASE {name} TEMPLATE template")
    yield cluster.url(name)
    cluster.command(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """An open, migrated, empty database: the test runs on SQLite and on PostgreSQL."""
    opened = Database.open(database_url)
    yield opened
    opened.close()


# --- peers -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def program() -> Callable[[str], str]:
    """A function from a program's name to Debian's own copy of it, by full path; skips where it is missing.

    By full path because pynetdicom brings programs of the same names as DCMTK's into the environment.
    """

    def find(name: str) -> str:
        for folder in ("/usr/bin", "/usr/sbin"):
            if os.access(path := f"{folder}/{name}", os.X_OK):
                return path
        pytest.skip(f"{name} is not installed")

    return find


@pytest.fixture(scope="session")
def dcmtk(program: Callable[[str], str]) -> Callable[[str], str]:
    """DCMTK's programs by full path, such as ``dcmtk("storescu")``; skips where DCMTK is missing."""
    return program


@dataclass(frozen=True)
class Orthanc:
    """A running Orthanc: ``url`` of its REST interface, and its DICOM port on 127.0.0.1."""

    url: str
    dicom_port: int
    ae_title: str

    def get(self, path: str) -> Any:
        """Return what a GET answers, as JSON."""
        return self._ask(path)

    def post(self, path: str, body: Any) -> Any:
        """Return what a POST of JSON answers, as JSON."""
        return self._ask(path, json.dumps(body).encode())

    def _ask(self, path: str, data: bytes | None = None) -> Any:
        with urllib.request.urlopen(f"{self.url}{path}", data=data, timeout=20) as answer:
            return json.load(answer)

    def find(self, level: str, **query: str) -> list[Any]:
        """Return the expanded resources of a level (Patient, Study, Series, Instance) whose tags match."""
        found = self.post("/tools/find", {"Level": level, "Query": query, "Expand": True})
        assert isinstance(found, list)
        return found

    def tags(self, instance: str) -> dict[str, Any]:
        """Return an instance's tags, by name."""
        tags = self.get(f"/instances/{instance}/simplified-tags")
        assert isinstance(tags, dict)
        return tags


@pytest.fixture
def start_orthanc(tmp_path: Path, program: Callable[[str], str]) -> Iterator[Callable[..., Orthanc]]:
    """A function that starts an Orthanc (keywords are further options of its settings file); skips without one."""
    executable = program("Orthanc")
    running: list[subprocess.Popen[bytes]] = []

    def start(ae_title: str = "ORTHANC", **options: Any) -> Orthanc:
        folder = tmp_path / f"orthanc{len(running)}"
        folder.mkdir()
        orthanc = Orthanc(f"http://127.0.0.1:{(http := _free_port())}", _free_port(), ae_title)
        (folder / "settings.json").write_text(
            json.dumps(
                {
                    "Name": ae_title, "DicomAet": ae_title, "HttpPort": http, "DicomPort": orthanc.dicom_port,
                    "HttpBindAddresses": ["127.0.0.1"], "RemoteAccessAllowed": True, "AuthenticationEnabled": False,
                    "StorageDirectory": str(folder / "storage"), "IndexDirectory": str(folder / "storage"),
                    "Plugins": [], "DicomAlwaysAllowStore": True, "DicomAlwaysAllowEcho": True,
                    "DicomCheckCalledAet": False, "OverwriteInstances": False,
                }
                | options
            )
        )  # fmt: skip
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen([executable, folder / "settings.json"], stdout=log, stderr=subprocess.STDOUT)
        running.append(process)

        def ready() -> bool:
            try:
                return bool(orthanc.get("/system"))
            except OSError:
                return False

        _wait(ready, process, folder / "log")
        return orthanc

    yield start
    for process in running:
        process.kill()  # it has nothing to save, and a polite end takes it seconds
        process.wait(STARTUP_SECONDS)


@pytest.fixture
def orthanc(start_orthanc: Callable[..., Orthanc]) -> Orthanc:
    """One running Orthanc with an empty store."""
    return start_orthanc()
