"""What was sent where, and what was answered: the documents of a study with each delivery and its attempts."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from tracking.audit_log import audit
from tracking.audit_log.audit import AuditEventType
from tracking.engine.clock import to_datetime
from tracking.lists.summaries import DeliverySummary
from tracking.outbox.documents import held_by
from tracking.tables.models import Analysis, Delivery, Document

_ATTEMPTS = {
    AuditEventType.DELIVERY_DONE: "taken",
    AuditEventType.DELIVERY_FAILED: "failed",
    AuditEventType.DELIVERY_STOPPED: "stopped",
}


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt as the audit log has it; ``outcome`` is taken, failed or stopped."""

    at: datetime
    outcome: str
    answer: str
    """What the destination answered, or why the attempt failed."""


@dataclass(frozen=True, slots=True)
class Sending:
    """One document on its way to one destination."""

    destination: str
    state: str
    attempts: int
    answer: str | None
    """What the destination answered last, or what went wrong."""
    failed: bool
    due_at: datetime
    finished_at: datetime | None
    history: tuple[Attempt, ...]


@dataclass(frozen=True, slots=True)
class SentDocument:
    """A document of a study with where it went; ``quarantined`` says why it goes nowhere, or is None.

    ``of_latest`` tells whether it belongs to the latest analysis, built for it or carried from an earlier one.
    """

    uid: str
    kind: str
    analysis_id: int
    revision: int
    size: int
    quarantined: str | None
    built_at: datetime
    of_latest: bool
    sendings: tuple[Sending, ...]

    @property
    def is_built(self) -> bool:
        """Tell whether there is a file: a note is built when it is first sent."""
        return self.size > 0


def sent_documents(read: Session, study_uid: str) -> list[SentDocument]:
    """Return all documents of a study, those built for the latest analysis first, each with its deliveries."""
    rows = read.execute(
        select(Document, Analysis.revision)
        .join(Analysis, Document.analysis_id == Analysis.id)
        .where(Analysis.study_uid == study_uid)
        .order_by(Analysis.revision.desc(), Analysis.id.desc(), Document.id)
    ).all()
    sendings = _sendings(read, study_uid)
    latest = read.scalars(
        select(Analysis.id)
        .where(Analysis.study_uid == study_uid)
        .order_by(Analysis.revision.desc(), Analysis.id.desc())
        .limit(1)
    ).all()
    held = held_by(latest)
    of_latest = set(read.scalars(select(held.c.document_id)))
    return [
        SentDocument(
            document.uid, document.kind, document.analysis_id, revision, document.size, document.quarantined,
            to_datetime(document.built_at), document.id in of_latest, tuple(sendings.get(document.id, ())),
        )
        for document, revision in rows
    ]  # fmt: skip


def deliveries_of(read: Session, document_uid: str) -> list[DeliverySummary]:
    """Return the deliveries of a document, also of one that a later one took the place of."""
    rows = read.execute(
        select(Delivery, Document.kind)
        .join(Document, Delivery.document_id == Document.id)
        .where(Document.uid == document_uid)
        .order_by(Delivery.id)
    )
    return [
        DeliverySummary(
            kind, document_uid, delivery.destination, delivery.state, delivery.attempts, delivery.error,
            None if delivery.finished_at is None else to_datetime(delivery.finished_at),
        )
        for delivery, kind in rows
    ]  # fmt: skip


def _sendings(read: Session, study_uid: str) -> dict[int, list[Sending]]:
    history: dict[tuple[object, object], list[Attempt]] = {}
    for line in audit.lines(read, study_uid=study_uid, types=set(_ATTEMPTS)):
        detail = line.detail
        words = detail.get("answer") or detail.get("error") or detail.get("reason") or ""
        attempt = Attempt(to_datetime(line.at), _ATTEMPTS[AuditEventType(line.type)], str(words))
        history.setdefault((detail.get("document_uid"), detail.get("destination")), []).append(attempt)
    rows = read.execute(
        select(Delivery, Document.uid)
        .join(Document, Delivery.document_id == Document.id)
        .join(Analysis, Document.analysis_id == Analysis.id)
        .where(Analysis.study_uid == study_uid)
        .order_by(Delivery.id)
    )
    found: dict[int, list[Sending]] = {}
    for delivery, uid in rows:
        sending = Sending(
            delivery.destination, delivery.state, delivery.attempts, delivery.error or delivery.detail,
            delivery.error is not None, to_datetime(delivery.created_at),
            None if delivery.finished_at is None else to_datetime(delivery.finished_at),
            tuple(history.get((uid, delivery.destination), ())),
        )  # fmt: skip
        found.setdefault(delivery.document_id, []).append(sending)
    return found
