"""Work that a node does from time to time: when it was last begun, so that of several workers one does it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from tracking.engine.clock import now_ms, to_datetime
from tracking.jobs import queue
from tracking.tables.models import ScheduledRun


@dataclass(frozen=True, slots=True)
class LastRun:
    """When scheduled work was last begun, and what it came to; ``ended_at`` is None while it runs, or if it died."""

    begun_at: datetime
    ended_at: datetime | None
    outcome: str


def begin(tx: Session, name: str, every: timedelta) -> bool:
    """Say whether scheduled work is due, and take it: whoever asks next within ``every`` is told that it is not.

    Work whose last begin lies in the future, because the clock was set back, is due.
    """
    tx.execute(
        queue.upsert(tx)(ScheduledRun)
        .values(name=name, begun_at=0, ended_at=None, outcome="")
        .on_conflict_do_nothing(index_elements=["name"])
    )
    span = round(every.total_seconds() * 1000)
    taken = tx.scalar(
        update(ScheduledRun)
        .where(
            ScheduledRun.name == name,
            or_(ScheduledRun.begun_at <= now_ms() - span, ScheduledRun.begun_at > now_ms()),
        )
        .values(begun_at=now_ms(), ended_at=None)
        .returning(ScheduledRun.name)
        .execution_options(synchronize_session=False)
    )
    return taken is not None


def end(tx: Session, name: str, outcome: str) -> None:
    """Note what scheduled work came to, in a few words without patient data."""
    _note(tx, name, outcome=outcome)


def go_on_soon(tx: Session, name: str, outcome: str, begun_for: timedelta) -> None:
    """Note what scheduled work came to so far; the rest is due at once, though ``begun_for`` is not over."""
    begun_at = now_ms() - round(begun_for.total_seconds() * 1000)
    _note(tx, name, outcome=outcome, begun_at=begun_at)


def _note(tx: Session, name: str, **values: Any) -> None:
    tx.execute(
        update(ScheduledRun)
        .where(ScheduledRun.name == name)
        .values(ended_at=now_ms(), **values)
        .execution_options(synchronize_session=False)
    )


def last_run(read: Session, name: str) -> LastRun | None:
    """Return the last run of scheduled work; None before the first."""
    row = read.scalars(select(ScheduledRun).where(ScheduledRun.name == name)).first()
    if row is None or row.begun_at == 0:
        return None
    return LastRun(to_datetime(row.begun_at), None if row.ended_at is None else to_datetime(row.ended_at), row.outcome)
