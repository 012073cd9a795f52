"""Whatever comes in whatever order, and whatever is decided about it: no document bears another patient's findings."""

import hashlib
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pydicom
import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from pydicom.uid import ExplicitVRLittleEndian
from sqlalchemy import select

from config.destinations import Hl7Destination
from config.errors import ActionRefused, CxrnodeError
from config.settings import Settings
from dicom_node.format.file_meta import file_meta
from dicom_node.format.header import parse_header
from inference.findings import Finding
from reporting.capture.radiograph import Radiograph
from reporting.compose import ReportHandler
from tests.accounts import MODEL, finding, picture
from tests.mixtures import CR, encode
from tests.reporting.conftest import record_of
from tracking.engine import schema
from tracking.engine.database import Database
from tracking.jobs import queue
from tracking.jobs.loop import Commit
from tracking.jobs.queue import Job
from tracking.lists import queries
from tracking.results.analyses import AnalysisRecord, OutcomeRecord, instances_of, record_analysis
from tracking.studies import corrections
from tracking.studies.instances import IncomingInstance, Registered, register_conflict, register_instance
from tracking.tables.models import Analysis, Document
from tracking.tables.models import Finding as FindingRow

PATIENTS = {
    "A": {"PatientID": b"PAT-A", "PatientName": b"Doe^Jane", "PatientBirthDate": b"19600101", "PatientSex": b"F"},
    "B": {"PatientID": b"PAT-B", "PatientName": b"Roe^Mary", "PatientBirthDate": b"19700202", "PatientSex": b"F"},
    "C": {"PatientID": b"PAT-C", "PatientName": b"Doe^Jane", "PatientBirthDate": b"19600101", "PatientSex": b"F"},
}
SCORES = {"A": 0.71, "B": 0.82, "C": 0.93}
"""What the model finds on an image of each patient: every document shows by its scores on whose images it is."""
PERCENT = {f"{100 * score:.0f}": patient for patient, score in SCORES.items()}
_examples = itertools.count(1)


@dataclass(frozen=True)
class Receive:
    """An image comes: one of few UIDs in one of two studies, of some patient, perhaps with a second Patient ID."""

    image: int
    study: int
    patient: str
    version: int
    second: str | None


@dataclass(frozen=True)
class Decide:
    """An administrator resolves, rejects or accepts."""

    action: str
    image: int
    study: int
    patient: str


@dataclass(frozen=True)
class Work:
    """A worker begins an analysis or a report, writes a part of it, or ends it; it may have several in hand."""

    step: str


steps = st.one_of(
    st.builds(
        Receive, st.integers(1, 4), st.integers(1, 2), st.sampled_from("AABC"), st.integers(1, 2),
        st.sampled_from([None, None, None, None, None, "A", "B"]),
    ),
    st.builds(
        Decide, st.sampled_from(["resolve", "reject", "accept"]), st.integers(1, 4), st.integers(1, 2),
        st.sampled_from("ABC"),
    ),
    st.builds(Work, st.sampled_from(["analyse", "analyse", "report", "report", "part", "finish", "abandon"])),
)  # fmt: skip


