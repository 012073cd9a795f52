"""A console on a database with records, asked as a browser asks."""

import hashlib
import io
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

from config.settings import Settings
from console.access import csrf
from console.access.cookies import SessionCookie
from console.app import make_app
from inference.findings import Finding, finding_to_json
from tests.console.visitors import begin_session
from tracking.engine.database import Database
from tracking.outbox import documents
from tracking.outbox.documents import DocumentRecord
from tracking.people.roles import Role
from tracking.results.analyses import AnalysisRecord, FindingRecord, OutcomeRecord, record_analysis
from tracking.studies.instances import IncomingInstance, StudyHeader, register_instance

with warnings.catch_warnings():
    # Starlette prefers httpx's successor for its test client; httpx itself still is what it is tested with.
    warnings.filterwarnings("ignore", message="Using `httpx` with", category=DeprecationWarning)
    warnings.filterwarnings("ignore", message="Using `httpx` with", category=UserWarning)
    from starlette.testclient import TestClient

HERE = "http://127.0.0.1:8480"


@pytest.fixture
def receive(database: Database) -> Callable[..., None]:
    """Return a function that registers an instance: ``receive("1.1", study="1.9", patient_name=…)``."""

    def register(instance_uid: str, *, study: str = "1.9", **header: str) -> None:
        known = {"accession_number": f"ACC{study}", "patient_id": f"PAT{study}", "patient_name": "Doe^Jane"}
        incoming = IncomingInstance(
            instance_uid=instance_uid, sop_class_uid="1.2.840.10008.5.1.4.1.1.1", series_uid="1.8",
            transfer_syntax_uid="1.2.840.10008.1.2.1", modality="CR", sha256="a" * 64, size=7, path="ab/cd",
            calling_ae="MODALITY", called_ae="CXRNODE", address="192.0.2.7", study=StudyHeader(study, **known | header),
        )  # fmt: skip
        with database.transaction() as tx:
            register_instance(tx, incoming, settle_seconds=0)

    return register


@pytest.fixture
def analyse(database: Database) -> Callable[..., None]:
    """Return a function that records an analysis of a study revision; ``because`` when an image was not analysed."""

    def record(
        study: str, revision: int, *instance_uids: str, because: str | None = None, score: float = 0.8,
        findings: Sequence[Finding] = (),
    ) -> None:  # fmt: skip
        points = {"points": {"sensitive": 0.25, "specific": 0.75}, "boxes": [{}, {}], "stated": True}
        found = tuple(
            FindingRecord(made.label, made.code.value, made.code.scheme, made.code.meaning, made.score,
                          made.level.value, made.abnormal, finding_to_json(made))
            for made in findings
        ) or (
            FindingRecord("lung_opacity", "112001", "DCM", "Opacity", score, "present", True, points),
            FindingRecord("normal", "17621005", "SCT", "Normal", 0.1, "absent", False, {"stated": True}),
        )  # fmt: skip
        outcomes = tuple(
            OutcomeRecord(uid, "view" if because else None, because, () if because else found) for uid in instance_uids
        )
        with database.transaction() as tx:
            record_analysis(
                tx, AnalysisRecord(study, revision, "opacity", "1.0", "d" * 64, "litert", 0.1, outcomes, {"read": 0.01})
            )

    return record


@pytest.fixture
def build(database: Database) -> Callable[..., None]:
    """Return a function that records a document of an analysis, with routes to destinations."""

    def record(
        analysis_id: int, *destinations: str, kind: str = "sr", uid: str = "", path: str = "x.dcm",
        content: bytes = b"x", quarantined: str | None = None,
    ) -> None:  # fmt: skip
        digest = hashlib.sha256(content).hexdigest()
        uid = uid or f"2.25.{analysis_id}"
        document = DocumentRecord(kind, uid, "2.25.1", "1.2", path, digest, len(content), quarantined)
        with database.transaction() as tx:
            documents.record_documents(tx, analysis_id, [document], [(uid, name) for name in destinations])

    return record


@pytest.fixture
def capture(settings: Settings, build: Callable[..., None]) -> Callable[..., Path]:
    """Return a function that stores a secondary capture of 3000 × 1500 pixels and records it."""

    def store(analysis_id: int, uid: str = "2.25.77", *, quarantined: str | None = None) -> Path:
        image = Dataset()
        image.SOPClassUID, image.SOPInstanceUID = SecondaryCaptureImageStorage, uid
        image.Rows, image.Columns, image.SamplesPerPixel = 1500, 3000, 3
        image.PhotometricInterpretation, image.PlanarConfiguration = "RGB", 0
        image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 8, 8, 7, 0
        image.PixelData = np.full((1500, 3000, 3), (10, 200, 30), np.uint8).tobytes()
        image.file_meta = FileMetaDataset()
        image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        image.file_meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
        image.file_meta.MediaStorageSOPInstanceUID = uid
        file = io.BytesIO()
        image.save_as(file, enforce_file_format=True)
        path = settings.document_dir / "ab" / f"{uid}.dcm"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.getvalue())
        build(analysis_id, kind="sc", uid=uid, path=f"ab/{path.name}", content=file.getvalue(), quarantined=quarantined)
        return path

    return store


@pytest.fixture
def browse(settings: Settings, database: Database) -> Iterator[Callable[..., TestClient]]:
    """Return a function that opens the console in a browser of a user with a role, or of nobody.

    Other keywords are settings of the console. Forms carry the token of the login in a header.
    """
    opened: list[TestClient] = []

    def browse_as(
        url: str = HERE, *, role: Role | None = Role.ADMINISTRATOR, raising: bool = True, **options: object
    ) -> TestClient:
        told = Settings(**settings.model_dump() | {"console": options})
        client = TestClient(
            make_app(told, database), base_url=url, client=("192.0.2.55", 4000), raise_server_exceptions=raising
        )
        opened.append(client)
        if role is not None:
            token = begin_session(database, role)
            client.cookies.set(SessionCookie(told.console.is_encrypted).name, token)
            client.headers[csrf.HEADER] = csrf.token_of(token)
        return client

    yield browse_as
    for client in opened:
        client.close()


@pytest.fixture
def browser(browse: Callable[..., TestClient]) -> TestClient:
    """The console as an administrator sees it."""
    return browse()
