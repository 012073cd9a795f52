"""Documents that destinations have of results that do not hold any more: withdrawn, or of other images than today's.

A correction supersedes what was said, but what an archive has taken stays there until it is told by a rejection note,
or until somebody removes it.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, exists, func, or_, select
from sqlalchemy.orm import Session, aliased

from tracking.engine.clock import to_datetime
from tracking.outbox.document_kinds import IN_ARCHIVES
from tracking.tables.models import Analysis, Delivery, Document, Study


@dataclass(frozen=True, slots=True)
class LeftBehind:
    """One document at one destination, of an analysis that is void by a decision on the study's images."""

    kind: str
    document_uid: str
    destination: str
    delivered_at: datetime | None


def left_behind(read: Session, study_uid: str) -> list[LeftBehind]:
    """Return the documents of a study's void analyses that destinations have, in the order of their delivery."""
    rows = read.execute(
        select(Document.kind, Document.uid, Delivery.destination, Delivery.finished_at)
        .join(Document, Delivery.document_id == Document.id)
        .join(Analysis, Document.analysis_id == Analysis.id)
        .join(Study, Analysis.study_uid == Study.study_uid)
        .where(
            Study.study_uid == study_uid,
            Analysis.revision < Study.valid_from,
            arrived(),
            Document.kind.in_(IN_ARCHIVES),
            ~_taken_back(),
        )
        .order_by(Delivery.finished_at, Delivery.id)
    )
    return [
        LeftBehind(kind, uid, destination, None if finished is None else to_datetime(finished))
        for kind, uid, destination, finished in rows
    ]


def void_and_left(read: Session) -> dict[str, int]:
    """Return how many documents of void results could not be taken back yet by study UID, the oldest first."""
    rows = read.execute(
        select(Study.study_uid, func.count())
        .join(Analysis, Analysis.study_uid == Study.study_uid)
        .join(Document, Document.analysis_id == Analysis.id)
        .join(Delivery, Delivery.document_id == Document.id)
        .where(
            Analysis.revision < Study.valid_from,
            arrived(),
            Document.kind.in_(IN_ARCHIVES),
            ~_taken_back(),
        )
        .group_by(Study.study_uid)
        .order_by(func.min(Delivery.id))
    )
    return {row[0]: row[1] for row in rows}


def arrived() -> ColumnElement[bool]:
    """Choose deliveries that were answered with success at least once, whatever became of them since."""
    return or_(Delivery.state == "delivered", Delivery.detail.is_not(None))


def _taken_back() -> ColumnElement[bool]:
    """Choose deliveries whose destination has the note that takes them back."""
    note = aliased(Delivery)
    return exists().where(
        note.document_id == Delivery.taken_back_by,
        note.destination == Delivery.destination,
        note.state == "delivered",
    )
