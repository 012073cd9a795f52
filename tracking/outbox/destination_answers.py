"""What a destination answered last, and since when something waits for it."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from tracking.engine.clock import to_datetime
from tracking.outbox.states import NOT_TAKEN
from tracking.tables.models import Delivery, Document, TakenReportClass

ANSWERS = 3
"""Answers of each kind that are looked up, the latest."""
_FINISHED = ("delivered", "stopped", NOT_TAKEN)


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one delivery: its state, kind of document, and what the destination said to it."""

    at: datetime
    kind: str
    state: str
    words: str


@dataclass(frozen=True, slots=True)
class DestinationAnswers:
    """The latest answers of a destination, newest first.

    ``waiting_since`` is when the oldest delivery that waits was made, ``negotiated_at`` when it was found out in which
    class the destination takes structured reports; None where there is no such time.
    """

    answers: tuple[Answer, ...]
    waiting_since: datetime | None
    negotiated_at: datetime | None


def destination_answers(read: Session, name: str) -> DestinationAnswers:
    """Return what a destination answered last; a look into an index for each kind of answer."""
    found = [answer for state in _FINISHED for answer in _latest(read, name, state)]
    waiting = select(func.min(Delivery.created_at)).where(Delivery.destination == name, Delivery.state == "waiting")
    negotiated = select(TakenReportClass.since).where(TakenReportClass.destination == name)
    since, at = read.execute(select(waiting.scalar_subquery(), negotiated.scalar_subquery())).one()
    return DestinationAnswers(
        answers=tuple(sorted(found, key=lambda answer: answer.at, reverse=True)[:ANSWERS]),
        waiting_since=None if since is None else to_datetime(since),
        negotiated_at=None if at is None else to_datetime(at),
    )


def _latest(read: Session, name: str, state: str) -> list[Answer]:
    rows = read.execute(
        select(Delivery.finished_at, Document.kind, Delivery.detail, Delivery.error)
        .join(Document, Delivery.document_id == Document.id)
        .where(Delivery.destination == name, Delivery.state == state, Delivery.finished_at.is_not(None))
        .order_by(Delivery.finished_at.desc())
        .limit(ANSWERS)
    )
    return [
        Answer(to_datetime(at), kind, state, error or detail or "")
        for at, kind, detail, error in rows
        if at is not None
    ]
