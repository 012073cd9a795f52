"""The supervisor: services come back whatever they die of, and the node starts when its database does."""

import subprocess
import sys
import threading
import time

import pytest
from sqlalchemy.exc import OperationalError

from config.settings import Settings
from cxrnode import database_wait, supervise
from cxrnode.failures import SETTINGS_EXIT_CODE
from cxrnode.supervise import Supervisor
from tracking.engine import schema


def refuse(supervisor: Supervisor) -> None:
    """Let every service end as one does that refuses its settings."""
    for child in supervisor.children:
        child.process = subprocess.Popen([sys.executable, "-c", f"raise SystemExit({SETTINGS_EXIT_CODE})"])
        child.process.wait()
        child.born = time.monotonic()


def test_settings_that_are_wrong_from_the_start_end_the_node(settings: Settings) -> None:
    supervisor = Supervisor(settings, None)
    refuse(supervisor)
    assert supervisor._look_after() == SETTINGS_EXIT_CODE


@pytest.mark.fault(
    "the settings file breaks while services run",
    promise="the services that run go on",
    area="content",
)
def test_settings_that_break_later_do_not_end_the_services_that_run(settings: Settings) -> None:
    supervisor = Supervisor(settings, None)
    refuse(supervisor)
    for child in supervisor.children:
        child.proved = True
    assert supervisor._look_after() == 0
    assert all(child.start_at > time.monotonic() for child in supervisor.children)


@pytest.mark.fault(
    "a service ends at once, for days",
    promise="it is started again after growing pauses, and the others go on",
    area="killed",
)
def test_a_service_that_dies_at_once_for_days_does_not_end_the_others(settings: Settings) -> None:
    supervisor = Supervisor(settings, None)
    child = supervisor.children[0]
    child.quick_deaths, child.born = 5000, time.monotonic()
    supervisor._plan_restart(child, 1)
    assert 0 < child.start_at - time.monotonic() <= 30


@pytest.mark.fault(
    "PostgreSQL is not there yet when the node starts",
    promise="the node waits for it",
    area="database",
)
def test_the_node_waits_for_a_database_that_starts_later(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [OperationalError("connect", None, Exception("connection refused")), None]

    def ensure(_database: object) -> None:
        if (error := answers.pop(0)) is not None:
            raise error

    monkeypatch.setattr(schema, "ensure", ensure)
    monkeypatch.setattr(supervise, "require_consistent", lambda *_: None)
    monkeypatch.setattr(database_wait, "PAUSE_SECONDS", 0.05)
    Supervisor(settings, None)._prepare_database(threading.Event())
    assert answers == []
