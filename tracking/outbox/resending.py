"""Sending documents again: the same bytes under the same UIDs, because a destination lost them."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from config.errors import ActionRefused
from tracking.audit_log import audit
from tracking.audit_log.audit import AuditEventType
from tracking.engine.changes import study_changed
from tracking.jobs import queue
from tracking.jobs.keys import delivery_key
from tracking.outbox.documents import documents_of
from tracking.outbox.states import NOT_TAKEN
from tracking.studies.acting import holding_analysis, lock_study
from tracking.tables.models import Analysis, Delivery, Document, Study

_AGAIN = ("delivered", "stopped", NOT_TAKEN)
"""States of a delivery that may be made once more; one that waits is made anyway."""


@dataclass(frozen=True, slots=True)
class Resending:
    """What sending again came to: numbers of documents by destination.

    ``queued`` are due again, ``waiting`` were due already; ``quarantined`` counts documents that must not leave.
    """

    queued: Mapping[str, int]
    waiting: Mapping[str, int]
    quarantined: int


def resend_study(tx: Session, study_uid: str, *, destination: str | None = None, user: str) -> Resending:
    """Let the documents that hold for a study be delivered again, to one destination or to all that had them due.

    Documents that wait for their delivery are left alone, so that asking twice sends nothing twice.

    Raises
    ------
    ActionRefused
        There is no such study, it has no document that may be sent, or none that was ever due at the destination.
        Nothing has changed.
    """
    study = lock_study(tx, study_uid)
    analysis = holding_analysis(tx, study)
    if analysis is None:
        raise ActionRefused(_nothing_holds(tx, study))
    held = documents_of(analysis.id)
    quarantined = tx.scalar(
        select(func.count()).select_from(Document).where(Document.id.in_(held), Document.quarantined.is_not(None))
    )
    due = select(Delivery).join(Document, Delivery.document_id == Document.id).where(
        Document.id.in_(held), Document.quarantined.is_(None)
    )  # fmt: skip
    if destination is not None:
        due = due.where(Delivery.destination == destination)
    deliveries = tx.scalars(due.order_by(Delivery.id).execution_options(populate_existing=True)).all()
    if not deliveries:
        raise ActionRefused(_nothing_due(study_uid, destination, quarantined or 0))
    queued = Counter(entry.destination for entry in deliveries if entry.state in _AGAIN and _start(tx, entry))
    study_changed(tx, study_uid)
    for name, count in sorted(queued.items()):
        detail: audit.Detail = {"user": user, "destination": name, "documents": count, "analysis": analysis.id}
        audit.append(tx, AuditEventType.STUDY_RESENT, study_uid=study_uid, detail=detail)
    waiting = Counter(entry.destination for entry in deliveries if entry.state == "waiting") - queued
    return Resending(dict(sorted(queued.items())), dict(sorted(waiting.items())), quarantined or 0)


def _start(tx: Session, delivery: Delivery) -> bool:
    """Let a delivery be made again, unless somebody did so a moment ago; say whether it was us."""
    started = tx.scalar(
        update(Delivery)
        .where(Delivery.id == delivery.id, Delivery.state == delivery.state)
        .values(state="waiting", error=None, finished_at=None, unconfirmed=0)
        .returning(Delivery.id)
    )
    if started is None:
        return False
    return queue.retry(tx, key=delivery_key(delivery.id), done=True)


def _nothing_holds(tx: Session, study: Study) -> str:
    """Say why a study has no document that could be sent."""
    uid = study.study_uid
    if study.conflict_since is not None:
        return f"the images of study {uid} name two patients, so that nothing of it may leave; `cxrnode study {uid}` \
says whom, and the ways out"
    if tx.scalar(select(Analysis.id).where(Analysis.study_uid == uid).limit(1)) is None:
        return f"study {uid} has no result yet, so that there is nothing to send"
    return f"the documents of study {uid} are void: its images changed since, or its result was withdrawn; \
`cxrnode reanalyse {uid}` makes a new result"


def _nothing_due(study_uid: str, destination: str | None, quarantined: int) -> str:
    if quarantined:
        return f"the documents of study {study_uid} are quarantined and must not leave; `cxrnode study {study_uid}` \
says why, `cxrnode retry {study_uid}` builds them again"
    where = f"at {destination}" if destination is not None else "at any destination"
    return f"no document of study {study_uid} was ever due {where}; `cxrnode study {study_uid}` shows where its \
documents went"
