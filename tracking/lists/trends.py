"""How the node does over time: turnaround, refusals, and what the model says by calling system.

For pages and alarms. Every question looks at a bounded number of the newest studies, so it costs the same with a
million.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Integer, Subquery, cast, func, select
from sqlalchemy.orm import Session

from tracking.audit_log.refusals import RefusalKind
from tracking.engine.clock import now_ms, to_datetime, to_milliseconds
from tracking.lists.flow import Span
from tracking.outbox.document_kinds import NOTES
from tracking.tables.models import Analysis, Delivery, Document, Finding, Instance, Refusal
from tracking.tables.standing_models import Standing

NEWEST = 2_000
"""Studies that are looked into, the newest of the span."""
BINS = 20
"""Of the scores from 0 to 1 in a distribution."""
_WITH_A_RESULT = ("analysed", "reported", "delivered")
"""Statuses of studies whose result stands."""
_DAY_MS = 24 * 3_600_000
_SHARES = (0.5, 0.95)


@dataclass(frozen=True, slots=True)
class Turnaround:
    """How long one study took, in seconds from its last image; None for what has not come to an end."""

    received_at: datetime
    to_analysis: float
    to_delivery: float | None


@dataclass(frozen=True, slots=True)
class ScoreDistribution:
    """The scores of one finding on the images of one modality from one calling system.

    ``bins`` counts scores in :data:`BINS` equal parts of 0 to 1, ``present`` those at or above the specific point.
    """

    label: str
    meaning: str
    calling_ae: str
    modality: str
    bins: tuple[int, ...]
    present: int

    @property
    def images(self) -> int:
        """Return how many images were scored."""
        return sum(self.bins)

    @property
    def rate(self) -> float:
        """Return the share of images on which the finding is present."""
        return self.present / self.images if self.images else 0.0


def turnarounds(read: Session, span: Span) -> list[Turnaround]:
    """Return the turnaround of the newest analysed studies of a span, newest first."""
    studies = _newest(span)
    last = (
        select(func.max(Delivery.finished_at))
        .join(Document, Delivery.document_id == Document.id)
        .where(
            Document.analysis_id == studies.c.analysis_id, Document.kind.not_in(NOTES), Delivery.state == "delivered"
        )
        .scalar_subquery()
    )
    rows = read.execute(
        select(studies.c.received_at, studies.c.status, Analysis.completed_at, last)
        .join(Analysis, Analysis.id == studies.c.analysis_id)
        .order_by(studies.c.received_at.desc())
    )
    return [
        Turnaround(
            to_datetime(received), max(analysed - received, 0) / 1000,
            max(delivered - received, 0) / 1000 if status == "delivered" and delivered is not None else None,
        )
        for received, status, analysed, delivered in rows
    ]  # fmt: skip


def quantiles(values: Sequence[float], shares: Sequence[float] = _SHARES) -> tuple[float, ...]:
    """Return the values below which the shares of all values lie, the nearest of them; none of no values."""
    ordered = sorted(values)
    return tuple(ordered[min(int(share * len(ordered)), len(ordered) - 1)] for share in shares) if ordered else ()


def refusals_by_reason(read: Session, days: float) -> dict[str, int]:
    """Return how often was refused by reason, the most first: of all kinds that came again in the last days.

    A kind is counted since it first came, as that is what is kept. Contexts that cost no image are left out.
    """
    count = func.sum(Refusal.count).label("count")
    rows = read.execute(
        select(Refusal.reason, count)
        .where(Refusal.last_at >= now_ms() - int(days * _DAY_MS), Refusal.kind != RefusalKind.SPARE_CONTEXT.value)
        .group_by(Refusal.reason)
        .order_by(count.desc(), Refusal.reason)
    )
    return {reason: int(number) for reason, number in rows}


def score_distributions(read: Session, span: Span) -> list[ScoreDistribution]:
    """Return how the scores of each finding are distributed over the newest analysed studies of a span."""
    studies = _newest(span)
    scaled = Finding.score * BINS
    if read.get_bind().dialect.name == "postgresql":  # where a cast rounds; SQLite's takes the whole part
        scaled = func.floor(scaled)
    place = cast(scaled, Integer).label("place")
    rows = read.execute(
        select(
            Finding.label, func.max(Finding.code_meaning), studies.c.calling_ae, Instance.modality, place,
            Finding.level, func.count(),
        )
        .join(studies, Finding.analysis_id == studies.c.analysis_id)
        .join(Instance, Instance.instance_uid == Finding.instance_uid)
        .group_by(Finding.label, studies.c.calling_ae, Instance.modality, place, Finding.level)
    )  # fmt: skip
    bins: dict[tuple[str, str, str], list[int]] = defaultdict(lambda: [0] * BINS)
    present: dict[tuple[str, str, str], int] = defaultdict(int)
    meanings: dict[str, str] = {}
    for label, meaning, calling_ae, modality, number, level, count in rows:
        key = label, calling_ae, modality
        bins[key][min(max(number, 0), BINS - 1)] += count
        present[key] += count if level == "present" else 0
        meanings[label] = meaning
    return [
        ScoreDistribution(key[0], meanings[key[0]], key[1], key[2], tuple(counts), present[key])
        for key, counts in sorted(bins.items())
    ]


def _newest(span: Span) -> Subquery:
    """Choose the newest received studies of a span that have a result which stands."""
    start, end = (to_milliseconds(moment.timestamp()) for moment in (span.start, span.end))
    return (
        select(Standing.received_at, Standing.status, Standing.calling_ae, Standing.analysis_id)
        .where(
            Standing.received_at >= start, Standing.received_at < end, Standing.analysis_id.is_not(None),
            Standing.status.in_(_WITH_A_RESULT), ~Standing.upload,
        )
        .order_by(Standing.received_at.desc())
        .limit(NEWEST)
        .subquery("studies")
    )  # fmt: skip
