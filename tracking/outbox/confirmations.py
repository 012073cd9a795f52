"""Confirmations: whether a destination has what it answered C-STORE with success for.

A delivery whose destination's settings ask for more than that answer is *awaited* until storage commitment (PS3.4
Annex J) or an instance-level C-FIND (PS3.4 Annex C) says that the document is there. What is not there is sent again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.orm import Session

from tracking.audit_log import audit
from tracking.audit_log.audit import AuditEventType
from tracking.engine.changes import study_changed
from tracking.engine.clock import now_ms
from tracking.jobs import queue
from tracking.jobs.keys import confirmation_key, delivery_key
from tracking.jobs.queue import RetryPolicy
from tracking.tables.models import Analysis, Commitment, Delivery, Document

QUEUE = "confirm"
"""The queue of the questions whether a destination has what was delivered."""

_NOT_THERE = {
    0x0110: "processing failure",
    0x0112: "no such object instance",
    0x0119: "class-instance conflict",
    0x0122: "SOP class not supported",
    0x0131: "duplicate transaction UID",
    0x0213: "resource limitation",
}
"""Failure Reason (0008,1197) of storage commitment (PS3.3 C.14.1.1)."""


class Confirmation(StrEnum):
    """What confirms a delivery; the values are stored."""

    AWAITED = "awaited"
    """Nothing yet."""
    COMMITMENT = "commitment"
    QUERY = "query"


class Reception(StrEnum):
    """What became of the answer to a storage commitment request."""

    CONFIRMED = "confirmed"
    NOT_COMMITTED = "not committed"
    REPEATED = "answered before"
    UNKNOWN = "unknown transaction"
    OTHER_PEER = "answer of another peer"


@dataclass(frozen=True, slots=True)
class Awaited:
    """A delivered document for which the destination's confirmation is awaited.

    ``asked_ms_ago`` is how long ago the storage commitment request was sent that may still be answered, or None.
    """

    delivery_id: int
    destination: str
    kind: str
    study_uid: str
    series_uid: str
    sop_class_uid: str
    instance_uid: str
    asked_ms_ago: int | None


@dataclass(frozen=True, slots=True)
class CommitmentAnswer:
    """The answer to a storage commitment request (PS3.4 J.3.3): SOP Instance UIDs, the failed ones with the reason."""

    transaction_uid: str
    committed: frozenset[str] = frozenset()
    failed: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Resends:
    """How often a document that turns out not to be there is sent again, and after which pauses."""

    most: int
    pauses: RetryPolicy


def await_confirmation(tx: Session, delivery_id: int, *, delay_seconds: float, give_up_ms: int) -> None:
    """Let a destination be asked whether it has a document that was delivered, in the transaction that says so."""
    destination = tx.scalars(
        update(Delivery)
        .where(Delivery.id == delivery_id)
        .values(confirmation=Confirmation.AWAITED.value)
        .returning(Delivery.destination)
    ).one()
    key, delay_ms = confirmation_key(delivery_id), round(1000 * delay_seconds)
    queue.enqueue(
        tx, QUEUE, key, {"delivery_id": delivery_id}, destination=destination, delay_ms=delay_ms, give_up_ms=give_up_ms
    )
    queue.retry(tx, key=key, done=True, delay_ms=delay_ms)


def load_awaited(read: Session, delivery_id: int) -> Awaited | None:
    """Return the delivery if its confirmation is still awaited."""
    asked = (
        select(func.max(Commitment.asked_at))
        .where(Commitment.delivery_id == delivery_id, Commitment.state == "asked")
        .scalar_subquery()
    )
    row = read.execute(
        select(Delivery, Document, Analysis.study_uid, (now_ms() - asked).label("asked_ms_ago"))
        .join(Document, Delivery.document_id == Document.id)
        .join(Analysis, Document.analysis_id == Analysis.id)
        .where(
            Delivery.id == delivery_id,
            Delivery.state == "delivered",
            Delivery.confirmation == Confirmation.AWAITED.value,
            Delivery.taken_back_by.is_(None),
        )
    ).first()
    if row is None:
        return None
    document = row.Document
    return Awaited(
        row.Delivery.id, row.Delivery.destination, document.kind, row.study_uid, document.series_uid or "",
        document.sop_class_uid or "", document.uid, row.asked_ms_ago,
    )  # fmt: skip


def record_request(tx: Session, delivery_id: int, transaction_uid: str) -> None:
    """Record a storage commitment request, before it is sent: its answer may come sooner than anything else.

    Nobody waits for the answers to earlier ones any more.
    """
    give_up_waiting(tx, delivery_id)
    tx.add(Commitment(delivery_id=delivery_id, transaction_uid=transaction_uid))


def give_up_waiting(tx: Session, delivery_id: int) -> None:
    """Wait for no answer any more to what was asked about a delivery; one that comes all the same still counts."""
    tx.execute(
        update(Commitment)
        .where(Commitment.delivery_id == delivery_id, Commitment.state == "asked")
        .values(state="unanswered")
        .execution_options(synchronize_session=False)
    )


def wait_for_answer(tx: Session, delivery_id: int, seconds: float) -> None:
    """Look again in so many seconds, unless the answer has come by now."""
    if load_awaited(tx, delivery_id) is not None:
        queue.retry(tx, key=confirmation_key(delivery_id), done=True, delay_ms=round(1000 * seconds))


def record_confirmed(tx: Session, delivery_id: int, by: Confirmation) -> bool:
    """Record that the destination has the document; False where that was not awaited (any more)."""
    confirmed = tx.scalar(
        update(Delivery)
        .where(*_awaited(delivery_id))
        .values(confirmation=by.value, confirmed_at=now_ms(), error=None)
        .returning(Delivery.id)
        .execution_options(synchronize_session=False)
    )
    if confirmed is None:
        return False
    queue.retire(tx, [confirmation_key(delivery_id)], "confirmed")
    _audit(tx, delivery_id, AuditEventType.DELIVERY_CONFIRMED, "success", {"answer": f"confirmed by {by.value}"})
    return True


def record_enough(tx: Session, delivery_id: int) -> None:
    """Await no confirmation any more: the settings say that the destination's answer to the document is enough."""
    tx.execute(
        update(Delivery)
        .where(*_awaited(delivery_id))
        .values(confirmation=None)
        .execution_options(synchronize_session=False)
    )


