"""Documents built from an analysis, and the deliveries that they make due: the outbox is filled here."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    ScalarSelect,
    String,
    Subquery,
    and_,
    cast,
    exists,
    func,
    literal,
    or_,
    select,
    union_all,
)
from sqlalchemy.orm import Session, aliased

from tracking.audit_log import audit
from tracking.audit_log.audit import AuditEventType
from tracking.engine.changes import study_changed
from tracking.engine.clock import now_ms
from tracking.jobs import queue
from tracking.jobs.keys import delivery_key
from tracking.jobs.priorities import priority_of
from tracking.outbox.document_kinds import CAPTURE, NOTES, REPORT
from tracking.studies import conflicts
from tracking.studies.upload_hold import is_held
from tracking.tables.models import Analysis, CarriedDocument, Delivery, Document, ImageOutcome, Job, Study

LEFT_OUT = "attribute-left-out"
"""Kind of the remark that the documents leave an attribute of the source empty."""


@dataclass(frozen=True, slots=True)
class DocumentRecord:
    """One document on disk.

    ``kind`` names one of :mod:`tracking.outbox.document_kinds`; ``uid`` the SOP Instance UID or the message control ID.
    ``path`` is relative to the document store; ``quarantined`` is the reason why it must not be sent, or None.
    """

    kind: str
    uid: str
    series_uid: str | None
    sop_class_uid: str | None
    path: str
    sha256: str
    size: int
    quarantined: str | None


def record_documents(
    tx: Session,
    analysis_id: int,
    documents: Sequence[DocumentRecord],
    routes: Sequence[tuple[str, str]],
    *,
    carried: Mapping[str, str] = MappingProxyType({}),
    give_up_ms: int = 3 * queue.DAY_MS,
) -> None:
    """Record documents, and one delivery for each route ``(document uid, destination name)``.

    ``carried`` are documents of earlier analyses that stand for this one, too, with the image that each shows.
    Building again is harmless: a document is known by its UID, and stays what it was unless it was quarantined.
    Quarantined documents are not routed, nor are those of an upload that was not released. Nothing is recorded of a
    study that is in conflict by now, or of instances that were rejected or replaced since.
    """
    study_uid, revision = tx.execute(
        select(Analysis.study_uid, Analysis.revision).where(Analysis.id == analysis_id)
    ).one()
    if not conflicts.may_speak(tx, study_uid, revision):
        conflicts.note_withheld(tx, study_uid, revision, f"documents of analysis {analysis_id}")
        return
    study_changed(tx, study_uid)
    for document in documents:
        keep_document(tx, study_uid, analysis_id, document)
    for document_uid, instance_uid in carried.items():
        _carry(tx, analysis_id, document_uid, instance_uid)
    priority = priority_of(tx, study_uid, revision)
    blocked = {document.uid for document in documents if document.quarantined is not None}
    if is_held(tx, study_uid):
        routes = ()
    for document_uid, destination in routes:
        if document_uid not in blocked:
            document_id = tx.scalars(select(Document.id).where(Document.uid == document_uid)).one()
            if not _has_report(tx, document_id, destination):
                make_delivery(tx, document_id, destination, give_up_ms, priority=priority)


def _carry(tx: Session, analysis_id: int, document_uid: str, instance_uid: str) -> None:
    document_id = tx.scalars(select(Document.id).where(Document.uid == document_uid)).one()
    tx.execute(
        queue.upsert(tx)(CarriedDocument)
        .values(analysis_id=analysis_id, document_id=document_id, instance_uid=instance_uid)
        .on_conflict_do_nothing(index_elements=["analysis_id", "document_id"])
    )


def note_left_out(tx: Session, analysis_id: int, instance_uid: str, remarks: Sequence[dict[str, Any]]) -> None:
    """Add to an image's remarks what the documents leave empty of it, with an audit line; what is there stays once."""
    if not remarks:
        return
    outcome = tx.scalars(
        select(ImageOutcome).where(ImageOutcome.analysis_id == analysis_id, ImageOutcome.instance_uid == instance_uid)
    ).one()
    present = list(outcome.remarks or ())
    added = [remark for remark in remarks if remark not in present]
    if not added:
        return
    outcome.remarks = [*present, *added]
    tx.flush()
    study_uid = tx.scalars(select(Analysis.study_uid).where(Analysis.id == analysis_id)).one()
    study_changed(tx, study_uid)
    audit.append(
        tx,
        AuditEventType.DOCUMENTS_BUILT,
        outcome="minor-failure",
        study_uid=study_uid,
        detail={"analysis": analysis_id, "left_out": "; ".join(str(remark["text"]) for remark in added)},
    )


