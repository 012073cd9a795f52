"""SIGHUP: services go on with new settings, wrong ones change nothing, and what needs a restart is said."""

import functools
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import tomlkit
from sqlalchemy.exc import OperationalError

from config.errors import SettingsError
from config.settings import Settings
from cxrnode import database_wait, supervise
from cxrnode.reload import changed_keys, reload
from cxrnode.service import _go_on
from cxrnode.supervise import Supervisor
from tests.nodes import Node
from tracking.audit_log import audit
from tracking.engine.database import Database

sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def changed(settings: Settings, **tables: dict[str, object]) -> Settings:
    """Return other settings: ``changed(settings, work={"threads": 2})``."""
    sections = {name: getattr(settings, name).model_copy(update=values) for name, values in tables.items()}
    return settings.model_copy(update=sections)


def test_the_keys_that_differ_are_named(settings: Settings, tmp_path: Path) -> None:
    other = changed(settings, work={"threads": 2}, node={"data_dir": tmp_path / "other", "institution": "x"})
    assert list(changed_keys(settings, other)) == ["node.data_dir", "node.institution", "work.threads"]
    assert list(changed_keys(settings, settings)) == []


def test_where_files_and_database_are_stays_until_a_restart(settings: Settings, tmp_path: Path) -> None:
    other = Settings(
        node={"data_dir": tmp_path / "other"}, database={"url": "sqlite:////tmp/x.db"}, work={"threads": 2},
        receive=settings.receive.model_dump(), delivery=settings.delivery.model_dump(),
    )  # fmt: skip
    reloaded = reload(settings, lambda: other)
    assert reloaded.need_restart == ("database.url", "node.data_dir")
    assert set(reloaded.changed) == {"work.threads", "work.poll_seconds"}
    assert reloaded.settings.node.data_dir == settings.node.data_dir
    assert reloaded.settings.database == settings.database
    with pytest.raises(SettingsError, match=r"inference\.package"):
        reload(settings, lambda: changed(settings, inference={"package": "nowhere"}))


class Recorded:
    """A service that notes what is asked of it; it does not start with an empty institution name ``bad``."""

    def __init__(self, settings: Settings, asked: list[str]) -> None:
        self.name, self.asked = settings.node.institution, asked

    def start(self) -> None:
        self.asked.append(f"start {self.name}")
        if self.name == "bad":
            raise OSError
        if self.name == "away" and self.asked.count("start away") < 3:
            raise OperationalError("select", None, Exception("the database system is shutting down"))

    def stop(self) -> None:
        self.asked.append(f"stop {self.name}")


@sqlite
def test_a_service_goes_on_with_new_settings_or_with_those_it_had(settings: Settings, database: Database) -> None:
    asked: list[str] = []

    def build(settings: Settings, _database: Database) -> Recorded:
        return Recorded(settings, asked)

    running, service = changed(settings, node={"institution": "a"}), Recorded(settings, asked)
    service.name = "a"

    def go_on(institution: str) -> None:
        nonlocal running, service
        wanted = changed(settings, node={"institution": institution})
        running, service = _go_on("receive", running, service, build, lambda: wanted, database, threading.Event())  # type: ignore[assignment]

    go_on("a")
    assert asked == []
    go_on("b")
    assert (asked, running.node.institution) == (["stop a", "start b"], "b")
    asked.clear()
    go_on("bad")
    assert (asked, running.node.institution) == (["stop b", "start bad", "start b"], "b")
    with database.reading() as read:
        lines = [line for line in audit.lines(read) if line.type == "configuration-changed"]
    assert [line.detail["keys"] for line in lines] == ["node.institution"]


@sqlite
@pytest.mark.fault(
    "the database is away while a service takes new settings",
    promise="the service waits for it, and goes on with them",
    area="database",
)
def test_a_service_that_takes_new_settings_waits_for_its_database(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_wait, "PAUSE_SECONDS", 0.01)
    asked: list[str] = []
    wanted = changed(settings, node={"institution": "away"})
    running, _ = _go_on(
        "receive", settings, Recorded(settings, asked), lambda told, _: Recorded(told, asked), lambda: wanted,
        database, threading.Event(),
    )  # fmt: skip
    assert running.node.institution == "away"
    assert asked[1:] == ["start away"] * 3


def test_the_supervisor_starts_and_ends_what_is_wanted(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    supervisor = Supervisor(settings, None)

    def sleeping() -> subprocess.Popen[bytes]:
        """Return a process that SIGHUP ends, also where these tests run under nohup."""
        set_default = functools.partial(signal.signal, signal.SIGHUP, signal.SIG_DFL)
        return subprocess.Popen(["sleep", "60"], preexec_fn=set_default)  # noqa: PLW1509 - no thread runs here

    for child in supervisor.children:
        child.process = sleeping()
    try:
        monkeypatch.setattr(supervise, "load_settings", lambda _: changed(settings, console={"enabled": True}))
        supervisor._reload()
        assert [child.name for child in supervisor.children] == ["receive", "work", "deliver", "console"]
        received = [child.process.wait(20) for child in supervisor.children if child.process is not None]
        assert received == [-signal.SIGHUP] * 3, "each is told"
        console = supervisor.children[-1]
        console.process = sleeping()
        monkeypatch.setattr(supervise, "load_settings", lambda _: settings)
        supervisor._reload()
        assert console.leaving
        assert console.process.wait(20) == -signal.SIGTERM
    finally:
        for child in supervisor.children:
            if child.process is not None and child.process.poll() is None:
                child.process.kill()
                child.process.wait()
    monkeypatch.setattr(Supervisor, "_start", lambda *_: None)
    supervisor._look_after()
    assert [child.name for child in supervisor.children] == ["receive", "work", "deliver"]


@pytest.mark.fault(
    "the settings file is wrong when SIGHUP has it read anew",
    promise="logged with the cure; every service goes on with the settings it had",
    area="content",
)
def test_the_receiver_moves_to_another_port_and_stays_where_the_file_is_wrong(
    start_node: Callable[..., Node], free_port: Callable[[], int]
) -> None:
    node = start_node(1, ["receive"])
    node.await_ready()
    content = tomlkit.parse(node.settings_file.read_text(encoding="utf-8"))
    port = free_port()
    content["receive"]["port"] = port  # type: ignore[index]
    node.settings_file.write_text(tomlkit.dumps(content), encoding="utf-8")
    process = node.processes["receive"]
    process.send_signal(signal.SIGHUP)
    node.settings = changed(node.settings, receive={"port": port})
    node.await_ready()
    node.settings_file.write_text("[receive]\nport = 'x'\n", encoding="utf-8")
    process.send_signal(signal.SIGHUP)
    deadline = time.monotonic() + 60
    while "settings-not-reloaded" not in node.logs() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert "receive.port" in node.logs()
    node.await_ready()
    assert process.poll() is None
    assert "configuration-changed" in node.audit_text()