def record_not_there(tx: Session, delivery_id: int, reason: str, resends: Resends) -> None:
    """Record that the destination does not have the document, and let it be sent again, or stop after too many times.

    Nothing happens where no confirmation is awaited: the document is on its way again already.
    """
    unconfirmed = tx.scalar(
        update(Delivery)
        .where(*_awaited(delivery_id))
        .values(unconfirmed=Delivery.unconfirmed + 1)
        .returning(Delivery.unconfirmed)
        .execution_options(synchronize_session=False)
    )
    if unconfirmed is None:
        return
    error = f"not confirmed: {reason}"
    if unconfirmed >= resends.most:
        record_stopped(tx, delivery_id, f"{error}, after it was sent {unconfirmed} times")
        return
    tx.execute(
        update(Delivery)
        .where(Delivery.id == delivery_id)
        .values(state="waiting", error=error, finished_at=None, confirmation=None)
        .execution_options(synchronize_session=False)
    )
    queue.retire(tx, [confirmation_key(delivery_id)], error)
    delay_ms = resends.pauses.delay_ms(unconfirmed - 1)
    queue.retry(tx, key=delivery_key(delivery_id), done=True, delay_ms=delay_ms)
    _audit(tx, delivery_id, AuditEventType.DELIVERY_UNCONFIRMED, "minor-failure", {"error": error})


