"""``cxrnode serve``: every service as a process of its own, restarted when it dies."""

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from config.errors import CxrnodeError
from config.load import load_settings
from config.logs import configure_logs, get_logger
from config.settings import Settings
from cxrnode.database_wait import when_reachable
from cxrnode.failures import SETTINGS_EXIT_CODE
from cxrnode.node_state import require_consistent
from cxrnode.preflight import require_runnable
from cxrnode.reload import on_hangup, reload
from cxrnode.service import PARENT_VARIABLE, wanted
from tracking.engine import schema
from tracking.engine.database import Database

log = get_logger(__name__)
_SHORT_LIFE_SECONDS = 10.0
_LONGEST_PAUSE_SECONDS = 30.0


@dataclass
class _Child:
    name: str
    process: subprocess.Popen[bytes] | None = None
    born: float = 0.0
    quick_deaths: int = 0
    start_at: float = 0.0
    leaving: bool = False
    """The settings do not want it any more: it ends, and is not started again."""
    proved: bool = False
    """It has run with these settings for a while, so they were good once."""

    def is_alive(self) -> bool:
        """Say whether its process runs."""
        return self.process is not None and self.process.poll() is None


@dataclass
class Supervisor:
    """Starts the services, restarts those that die (after a growing pause if they die young), stops them all."""

    settings: Settings
    config_file: Path | None
    children: list[_Child] = field(init=False)

    def __post_init__(self) -> None:
        self.children = [_Child(name) for name in wanted(self.settings)]

    def run(self) -> int:
        """Run until SIGTERM or SIGINT; return the exit code for the shell.

        Raises
        ------
        SettingsError
            The settings cannot run, or database and files do not belong together.
        """
        require_runnable(self.settings)
        configure_logs(self.settings.log, "serve")
        stopping = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stopping.set())
        hangup = on_hangup(stopping)
        self._prepare_database(stopping)
        code = 0
        while code == 0 and not stopping.is_set():
            if hangup.is_set():
                hangup.clear()
                self._reload()
            code = self._look_after()
            stopping.wait(0.1)
        self._stop_all()
        return code

    def _prepare_database(self, stopping: threading.Event) -> None:
        """Make the schema ready; wait for a database that is away, as after a power cut that struck both machines."""
        database = Database.open(self.settings.database_url(), service="serve")
        try:
            when_reachable(lambda: self._require_database(database), stopping)
        finally:
            database.close()

    def _require_database(self, database: Database) -> None:
        schema.ensure(database)
        require_consistent(self.settings, database)

    def _reload(self) -> None:
        """Read the settings anew, have every service do so, and start or end those that are wanted or not."""
        try:
            reloaded = reload(self.settings, lambda: load_settings(self.config_file))
        except CxrnodeError as error:
            log.error("settings-not-reloaded", error=str(error))
            return
        self.settings = reloaded.settings
        names = wanted(self.settings)
        for child in self.children:
            if child.process is not None and child.name in names:
                child.process.send_signal(signal.SIGHUP)
            elif child.name not in names:
                child.leaving = True
                if child.process is not None:
                    child.process.terminate()
        known = {child.name for child in self.children if not child.leaving}
        self.children += [_Child(name) for name in names if name not in known]

    def _look_after(self) -> int:
        self.children = [child for child in self.children if not child.leaving or child.is_alive()]
        for child in self.children:
            if child.leaving:
                continue
            if child.process is None:
                if time.monotonic() >= child.start_at:
                    self._start(child)
            elif (code := child.process.poll()) is None:
                child.proved = child.proved or time.monotonic() - child.born > _SHORT_LIFE_SECONDS
            else:
                # Settings that were good once are being edited: that must not end the services that still run.
                if code == SETTINGS_EXIT_CODE and not child.proved:
                    log.error("service-refused-settings", kind=child.name, exit_code=code)
                    child.process = None
                    return code
                self._plan_restart(child, code)
        return 0

    def _start(self, child: _Child) -> None:
        # -P: a folder named config or reporting where the node is started must not stand in for ours.
        command = [sys.executable, "-P", "-m", "cxrnode"]
        if self.config_file is not None:
            command += ["--config", str(self.config_file)]
        environment = {**os.environ, PARENT_VARIABLE: str(os.getpid())}
        child.process = subprocess.Popen([*command, child.name], env=environment)  # noqa: S603
        child.born = time.monotonic()
        log.info("service-process", kind=child.name, pid=child.process.pid)

    def _plan_restart(self, child: _Child, code: int) -> None:
        lived = time.monotonic() - child.born
        child.quick_deaths = child.quick_deaths + 1 if lived < _SHORT_LIFE_SECONDS else 0
        pause = min(_LONGEST_PAUSE_SECONDS, 0.25 * 2.0 ** min(child.quick_deaths, 30)) if child.quick_deaths else 0.0
        child.start_at = time.monotonic() + pause
        child.process = None
        log.warning("service-died", kind=child.name, exit_code=code, delay_s=pause)

    def _stop_all(self) -> None:
        """Ask all to stop; what does not within its drain time is killed, which loses nothing."""
        running = [child.process for child in self.children if child.process is not None]
        for process in running:
            process.terminate()
        deadline = time.monotonic() + self.settings.work.drain_seconds + 10
        for process in running:
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                log.warning("service-killed", pid=process.pid)
                process.kill()
                process.wait()
