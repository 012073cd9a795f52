"""Deliveries: one document on its way to one destination, and what becomes of it."""

from dataclasses import dataclass

from sqlalchemy import select, true, update
from sqlalchemy.orm import Session

from tracking.audit_log import audit
from tracking.audit_log.audit import AuditEventType
from tracking.engine.changes import study_changed
from tracking.engine.clock import now_ms
from tracking.jobs import queue
from tracking.jobs.keys import delivery_key
from tracking.outbox.document_kinds import KINDS
from tracking.outbox.documents import DocumentRecord, keep_document
from tracking.outbox.states import NOT_TAKEN, OVERTAKEN, WITHHELD
from tracking.studies import conflicts
from tracking.tables.models import Analysis, Delivery, Document


@dataclass(frozen=True, slots=True)
class StoredDelivery:
    """One document due at one destination."""

    id: int
    destination: str
    document: DocumentRecord
    study_uid: str
    analysis_id: int
    revision: int


def load_delivery(read: Session, delivery_id: int) -> StoredDelivery:
    """Return a delivery with its document. Raises LookupError."""
    row = read.execute(
        select(Delivery, Document, Analysis.study_uid, Analysis.revision)
        .join(Document, Delivery.document_id == Document.id)
        .join(Analysis, Document.analysis_id == Analysis.id)
        .where(Delivery.id == delivery_id)
    ).first()
    if row is None:
        msg = f"there is no delivery {delivery_id}"
        raise LookupError(msg)
    delivery, document, study_uid, revision = row
    return StoredDelivery(
        id=delivery.id,
        destination=delivery.destination,
        study_uid=study_uid,
        analysis_id=document.analysis_id,
        revision=revision,
        document=DocumentRecord(
            kind=document.kind,
            uid=document.uid,
            series_uid=document.series_uid,
            sop_class_uid=document.sop_class_uid,
            path=document.path,
            sha256=document.sha256,
            size=document.size,
            quarantined=document.quarantined,
        ),
    )


def record_delivered(tx: Session, delivery_id: int, detail: str) -> None:
    """Record that a destination has taken a document; ``detail`` is its answer, such as a status."""
    tx.execute(
        update(Delivery)
        .where(Delivery.id == delivery_id)
        .values(
            state="delivered", error=None, detail=detail, attempts=Delivery.attempts + 1, finished_at=now_ms(),
            confirmation=None, confirmed_at=None,
        )
    )  # fmt: skip
    _audit_delivery(tx, delivery_id, AuditEventType.DELIVERY_DONE, "success", {"answer": detail})


def record_attempt_failed(tx: Session, delivery_id: int, error: str, *, stopped: bool) -> None:
    """Record a failed attempt; ``stopped`` when nobody will try again by itself."""
    tx.execute(
        update(Delivery)
        .where(Delivery.id == delivery_id)
        .values(
            state="stopped" if stopped else "waiting",
            error=error,
            attempts=Delivery.attempts + 1,
            finished_at=now_ms() if stopped else None,
        )
    )
    event = AuditEventType.DELIVERY_STOPPED if stopped else AuditEventType.DELIVERY_FAILED
    _audit_delivery(tx, delivery_id, event, "serious-failure" if stopped else "minor-failure", {"error": error})


def replace_document(tx: Session, delivery: StoredDelivery, document: DocumentRecord) -> None:
    """Let a delivery carry another document of its analysis, the same content in another class, and start it again.

    The delivery stays one: whether the process dies before or after, its destination gets one of the two documents.
    Its job has to be finished in the same transaction.
    """
    reason = f"{delivery.destination} takes this class"
    keep_document(tx, delivery.study_uid, delivery.analysis_id, document, reason=reason)
    document_id = tx.scalars(select(Document.id).where(Document.uid == document.uid)).one()
    tx.execute(
        update(Delivery)
        .where(Delivery.id == delivery.id)
        .values(document_id=document_id, state="waiting", error=None, finished_at=None)
    )
    study_changed(tx, delivery.study_uid)
    queue.retry(tx, key=delivery_key(delivery.id), done=True)


def record_not_taken(tx: Session, delivery_id: int, what: str = "structured report") -> None:
    """Record that a document is not sent, because its destination takes none of its kind, which ``what`` names."""
    tx.execute(
        update(Delivery).where(Delivery.id == delivery_id).values(state=NOT_TAKEN, error=None, finished_at=now_ms())
    )
    reason = f"not sent: the destination takes no {what}"
    _audit_delivery(tx, delivery_id, AuditEventType.DELIVERY_STOPPED, "success", {"reason": reason})