def record_not_asked(tx: Session, delivery_id: int, error: str) -> None:
    """Record that the destination could not be asked, and will be asked again."""
    give_up_waiting(tx, delivery_id)
    tx.execute(
        update(Delivery)
        .where(*_awaited(delivery_id))
        .values(error=f"not confirmed yet: {error}")
        .execution_options(synchronize_session=False)
    )


def record_stopped(tx: Session, delivery_id: int, error: str) -> None:
    """Record that nobody will ask or send again by itself; a person who starts the delivery again has it sent."""
    give_up_waiting(tx, delivery_id)
    stopped = tx.scalar(
        update(Delivery)
        .where(*_awaited(delivery_id))
        .values(state="stopped", error=error, finished_at=now_ms(), confirmation=None)
        .returning(Delivery.id)
        .execution_options(synchronize_session=False)
    )
    if stopped is not None:
        queue.retire(tx, [confirmation_key(delivery_id)], error)
        queue.stop_done(tx, delivery_key(delivery_id), error)
        _audit(tx, delivery_id, AuditEventType.DELIVERY_STOPPED, "serious-failure", {"error": error})


def take_answer(tx: Session, answer: CommitmentAnswer, resends: Mapping[str, Resends]) -> Reception:
    """Record the answer to a storage commitment request.

    Parameters
    ----------
    tx
        The transaction it is part of.
    answer
        What the peer reports.
    resends
        By name of the destinations that the peer may answer for: how often what is not committed is sent again.
    """
    row = tx.execute(
        select(Commitment.id, Commitment.state, Delivery.id.label("delivery_id"), Delivery.destination, Document.uid)
        .join(Delivery, Commitment.delivery_id == Delivery.id)
        .join(Document, Delivery.document_id == Document.id)
        .where(Commitment.transaction_uid == answer.transaction_uid)
    ).first()
    if row is None:
        return Reception.UNKNOWN
    if row.destination not in resends:
        return Reception.OTHER_PEER
    is_committed = row.uid in answer.committed
    reason = answer.failed.get(row.uid)
    first = tx.scalar(
        update(Commitment)
        .where(Commitment.id == row.id, Commitment.state.in_(("asked", "unanswered")))
        .values(state="committed" if is_committed else "failed", failure_reason=reason, answered_at=now_ms())
        .returning(Commitment.id)
        .execution_options(synchronize_session=False)
    )
    if first is None:
        return Reception.REPEATED
    if is_committed:
        record_confirmed(tx, row.delivery_id, Confirmation.COMMITMENT)
        return Reception.CONFIRMED
    if row.state == "asked":  # one that was given up may be older than what was sent since
        record_not_there(tx, row.delivery_id, failure_words(reason), resends[row.destination])
    return Reception.NOT_COMMITTED


def failure_words(reason: int | None) -> str:
    """Return in words why an instance was not committed to."""
    if reason is None:
        return "the destination's answer does not name the document"
    return f"the destination does not commit to it: {_NOT_THERE.get(reason, 'failure')} ({reason:04X})"


def _awaited(delivery_id: int) -> tuple[ColumnElement[bool], ...]:
    return (
        Delivery.id == delivery_id,
        Delivery.state == "delivered",
        Delivery.confirmation == Confirmation.AWAITED.value,
    )


def _audit(tx: Session, delivery_id: int, event: AuditEventType, outcome: str, detail: audit.Detail) -> None:
    kind, uid, destination, study_uid = tx.execute(
        select(Document.kind, Document.uid, Delivery.destination, Analysis.study_uid)
        .join(Document, Delivery.document_id == Document.id)
        .join(Analysis, Document.analysis_id == Analysis.id)
        .where(Delivery.id == delivery_id)
    ).one()
    study_changed(tx, study_uid)
    detail = {"kind": kind, "document_uid": uid, "destination": destination, **detail}
    audit.append(tx, event, outcome=outcome, study_uid=study_uid, detail=detail)
