"""A process that dies at any step of taking a result back leaves nothing half done, and nothing is told twice."""

import importlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from config.settings import Settings
from inference.findings import Finding
from tests.reporting.conftest import Studies, opacity_findings
from tests.reporting.way import USER, Way, open_way
from tracking.engine.database import Database
from tracking.jobs import queue
from tracking.lists import standing
from tracking.outbox.reasons import Reason
from tracking.outbox.withdrawal import withdraw_study

pytestmark = pytest.mark.faults


class Died(BaseException):
    """Stands for SIGKILL: no handler of errors sees it."""


@pytest.fixture
def way(settings: Settings, tmp_path: Path, sqlite_template: Path) -> Iterator[Way]:
    path = tmp_path / "cxrnode.db"
    shutil.copyfile(sqlite_template, path)
    database = Database.open(f"sqlite:///{path}")
    with open_way(Studies(settings, database), settings) as opened:
        yield opened
    database.close()


def die_once(monkeypatch: pytest.MonkeyPatch, point: str) -> list[str]:
    """Let the function at a point, ``module:name:before`` or ``after``, end the process the first time; say if it did.

    A list that stays empty was never met.
    """
    module_name, name, when = point.split(":")
    module = importlib.import_module(module_name)
    original, met = getattr(module, name), []

    def wrapped(*args: Any, **options: Any) -> Any:
        if not met and when == "before":
            met.append(point)
            raise Died
        result = original(*args, **options)
        if not met:
            met.append(point)
            raise Died
        return result

    monkeypatch.setattr(module, name, wrapped)
    return met


def restart(way: Way) -> None:
    """End the leases of the dead, as a process that starts does."""
    with way.database.transaction() as tx:
        queue.end_leases(tx, queue.leases(tx))


@pytest.mark.parametrize(
    "point",
    [
        pytest.param("tracking.outbox.withdrawal:drop_undelivered:before", marks=pytest.mark.long),
        "tracking.outbox.withdrawal:take_back:before",
        pytest.param("tracking.outbox.withdrawal:take_back:after", marks=pytest.mark.long),
        pytest.param("reporting.delivery.deliver:load_note:after", marks=pytest.mark.long),
        "reporting.delivery.deliver:build_note:after",
        pytest.param("reporting.delivery.deliver:record_built:before", marks=pytest.mark.long),
        "reporting.delivery.deliver:record_built:after",
        pytest.param("reporting.delivery.dicom_carrier:offer:after", marks=pytest.mark.long),
        "reporting.delivery.dicom_carrier:record_delivered:after",
    ],
)
@pytest.mark.fault(
    "a process ends at any step of taking a result back",
    promise="nothing is half done, and nothing is told twice",
    area="killed",
)
def test_death_while_a_result_is_taken_back(way: Way, monkeypatch: pytest.MonkeyPatch, point: str) -> None:
    said: tuple[Finding, ...] = opacity_findings()
    way.receive(1, said)
    way.work()
    met = die_once(monkeypatch, point)
    for _ in range(3):
        try:
            with way.database.transaction() as tx:
                withdraw_study(tx, way.study, reason=Reason.SAFETY, why="w", told=way.told, user=USER)
            way.work()
        except Died:
            restart(way)
    assert met == [point]
    assert way.archive.shown() == []
    assert len(way.archive.notes) == 1
    assert [message[4][25] for message in way.messages()] == ["P", "C"]
    assert way.states("note") == way.states("hl7-note") == ["delivered"]
    assert way.summary().status == "withdrawn"
    assert way.events().count("study-withdrawn") == 1
    with way.database.reading() as read:
        assert list(standing.drift(read)) == []
