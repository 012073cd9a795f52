"""Whose image it is, from the wire to the documents: public cases and generated mixtures of two patients."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pydicom
import pytest
from sqlalchemy import select

from config.destinations import Hl7Destination
from config.settings import Settings
from cxrnode.service import worker
from dicom_node.storage_scp.receive import Receiver
from dicom_node.storage_scu import send
from dicom_node.storage_scu.target import Target
from tests.mixtures import SYNTAXES, mixtures
from tests.phantoms import phantom_dataset
from tracking.audit_log import audit
from tracking.audit_log.audit import Line
from tracking.engine.database import Database
from tracking.jobs.loop import WorkLoop
from tracking.lists import queries, worklist
from tracking.lists.summaries import StudySummary
from tracking.results.analyses import load_analysis
from tracking.studies import corrections
from tracking.tables.models import Analysis, Document


@dataclass
class Node:
    """A receiver, and a worker that is asked to work."""

    settings: Settings
    database: Database
    receiver: Receiver

    def send(self, path: Path) -> int | None:
        """C-STORE a file to the byte; return the status."""
        target = Target("127.0.0.1", self.receiver.port, "CXRNODE", "RAW", response_seconds=60)
        (outcome,) = send.store([path], target)
        return outcome.status

    @cached_property
    def worker(self) -> WorkLoop:
        loop = worker(self.settings, self.database)
        assert isinstance(loop, WorkLoop)
        return loop

    def work(self) -> None:
        """Analyse and report all that is due."""
        self.worker.run_until_idle(300)

    def studies(self) -> list[StudySummary]:
        with self.database.reading() as read:
            return worklist.list_studies(read, limit=50)

    def study(self) -> StudySummary:
        (found,) = self.studies()
        return found

    def lines(self, event: str) -> list[Line]:
        with self.database.reading() as read:
            return [line for line in audit.lines(read) if line.type == event]

    def patients_of_documents(self) -> list[tuple[str, str, frozenset[str]]]:
        """Return kind, Patient ID and analysed images of every document, the one that was built first at the front."""
        with self.database.reading() as read:
            rows = list(read.execute(select(Document, Analysis.id).join(Analysis).order_by(Document.id)))
            found = []
            for document, analysis_id in rows:
                assert document.quarantined is None
                path = self.settings.document_dir / document.path
                analysis = load_analysis(read, analysis_id)
                images = frozenset(outcome.instance_uid for outcome in analysis.outcomes if outcome.findings)
                found.append((document.kind, patient_of(path), images))
            return found


def patient_of(path: Path) -> str:
    """Return the Patient ID that a document carries."""
    if path.suffix == ".dcm":
        return str(pydicom.dcmread(path, stop_before_pixels=True).PatientID)
    segments = path.read_bytes().decode().split("\r")
    return next(segment for segment in segments if segment.startswith("PID")).split("|")[3].split("^")[0]


@pytest.fixture
def node(settings: Settings) -> Iterator[Node]:
    """A node on SQLite that keeps its documents, with a RIS that nobody delivers to."""
    from tracking.engine import schema

    ris = Hl7Destination(kind="hl7", name="ris", host="127.0.0.1", port=1)
    settings = settings.model_copy(update={"destinations": (ris,)})
    database = Database.open(settings.database_url())
    schema.upgrade(database)
    receiver = Receiver(settings, database)
    receiver.start()
    yield Node(settings, database, receiver)
    receiver.stop(drain_seconds=0.2)
    database.close()


@pytest.fixture
def case(cxr_cases: Path) -> Callable[[str], Path]:
    """Return a function from the number of a public case to its file."""

    def find(number: str) -> Path:
        (path,) = (cxr_cases / "dicom").glob(f"{number}_*.dcm")
        return path

    return find


UID_A, UID_B = "1.2.826.0.1.3680043.10.9.32.3", "1.2.826.0.1.3680043.10.9.33.3"


@pytest.mark.parametrize("order", [("D32", "D33"), ("D33", "D32")], ids=["A first", "B first"])
def test_d32_d33_two_patients_get_no_result_until_one_is_chosen(
    node: Node, case: Callable[[str], Path], order: tuple[str, str]
) -> None:
    assert [node.send(case(number)) for number in order] == [0x0000, 0x0000]
    node.work()
    found = node.study()
    assert (found.status, found.documents, found.findings) == ("conflict", (), ())
    assert {patient.identity.patient_id for patient in found.patients} == {"PAT-A", "PAT-B"}
    assert node.patients_of_documents() == []
    assert len(node.lines("study-conflict")) == 1
    with node.database.transaction() as tx:
        corrections.resolve_study(tx, found.study_uid, "PAT-B", user="operator")
    node.work()
    assert node.patients_of_documents() == [(kind, "PAT-B", frozenset({UID_B})) for kind in ("sr", "sc", "hl7")]


def test_d32_d33_a_result_that_was_made_before_stays_with_its_patient_and_is_superseded(
    node: Node, case: Callable[[str], Path]
) -> None:
    node.send(case("D32"))
    node.work()
    node.send(case("D33"))
    node.work()
    assert node.study().status == "conflict"
    assert {entry[1:] for entry in node.patients_of_documents()} == {("PAT-A", frozenset({UID_A}))}
    with node.database.transaction() as tx:
        corrections.resolve_study(tx, node.study().study_uid, "PAT-A", user="operator")
    node.work()
    reports = [entry for entry in node.patients_of_documents() if entry[0] == "sr"]
    assert reports == [("sr", "PAT-A", frozenset({UID_A}))] * 2
    latest = node.study()
    (report,) = [document for document in latest.documents if document.kind == "sr"]
    assert "PredecessorDocumentsSequence" not in pydicom.dcmread(node.settings.document_dir / report.path)


def test_d29_a_patient_id_that_stands_twice_is_a_conflict(node: Node, case: Callable[[str], Path]) -> None:
    assert node.send(case("D29")) == 0x0000
    node.work()
    found = node.study()
    assert found.status == "conflict"
    assert [patient.identity.patient_id for patient in found.patients] == ["ODD-D29", "OTHER-ID"]
    assert node.patients_of_documents() == []
    assert node.lines("study-conflict")[0].detail["held_twice"] == "Patient ID"


def test_d89_a_corrected_patient_is_shown_and_accepted(node: Node, case: Callable[[str], Path]) -> None:
    node.send(case("D74"))
    node.work()
    assert node.send(case("D89")) == 0x0000
    found = node.study()
    (kept,) = found.kept_aside
    assert kept.patient is not None
    assert (kept.patient.patient_id, kept.differing) == ("ODD-X74", ("Patient ID", "Patient's Name"))
    with node.database.transaction() as tx:
        corrections.accept_instance(tx, found.study_uid, kept.instance_uid, other_patient=True, user="operator")
    node.work()
    documents = node.patients_of_documents()
    assert [entry[:2] for entry in documents] == [
        (kind, patient) for patient in ("ODD-D74", "ODD-X74") for kind in ("sr", "sc", "hl7")
    ]
    with node.database.reading() as read:
        uids = read.scalars(select(Document.uid)).all()
        last = read.scalars(select(Document).where(Document.kind == "sr").order_by(Document.id.desc())).first()
    assert len(set(uids)) == len(uids)
    assert last is not None
    report = pydicom.dcmread(node.settings.document_dir / last.path)
    assert "PredecessorDocumentsSequence" not in report, "no destination was to get the first one"
    assert node.study().kept_aside == ()


def test_d05_a_study_uid_that_is_too_long_is_answered_and_found_in_the_audit_log(
    node: Node, case: Callable[[str], Path]
) -> None:
    assert node.send(case("D05")) == 0x0117
    assert node.studies() == []
    (line,) = node.lines("instance-refused")
    assert (line.detail["status"], line.detail["reason"]) == ("0117", "Study Instance UID is too long or not printable")
    assert line.detail["calling_ae"] == "RAW"
    assert list(node.settings.instance_dir.rglob("*.dcm")) == []


def test_d50_deep_nesting_is_stored_and_named(node: Node, case: Callable[[str], Path]) -> None:
    assert node.send(case("D50")) == 0x0000
    node.work()
    assert node.study().status == "not-analysed"


def test_mixtures_are_told_from_one_patient_in_every_transfer_syntax(node: Node, tmp_path: Path) -> None:
    expected: dict[str, tuple[str, bool]] = {}
    for syntax in SYNTAXES:
        made = list(mixtures(syntax))
        paths = [image.save(tmp_path / f"{image.instance_uid}.dcm") for mixture in made for image in mixture.images]
        target = Target("127.0.0.1", node.receiver.port, "CXRNODE", "RAW", response_seconds=60)
        assert {outcome.status for outcome in send.store(paths, target)} == {0x0000}
        expected |= {mixture.study_uid: (f"{mixture.name} in {syntax}", mixture.conflict) for mixture in made}
    with node.database.reading() as read:
        in_conflict = set(queries.studies_in_conflict(read))
    assert {name for uid, (name, conflict) in expected.items() if (uid in in_conflict) != conflict} == set()
    assert len(expected) == 4 * 52


def test_no_document_is_built_where_reader_and_database_disagree(node: Node, tmp_path: Path) -> None:
    """Where the header walk were wrong, or a file were exchanged, the last check still stops the document."""
    path = tmp_path / "image.dcm"
    dataset = phantom_dataset(7, size=512)
    dataset.save_as(path, enforce_file_format=True)
    node.send(path)
    with node.database.reading() as read:
        (stored,) = [image.instance_uid for image in queries.instances(read, dataset.StudyInstanceUID)]
    (file,) = node.settings.instance_dir.rglob("?/?/*.dcm")
    dataset.PatientID = "SOMEONE-ELSE"
    dataset.save_as(file, enforce_file_format=True)
    node.work()
    found = node.study()
    assert node.patients_of_documents() == []
    assert found.status == "attention"
    (problem,) = found.problems
    assert re.search(rf"file of image {stored} does not say what was recorded.*\(Patient ID\)", problem)
    assert "SOMEONE" not in problem
