"""Read models: what the command line, the console and the doctor show. Nothing here changes anything."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, ScalarSelect, Select, func, literal, literal_column, select
from sqlalchemy.orm import Session

from tracking.engine.clock import to_datetime
from tracking.engine.distinct import distinct_values
from tracking.jobs.keys import study_keys
from tracking.lists.summaries import DestinationSummary, InstanceSummary, KeptAside, StudySummary
from tracking.lists.summarise import kept_aside, study_records
from tracking.outbox.states import NOT_TAKEN
from tracking.studies import conflicts
from tracking.studies.comparisons import Likeness
from tracking.tables.models import (
    FAILED_DELIVERY,
    Analysis,
    Breaker,
    Conflict,
    Delivery,
    Document,
    Instance,
    Job,
    Study,
)
from tracking.tables.standing_models import Standing

COUNTED_UP_TO = 10_000
"""What a destination has is counted no further than this."""


@dataclass(frozen=True, slots=True)
class StoppedDelivery:
    """A delivery that waits for a person."""

    study_uid: str
    kind: str
    destination: str
    attempts: int
    error: str
    stopped_at: datetime | None


def find_study(read: Session, study_uid: str) -> StudySummary | None:
    """Return a study by its UID."""
    return next((record.summary for record in study_records(read, [study_uid])), None)


def instances(read: Session, study_uid: str, kept: Sequence[KeptAside] | None = None) -> list[InstanceSummary]:
    """Return the instances of a study in the order of their arrival; ``kept`` is what is kept aside, where known."""
    aside = Counter(
        entry.instance_uid for entry in (kept_aside(read, [study_uid]).get(study_uid, ()) if kept is None else kept)
    )
    lossy = Counter(
        read.scalars(
            select(Conflict.instance_uid).where(Conflict.study_uid == study_uid, Conflict.state == Likeness.LOSSY)
        )
    )
    rows = read.scalars(
        select(Instance).where(Instance.study_uid == study_uid).order_by(Instance.received_at, Instance.instance_uid)
    )
    return [
        InstanceSummary(
            row.instance_uid, row.sop_class_uid, row.transfer_syntax_uid, row.modality, row.size, row.calling_ae,
            row.address, row.revision, to_datetime(row.received_at), row.duplicates,
            aside[row.instance_uid], row.rejected, conflicts.identity_of(row), lossy[row.instance_uid],
        )
        for row in rows
    ]  # fmt: skip


def studies_in_conflict(read: Session) -> list[str]:
    """Return the UIDs of the studies whose instances name two patients, the oldest conflict first."""
    query = select(Study.study_uid).where(Study.conflict_since.is_not(None))
    return list(read.scalars(query.order_by(Study.conflict_since, Study.study_uid)))


def studies_with_files_kept_aside(read: Session) -> dict[str, int]:
    """Return how many files wait for a decision by study UID, the study whose first one came first at the front."""
    waiting = Conflict.state == literal("waiting", literal_execute=True)  # so that the partial index serves
    rows = read.execute(
        select(Instance.study_uid, func.count())
        .join(Conflict, Conflict.instance_uid == Instance.instance_uid)
        .where(waiting)
        .group_by(Instance.study_uid)
        .order_by(func.min(Conflict.id))
    )
    return {row[0]: row[1] for row in rows}


def left_out_by_study(read: Session) -> dict[str, int]:
    """Return how many attributes the documents leave empty by study UID, the study that arrived last first."""
    some = Standing.left_out > literal_column("0")  # no parameter, so that the partial index serves
    rows = read.execute(select(Standing.study_uid, Standing.left_out).where(some).order_by(Standing.received_at.desc()))
    return {row[0]: row[1] for row in rows}


def destinations(read: Session) -> list[DestinationSummary]:
    """Return every destination that was ever delivered to, with what waits for it."""
    breakers = {row.destination: row for row in read.scalars(select(Breaker))}
    names = read.scalars(distinct_values(Delivery.destination)).all()
    return [_destination(read, name, breakers.get(name)) for name in names]


def _destination(read: Session, name: str, breaker: Breaker | None) -> DestinationSummary:
    def count(state: str, most: int | None) -> ScalarSelect[int]:
        found = select(Delivery.id).where(Delivery.destination == name, Delivery.state == state)
        if most is not None:  # in the order of the index, or PostgreSQL looks for the first so many in the table
            found = found.order_by(Delivery.finished_at.desc()).limit(most)
        return select(func.count()).select_from(found.subquery()).scalar_subquery()

    waiting, stopped, delivered, not_taken = read.execute(
        select(
            count("waiting", None),
            count("stopped", None),
            count("delivered", COUNTED_UP_TO + 1),
            count(NOT_TAKEN, COUNTED_UP_TO + 1),
        )
    ).one()
    paused = breaker is not None and breaker.failures
    return DestinationSummary(
        name=name,
        waiting=waiting,
        stopped=stopped,
        delivered=delivered,
        failures=breaker.failures if breaker else 0,
        paused_until=to_datetime(breaker.paused_until) if breaker and paused else None,
        error=breaker.error if breaker else None,
        not_taken=not_taken,
        unconfirmed=read.scalar(count_awaited(name)) or 0,
    )


def count_awaited(destination: str) -> Select[int]:
    """Count the deliveries to a destination whose confirmation is awaited, in their own small index."""
    is_awaited = Delivery.confirmation == literal_column("'awaited'")  # no parameter, so that the partial index serves
    return select(func.count()).select_from(Delivery).where(is_awaited, Delivery.destination == destination)


def stopped_deliveries(read: Session, *, limit: int = 50) -> list[StoppedDelivery]:
    """Return the deliveries that wait for a person, the latest first."""
    rows = read.execute(
        select(Delivery, Document.kind, Analysis.study_uid)
        .join(Document, Delivery.document_id == Document.id)
        .join(Analysis, Document.analysis_id == Analysis.id)
        .where(Delivery.state == "stopped")
        .order_by(Delivery.finished_at.desc(), Delivery.id.desc())
        .limit(limit)
    )
    return [
        StoppedDelivery(
            study_uid, kind, delivery.destination, delivery.attempts, delivery.error or "",
            to_datetime(delivery.finished_at) if delivery.finished_at is not None else None,
        )
        for delivery, kind, study_uid in rows
    ]  # fmt: skip


def last_errors(read: Session) -> dict[str, str]:
    """Return, for each destination for which something waits or stopped, what its latest delivery failed with."""
    found: dict[str, str] = {}
    for name in read.scalars(distinct_values(Delivery.destination)):
        error = read.scalar(
            select(Delivery.error)
            .where(Delivery.destination == name, FAILED_DELIVERY)
            .order_by(Delivery.id.desc())
            .limit(1)
        )
        if error is not None:
            found[name] = error
    return found


def work_on(read: Session, study_uid: str) -> ColumnElement[bool]:
    """Choose the jobs that analyse a study or build its documents."""
    return Job.key.in_(study_keys(read, study_uid))
