"""Documents built from an analysis, and their way to each destination: the outbox."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import ColumnElement, String, and_, cast, exists, func, or_, select, update
from sqlalchemy.orm import Session, aliased

from tracking import audit, conflicts, queue
from tracking.audit import AuditEventType
from tracking.clock import now_ms
from tracking.models import Analysis, Delivery, Document, ImageOutcome

NOT_TAKEN = "not-taken"
"""State of a delivery whose destination takes no structured report."""
SETTLED = ("delivered", NOT_TAKEN)
"""States of a delivery that nothing is left to do for."""
LEFT_OUT = "attribute-left-out"
"""Kind of the remark that the documents leave an attribute of the source empty."""


@dataclass(frozen=True, slots=True)
class DocumentRecord:
    """One document on disk.

    ``kind`` is ``sr``, ``sc``, ``map`` or ``hl7``; ``uid`` the SOP Instance UID or the message control ID; ``path`` is
    relative to the document store; ``quarantined`` is the reason why it must not be sent, or None.
    """

    kind: str
    uid: str
    series_uid: str | None
    sop_class_uid: str | None
    path: str
    sha256: str
    size: int
    quarantined: str | None


@dataclass(frozen=True, slots=True)
class StoredDelivery:
    """One document due at one destination."""

    id: int
    destination: str
    document: DocumentRecord
    study_uid: str
    analysis_id: int
    revision: int


def record_documents(
    tx: Session,
    analysis_id: int,
    documents: Sequence[DocumentRecord],
    routes: Sequence[tuple[str, str]],
    *,
    give_up_ms: int = 3 * queue.DAY_MS,
) -> None:
    """Record documents, and one delivery for each route ``(document uid, destination name)``.

    Building again is harmless: a document is known by its UID, and stays what it was unless it was quarantined.
    Quarantined documents are not routed. Nothing is recorded of a study that is in conflict by now, or of instances
    that were rejected or replaced since.
    """
    study_uid, revision = tx.execute(
        select(Analysis.study_uid, Analysis.revision).where(Analysis.id == analysis_id)
    ).one()
    if not conflicts.may_speak(tx, study_uid, revision):
        conflicts.note_withheld(tx, study_uid, revision, f"documents of analysis {analysis_id}")
        return
    for document in documents:
        if not _keep(tx, analysis_id, document):
            continue
        quarantined = document.quarantined is not None
        audit.append(
            tx,
            AuditEventType.DOCUMENT_QUARANTINED if quarantined else AuditEventType.DOCUMENTS_BUILT,
            outcome="serious-failure" if quarantined else "success",
            study_uid=study_uid,
            detail={
                "kind": document.kind,
                "document_uid": document.uid,
                "sha256": document.sha256,
                "analysis": analysis_id,
                "reason": document.quarantined,
            },
        )
    blocked = {document.uid for document in documents if document.quarantined is not None}
    for document_uid, destination in routes:
        if document_uid not in blocked:
            document_id = tx.scalars(select(Document.id).where(Document.uid == document_uid)).one()
            if not _has_report(tx, document_id, destination):
                _route(tx, document_id, destination, give_up_ms)


def note_left_out(tx: Session, analysis_id: int, instance_uid: str, remarks: Sequence[dict[str, Any]]) -> None:
    """Add to an image's remarks what the documents leave empty of it, with an audit line; what is there stays once."""
    if not remarks:
        return
    outcome = tx.scalars(
        select(ImageOutcome).where(ImageOutcome.analysis_id == analysis_id, ImageOutcome.instance_uid == instance_uid)
    ).one()
    known = list(outcome.remarks or ())
    added = [remark for remark in remarks if remark not in known]
    if not added:
        return
    outcome.remarks = [*known, *added]
    tx.flush()
    study_uid = tx.scalars(select(Analysis.study_uid).where(Analysis.id == analysis_id)).one()
    audit.append(
        tx,
        AuditEventType.DOCUMENTS_BUILT,
        outcome="minor-failure",
        study_uid=study_uid,
        detail={"analysis": analysis_id, "left_out": "; ".join(str(remark["text"]) for remark in added)},
    )


