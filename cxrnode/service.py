"""One service in one process: set up, run until asked to stop, drain, say goodbye."""

import contextlib
import ctypes
import gc
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Protocol

from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError

from config.errors import CxrnodeError, PackageError
from config.files import keep_private
from config.logs import configure_logs, get_logger
from config.settings import Settings
from cxrnode import canary
from cxrnode.database_wait import when_reachable
from cxrnode.node_state import keep_anchor, require_consistent
from cxrnode.prune import prune_when_due
from cxrnode.reload import on_hangup, reload
from cxrnode.upkeep import delete_old_uploads
from tracking.audit_log import audit
from tracking.audit_log.audit import AuditEventType
from tracking.engine import schema
from tracking.engine.database import Database
from tracking.jobs import queue
from tracking.jobs.loop import Handler, Lane, WorkLoop
from tracking.outbox import confirmations, renaming

log = get_logger(__name__)
PARENT_VARIABLE = "_CXRNODE_SUPERVISOR"
_PR_SET_PDEATHSIG = 1
_ANCHOR_SECONDS = 60
_READING_POINTS = frozenset({"work", "console"})
"""Services that go by the operating points."""


class Service(Protocol):
    """Something that works in its own threads between start and stop."""

    def start(self) -> None:
        """Begin; return when ready."""

    def stop(self) -> None:
        """Take nothing new, finish what is in hand, return."""


Build = Callable[[Settings, Database], Service]


def run(name: str, settings: Settings, build: Build, read: Callable[[], Settings]) -> None:
    """Run a service until SIGTERM or SIGINT, or until the supervisor that started it is gone.

    On SIGHUP the settings are read anew by ``read``, and the service goes on with them. While the database is away, a
    service that starts waits for it.
    """
    keep_private()
    configure_logs(settings.log, name)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    hangup = on_hangup(stopping)
    parent = _follow_supervisor()
    database = Database.open(settings.database_url(), service=name)
    try:
        service = when_reachable(lambda: come_up(name, settings, build, database), stopping)
        if service is None:
            return
        when_reachable(lambda: _note(database, AuditEventType.SERVICE_STARTED), stopping)
        log.info("service-started", pid=os.getpid(), dialect=database.dialect)
        anchored = time.monotonic() - _ANCHOR_SECONDS
        while not stopping.wait(1):
            if hangup.is_set():
                hangup.clear()
                settings, service = _go_on(name, settings, service, build, read, database, stopping)
                gc.collect()  # of the service that ended: its networks are in cycles, and large
            if time.monotonic() - anchored >= _ANCHOR_SECONDS:
                keep_anchor(settings, database)
                if name == "work":
                    _keep_up(settings, database, stopping)
                anchored = time.monotonic()
            if parent is not None and os.getppid() != parent:
                log.warning("supervisor-gone", pid=parent)
                stopping.set()
        service.stop()
        with contextlib.suppress(OperationalError, InterfaceError):  # it is away; the log has the line below
            _note(database, AuditEventType.SERVICE_STOPPED)
        keep_anchor(settings, database)
        log.info("service-stopped", pid=os.getpid())
    finally:
        database.close()


def come_up(name: str, settings: Settings, build: Build, database: Database) -> Service:
    """Make the database ready, and build and start a service.

    Raises
    ------
    OperationalError, InterfaceError
        The database is away; nothing has been started.
    CxrnodeError
        Database, files or settings do not belong together or cannot run.
    """
    schema.ensure(database)
    require_consistent(settings, database)
    if name in _READING_POINTS:
        _take_points(settings, database)
    return _started(settings, build, database)


def _started(settings: Settings, build: Build, database: Database) -> Service:
    service = build(settings, database)
    service.start()
    return service


def _go_on(
    name: str,
    settings: Settings,
    service: Service,
    build: Build,
    read: Callable[[], Settings],
    database: Database,
    stopping: threading.Event,
) -> tuple[Settings, Service]:
    """Read the settings anew; where they changed, end the service and build it again; return what runs then.

    While the database is away it is waited for.

    Settings that are wrong, or with which the service does not start, leave it with those that it had.
    """
    try:
        reloaded = reload(settings, read)
    except CxrnodeError as error:
        log.error("settings-not-reloaded", error=str(error))
        return settings, service
    if reloaded.need_restart:
        log.warning("settings-need-restart", reason=", ".join(reloaded.need_restart))
    if not reloaded.changed:
        log.info("settings-unchanged")
        return settings, service
    service.stop()
    try:
        successor = when_reachable(lambda: _started(reloaded.settings, build, database), stopping)
    except (CxrnodeError, OSError) as error:
        log.error("settings-not-reloaded", error=str(error))
        successor = when_reachable(lambda: _started(settings, build, database), stopping)
        return settings, successor or service
    if successor is None:
        return settings, service
    configure_logs(reloaded.settings.log, name)
    if name in _READING_POINTS:
        when_reachable(lambda: _take_points(reloaded.settings, database), stopping)
    keys = ", ".join(reloaded.changed)
    when_reachable(lambda: _note(database, AuditEventType.CONFIGURATION_CHANGED, keys=keys), stopping)
    log.info("settings-reloaded", reason=", ".join(reloaded.changed))
    return reloaded.settings, successor


