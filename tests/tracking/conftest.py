"""Records to put into the database."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.tracking.books import Books, finding
from tracking.engine.database import Database
from tracking.outbox import documents
from tracking.outbox.documents import DocumentRecord
from tracking.results.analyses import AnalysisRecord, OutcomeRecord, record_analysis
from tracking.studies.instances import IncomingInstance, Registered, StudyHeader, register_instance

Receive = Callable[..., Registered]


@pytest.fixture
def receive(database: Database) -> Receive:
    """Return a function that registers an instance: ``receive("1.1", study="1.9", sha256=…)``."""

    def register(
        instance_uid: str, *, study: str = "1.9", sha256: str = "a" * 64, settle: float = 0, patient: str = "Doe^Jane"
    ) -> Registered:
        incoming = IncomingInstance(
            instance_uid=instance_uid, sop_class_uid="1.2.840.10008.5.1.4.1.1.1", series_uid="1.8",
            transfer_syntax_uid="1.2.840.10008.1.2.1", modality="CR", sha256=sha256, size=7, path="ab/cd",
            calling_ae="MODALITY", called_ae="CXRNODE", address="127.0.0.1",
            study=StudyHeader(study, accession_number="ACC", patient_name=patient),
        )  # fmt: skip
        with database.transaction() as tx:
            return register_instance(tx, incoming, settle_seconds=settle)

    return register


@pytest.fixture
def books(database: Database) -> Books:
    """The database, empty."""
    return Books(database)


@pytest.fixture
def analyse(database: Database) -> Callable[..., None]:
    """Return a function that records an analysis of instances of a study revision."""

    def record(study: str, revision: int, *instance_uids: str, because: str | None = None, **more: Any) -> None:
        found = () if because else (finding(),)
        reason = "view" if because else None
        outcomes = tuple(OutcomeRecord(uid, reason, because, found) for uid in instance_uids)
        with database.transaction() as tx:
            record_analysis(
                tx,
                AnalysisRecord(study, revision, "m", "1.0", "d" * 64, "litert", 0.1, outcomes, {"read": 0.01}),
                **more,
            )

    return record


@pytest.fixture
def build(database: Database) -> Callable[..., None]:
    """Return a function that records the documents of an analysis, with routes to destinations."""

    def record(analysis_id: int, *destinations: str, quarantined: str | None = None, kind: str = "sr") -> None:
        uid = f"2.25.{analysis_id}" if kind == "sr" else f"2.25.{analysis_id}.{kind}"
        record = DocumentRecord(kind, uid, "2.25.1", "1.2", "x.dcm", "s" * 64, 9, quarantined)
        with database.transaction() as tx:
            documents.record_documents(tx, analysis_id, [record], [(record.uid, name) for name in destinations])

    return record


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database without any table, on SQLite and on PostgreSQL."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'empty.db'}"
    else:
        cluster: Any = request.getfixturevalue("postgresql")
        name = f"empty_{time.monotonic_ns()}"
        cluster.command(f"CREATE DATABASE {name}")
        url = cluster.url(name)
    opened = Database.open(url)
    yield opened
    opened.close()