def keep_document(
    tx: Session, study_uid: str, analysis_id: int, document: DocumentRecord, *, reason: str | None = None
) -> None:
    """Write a document's row and its audit line, unless the row stands already and was not quarantined.

    ``reason`` is why a document was built after the others, for the audit log.
    """
    values = asdict(document)
    written = tx.scalar(
        queue.upsert(tx)(Document)
        .values(analysis_id=analysis_id, **values)
        .on_conflict_do_update(
            index_elements=["uid"], set_={**values, "built_at": now_ms()}, where=Document.quarantined.is_not(None)
        )
        .returning(Document.id)
    )
    if written is None:
        return
    study_changed(tx, study_uid)
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
            "reason": document.quarantined or reason,
        },
    )


def _has_report(tx: Session, document_id: int, destination: str) -> bool:
    """Say whether a structured report is on its way there already as another document of the same analysis.

    A destination gets one, whatever class it took when the documents were built for a second time.
    """
    sibling = aliased(Document)
    same = and_(sibling.analysis_id == Document.analysis_id, sibling.kind == Document.kind, sibling.id != Document.id)
    routed = (
        select(Delivery.id)
        .join(sibling, Delivery.document_id == sibling.id)
        .join(Document, same)
        .where(Document.id == document_id, Document.kind == REPORT.name, Delivery.destination == destination)
    )
    return tx.execute(routed.limit(1)).first() is not None


def make_delivery(
    tx: Session, document_id: int, destination: str, give_up_ms: int, *, priority: int = queue.USUAL
) -> None:
    """Let a document be due at a destination, once; ``give_up_ms`` is for how long that is tried."""
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
        delivery_key(delivery_id),
        {"delivery_id": delivery_id},
        destination=destination,
        priority=priority,
        give_up_ms=give_up_ms,
    )