def left_out_by_study(read: Session) -> dict[str, int]:
    """Return how many remarks say that documents leave an attribute empty, by study UID, the latest study first.

    Those of an analysis that a later one took the place of do not count. Walks all outcomes.
    """
    rows = read.execute(
        select(Analysis.study_uid, ImageOutcome.remarks)
        .join(ImageOutcome, ImageOutcome.analysis_id == Analysis.id)
        .where(cast(ImageOutcome.remarks, String).contains(LEFT_OUT), ~_replaced())
        .order_by(Analysis.id.desc())
    )
    found: dict[str, int] = {}
    for study_uid, remarks in rows:
        found[study_uid] = found.get(study_uid, 0) + sum(remark.get("kind") == LEFT_OUT for remark in remarks)
    return found


def _keep(tx: Session, analysis_id: int, document: DocumentRecord) -> bool:
    """Write a document's row, also over that of a quarantined one; False when it stands there already."""
    values = asdict(document)
    kept = tx.scalar(
        queue.upsert(tx)(Document)
        .values(analysis_id=analysis_id, **values)
        .on_conflict_do_update(
            index_elements=["uid"], set_={**values, "built_at": now_ms()}, where=Document.quarantined.is_not(None)
        )
        .returning(Document.id)
    )
    return kept is not None


def _has_report(tx: Session, document_id: int, destination: str) -> bool:
    """Say whether a structured report is on its way there already as another document of the same analysis.

    A destination gets one, whatever class it took when the documents were built for a second time.
    """
    other = aliased(Document)
    same = and_(other.analysis_id == Document.analysis_id, other.kind == Document.kind, other.id != Document.id)
    found = (
        select(Delivery.id)
        .join(other, Delivery.document_id == other.id)
        .join(Document, same)
        .where(Document.id == document_id, Document.kind == "sr", Delivery.destination == destination)
    )
    return tx.execute(found.limit(1)).first() is not None


def _route(tx: Session, document_id: int, destination: str, give_up_ms: int) -> None:
    tx.execute(
        queue.upsert(tx)(Delivery)
        .values(document_id=document_id, destination=destination)
        .on_conflict_do_nothing(index_elements=["document_id", "destination"])
    )
    delivery_id = tx.scalars(
        select(Delivery.id).where(Delivery.document_id == document_id, Delivery.destination == destination)
    ).one()
    queue.enqueue(
        tx,
        "deliver",
        f"deliver:{delivery_id}",
        {"delivery_id": delivery_id},
        destination=destination,
        give_up_ms=give_up_ms,
    )


def quarantined_by_study(read: Session) -> dict[str, int]:
    """Return how many documents are quarantined by study UID, the study whose were built last first.

    Those of an analysis that a later one took the place of are nobody's concern any more. Walks all documents.
    """
    rows = read.execute(
        select(Analysis.study_uid, func.count())
        .join(Document, Document.analysis_id == Analysis.id)
        .where(Document.quarantined.is_not(None), ~_replaced())
        .group_by(Analysis.study_uid)
        .order_by(func.max(Document.built_at).desc(), Analysis.study_uid)
    )
    return {row[0]: row[1] for row in rows}


def _replaced() -> ColumnElement[bool]:
    """Choose analyses that a later one took the place of."""
    later = aliased(Analysis)
    return exists().where(
        later.study_uid == Analysis.study_uid,
        or_(
            later.revision > Analysis.revision,
            and_(later.revision == Analysis.revision, later.id > Analysis.id),
        ),
    )


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
        .values(state="delivered", error=None, detail=detail, attempts=Delivery.attempts + 1, finished_at=now_ms())
    )
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


def report_classes(read: Session, analysis_id: int) -> list[str]:
    """Return the SOP classes in which an analysis's structured report was built, the first one first."""
    rows = read.scalars(
        select(Document.sop_class_uid)
        .where(Document.analysis_id == analysis_id, Document.kind == "sr", Document.quarantined.is_(None))
        .order_by(Document.id)
    )
    return [uid for uid in rows if uid is not None]