def _take_points(settings: Settings, database: Database) -> None:
    """Write the operating points of the settings file into the database, where all services read them."""
    from inference.site_points import take_settings

    with contextlib.suppress(PackageError):  # the service that opens the package says what is wrong
        take_settings(settings.inference, database)


def _keep_up(settings: Settings, database: Database, stopping: threading.Event) -> None:
    """Send the canary, delete what has had its time; a failure at one waits for the next time, and keeps no other."""
    for what, look_after in (
        ("canary", partial(canary.keep_up, settings, database)),
        ("uploads", partial(delete_old_uploads, settings, database)),
        ("retention", partial(prune_when_due, settings, database, stopping.is_set)),
    ):
        try:
            look_after()
        except (OSError, SQLAlchemyError) as error:
            log.warning("attempt-failed", reason=what, error=type(error).__name__)


def receiver(settings: Settings, database: Database) -> Service:
    """Build the Storage SCP."""
    from dicom_node.storage_scp.receive import Receiver

    return Receiver(settings, database)


def worker(settings: Settings, database: Database) -> Service:
    """Build the worker: examinations, analyses and reports, with the model loaded once.

    Examinations have a lane of their own: many new images never hold up a study whose images are ready.
    """
    from inference.comparison import CompareHandler
    from inference.worker import AnalyseHandler, ExamineHandler, Examiner
    from reporting.capture.radiograph_cache import RadiographCache
    from reporting.compose import ReportHandler

    cache = RadiographCache(settings.report.capture_longest_side)
    examiner = Examiner(settings, cache.put)
    wanted = any(destination.not_analysed for destination in settings.destinations)
    handlers: dict[str, Handler] = {
        "examine": ExamineHandler(examiner, database),
        "compare": CompareHandler(settings, database),
        "analyse": AnalyseHandler(
            examiner, database, say_not_analysed=wanted, critical=settings.report.critical_findings
        ),
        "report": ReportHandler(settings, database, cache.take),
    }
    lanes = [Lane(("report", "analyse"), settings.work.threads), Lane(("examine", "compare"), settings.work.threads)]
    return WorkLoop(database, handlers, lanes, settings.work, settings.delivery)


def deliverer(settings: Settings, database: Database) -> Service:
    """Build the deliverer: a lane of its own for each destination, so that none waits for another.

    What is bound for a destination that left the settings gets a lane, too, where it stops and says why; without
    one it would wait in silence for ever.
    """
    from dicom_node.storage_commitment.confirm import ConfirmHandler
    from reporting.delivery.deliver import DeliverHandler

    known = {destination.name for destination in settings.destinations}
    for destination in settings.destinations:
        with database.transaction() as tx:
            for name in destination.formerly:
                renaming.rename_destination(tx, name, destination.name)
            renaming.restart_without_destination(tx, destination.name)
    with database.reading() as read:
        unconfirmed = set(queue.destinations(read, confirmations.QUEUE))
        bound = unconfirmed.union(queue.destinations(read, "deliver"))
    lanes = [
        Lane(("deliver",), getattr(destination, "associations", 1), destination.name)
        for destination in settings.destinations
    ]
    lanes += [
        Lane((confirmations.QUEUE,), 1, entry.name)
        for entry in settings.destinations
        if getattr(entry, "confirm", "stored") != "stored" or entry.name in unconfirmed  # confirmed by an older setting
    ]
    lanes += [Lane(("deliver", confirmations.QUEUE), 1, name) for name in sorted(bound - known)]
    handlers: dict[str, Handler] = {
        "deliver": DeliverHandler(settings, database), confirmations.QUEUE: ConfirmHandler(settings, database),
    }  # fmt: skip
    return WorkLoop(database, handlers, lanes, settings.work, settings.delivery)


def console(settings: Settings, database: Database) -> Service:
    """Build the web pages; a node without a user gets its first one."""
    from console.server import Console
    from cxrnode import first_login

    first_login.announce(database)
    return Console(settings, database)


SERVICES: dict[str, Callable[[Settings, Database], Service]] = {
    "receive": receiver,
    "work": worker,
    "deliver": deliverer,
    "console": console,
}


def wanted(settings: Settings) -> list[str]:
    """Return the services that run together on one machine: the console only where it is enabled."""
    return [name for name in SERVICES if name != "console" or settings.console.enabled]


def _note(database: Database, event: AuditEventType, **detail: str) -> None:
    with database.transaction() as tx:
        audit.append(tx, event, detail={"pid": os.getpid(), **detail})


def _follow_supervisor() -> int | None:
    """Ask the kernel to stop us when the supervisor dies, even by SIGKILL; return its process number."""
    parent = os.environ.get(PARENT_VARIABLE)
    if parent is None:
        return None
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    return int(parent)
