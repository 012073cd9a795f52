"""A database to which images come, and what workers would write about them."""

from dataclasses import replace
from typing import Any

from sqlalchemy import func, select

from tracking.audit_log import audit
from tracking.engine.database import Database
from tracking.jobs import queue
from tracking.lists import queries, worklist
from tracking.lists.summaries import StudySummary
from tracking.outbox.deliveries import record_delivered
from tracking.outbox.documents import DocumentRecord, record_documents
from tracking.results.analyses import AnalysisRecord, FindingRecord, OutcomeRecord, instances_of, record_analysis
from tracking.studies import corrections
from tracking.studies.instances import IncomingInstance, Registered, StudyHeader, register_conflict, register_instance
from tracking.studies.patient import PatientIdentity
from tracking.tables.models import Delivery

JANE = PatientIdentity("PAT-A", "", "Doe^Jane", "19600101", "F")
MARY = PatientIdentity("PAT-B", "", "Roe^Mary", "19700101", "F")
USER = "operator"


def finding(score: float = 0.8) -> FindingRecord:
    """Return a finding."""
    return FindingRecord(
        "lung_opacity", "112001", "DCM", "Opacity", score, "present", True, {"boxes": [{}], "stated": True}
    )


class Books:
    """A database to which images come, and what a worker would write about them."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def incoming(self, uid: str, patient: PatientIdentity, **changes: Any) -> IncomingInstance:
        study = changes.pop("study", "1.9")
        repeated = changes.pop("repeated", {})
        header = StudyHeader(
            study, changes.pop("accession", f"ACC-{patient.patient_id}"), patient.patient_id,
            patient.issuer_of_patient_id, patient.patient_name, patient.patient_birth_date, patient.patient_sex,
        )  # fmt: skip
        incoming = IncomingInstance(
            instance_uid=uid, sop_class_uid="1.2.840.10008.5.1.4.1.1.1", series_uid="1.8",
            transfer_syntax_uid="1.2.840.10008.1.2.1", modality="CR", sha256="a" * 64, size=7, path=f"0/0/{uid}.dcm",
            calling_ae="MODALITY", called_ae="CXRNODE", address="127.0.0.1", study=header, repeated=repeated,
        )  # fmt: skip
        return replace(incoming, **changes)

    def receive(self, uid: str, patient: PatientIdentity, *, settle: float = 0, **changes: Any) -> Registered:
        """Take an image as the receiver does, other bytes under a known UID too."""
        incoming = self.incoming(uid, patient, **changes)
        with self.database.transaction() as tx:
            outcome = register_instance(tx, incoming, settle_seconds=settle)
        if outcome is Registered.CONFLICT:
            with self.database.transaction() as tx:
                register_conflict(tx, replace(incoming, path=f"conflicts/{incoming.sha256[:8]}.dcm"))
        return outcome

    def claim(self, name: str = "analyse") -> queue.Job | None:
        return queue.claim(self.database, [name], "test/1/1", 60_000)

    def look_at(self, job: queue.Job) -> AnalysisRecord:
        """Return what a worker would record for a job it has."""
        study, revision = job.payload["study_uid"], job.payload["revision"]
        with self.database.reading() as read:
            images = [image.instance_uid for image in instances_of(read, study, revision)]
        outcomes = tuple(OutcomeRecord(uid, None, None, (finding(),)) for uid in images)
        return AnalysisRecord(study, revision, "m", "1.0", "d" * 64, "litert", 0.1, outcomes, {})

    def finish(self, job: queue.Job, record: AnalysisRecord) -> None:
        with self.database.transaction() as tx:
            queue.finish(tx, job)
            record_analysis(tx, record)

    def analyse(self) -> list[str]:
        """Do the analysis that is due; return the images it looked at, none where nothing is due."""
        job = self.claim()
        if job is None:
            return []
        record = self.look_at(job)
        self.finish(job, record)
        return [outcome.instance_uid for outcome in record.outcomes]

    def report(self) -> int | None:
        """Build the documents that are due; return the analysis they are of."""
        job = self.claim("report")
        if job is None:
            return None
        self.build(job)
        return int(job.payload["analysis_id"])

    def build(self, job: queue.Job) -> None:
        number = job.payload["analysis_id"]
        document = DocumentRecord("sr", f"2.25.{number}", "2.25.1", "1.2", "x.dcm", "s" * 64, 9, None)
        with self.database.transaction() as tx:
            queue.finish(tx, job)
            record_documents(tx, number, [document], [(document.uid, "pacs")])

    def deliver(self) -> None:
        with self.database.transaction() as tx:
            for delivery_id in tx.scalars(select(Delivery.id)).all():
                record_delivered(tx, delivery_id, "0000")

    def end_delivery(self, job: queue.Job) -> None:
        """Record that the destination of a delivery that was claimed has the document."""
        with self.database.transaction() as tx:
            queue.finish(tx, job)
            record_delivered(tx, job.payload["delivery_id"], "0000")

    def study(self, uid: str = "1.9") -> StudySummary:
        with self.database.reading() as read:
            summary = queries.find_study(read, uid)
        assert summary is not None
        assert uid in {row.header.study_uid for row in self.worklist(summary.status)}
        return summary

    def worklist(self, status: str) -> tuple[worklist.WorklistRow, ...]:
        with self.database.reading() as read:
            return worklist.find_studies(read, worklist.StudyFilter(status=status)).rows

    def events(self) -> list[str]:
        with self.database.reading() as read:
            return [line.type for line in audit.lines(read)]

    def count(self, table: Any) -> int:
        with self.database.reading() as read:
            return read.scalar(select(func.count()).select_from(table)) or 0

    def resolve(self, patient: str, issuer: str | None = None, study: str = "1.9") -> corrections.Resolution:
        with self.database.transaction() as tx:
            return corrections.resolve_study(tx, study, patient, issuer, user=USER)

    def reject(self, uid: str, study: str = "1.9") -> bool:
        with self.database.transaction() as tx:
            return corrections.reject_instance(tx, study, uid, user=USER)

    def accept(
        self, uid: str, study: str = "1.9", sha256: str | None = None, *, other_patient: bool = True
    ) -> corrections.Acceptance:
        with self.database.transaction() as tx:
            return corrections.accept_instance(
                tx, study, uid, sha256=sha256, other_patient=other_patient, user=USER
            )  # fmt: skip

    def dismiss(self, uid: str, study: str = "1.9", sha256: str | None = None) -> int:
        with self.database.transaction() as tx:
            return corrections.dismiss_kept_aside(tx, study, uid, sha256=sha256, user=USER)

    def found(self, **which: str) -> list[str]:
        """Return the studies that a search finds, in both lists."""
        with self.database.reading() as read:
            page = worklist.find_studies(read, worklist.StudyFilter(**which)).rows
            listed = worklist.list_studies(read, worklist.StudyFilter(**which), limit=25)
        assert [row.header.study_uid for row in page] == [summary.study_uid for summary in listed]
        return sorted(row.header.study_uid for row in page)