def is_overtaken(read: Session, delivery: StoredDelivery) -> bool:
    """Say whether the destination has a document of this kind from a later revision of the study already.

    A receiver that keeps what came last would otherwise end with the older result. A later revision may have no score
    map any more, so that a map is overtaken by any later DICOM document. The correction of a message is overtaken by
    the message of a later result, which corrects it, too. A Bundle is overtaken by one of any model, because a study
    has one DiagnosticReport.
    """
    kind = KINDS[delivery.document.kind]
    # A later Bundle says what becomes of an earlier one's findings: once it is there, an earlier one is not sent. What
    # enters a result in error is sent until a later result has arrived.
    answered = kind.is_bundle and not kind.takes_back
    states = ("delivered", "waiting", "stopped") if answered else ("delivered",)
    ours = select(Analysis.revision, Analysis.model_name).where(Analysis.id == delivery.analysis_id).subquery()
    later = (
        select(Delivery.id)
        .join(Document, Delivery.document_id == Document.id)
        .join(Analysis, Document.analysis_id == Analysis.id)
        .join(ours, Analysis.revision > ours.c.revision)
        .where(
            Analysis.study_uid == delivery.study_uid,
            Delivery.destination == delivery.destination,
            Delivery.state.in_(states),
            Document.kind.in_(kind.overtaken_by),
            true() if kind.is_bundle else Analysis.model_name == ours.c.model_name,
        )
    )
    return read.execute(later.limit(1)).first() is not None


def record_overtaken(tx: Session, delivery_id: int) -> None:
    """Record that a document is not sent any more, because its destination has a later one."""
    tx.execute(
        update(Delivery).where(Delivery.id == delivery_id).values(state=OVERTAKEN, error=None, finished_at=now_ms())
    )
    reason = "not sent: the destination has the result of a later revision"
    _audit_delivery(tx, delivery_id, AuditEventType.DELIVERY_STOPPED, "success", {"reason": reason})


def record_withheld(tx: Session, delivery_id: int) -> None:
    """Record that a document is not sent any more, because its study names two patients or its images changed."""
    tx.execute(
        update(Delivery).where(Delivery.id == delivery_id).values(state=WITHHELD, error=None, finished_at=now_ms())
    )
    _audit_delivery(tx, delivery_id, AuditEventType.DELIVERY_STOPPED, "success", {"reason": conflicts.WITHHELD})


def retry_deliveries(
    tx: Session, *, destination: str | None = None, study_uid: str | None = None, user: str | None = None
) -> int:
    """Start stopped and waiting deliveries again now, those of a destination or of a study; return how many.

    ``user`` is who asks, for the audit log.

    Of a study also the structured reports that a destination did not take. Of a destination these may be thousands,
    and its next study finds out by itself whether it takes them now.
    """
    states = ("waiting", "stopped") if study_uid is None else ("waiting", "stopped", NOT_TAKEN)
    due = (
        select(Delivery.id, Delivery.destination, Delivery.state, Analysis.study_uid)
        .join(Document, Delivery.document_id == Document.id)
        .join(Analysis, Document.analysis_id == Analysis.id)
        .where(Delivery.state.in_(states))
    )
    if destination is not None:
        due = due.where(Delivery.destination == destination)
    if study_uid is not None:
        due = due.where(Analysis.study_uid == study_uid)
    started = 0
    for delivery_id, name, state, study in tx.execute(due.order_by(Delivery.id)).all():  # in the order of arrival
        if queue.retry(tx, key=delivery_key(delivery_id), done=state == NOT_TAKEN):
            started += 1
            again = {"state": "waiting", "finished_at": None, "unconfirmed": 0}
            tx.execute(update(Delivery).where(Delivery.id == delivery_id).values(again))
            study_changed(tx, study)
            audit.append(
                tx,
                AuditEventType.JOB_RETRIED,
                study_uid=study,
                detail={"job": delivery_key(delivery_id), "destination": name, "user": user},
            )
    if destination is not None:
        queue.close_breaker(tx, destination)
    return started


def _audit_delivery(tx: Session, delivery_id: int, event: AuditEventType, outcome: str, detail: audit.Detail) -> None:
    delivery = load_delivery(tx, delivery_id)
    study_changed(tx, delivery.study_uid)
    audit.append(
        tx,
        event,
        outcome=outcome,
        study_uid=delivery.study_uid,
        detail={
            "kind": delivery.document.kind,
            "document_uid": delivery.document.uid,
            "destination": delivery.destination,
            **detail,
        },
    )
