"""What waits for destinations whose settings changed: one that has a new name, and one that was away from the settings.

A delivery remembers its destination by name, so that a renamed one takes its deliveries along, and what is kept of it.
"""

from sqlalchemy import Select, exists, select, update
from sqlalchemy.orm import Session, aliased

from tracking.audit_log import audit
from tracking.audit_log.audit import AuditEventType
from tracking.engine.changes import study_changed
from tracking.engine.clock import now_ms
from tracking.jobs import queue
from tracking.jobs.keys import confirmation_key, delivery_key
from tracking.outbox.confirmations import Confirmation
from tracking.outbox.states import NO_DESTINATION, OVERTAKEN
from tracking.tables.models import Analysis, Breaker, Delivery, Document, Job, TakenReportClass

_OPEN = ("waiting", "stopped")


def rename_destination(tx: Session, old: str, new: str) -> int:
    """Let a destination's new name stand in everything that is on record of it; return how many deliveries it has.

    A document that was due under both names goes on under the new one alone. A second time nothing is left to do.
    """
    if not tx.scalar(select(exists().where(Delivery.destination == old))):
        return 0
    for study_uid in tx.scalars(_studies_of_open(old)).all():
        study_changed(tx, study_uid)
    _settle_twins(tx, old, new)
    moved = tx.execute(
        update(Delivery)
        .where(Delivery.destination == old, Delivery.id.not_in(_twins(old, new)))
        .values(destination=new)
        .returning(Delivery.id)
        .execution_options(synchronize_session=False)
    ).all()
    if not moved:
        return 0
    for table in (Breaker, TakenReportClass):
        known = select(table.destination).where(table.destination == new)
        tx.execute(
            update(table)
            .where(table.destination == old, ~exists(known))
            .values(destination=new)
            .execution_options(synchronize_session=False)
        )
    tx.execute(
        update(Job)
        .where(Job.destination == old)
        .values(destination=new)
        .execution_options(synchronize_session=False)
    )  # fmt: skip
    detail: audit.Detail = {"destination": new, "former_name": old, "deliveries": len(moved)}
    audit.append(tx, AuditEventType.CONFIGURATION_CHANGED, detail=detail)
    return len(moved)


def restart_without_destination(tx: Session, name: str) -> int:
    """Start again what stopped because the settings had no such destination, now that they have; return how many."""
    stopped = tx.execute(
        select(Delivery.id, Analysis.study_uid)
        .join(Document, Delivery.document_id == Document.id)
        .join(Analysis, Document.analysis_id == Analysis.id)
        .where(Delivery.destination == name, Delivery.state == "stopped", Delivery.error.contains(NO_DESTINATION))
        .order_by(Delivery.id)
    ).all()
    started = 0
    for delivery_id, study_uid in stopped:
        if queue.retry(tx, key=delivery_key(delivery_id)):
            started += 1
            again = {"state": "waiting", "error": None, "finished_at": None, "unconfirmed": 0}
            tx.execute(update(Delivery).where(Delivery.id == delivery_id).values(again))
            study_changed(tx, study_uid)
            detail: audit.Detail = {"job": delivery_key(delivery_id), "destination": name}
            audit.append(tx, AuditEventType.JOB_RETRIED, study_uid=study_uid, detail=detail)
    return started


def _twins(old: str, new: str) -> Select[int]:
    """Choose the deliveries under the old name whose document is due under the new one, too."""
    twin = aliased(Delivery)
    same = exists().where(twin.document_id == Delivery.document_id, twin.destination == new)
    return select(Delivery.id).where(Delivery.destination == old, same)


def _settle_twins(tx: Session, old: str, new: str) -> None:
    """Let nothing wait, or await a confirmation, under the old name that is due under the new one."""
    waiting = tx.scalars(_twins(old, new).where(Delivery.state.in_(_OPEN))).all()
    awaited = tx.scalars(_twins(old, new).where(Delivery.confirmation == Confirmation.AWAITED.value)).all()
    if not waiting and not awaited:
        return
    keys = [key for number in (*waiting, *awaited) for key in (delivery_key(number), confirmation_key(number))]
    tx.execute(
        update(Job)
        .where(Job.key.in_(keys), Job.state.in_(("open", "stopped")), Job.worker.is_(None))
        .values(state="done", error="due under the new name", finished_at=now_ms())
        .execution_options(synchronize_session=False)
    )
    tx.execute(
        update(Delivery)
        .where(Delivery.id.in_(waiting))
        .values(state=OVERTAKEN, error=None, finished_at=now_ms())
        .execution_options(synchronize_session=False)
    )
    tx.execute(
        update(Delivery)
        .where(Delivery.id.in_(awaited))
        .values(confirmation=None)
        .execution_options(synchronize_session=False)
    )


def _studies_of_open(name: str) -> Select[str]:
    return (
        select(Analysis.study_uid)
        .join(Document, Document.analysis_id == Analysis.id)
        .join(Delivery, Delivery.document_id == Document.id)
        .where(Delivery.destination == name, Delivery.state.in_(_OPEN))
        .distinct()
    )