@dataclass
class World:
    """A node without wire and without model, and what was sent to it."""

    settings: Settings
    database: Database
    root: str = ""
    sent: dict[str, str] = field(default_factory=dict)
    """The patient of each file, by its path in the instance store."""
    in_hand: list[tuple[Job, list[Commit]]] = field(default_factory=list)

    def receive(self, step: Receive) -> None:
        uid, study = f"{self.root}.{step.image}.1", f"{self.root}.{step.study}"
        patient = list(PATIENTS[step.patient].items())
        if step.second is not None:
            patient.append(("PatientID", PATIENTS[step.second]["PatientID"]))
        elements = [
            ("SOPClassUID", CR.encode()), ("SOPInstanceUID", uid.encode()), ("Modality", b"CR"),
            ("AccessionNumber", str(step.version).encode()), *patient, ("StudyInstanceUID", study.encode()),
            ("SeriesInstanceUID", f"{study}.8".encode()), ("Rows", b"\x90\x01"), ("Columns", b"\x40\x01"),
        ]  # fmt: skip
        content = encode(elements, ExplicitVRLittleEndian)
        header = parse_header(content, ExplicitVRLittleEndian)
        assert header is not None
        digest = hashlib.sha256(content).hexdigest()
        path = f"{uid}-{digest[:16]}.dcm"
        self.settings.instance_dir.mkdir(parents=True, exist_ok=True)
        (self.settings.instance_dir / path).write_bytes(file_meta(CR, uid, ExplicitVRLittleEndian) + content)
        self.sent[path] = step.patient
        incoming = IncomingInstance(
            uid, CR, header.series_uid, ExplicitVRLittleEndian, "CR", digest, len(content), path, "M", "CXRNODE",
            "127.0.0.1", header.study, header.repeated,
        )  # fmt: skip
        with self.database.transaction() as tx:
            outcome = register_instance(tx, incoming, settle_seconds=0)
        if outcome is Registered.CONFLICT:
            with self.database.transaction() as tx:
                register_conflict(tx, incoming)

    def decide(self, step: Decide) -> None:
        uid, study = f"{self.root}.{step.image}.1", f"{self.root}.{step.study}"
        try:
            with self.database.transaction() as tx:
                if step.action == "resolve":
                    patient_id = PATIENTS[step.patient]["PatientID"].decode()
                    corrections.resolve_study(tx, study, patient_id, user="operator")
                elif step.action == "reject":
                    corrections.reject_instance(tx, study, uid, user="operator")
                else:
                    corrections.accept_instance(tx, study, uid, other_patient=True, user="operator")
        except ActionRefused:
            return

    def work(self, step: Work) -> None:
        if step.step in {"analyse", "report"}:
            self.begin(step.step)
        elif self.in_hand and step.step == "part":
            self.write_part(*self.in_hand[0])
        elif self.in_hand:
            self.end(*self.in_hand.pop(0), abandon=step.step == "abandon")

    def begin(self, name: str) -> bool:
        job = queue.claim(self.database, [name], "test/1/1", 600_000)
        if job is None:
            return False
        try:
            parts = [self.analyse(job)] if name == "analyse" else list(self.report(job))
        except CxrnodeError as error:  # as the loop does: it stops, and shows
            with self.database.transaction() as tx:
                queue.stop(tx, job, str(error))
            return True
        self.in_hand.append((job, parts))
        return True

    def write_part(self, job: Job, parts: list[Commit]) -> None:
        """Write one of several parts, as the loop does; the last of an analysis ends its job."""
        if job.queue == "report" and parts:
            with self.database.transaction() as tx:
                queue.hold(tx, job)
                parts.pop(0)(tx)

    def end(self, job: Job, parts: list[Commit], *, abandon: bool = False) -> None:
        while job.queue == "report" and parts and not abandon:
            self.write_part(job, parts)
        with self.database.transaction() as tx:
            if abandon:
                queue.hand_back(tx, job)
                return
            queue.finish(tx, job)
            for commit in parts:
                commit(tx)

    def analyse(self, job: Job) -> Commit:
        """Find on each image what its bytes say, as the model does with its pixels."""
        study, revision = job.payload["study_uid"], job.payload["revision"]
        with self.database.reading() as read:
            images = instances_of(read, study, revision)
        outcomes = tuple(
            OutcomeRecord(image.instance_uid, None, None, (record_of(self.found_on(image.path)),)) for image in images
        )
        record = AnalysisRecord(
            study, revision, MODEL.name, MODEL.version, MODEL.digest, MODEL.engine, 0.1, outcomes, {"decode": 0.1}
        )
        return lambda tx: record_analysis(tx, record)

    def found_on(self, path: str) -> Finding:
        return finding("lung_opacity", SCORES[self.sent[path]])

    def report(self, job: Job) -> Iterator[Commit]:
        return ReportHandler(self.settings, self.database, lambda _: Radiograph.of(picture(), 512)).run(job)

    def drain(self) -> None:
        """Let everything come to its end."""
        while self.in_hand or self.begin("analyse") or self.begin("report"):
            if self.in_hand:
                self.end(*self.in_hand.pop(0))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One node for all examples; each has studies of its own."""
    ris = Hl7Destination(kind="hl7", name="ris", host="127.0.0.1", port=1)
    settings = Settings(node={"data_dir": tmp_path_factory.mktemp("node")}, destinations=(ris,))
    database = Database.open(settings.database_url())
    schema.upgrade(database)
    yield World(settings, database)
    database.close()


@given(st.lists(steps, min_size=4, max_size=24))
@hypothesis(
    max_examples=25,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_every_document_is_of_the_patient_of_every_image_in_it(world: World, story: list[object]) -> None:
    tell(world, story)
    for document, whose in documents_of(world):
        assert whose == {patient_of(world.settings.document_dir / document.path, document.kind)}
    assert statuses(world) <= {"conflict", "rejected", "reported", "waiting"}


def test_an_image_that_moved_to_another_study_gets_documents_of_its_own_there(world: World) -> None:
    told = [Receive(1, 1, "A", 1, None), Work("analyse"), Work("finish"), Work("report"), Work("finish")]
    tell(world, [*told, Receive(1, 2, "B", 1, None), Decide("accept", 1, 1, "A")])
    found = [(next(iter(whose)), document.kind) for document, whose in documents_of(world)]
    assert sorted(found) == sorted(itertools.product("BA", ("sr", "sc", "hl7")))
    assert statuses(world) == {"rejected", "reported"}


def test_a_story_with_every_action_ends_with_documents_of_one_patient_a_study(world: World) -> None:
    tell(
        world,
        [
            Receive(1, 1, "A", 1, None), Work("analyse"), Receive(2, 1, "B", 1, None), Work("finish"),
            Decide("resolve", 1, 1, "B"), Work("analyse"), Work("finish"), Work("report"), Work("finish"),
            Receive(2, 1, "C", 2, None), Work("analyse"), Decide("accept", 2, 1, "A"),
            Receive(3, 2, "A", 1, None), Receive(4, 2, "A", 1, "B"), Decide("reject", 4, 2, "A"),
        ],
    )  # fmt: skip
    found = [(next(iter(whose)), document.kind) for document, whose in documents_of(world)]
    assert sorted(found) == sorted(itertools.product("BCA", ("sr", "sc", "hl7")))
    for document, whose in documents_of(world):
        assert whose == {patient_of(world.settings.document_dir / document.path, document.kind)}


def statuses(world: World) -> set[str]:
    """Return where the studies of the story stand, now that nothing is due."""
    with world.database.reading() as read:
        found = [queries.find_study(read, f"{world.root}.{study}") for study in (1, 2)]
    return {study.status for study in found if study is not None}


def tell(world: World, story: Sequence[object]) -> None:
    """Let it all happen, in studies that no other story has, and then let everything come to its end."""
    world.root = f"1.2.826.0.1.3680043.10.9.{900_000 + next(_examples)}"
    world.in_hand.clear()
    for step in story:
        if isinstance(step, Receive):
            world.receive(step)
        elif isinstance(step, Decide):
            world.decide(step)
        elif isinstance(step, Work):
            world.work(step)
    world.drain()


def documents_of(world: World) -> list[tuple[Document, set[str]]]:
    """Return the documents of this example, each with the patients on whose images its findings are."""
    with world.database.reading() as read:
        rows = read.execute(
            select(Document, FindingRow.score)
            .join(Analysis, Document.analysis_id == Analysis.id)
            .join(FindingRow, FindingRow.analysis_id == Analysis.id)
            .where(Analysis.study_uid.startswith(world.root))
        )
        found: dict[Document, set[str]] = {}
        for document, score in rows:
            found.setdefault(document, set()).add(PERCENT[f"{100 * score:.0f}"])
    assert all(document.quarantined is None for document in found)
    return list(found.items())


def patient_of(path: Path, kind: str) -> str:
    """Return the patient a document is filed under, who has to be the one whose scores it shows."""
    if kind == "hl7":
        text = path.read_bytes().decode()
        (patient_id,) = re.findall(r"\rPID\|[^|]*\|[^|]*\|([^|^]*)", text)
        shown = set(re.findall(r"\|NM\|[^|]*\|[^|]*\|(\d+)", text))
    else:
        dataset = pydicom.dcmread(path)
        patient_id = str(dataset.PatientID)
        shown = {f"{float(value):.0f}" for value in certainties(dataset)}
    patient = str(patient_id).removeprefix("PAT-")
    assert {PERCENT[score] for score in shown} == (set() if kind == "sc" else {patient})
    return patient


def certainties(item: pydicom.Dataset) -> Iterator[str]:
    """Yield the certainties of all findings beneath an SR content item."""
    for child in item.get("ContentSequence", ()):
        name = child.get("ConceptNameCodeSequence")
        if child.ValueType == "NUM" and name and name[0].CodeValue == "111012":
            yield str(child.MeasuredValueSequence[0].NumericValue)
        yield from certainties(child)
