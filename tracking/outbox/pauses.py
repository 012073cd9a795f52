"""Pausing a destination: nothing is sent to it until somebody resumes it, and nothing is lost meanwhile."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import exists, select, update
from sqlalchemy.orm import Session

from config.errors import ActionRefused
from tracking.audit_log import audit
from tracking.audit_log.audit import AuditEventType
from tracking.engine.clock import now_ms, to_datetime
from tracking.jobs import queue
from tracking.tables.models import Breaker, Delivery, Job

Configured = Collection[str]
"""Names of the destinations in the settings."""


def pause_destination(tx: Session, name: str, *, configured: Configured, user: str) -> bool:
    """Send nothing more to a destination; what is on its way at this moment ends. False where it is paused already.

    Raises
    ------
    ActionRefused
        There is no such destination, neither in the settings nor in what was delivered.
    """
    _require_known(tx, name, configured)
    tx.execute(
        queue.upsert(tx)(Breaker).values(destination=name).on_conflict_do_nothing(index_elements=["destination"])
    )
    paused = tx.scalar(
        update(Breaker)
        .where(Breaker.destination == name, Breaker.held_since.is_(None))
        .values(held_since=now_ms())
        .returning(Breaker.destination)
        .execution_options(synchronize_session=False)
    )
    if paused is None:
        return False
    audit.append(tx, AuditEventType.DESTINATION_PAUSED, detail={"user": user, "destination": name})
    return True


def resume_destination(tx: Session, name: str, *, configured: Configured, user: str) -> bool:
    """Send again what waits for a destination, with its patience renewed; False where it is not paused.

    Raises
    ------
    ActionRefused
        There is no such destination, neither in the settings nor in what was delivered.
    """
    _require_known(tx, name, configured)
    resumed = tx.scalar(
        update(Breaker)
        .where(Breaker.destination == name, Breaker.held_since.is_not(None))
        .values(held_since=None, failures=0, paused_until=0, error=None)
        .returning(Breaker.destination)
        .execution_options(synchronize_session=False)
    )
    if resumed is None:
        return False
    # What waited while nobody tried has not failed for as long. One time for all of it: their numbers keep the order.
    now = select(now_ms()).scalar_subquery()
    tx.execute(
        update(Job)
        .where(Job.destination == name, Job.state == "open", Job.worker.is_(None))
        .values(created_at=now, give_up_at=now + (Job.give_up_at - Job.created_at), visible_at=now)
        .execution_options(synchronize_session=False)
    )
    audit.append(tx, AuditEventType.DESTINATION_RESUMED, detail={"user": user, "destination": name})
    return True


def paused_destinations(read: Session) -> dict[str, datetime]:
    """Return since when each paused destination is, by name; also one to which nothing was due yet."""
    rows = read.execute(select(Breaker.destination, Breaker.held_since).where(Breaker.held_since.is_not(None)))
    return {row[0]: to_datetime(row[1] or 0) for row in rows}


def _require_known(read: Session, name: str, configured: Configured) -> None:
    if name in configured or read.scalar(select(exists().where(Delivery.destination == name))):
        return
    known = ", ".join(sorted(configured)) or "none"
    msg = f"there is no destination {name!r}; the settings have {known}"
    raise ActionRefused(msg)
