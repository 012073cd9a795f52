"""Measures of a node for whoever watches it: numbers by queue, destination, reason and status, none of a patient."""

from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy import func, literal_column, select
from sqlalchemy.orm import Session

from tracking.engine.clock import now_ms, to_datetime
from tracking.jobs.canary import Canary, last_canary
from tracking.lists.flow import Span
from tracking.lists.trends import quantiles, turnarounds
from tracking.outbox.pauses import paused_destinations
from tracking.tables.models import Delivery, Job, Refusal
from tracking.tables.standing_models import Standing

TURNAROUND_SHARES = (0.5, 0.95)
"""Shares of the last hour's studies whose turnaround is measured."""
_TURNAROUND_SPAN = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Waiting:
    """Open work of one queue, of deliveries for one destination."""

    queue: str
    destination: str
    count: int
    oldest_seconds: float
    """Since the oldest of it was made due."""


@dataclass(frozen=True, slots=True)
class Measures:
    """What a node has to do, has done and has refused, at one moment."""

    waiting: tuple[Waiting, ...]
    stopped: dict[str, int]
    """Work that waits for a person, by queue."""
    deliveries: dict[tuple[str, str], int]
    """By destination and state."""
    refusals: dict[tuple[str, str], int]
    """By kind and reason."""
    studies: dict[str, int]
    """Received ones, by status."""
    paused: frozenset[str] = frozenset()
    """Destinations that somebody has paused."""
    turnaround: dict[tuple[str, float], float] = field(default_factory=dict)
    """Seconds by step (``analysis``, ``delivery``) and share, of the studies received in the last hour."""
    canary: Canary | None = None
    at: int = 0
    """When it was measured, milliseconds by the database's clock."""
    unconfirmed: dict[str, int] = field(default_factory=dict)
    """Delivered documents for which a confirmation is awaited, by destination."""


def measure(read: Session) -> Measures:
    """Return the measures; each is counted from an index, or from a table that is small."""
    now = read.scalar(select(now_ms())) or 0
    is_open = Job.state == literal_column("'open'")  # no parameter, so that the partial index serves
    jobs = read.execute(
        select(Job.queue, Job.destination, func.count(), func.min(Job.created_at))
        .where(is_open)
        .group_by(Job.queue, Job.destination)
        .order_by(Job.queue, Job.destination)
    )
    stopped = read.execute(
        select(Job.queue, func.count()).where(Job.state == literal_column("'stopped'")).group_by(Job.queue)
    )
    deliveries = read.execute(
        select(Delivery.destination, Delivery.state, func.count()).group_by(Delivery.destination, Delivery.state)
    )
    is_awaited = Delivery.confirmation == literal_column("'awaited'")
    unconfirmed = read.execute(
        select(Delivery.destination, func.count()).where(is_awaited).group_by(Delivery.destination)
    )
    refused = read.execute(
        select(Refusal.kind, Refusal.reason, func.sum(Refusal.count)).group_by(Refusal.kind, Refusal.reason)
    )
    studies = read.execute(select(Standing.status, func.count()).where(~Standing.upload).group_by(Standing.status))
    return Measures(
        waiting=tuple(
            Waiting(queue, destination or "", count, max(0, now - oldest) / 1000)
            for queue, destination, count, oldest in jobs
        ),
        stopped={queue: int(count) for queue, count in stopped},
        deliveries={(destination, state): count for destination, state, count in deliveries},
        refusals={(kind, reason): int(count) for kind, reason, count in refused},
        studies={status: int(count) for status, count in studies},
        paused=frozenset(paused_destinations(read)),
        turnaround=_turnaround(read, now),
        canary=last_canary(read),
        at=now,
        unconfirmed={destination: int(count) for destination, count in unconfirmed},
    )


def _turnaround(read: Session, now: int) -> dict[tuple[str, float], float]:
    """Return the turnaround of the studies that were received in the hour before ``now``, in milliseconds."""
    end = to_datetime(now + 1)
    recent = turnarounds(read, Span(end - _TURNAROUND_SPAN, end))
    seconds = {
        "analysis": [study.to_analysis for study in recent],
        "delivery": [study.to_delivery for study in recent if study.to_delivery is not None],
    }
    return {
        (step, share): value
        for step, values in seconds.items()
        for share, value in zip(TURNAROUND_SHARES, quantiles(values, TURNAROUND_SHARES), strict=False)
    }
