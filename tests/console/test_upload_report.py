"""An upload on its way: the worker's documents of it, held until it is sent, and the same answer when asked again."""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from fastapi import UploadFile
from PIL import Image
from pydicom import dcmread
from sqlalchemy import select

from config.destinations import DicomDestination, Hl7Destination
from config.settings import InferenceSettings, Settings
from console import answers
from console.answers import Answers
from console.upload import SentFile
from console.uploading import Uploads
from inference.analyse import Analyser, StageTimes, outcome_record
from inference.findings import ImageResult
from reporting.compose import ReportHandler
from tests.phantoms import draw, phantom_dataset
from tracking.engine.database import Database
from tracking.jobs import queue
from tracking.people.roles import Role
from tracking.people.users import Actor, Identity
from tracking.results.analyses import load_analysis
from tracking.studies import uploads
from tracking.tables.models import Delivery, Document

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
OWNER = Identity("dr.viewer", Role.VIEWER)


@pytest.fixture(scope="module")
def analyser() -> Analyser:
    return Analyser(InferenceSettings())


@pytest.fixture
def node(settings: Settings) -> Settings:
    """A node with a PACS and a RIS."""
    pacs = DicomDestination(kind="dicom", name="pacs", host="127.0.0.1", port=9, ae_title="PACS")
    ris = Hl7Destination(kind="hl7", name="ris", host="127.0.0.1", port=9)
    return settings.model_copy(update={"destinations": (pacs, ris)})


def content(kind: str) -> bytes:
    file = io.BytesIO()
    if kind == "DICOM":
        phantom_dataset(9, opacity=True, size=512, patient="DOE^JANE", patient_id="PAT7").save_as(
            file, enforce_file_format=True
        )
    else:
        Image.fromarray((draw(9, opacity=True, size=512) >> 4).astype(np.uint8)).save(file, kind)
    return file.getvalue()


def report(node: Settings, database: Database) -> None:
    """Do the report job that is due, as the worker does."""
    job = queue.claim(database, ["report"], "test/1/1", 60_000)
    assert job is not None
    work: Any = ReportHandler(node, database).run(job)
    while True:
        try:
            part = next(work)
        except StopIteration as end:
            last: Callable[[Any], None] = end.value
            break
        with database.transaction() as tx:
            part(tx)
    with database.transaction() as tx:
        queue.finish(tx, job)
        last(tx)


@pytest.mark.parametrize("kind", ["PNG", "DICOM"])
def test_documents_are_whole_held_and_sent_when_the_owner_says_so(
    node: Settings, database: Database, analyser: Analyser, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(answers.Answers, "_opened", lambda _desk, _model: analyser)
    desk = Uploads(node, database, Answers(node))
    data = content(kind)
    kept = desk.take(SentFile("mine", len(data), UploadFile(io.BytesIO(data))), "", Actor(OWNER.name))
    assert kept.study_uid is not None
    report(node, database)
    with database.reading() as read:
        documents = {row.kind: row for row in read.scalars(select(Document))}
        assert {kind: row.quarantined for kind, row in documents.items()} == {"sr": None, "sc": None, "hl7": None}
        assert read.scalars(select(Delivery)).all() == []
        (image,) = load_analysis(read, 1).instances
        recorded = load_analysis(read, 1).outcomes
    structured = dcmread(node.document_dir / documents["sr"].path)
    assert structured.StudyInstanceUID == kept.study_uid
    assert str(structured.PatientID or "") == ("PAT7" if kind == "DICOM" else "")
    path = node.instance_dir / image.path
    again = analyser.analyse_file(path, StageTimes(), has_header=not image.is_wrapped)
    assert outcome_record(ImageResult(image.instance_uid, again)) == recorded[0], "the worker says the same"
    with database.transaction() as tx:
        assert uploads.release_upload(tx, kept.study_uid, by=OWNER, destinations={"pacs", "ris"})
    report(node, database)
    with database.reading() as read:
        due = read.execute(select(Document.kind, Delivery.destination).join(Delivery))
        assert sorted(tuple(row) for row in due) == [("hl7", "ris"), ("sc", "pacs"), ("sr", "pacs")]
        assert {row.kind: row.sha256 for row in read.scalars(select(Document))} == {
            kind: row.sha256 for kind, row in documents.items()
        }
