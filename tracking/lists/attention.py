"""What waits for a person, counted: for the bell of the web pages and for alarms."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, func, literal, literal_column, select
from sqlalchemy.orm import Session

from tracking.audit_log.refusals import RefusalKind
from tracking.engine.clock import now_ms
from tracking.lists.study_condition import Condition
from tracking.lists.study_filter import Need, Order, StudyFilter
from tracking.tables.models import Job, Refusal, Study
from tracking.tables.standing_models import Standing

COUNTED_UP_TO = 1_000
"""Nothing is counted further than this; one more says so."""
REFUSAL_HOURS = 24
"""For how long a refusal counts as new."""
_WORK_QUEUES = ("analyse", "report")
_HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Attention:
    """How much waits for a person, each count at most :data:`COUNTED_UP_TO` + 1.

    ``conflicts`` are studies whose images name two patients, ``decisions`` studies with corrected files that wait,
    ``work`` analyses and reports that stopped, ``documents`` studies with quarantined documents, ``deliveries`` studies
    with deliveries that stopped, ``refusals`` kinds of refusals of the last :data:`REFUSAL_HOURS`. ``certificates`` are
    those of this node that expire soon; they are files, so whoever has the settings counts them.
    """

    conflicts: int = 0
    decisions: int = 0
    work: int = 0
    documents: int = 0
    deliveries: int = 0
    refusals: int = 0
    certificates: int = 0


def count_attention(read: Session) -> Attention:
    """Count what waits for a person, in one statement over partial indexes."""
    stopped = Job.state == literal("stopped", literal_execute=True)  # so that the partial index serves
    refused_lately = Refusal.last_at >= now_ms() - REFUSAL_HOURS * _HOUR_MS
    some = Refusal.kind != RefusalKind.SPARE_CONTEXT.value  # other contexts took the images
    counts = select(
        _count(select(Study.study_uid).where(Study.conflict_since.is_not(None))),
        _count(select(Standing.study_uid).where(Standing.kept_aside > literal_column("0"))),
        _count(select(Job.id).where(Job.queue.in_(_WORK_QUEUES), stopped)),
        _count_studies(read, Need.DOCUMENT),
        _count_studies(read, Need.DELIVERY),
        _count(select(Refusal.id).where(refused_lately, some)),
    )
    return Attention(*tuple(read.execute(counts).one()))


def _count_studies(read: Session, need: Need) -> ColumnElement[int]:
    condition = Condition(StudyFilter(needs=need), Order.ARRIVAL, read.get_bind().dialect.name)
    return condition.count().scalar_subquery()


def _count(query: Select[Any]) -> ColumnElement[int]:
    found = query.limit(COUNTED_UP_TO + 1).subquery()
    return select(func.count()).select_from(found).scalar_subquery()
