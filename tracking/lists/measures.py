"""Measures of a node for whoever watches it: numbers by queue, destination, reason and status, none of a patient."""

from dataclasses import dataclass

from sqlalchemy import func, literal_column, select
from sqlalchemy.orm import Session

from tracking.engine.clock import now_ms
from tracking.outbox.pauses import paused_destinations
from tracking.tables.models import Delivery, Job, Refusal
from tracking.tables.standing_models import Standing


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
    )
