"""Each service as it is built from the settings."""

import threading
import time
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from config.settings import Settings
from cxrnode import database_wait
from cxrnode.database_wait import when_reachable
from cxrnode.service import come_up, deliverer, wanted, worker
from cxrnode.supervise import Supervisor
from tracking.engine import schema
from tracking.engine.database import Database
from tracking.jobs import queue
from tracking.jobs.loop import WorkLoop
from tracking.outbox import documents
from tracking.outbox.documents import DocumentRecord
from tracking.results.analyses import AnalysisRecord, FindingRecord, OutcomeRecord, record_analysis
from tracking.studies.instances import IncomingInstance, StudyHeader, register_instance


def put_delivery(database: Database, destination: str) -> None:
    """Record a study with one document that is due at a destination."""
    incoming = IncomingInstance(
        "1.1", "1.2.840.10008.5.1.4.1.1.1", "1.8", "1.2.840.10008.1.2.1", "CR", "a" * 64, 7, "ab/cd", "M", "C",
        "127.0.0.1", StudyHeader("1.9"),
    )  # fmt: skip
    found = FindingRecord("lung_opacity", "112001", "DCM", "Opacity", 0.8, "present", True, {})
    outcomes = (OutcomeRecord("1.1", None, None, (found,)),)
    with database.transaction() as tx:
        register_instance(tx, incoming, settle_seconds=0)
    with database.transaction() as tx:
        record_analysis(tx, AnalysisRecord("1.9", 1, "m", "1", "d" * 64, "litert", 0.1, outcomes, {}))
    with database.transaction() as tx:
        record = DocumentRecord("sr", "2.25.1", "2.25.2", "1.2", "x.dcm", "s" * 64, 9, None)
        documents.record_documents(tx, 1, [record], [(record.uid, destination)])


@pytest.mark.fault(
    "a destination leaves the settings while work waits for it",
    promise="the work stops and says so; nothing is lost or waits in silence",
    area="peer",
)
def test_what_waits_for_a_destination_that_left_the_settings_stops_and_says_so(tmp_path: Path) -> None:
    settings = Settings(node={"data_dir": tmp_path}, work={"poll_seconds": 0.02})
    database = Database.open(settings.database_url())
    schema.ensure(database)
    put_delivery(database, "gone")
    service = deliverer(settings, database)
    service.start()
    deadline = time.monotonic() + 5
    counts: dict[tuple[str, str], int] = {}
    while ("deliver", "stopped") not in counts and time.monotonic() < deadline:
        time.sleep(0.05)
        with database.reading() as read:
            counts = queue.depth(read)
    service.stop()
    database.close()
    assert counts["deliver", "stopped"] == 1


def test_many_new_images_never_hold_up_a_study_whose_images_are_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inference.worker.Examiner", lambda *_: None)
    settings = Settings(node={"data_dir": tmp_path})
    database = Database.open(settings.database_url())
    service = worker(settings, database)
    database.close()
    assert isinstance(service, WorkLoop)
    assert [lane.queues for lane in service.lanes] == [("report", "analyse"), ("examine", "compare")]


def test_the_web_pages_run_with_the_others_only_where_they_are_enabled() -> None:
    without, together = Settings(), Settings(console={"enabled": True})
    assert wanted(without) == ["receive", "work", "deliver"]
    assert [child.name for child in Supervisor(together, None).children] == ["receive", "work", "deliver", "console"]


@pytest.mark.fault(
    "PostgreSQL is killed while a service starts",
    promise="the service does not give up; it comes up when the database is back",
    area="database",
)
def test_a_service_waits_for_a_database_that_goes_away_while_it_comes_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(node={"data_dir": tmp_path}, work={"poll_seconds": 0.02})
    database = Database.open(settings.database_url())
    built: list[Settings] = []

    def build(settings: Settings, database: Database) -> WorkLoop:
        built.append(settings)
        if len(built) < 3:
            raise OperationalError("select", None, Exception("the database system is starting up"))
        service = deliverer(settings, database)
        assert isinstance(service, WorkLoop)
        return service

    monkeypatch.setattr(database_wait, "PAUSE_SECONDS", 0.01)
    service = when_reachable(lambda: come_up("deliver", settings, build, database), threading.Event())
    assert service is not None
    service.stop()
    database.close()
    assert len(built) == 3


def test_a_service_that_waits_for_its_database_stops_when_told_to() -> None:
    stopping = threading.Event()

    def attempt() -> None:
        stopping.set()
        raise OperationalError("connect", None, Exception("connection refused"))

    assert when_reachable(attempt, stopping) is None
