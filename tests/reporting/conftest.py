"""A study in the instance store and in the database, analysed, with its report due."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from PIL import ImageDraw
from pydicom import Dataset
from sqlalchemy import func, select

from config.destinations import DicomDestination, Hl7Destination
from config.settings import Settings
from inference.findings import Finding, finding_to_json
from reporting.compose import ReportHandler
from tests.accounts import MODEL, finding
from tests.phantoms import phantom_dataset
from tracking.engine.database import Database
from tracking.jobs import queue
from tracking.jobs.queue import Job
from tracking.results.analyses import AnalysisRecord, FindingRecord, OutcomeRecord, record_analysis
from tracking.studies.instances import IncomingInstance, StudyHeader, register_instance
from tracking.tables.models import Analysis


def record_of(made: Finding) -> FindingRecord:
    """Return a finding as the tracking room keeps it."""
    return FindingRecord(
        made.label, made.code.value, made.code.scheme, made.code.meaning, made.score, made.level.value, made.abnormal,
        finding_to_json(made),
    )  # fmt: skip


@dataclass
class Studies:
    """Puts phantoms into a node's store and database, and their analyses."""

    settings: Settings
    database: Database

    def receive(self, dataset: Dataset, content: bytes | None = None) -> str:
        """Store a data set as the receiver would, the bytes of its file where given; return its SOP Instance UID."""
        uid = str(dataset.SOPInstanceUID)
        path = self.settings.instance_dir / f"{uid}.dcm"
        path.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            dataset.save_as(path, enforce_file_format=True)
        else:
            path.write_bytes(content)
        incoming = IncomingInstance(
            instance_uid=uid, sop_class_uid=str(dataset.SOPClassUID), series_uid=str(dataset.SeriesInstanceUID),
            transfer_syntax_uid=str(dataset.file_meta.TransferSyntaxUID), modality=str(dataset.Modality),
            sha256="0" * 64, size=1, path=path.name, calling_ae="A", called_ae="B", address="127.0.0.1",
            study=StudyHeader(
                str(dataset.StudyInstanceUID),
                patient_id=str(dataset.get("PatientID", "")),
                issuer_of_patient_id=str(dataset.get("IssuerOfPatientID", "")),
                patient_name=str(dataset.get("PatientName", "")),
                patient_birth_date=str(dataset.get("PatientBirthDate", "")),
                patient_sex=str(dataset.get("PatientSex", "")),
            ),
        )  # fmt: skip
        with self.database.transaction() as tx:
            register_instance(tx, incoming, settle_seconds=0)
        return uid

    def begin_analysis(self) -> None:
        """Take the analysis that is due, as a worker would: what arrives later belongs to the next revision."""
        job = queue.claim(self.database, ("analyse",), "test/1/1", 60_000)
        assert job is not None
        with self.database.transaction() as tx:
            queue.finish(tx, job)

    def analyse(self, study_uid: str, outcomes: dict[str, tuple[Finding, ...] | str], revision: int = 1) -> Job:
        """Record an analysis: findings, or why not, by instance; return a job to report it."""
        records = tuple(
            OutcomeRecord(uid, "view", said, ())
            if isinstance(said, str)
            else OutcomeRecord(uid, None, None, tuple(record_of(made) for made in said))
            for uid, said in outcomes.items()
        )
        record = AnalysisRecord(
            study_uid, revision, MODEL.name, MODEL.version, MODEL.digest, MODEL.engine, 0.1, records, {"decode": 0.1}
        )
        with self.database.transaction() as tx:
            record_analysis(tx, record)
        with self.database.reading() as read:
            analysis_id = read.scalars(select(func.max(Analysis.id))).one()
        return Job(analysis_id, f"report:{analysis_id}", "report", None, {"analysis_id": analysis_id}, 1, 0, 0, 0)

    def report(self, settings: Settings, job: Job) -> None:
        """Build an analysis's documents, and record each part of them as the loop would."""
        for commit in ReportHandler(settings, self.database).run(job):
            with self.database.transaction() as tx:
                commit(tx)


@pytest.fixture
def with_destinations(settings: Settings) -> Callable[..., Settings]:
    """A function from ports to settings with a PACS, a viewer that wants captures only, and a RIS."""

    def make(pacs: int = 1, ris: int = 2, **changes: Any) -> Settings:
        here = "127.0.0.1"
        return settings.model_copy(
            update={
                "destinations": (
                    DicomDestination(kind="dicom", name="pacs", host=here, port=pacs, ae_title="ORTHANC"),
                    DicomDestination(
                        kind="dicom", name="viewer", host=here, port=pacs, ae_title="VIEWER", documents=("sc",)
                    ),
                    Hl7Destination(kind="hl7", name="ris", host=here, port=ris, response_seconds=5),
                ),
                **changes,
            }
        )

    return make


@pytest.fixture
def phantom() -> Callable[..., Dataset]:
    """A function that draws a small phantom: a number, and keywords of ``phantom_dataset``."""

    def make(number: int = 1, **changes: Any) -> Dataset:
        return phantom_dataset(number, size=256, opacity=True, **changes)

    return make


def opacity_findings() -> tuple[Finding, ...]:
    """Return findings with a box that lies on a phantom of 256 pixels."""
    return (
        finding("lung_opacity", 0.9, (40, 100, 110, 180, 0.9), (150, 90, 210, 150, 0.5)),
        finding("normal", 0.05, abnormal=False),
    )


@pytest.fixture(name="opacity_findings")
def _opacity_findings() -> tuple[Finding, ...]:
    return opacity_findings()


@pytest.fixture
def studies(settings: Settings, database: Database) -> Studies:
    """The node's store and database, ready to be filled."""
    return Studies(settings, database)


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Listen to all that is drawn as text, none of which may lie off its canvas."""
    texts: list[str] = []
    draw_text = ImageDraw.ImageDraw.text

    def listen(draw: ImageDraw.ImageDraw, xy: tuple[float, float], text: str, **options: Any) -> None:
        left, top, right, bottom = draw.textbbox(xy, text, font=options["font"], anchor=options.get("anchor"))
        assert left >= 0
        assert top >= 0
        assert right <= draw.im.size[0]
        assert bottom <= draw.im.size[1]
        texts.append(text)
        draw_text(draw, xy, text, **options)

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", listen)
    return texts