def replace_document(tx: Session, delivery: StoredDelivery, document: DocumentRecord) -> None:
    """Let a delivery carry another document of its analysis, the same content in another class, and start it again.

    The delivery stays one: whether the process dies before or after, its destination gets one of the two documents.
    Its job has to be finished in the same transaction.
    """
    if _keep(tx, delivery.analysis_id, document):
        audit.append(
            tx,
            AuditEventType.DOCUMENTS_BUILT,
            study_uid=delivery.study_uid,
            detail={
                "kind": document.kind,
                "document_uid": document.uid,
                "sha256": document.sha256,
                "analysis": delivery.analysis_id,
                "reason": f"{delivery.destination} takes this class",
            },
        )
    document_id = tx.scalars(select(Document.id).where(Document.uid == document.uid)).one()
    tx.execute(
        update(Delivery)
        .where(Delivery.id == delivery.id)
        .values(document_id=document_id, state="waiting", error=None, finished_at=None)
    )
    queue.retry(tx, key=f"deliver:{delivery.id}", done=True)


def record_not_taken(tx: Session, delivery_id: int) -> None:
    """Record that a structured report is not sent, because its destination takes none."""
    tx.execute(
        update(Delivery).where(Delivery.id == delivery_id).values(state=NOT_TAKEN, error=None, finished_at=now_ms())
    )
    reason = "not sent: the destination takes no structured report"
    _audit_delivery(tx, delivery_id, AuditEventType.DELIVERY_STOPPED, "success", {"reason": reason})


def is_overtaken(read: Session, delivery: StoredDelivery) -> bool:
    """Say whether the destination has a document of this kind from a later revision of the study already.

    A receiver that keeps what came last would otherwise end with the older result. A later revision may have no score
    map any more, so that a map is overtaken by any later DICOM document.
    """
    kinds = ("map", "sc", "sr") if delivery.document.kind == "map" else (delivery.document.kind,)
    ours = select(Analysis.revision, Analysis.model_name).where(Analysis.id == delivery.analysis_id).subquery()
    later = (
        select(Delivery.id)
        .join(Document, Delivery.document_id == Document.id)
        .join(Analysis, Document.analysis_id == Analysis.id)
        .join(ours, (Analysis.model_name == ours.c.model_name) & (Analysis.revision > ours.c.revision))
        .where(
            Analysis.study_uid == delivery.study_uid,
            Delivery.destination == delivery.destination,
            Delivery.state == "delivered",
            Document.kind.in_(kinds),
        )
    )
    return read.execute(later.limit(1)).first() is not None


def record_overtaken(tx: Session, delivery_id: int) -> None:
    """Record that a document is not sent any more, because its destination has a later one."""
    tx.execute(
        update(Delivery).where(Delivery.id == delivery_id).values(state="overtaken", error=None, finished_at=now_ms())
    )
    reason = "not sent: the destination has the result of a later revision"
    _audit_delivery(tx, delivery_id, AuditEventType.DELIVERY_STOPPED, "success", {"reason": reason})


def record_withheld(tx: Session, delivery_id: int) -> None:
    """Record that a document is not sent any more, because its study names two patients or its images changed."""
    tx.execute(
        update(Delivery).where(Delivery.id == delivery_id).values(state="withheld", error=None, finished_at=now_ms())
    )
    _audit_delivery(tx, delivery_id, AuditEventType.DELIVERY_STOPPED, "success", {"reason": conflicts.WITHHELD})


def retry_deliveries(tx: Session, *, destination: str | None = None, study_uid: str | None = None) -> int:
    """Start stopped and waiting deliveries again now, those of a destination or of a study; return how many.

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
    for delivery_id, name, state, study in tx.execute(due).all():
        if queue.retry(tx, key=f"deliver:{delivery_id}", done=state == NOT_TAKEN):
            started += 1
            tx.execute(update(Delivery).where(Delivery.id == delivery_id).values(state="waiting", finished_at=None))
            audit.append(
                tx,
                AuditEventType.JOB_RETRIED,
                study_uid=study,
                detail={"job": f"deliver:{delivery_id}", "destination": name},
            )
    if destination is not None:
        queue.close_breaker(tx, destination)
    return started


def _audit_delivery(tx: Session, delivery_id: int, event: AuditEventType, outcome: str, detail: audit.Detail) -> None:
    delivery = load_delivery(tx, delivery_id)
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
