"""The tables. Times are milliseconds since 1970 UTC by the database's clock (:mod:`tracking.engine.clock`)."""

from typing import Any, ClassVar

from sqlalchemy import (
    JSON,
    BigInteger,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Text,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from tracking.engine.clock import now_ms

UID = String(64)
AETitle = String(16)
Digest = String(64)
BigId = BigInteger().with_variant(Integer, "sqlite")


class Base(DeclarativeBase):
    """Names every constraint, so that migrations can speak of it on both databases."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        dict[str, Any]: JSON,
        dict[str, float]: JSON,
        list[dict[str, Any]]: JSON,
    }


class Described:
    """What one data set says about its patient and study, as decoded text.

    NULL in rows of a version that did not keep it. ``repeated`` is a JSON object of the identifying elements that the
    data set holds a second time with another value, with that value; empty when there are none.
    """

    accession_number: Mapped[str | None] = mapped_column(Text)
    patient_id: Mapped[str | None] = mapped_column(Text)
    issuer_of_patient_id: Mapped[str | None] = mapped_column(Text)
    patient_name: Mapped[str | None] = mapped_column(Text)
    patient_birth_date: Mapped[str | None] = mapped_column(Text)
    patient_sex: Mapped[str | None] = mapped_column(Text)
    study_date: Mapped[str | None] = mapped_column(Text)
    study_time: Mapped[str | None] = mapped_column(Text)
    description: Mapped[str | None] = mapped_column(Text)
    repeated: Mapped[str] = mapped_column(Text, default="", server_default=text("''"))


class Study(Base):
    """A study as the first of its instances that were not rejected describes it.

    ``revision`` counts the rounds of analysis it needed. ``conflict_since`` is set while its instances name two
    patients: it gets no result. Analyses of revisions before ``valid_from`` are void: an instance they looked at was
    rejected or replaced since, or the result was withdrawn.

    ``withdrawn`` is the revision that began when the result was withdrawn, for ``withdrawn_reason``
    (:class:`tracking.outbox.rejections.Reason`): results of earlier ones are taken back wherever they turn up. The
    study stands as withdrawn until a later revision begins.

    ``kind`` is ``received``, or ``upload`` of what a user of the console brought (:class:`Upload`).
    """

    __tablename__ = "study"

    study_uid: Mapped[str] = mapped_column(UID, primary_key=True)
    accession_number: Mapped[str] = mapped_column(Text)
    patient_id: Mapped[str] = mapped_column(Text)
    issuer_of_patient_id: Mapped[str] = mapped_column(Text)
    patient_name: Mapped[str] = mapped_column(Text)
    patient_birth_date: Mapped[str] = mapped_column(Text)
    patient_sex: Mapped[str] = mapped_column(Text)
    study_date: Mapped[str] = mapped_column(Text)
    study_time: Mapped[str] = mapped_column(Text)
    description: Mapped[str] = mapped_column(Text)
    revision: Mapped[int] = mapped_column(default=1)
    valid_from: Mapped[int] = mapped_column(default=1, server_default=text("1"))
    urgent: Mapped[bool] = mapped_column(default=False, server_default=false())
    kind: Mapped[str] = mapped_column(String(8), default="received", server_default=text("'received'"))
    conflict_since: Mapped[int | None] = mapped_column(BigInteger)
    withdrawn: Mapped[int | None] = mapped_column()
    withdrawn_reason: Mapped[str | None] = mapped_column(String(16))
    first_received_at: Mapped[int] = mapped_column(BigInteger, default=now_ms())
    last_received_at: Mapped[int] = mapped_column(BigInteger, default=now_ms())


Index(
    "ix_study_in_conflict", Study.conflict_since, sqlite_where=Study.conflict_since.is_not(None),
    postgresql_where=Study.conflict_since.is_not(None),
)  # fmt: skip


class Upload(Base):
    """A study that a user of the console uploaded: one file. ``file_kind`` is PNG, JPEG or DICOM.

    ``owner`` is the user's name. Nothing of it leaves until ``released_at``, when its owner or an administrator had it
    sent.
    """

    __tablename__ = "upload"

    study_uid: Mapped[str] = mapped_column(ForeignKey(Study.study_uid), primary_key=True)
    owner: Mapped[str] = mapped_column(String(64))
    file_kind: Mapped[str] = mapped_column(String(8))
    uploaded_at: Mapped[int] = mapped_column(BigInteger, default=now_ms(), index=True)
    released_at: Mapped[int | None] = mapped_column(BigInteger)


class Instance(Described, Base):
    """One received SOP instance; ``path`` is relative to the instance store and never comes from a peer.

    ``rejected`` says why an administrator took it out of its study, or is NULL: ``by-hand`` or ``other-patient``.
    """

    __tablename__ = "instance"
    __table_args__ = (Index(None, "study_uid", "revision"),)

    instance_uid: Mapped[str] = mapped_column(UID, primary_key=True)
    study_uid: Mapped[str] = mapped_column(ForeignKey(Study.study_uid))
    series_uid: Mapped[str] = mapped_column(UID)
    sop_class_uid: Mapped[str] = mapped_column(UID)
    transfer_syntax_uid: Mapped[str] = mapped_column(UID)
    modality: Mapped[str] = mapped_column(Text)
    sha256: Mapped[str] = mapped_column(Digest)
    size: Mapped[int] = mapped_column(BigInteger)
    path: Mapped[str] = mapped_column(Text)
    calling_ae: Mapped[str] = mapped_column(AETitle)
    called_ae: Mapped[str] = mapped_column(AETitle)
    address: Mapped[str] = mapped_column(String(64))
    revision: Mapped[int]
    duplicates: Mapped[int] = mapped_column(default=0)
    rejected: Mapped[str | None] = mapped_column(String(16))
    received_at: Mapped[int] = mapped_column(BigInteger, default=now_ms())


class Conflict(Described, Base):
    """Bytes under an instance UID that stands for other bytes: kept aside, never analysed.

    ``state`` is ``waiting`` for an administrator, ``dismissed`` by one, or ``replaced``: these bytes stood until others
    were accepted in their place. Bytes in another transfer syntax are ``comparing`` first; those of the same image are
    then ``same`` or, after lossy compression, ``lossy`` (:mod:`tracking.studies.comparisons`). Columns that may be NULL
    are so in rows of a version that did not keep them.
    """

    __tablename__ = "conflict"
    __table_args__ = (UniqueConstraint("instance_uid", "sha256"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    instance_uid: Mapped[str] = mapped_column(UID)
    study_uid: Mapped[str] = mapped_column(UID, index=True)
    series_uid: Mapped[str | None] = mapped_column(UID)
    sop_class_uid: Mapped[str | None] = mapped_column(UID)
    transfer_syntax_uid: Mapped[str | None] = mapped_column(UID)
    modality: Mapped[str | None] = mapped_column(Text)
    sha256: Mapped[str] = mapped_column(Digest)
    size: Mapped[int] = mapped_column(BigInteger)
    path: Mapped[str] = mapped_column(Text)
    calling_ae: Mapped[str] = mapped_column(AETitle)
    called_ae: Mapped[str | None] = mapped_column(AETitle)
    address: Mapped[str] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(12), default="waiting", server_default=text("'waiting'"))
    received_at: Mapped[int] = mapped_column(BigInteger, default=now_ms())


Index(
    "ix_conflict_waiting", Conflict.instance_uid, sqlite_where=Conflict.state == "waiting",
    postgresql_where=Conflict.state == "waiting",
)  # fmt: skip


class ImageResult(Base):
    """What an analyser said about one instance, kept so that no later revision of the study asks again.

    ``analyser`` is the digest of all that the result follows from beside the image: package, engine, settings,
    version. ``sha256`` is that of the bytes it was asked about; ``outcome`` holds an outcome whole, as plain JSON.
    """

    __tablename__ = "image_result"

    instance_uid: Mapped[str] = mapped_column(ForeignKey(Instance.instance_uid, ondelete="CASCADE"), primary_key=True)
    analyser: Mapped[str] = mapped_column(Digest, primary_key=True)
    sha256: Mapped[str] = mapped_column(Digest)
    model_digest: Mapped[str] = mapped_column(Digest)
    outcome: Mapped[dict[str, Any]]
    seconds: Mapped[float] = mapped_column(Float)
    timings: Mapped[dict[str, float]]
    completed_at: Mapped[int] = mapped_column(BigInteger, default=now_ms())


class Analysis(Base):
    """One model's run over one revision of a study."""

    __tablename__ = "analysis"
    __table_args__ = (UniqueConstraint("study_uid", "revision", "model_digest"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    study_uid: Mapped[str] = mapped_column(ForeignKey(Study.study_uid))
    revision: Mapped[int]
    model_name: Mapped[str] = mapped_column(String(64))
    model_version: Mapped[str] = mapped_column(String(64))
    model_digest: Mapped[str] = mapped_column(Digest)
    engine: Mapped[str] = mapped_column(String(64))
    seconds: Mapped[float] = mapped_column(Float)
    timings: Mapped[dict[str, float]]
    supersedes: Mapped[int | None] = mapped_column(ForeignKey("analysis.id"))
    completed_at: Mapped[int] = mapped_column(BigInteger, default=now_ms())


class ImageOutcome(Base):
    """What came of one instance in one analysis: findings, or the reason why it was not analysed.

    ``reason`` is its kind, ``code`` and ``code_values`` say it exactly, and ``because`` in English words. An earlier
    version kept no code.
    """

    __tablename__ = "image_outcome"
    __table_args__ = (UniqueConstraint("analysis_id", "instance_uid"), Index(None, "instance_uid"))

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    analysis_id: Mapped[int] = mapped_column(ForeignKey(Analysis.id))
    instance_uid: Mapped[str] = mapped_column(ForeignKey(Instance.instance_uid))
    reason: Mapped[str | None] = mapped_column(String(40))
    because: Mapped[str | None] = mapped_column(Text)
    code: Mapped[str | None] = mapped_column(String(40))
    code_values: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    remarks: Mapped[list[dict[str, Any]]] = mapped_column(default=list, server_default=text("'[]'"))
    verdict: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    distance: Mapped[float | None] = mapped_column(Float)


class Finding(Base):
    """One finding on one image, with the columns that lists and statistics ask for; ``detail`` has it whole."""

    __tablename__ = "finding"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    analysis_id: Mapped[int] = mapped_column(ForeignKey(Analysis.id), index=True)
    instance_uid: Mapped[str] = mapped_column(ForeignKey(Instance.instance_uid))
    label: Mapped[str] = mapped_column(String(64))
    code_value: Mapped[str] = mapped_column(String(64))
    code_scheme: Mapped[str] = mapped_column(String(16))
    code_meaning: Mapped[str] = mapped_column(String(64))
    score: Mapped[float] = mapped_column(Float)
    level: Mapped[str] = mapped_column(String(16))
    abnormal: Mapped[bool]
    detail: Mapped[dict[str, Any]]


class Document(Base):
    """One document built from an analysis; ``path`` is relative to the document store.

    A note that takes others back (:mod:`tracking.outbox.rejections`) has a ``reason``, and is built when it is first
    sent: until then its ``path`` is empty.
    """

    __tablename__ = "document"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    analysis_id: Mapped[int] = mapped_column(ForeignKey(Analysis.id), index=True)
    kind: Mapped[str] = mapped_column(String(8))
    uid: Mapped[str] = mapped_column(UID, unique=True)
    series_uid: Mapped[str | None] = mapped_column(UID)
    sop_class_uid: Mapped[str | None] = mapped_column(UID)
    path: Mapped[str] = mapped_column(Text)
    sha256: Mapped[str] = mapped_column(Digest)
    size: Mapped[int] = mapped_column(BigInteger)
    quarantined: Mapped[str | None] = mapped_column(Text)
    reason: Mapped[str | None] = mapped_column(String(16))
    built_at: Mapped[int] = mapped_column(BigInteger, default=now_ms())


Index(
    "ix_document_quarantined", Document.analysis_id, sqlite_where=Document.quarantined.is_not(None),
    postgresql_where=Document.quarantined.is_not(None),
)  # fmt: skip


class CarriedDocument(Base):
    """A document of an earlier analysis that a later one would only have said again: it stands for both.

    ``instance_uid`` is the image that it shows.
    """

    __tablename__ = "carried_document"

    analysis_id: Mapped[int] = mapped_column(ForeignKey(Analysis.id), primary_key=True)
    document_id: Mapped[int] = mapped_column(ForeignKey(Document.id), primary_key=True, index=True)
    instance_uid: Mapped[str] = mapped_column(UID)


class Delivery(Base):
    """One document on its way to one destination: the outbox.

    ``taken_back_by`` is the note that tells the destination that the document does not hold any more.

    ``confirmation`` (:class:`tracking.outbox.confirmations.Confirmation`) is NULL where the destination's answer to the
    document is all that is asked for. ``unconfirmed`` counts how often the destination turned out not to have the
    document after it had answered with success.
    """

    __tablename__ = "delivery"
    __table_args__ = (
        UniqueConstraint("document_id", "destination"),
        Index(None, "destination", "state", "finished_at"),
        Index(None, "state", "finished_at"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    document_id: Mapped[int] = mapped_column(ForeignKey(Document.id))
    destination: Mapped[str] = mapped_column(String(40))
    state: Mapped[str] = mapped_column(String(12), default="waiting")
    attempts: Mapped[int] = mapped_column(default=0)
    error: Mapped[str | None] = mapped_column(Text)
    detail: Mapped[str | None] = mapped_column(Text)
    taken_back_by: Mapped[int | None] = mapped_column(BigId)
    created_at: Mapped[int] = mapped_column(BigInteger, default=now_ms())
    finished_at: Mapped[int | None] = mapped_column(BigInteger)
    confirmation: Mapped[str | None] = mapped_column(String(12))
    confirmed_at: Mapped[int | None] = mapped_column(BigInteger)
    unconfirmed: Mapped[int] = mapped_column(default=0, server_default=text("0"))


Index(
    "ix_delivery_awaited", Delivery.destination, Delivery.document_id, sqlite_where=Delivery.confirmation == "awaited",
    postgresql_where=Delivery.confirmation == "awaited",
)  # fmt: skip


FAILED_DELIVERY = text("delivery.error IS NOT NULL AND delivery.state IN ('waiting', 'stopped')")
"""Chooses the deliveries that failed last and still wait or stopped; without a parameter, for their index."""
_failed = text("error IS NOT NULL AND state IN ('waiting', 'stopped')")
Index("ix_delivery_failed", Delivery.destination, Delivery.id, sqlite_where=_failed, postgresql_where=_failed)


class Commitment(Base):
    """One storage commitment request (PS3.4 J.3.2) for one delivery, and its answer.

    ``state`` is ``asked``, ``committed``, ``failed`` (``failure_reason`` is the peer's, PS3.3 C.14.1.1), or
    ``unanswered``: nobody waits for the answer any more, but one that comes still counts.
    """

    __tablename__ = "commitment"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    delivery_id: Mapped[int] = mapped_column(ForeignKey(Delivery.id, ondelete="CASCADE"), index=True)
    transaction_uid: Mapped[str] = mapped_column(UID, unique=True)
    state: Mapped[str] = mapped_column(String(12), default="asked")
    failure_reason: Mapped[int | None] = mapped_column()
    asked_at: Mapped[int] = mapped_column(BigInteger, default=now_ms())
    answered_at: Mapped[int | None] = mapped_column(BigInteger)


class Job(Base):
    """One piece of work due. ``visible_at`` is due time, retry time and end of lease in one column."""

    __tablename__ = "job"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    key: Mapped[str] = mapped_column(String(200), unique=True)
    queue: Mapped[str] = mapped_column(String(16))
    destination: Mapped[str | None] = mapped_column(String(40))
    payload: Mapped[dict[str, Any]]
    priority: Mapped[int] = mapped_column(default=5)
    state: Mapped[str] = mapped_column(String(8), default="open")
    visible_at: Mapped[int] = mapped_column(BigInteger, default=now_ms())
    worker: Mapped[str | None] = mapped_column(String(160))
    token: Mapped[int] = mapped_column(default=0)
    attempts: Mapped[int] = mapped_column(default=0)
    crashes: Mapped[int] = mapped_column(default=0)
    unforeseen: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    """Attempts that failed for a reason that this version does not know."""
    error: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[int] = mapped_column(BigInteger, default=now_ms())
    give_up_at: Mapped[int] = mapped_column(BigInteger)
    finished_at: Mapped[int | None] = mapped_column(BigInteger)


Index(
    "ix_job_claim",
    Job.queue,
    Job.destination,
    Job.priority,
    Job.visible_at,
    Job.id,
    sqlite_where=Job.state == "open",
    postgresql_where=Job.state == "open",
)
Index("ix_job_stopped", Job.queue, sqlite_where=Job.state == "stopped", postgresql_where=Job.state == "stopped")


class Clock(Base):
    """The latest time of the database's clock that a service noted; one row."""

    __tablename__ = "clock"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    seen_at: Mapped[int] = mapped_column(BigInteger)


class ScheduledRun(Base):
    """When work that a node does from time to time was last begun, and what it came to; one row each."""

    __tablename__ = "scheduled_run"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    begun_at: Mapped[int] = mapped_column(BigInteger)
    ended_at: Mapped[int | None] = mapped_column(BigInteger)
    outcome: Mapped[str] = mapped_column(Text)


class Breaker(Base):
    """The circuit breaker of one destination: after failures, everything bound for it waits together.

    ``held_since`` is set while somebody has paused the destination: nothing is sent to it, whatever the failures.
    """

    __tablename__ = "breaker"

    destination: Mapped[str] = mapped_column(String(40), primary_key=True)
    failures: Mapped[int] = mapped_column(default=0)
    paused_until: Mapped[int] = mapped_column(BigInteger, default=0)
    held_since: Mapped[int | None] = mapped_column(BigInteger)
    error: Mapped[str | None] = mapped_column(Text)


class SitePoint(Base):
    """The site's own operating points of one finding of a package; see :mod:`tracking.results.site_points`."""

    __tablename__ = "site_point"

    package: Mapped[str] = mapped_column(String(64), primary_key=True)
    label: Mapped[str] = mapped_column(String(64), primary_key=True)
    sensitive: Mapped[float] = mapped_column(Float)
    specific: Mapped[float] = mapped_column(Float)
    source: Mapped[str] = mapped_column(String(8))
    changed_by: Mapped[str] = mapped_column(String(64))
    changed_at: Mapped[int] = mapped_column(BigInteger, default=now_ms())


class TakenReportClass(Base):
    """Which SR storage class a destination takes; ``sop_class_uid`` is NULL where it takes no structured report."""

    __tablename__ = "taken_report_class"

    destination: Mapped[str] = mapped_column(String(40), primary_key=True)
    sop_class_uid: Mapped[str | None] = mapped_column(UID)
    since: Mapped[int] = mapped_column(BigInteger, default=now_ms())


class DeletedStudy(Base):
    """A study that was deleted: should it come again, its revisions go on from here, so that no UID is used twice."""

    __tablename__ = "deleted_study"

    study_uid: Mapped[str] = mapped_column(UID, primary_key=True)
    revision: Mapped[int]
    deleted_at: Mapped[int] = mapped_column(BigInteger, default=now_ms())


class Refusal(Base):
    """What the receiver refused, counted: one row for each kind, reason, caller, SOP class and transfer syntax."""

    __tablename__ = "refusal"
    __table_args__ = (
        UniqueConstraint(
            "kind", "reason", "calling_ae", "called_ae", "address", "sop_class_uid", "transfer_syntax_uid",
            name="uq_refusal_what",
        ),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str] = mapped_column(String(120))
    cure: Mapped[str] = mapped_column(Text)
    calling_ae: Mapped[str] = mapped_column(AETitle)
    called_ae: Mapped[str] = mapped_column(AETitle)
    address: Mapped[str] = mapped_column(String(64))
    sop_class_uid: Mapped[str] = mapped_column(UID)
    transfer_syntax_uid: Mapped[str] = mapped_column(UID)
    count: Mapped[int] = mapped_column(BigInteger)
    first_at: Mapped[int] = mapped_column(BigInteger, default=now_ms())
    last_at: Mapped[int] = mapped_column(BigInteger, default=now_ms(), index=True)


class AuditEvent(Base):
    """One line of the audit log: append-only (triggers), each hash covers the one before."""

    __tablename__ = "audit_event"
    __table_args__ = (Index(None, "study_uid", "seq"),)

    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    at: Mapped[int] = mapped_column(BigInteger)
    type: Mapped[str] = mapped_column(String(40))
    outcome: Mapped[str] = mapped_column(String(16))
    service: Mapped[str] = mapped_column(String(40))
    study_uid: Mapped[str | None] = mapped_column(UID)
    detail: Mapped[str] = mapped_column(Text)
    hash: Mapped[str] = mapped_column(Digest)


class AuditHead(Base):
    """The last line's number and hash: its row lock orders writers, and a cut-off tail shows against it."""

    __tablename__ = "audit_head"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    seq: Mapped[int] = mapped_column(BigInteger)
    hash: Mapped[str] = mapped_column(Digest)
