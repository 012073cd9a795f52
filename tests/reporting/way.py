"""A node's whole way in one process, from a received phantom to an archive and a RIS; what the model says is given."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from pydicom import Dataset
from sqlalchemy import select

from config.destinations import DicomDestination, Hl7Destination
from config.settings import ReportSettings, Settings
from cxrnode.demo_peers import DemoRis
from inference.findings import Finding, ModelIdentity, finding_to_json
from reporting.compose import ReportHandler
from reporting.delivery.deliver import DeliverHandler
from tests.accounts import MODEL
from tests.archive import Archive, open_archive
from tests.phantoms import phantom_dataset
from tracking.audit_log import audit
from tracking.engine.database import Database
from tracking.jobs.loop import Commit, Lane, WorkLoop
from tracking.jobs.queue import Job
from tracking.lists import queries
from tracking.lists.summaries import StudySummary
from tracking.outbox.rejections import Told, told_by
from tracking.results.analyses import AnalysisRecord, FindingRecord, OutcomeRecord, instances_of, record_analysis
from tracking.tables.models import Delivery, Document

USER = "operator"


@dataclass
class Model:
    """Says of each image what it was told to say; serves the ``analyse`` queue."""

    database: Database
    identity: ModelIdentity = MODEL
    findings: dict[str, tuple[Finding, ...] | str] = field(default_factory=dict)
    """By image; words for one that is not analysed."""
    say_not_analysed: bool = False

    def run(self, job: Job) -> Commit:
        """Record what is said of the images of a study revision."""
        study, revision = job.payload["study_uid"], job.payload["revision"]
        with self.database.reading() as read:
            images = [image.instance_uid for image in instances_of(read, study, revision)]
        outcomes = tuple(_outcome(uid, self.findings[uid]) for uid in images)
        model = self.identity
        record = AnalysisRecord(
            study, revision, model.name, model.version, model.digest, model.engine, 0.1, outcomes, {"decode": 0.1}
        )
        return lambda tx: record_analysis(tx, record, say_not_analysed=self.say_not_analysed)

    def failed(self, tx: Any, job: Job, error: Exception, stopped: bool) -> None:
        """Write nothing."""


class Look:
    """Serves the ``examine`` queue, and does nothing."""

    def run(self, job: Job) -> None:
        """Do nothing."""

    def failed(self, tx: Any, job: Job, error: Exception, stopped: bool) -> None:
        """Write nothing."""


@dataclass
class Way:
    """The node and its peers; ``archive`` follows rejection notes, ``ris`` keeps every message."""

    studies: Any
    settings: Settings
    archive: Archive
    ris: DemoRis
    model: Model
    study: str = ""

    @property
    def database(self) -> Database:
        """The node's database."""
        database: Database = self.studies.database
        return database

    @property
    def told(self) -> Told:
        """Whom the settings have told what does not hold any more."""
        return told_by(self.settings)

    def receive(self, number: int, findings: tuple[Finding, ...] | str) -> str:
        """Take the image of that number of the one study there is; return its UID."""
        more = {"study_uid": self.study, "instance_number": number} if self.study else {}
        image: Dataset = phantom_dataset(1, size=256, opacity=True, **more)
        self.study = str(image.StudyInstanceUID)
        uid: str = self.studies.receive(image)
        self.model.findings[uid] = findings
        return uid

    def work(self, *queues: str) -> None:
        """Do all that is due, or only what is due in some queues."""
        handlers = {
            "examine": Look(), "analyse": self.model, "report": ReportHandler(self.settings, self.database),
            "deliver": DeliverHandler(self.settings, self.database),
        }  # fmt: skip
        lanes = [Lane((name,)) for name in queues or handlers]
        WorkLoop(self.database, handlers, lanes, self.settings.work, self.settings.delivery).run_until_idle()

    def summary(self) -> StudySummary:
        """Where the study stands."""
        with self.database.reading() as read:
            found = queries.find_study(read, self.study)
        assert found is not None
        return found

    def documents(self, kind: str) -> list[Document]:
        """The documents of a kind, in the order in which they were built."""
        with self.database.reading() as read:
            return list(read.scalars(select(Document).where(Document.kind == kind).order_by(Document.id)))

    def states(self, kind: str) -> list[str]:
        """The states of the deliveries of a kind of documents."""
        with self.database.reading() as read:
            rows = select(Delivery.state).join(Document).where(Document.kind == kind).order_by(Delivery.id)
            return list(read.scalars(rows))

    def events(self) -> list[str]:
        """The audit log's lines by type."""
        with self.database.reading() as read:
            return [line.type for line in audit.lines(read)]

    def messages(self) -> list[list[list[str]]]:
        """The messages that the RIS has, in the order of their first arrival, as segments of fields."""
        texts = [path.read_text(encoding="utf-8") for path in self.ris.received.values()]
        return [[line.split("|") for line in text.split("\n") if line] for text in texts]

    def assert_one_truth(self, images: int) -> None:
        """The archive shows one report and a capture of each image, those that hold, and refused nothing."""
        summary = self.summary()
        shown = [str(dataset.SOPInstanceUID) for dataset in self.archive.shown()]
        holding = [document.uid for document in summary.documents if document.kind in {"sr", "sc"}]
        assert sorted(shown) == sorted(holding)
        assert len(self.archive.shown("SR")) == 1
        assert len(self.archive.shown("OT")) == images
        assert self.archive.refused == []


def _outcome(uid: str, said: tuple[Finding, ...] | str) -> OutcomeRecord:
    if isinstance(said, str):
        return OutcomeRecord(uid, "view", said, (), code="lateral", values={})
    return OutcomeRecord(uid, None, None, tuple(map(_record, said)))


def _record(made: Finding) -> FindingRecord:
    return FindingRecord(
        made.label, made.code.value, made.code.scheme, made.code.meaning, made.score, made.level.value, made.abnormal,
        finding_to_json(made),
    )  # fmt: skip


@contextmanager
def open_way(studies: Any, settings: Settings, *, pacs_port: int = 0, **archive: bool) -> Iterator[Way]:
    """Return a node with its peers, which end with the block; with ``pacs_port`` the archive is somebody else's."""
    with ExitStack() as stack:
        pacs = stack.enter_context(open_archive(**archive))
        folder = settings.node.data_dir / "ris"
        folder.mkdir(parents=True, exist_ok=True)
        ris = DemoRis(folder)
        stack.callback(ris.stop)
        here = "127.0.0.1"
        told = settings.model_copy(
            update={
                "report": ReportSettings(capture_longest_side=512),
                "destinations": (
                    DicomDestination(
                        kind="dicom", name="pacs", host=here, port=pacs_port or pacs.port, ae_title="ORTHANC"
                    ),
                    Hl7Destination(kind="hl7", name="ris", host=here, port=ris.start(), response_seconds=5),
                ),
            }
        )
        yield Way(studies, told, pacs, ris, Model(studies.database))


def other_model(version: str) -> ModelIdentity:
    """Return another version of the tests' model."""
    return replace(MODEL, version=version, digest=version[0] * 64)