def quarantined_by_study(read: Session) -> dict[str, int]:
    """Return how many documents are quarantined by study UID, the study whose were built last first.

    Those of an analysis that a later one took the place of, or that does not hold any more, are nobody's concern.
    """
    rows = read.execute(
        select(Analysis.study_uid, func.count())
        .join(Document, Document.analysis_id == Analysis.id)
        .join(Study, Study.study_uid == Analysis.study_uid)
        .where(Document.quarantined.is_not(None), ~_replaced())
        .where(Study.conflict_since.is_(None), Analysis.revision >= Study.valid_from)
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


def documents_of(analysis_id: int | ScalarSelect[int | None]) -> CompoundSelect[int]:
    """Choose the documents that say what an analysis says, quarantined or not; notes about others are none of them."""
    carried = select(CarriedDocument.document_id).where(CarriedDocument.analysis_id == analysis_id)
    return union_all(select(Document.id).where(Document.analysis_id == analysis_id, Document.reason.is_(None)), carried)


def held_by(analyses: Sequence[int]) -> Subquery:
    """Return (analysis_id, document_id) of the documents that belong to analyses, built for them or carried."""
    own = select(Document.analysis_id, Document.id.label("document_id")).where(Document.analysis_id.in_(analyses))
    carried = select(CarriedDocument.analysis_id, CarriedDocument.document_id).where(
        CarriedDocument.analysis_id.in_(analyses)
    )
    return union_all(own, carried).subquery("held")


def sent_for(analyses: Sequence[int]) -> Subquery:
    """Return (analysis_id, document_id) like :func:`held_by`, with the notes that were due before each analysis."""
    earlier = aliased(Analysis)
    notes = (
        select(Analysis.id.label("analysis_id"), Document.id.label("document_id"))
        .join(earlier, earlier.study_uid == Analysis.study_uid)
        .join(Document, Document.analysis_id == earlier.id)
        .where(Analysis.id.in_(analyses), earlier.id != Analysis.id, Document.reason.is_not(None))
    )
    held = held_by(analyses)
    return union_all(select(held.c.analysis_id, held.c.document_id), notes).subquery("sent")


def earlier_documents(read: Session, analysis_id: int, kind: str, destination: str) -> list[tuple[str, str]]:
    """Return the documents of one kind that were due at a destination for earlier analyses of the same study.

    Each as its path in the document store and its SHA-256, the oldest first.
    """
    ours = select(Analysis.study_uid, Analysis.revision).where(Analysis.id == analysis_id).subquery()
    rows = read.execute(
        select(Document.path, Document.sha256)
        .join(Delivery, Delivery.document_id == Document.id)
        .join(Analysis, Document.analysis_id == Analysis.id)
        .join(ours, Analysis.study_uid == ours.c.study_uid)
        .where(
            or_(
                Analysis.revision < ours.c.revision,
                and_(Analysis.revision == ours.c.revision, Analysis.id < analysis_id),
            ),
            Document.kind == kind,
            Delivery.destination == destination,
        )
        .order_by(Analysis.revision, Analysis.id, Document.id)
    )
    return [(row.path, row.sha256) for row in rows]


def holders(read: Session, study_uid: str) -> frozenset[str]:
    """Return the destinations that have, may have, or are to get a result of a study that no note takes back."""
    names = read.scalars(
        select(Delivery.destination)
        .join(Document, Delivery.document_id == Document.id)
        .join(Analysis, Document.analysis_id == Analysis.id)
        .where(
            Analysis.study_uid == study_uid,
            Document.kind.not_in(NOTES),
            Delivery.taken_back_by.is_(None),
            or_(Delivery.state.in_(("delivered", "waiting")), Delivery.attempts > 0),
        )
    )
    return frozenset(names)


def documents_with(read: Session, uids: Sequence[str]) -> set[str]:
    """Return those of some UIDs that are of documents which may leave."""
    return set(read.scalars(select(Document.uid).where(Document.uid.in_(uids), Document.quarantined.is_(None))))


def carried_captures(read: Session, analysis_id: int) -> dict[str, str]:
    """Return the captures that an analysis carries, by the image that each shows."""
    rows = read.execute(
        select(CarriedDocument.instance_uid, Document.uid)
        .join(Document, CarriedDocument.document_id == Document.id)
        .where(CarriedDocument.analysis_id == analysis_id, Document.kind == CAPTURE.name)
    )
    return {row[0]: row[1] for row in rows}


def documents_out(read: Session, analysis_id: int) -> list[tuple[str, str | None]]:
    """Return kind and SOP class of the documents of an analysis that a destination has, may have, or is to get.

    A document whose sending was begun may have arrived, whatever came of it. One that waits is sent as long as its
    analysis holds.
    """
    holds = and_(Study.conflict_since.is_(None), Analysis.revision >= Study.valid_from)
    begun = or_(Delivery.attempts > 0, Job.crashes > 0, Job.worker.is_not(None))
    rows = read.execute(
        select(Document.kind, Document.sop_class_uid)
        .join(Delivery, Delivery.document_id == Document.id)
        .join(Analysis, Document.analysis_id == Analysis.id)
        .join(Study, Analysis.study_uid == Study.study_uid)
        .outerjoin(Job, Job.key == literal("deliver:").concat(cast(Delivery.id, String)))
        .where(Document.id.in_(documents_of(analysis_id)))
        .where(or_(Delivery.state == "delivered", begun, and_(Delivery.state == "waiting", holds)))
        .order_by(Document.id)
    )
    return list(dict.fromkeys((row.kind, row.sop_class_uid) for row in rows))
