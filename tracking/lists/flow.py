"""How studies come through the node: received, analysed, reported, delivered, and where they stay behind.

Counted from the rows of where studies stand, in one statement over an index.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import func, literal, select, union_all
from sqlalchemy.orm import Session

from tracking.engine.clock import to_milliseconds
from tracking.tables.models import ImageOutcome
from tracking.tables.standing_models import Standing

MOST_SPANS = 31
"""Spans of time that are counted at once."""
NEWEST = 2_000
"""Studies that are looked into for why they were not analysed."""


@dataclass(frozen=True, slots=True)
class Span:
    """A span of time, its end not included."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Flow:
    """Studies by status (:data:`tracking.lists.study_filter.STATUSES`), and how far they have come."""

    by_status: Mapping[str, int] = field(default_factory=dict)

    def of(self, *statuses: str) -> int:
        """Return how many studies have one of the statuses."""
        return sum(self.by_status.get(status, 0) for status in statuses)

    @property
    def received(self) -> int:
        """Return how many came in."""
        return sum(self.by_status.values())

    @property
    def analysed(self) -> int:
        """Return how many have a result and need nobody; one that was stopped on its way does not count."""
        return self.of("analysed", "reported", "delivered")

    @property
    def reported(self) -> int:
        """Return how many have all their documents."""
        return self.of("reported", "delivered")

    @property
    def delivered(self) -> int:
        """Return how many have arrived at every destination."""
        return self.of("delivered")


@dataclass(frozen=True, slots=True)
class FlowCell:
    """The studies of one calling system whose last image came in one span."""

    span: int
    """The place of the span in the question."""
    calling_ae: str
    flow: Flow


def count_flow(read: Session, spans: Sequence[Span]) -> list[FlowCell]:
    """Count the received studies of each span by calling system; cells without a study are left out, uploads too.

    Raises
    ------
    ValueError
        There are more spans than :data:`MOST_SPANS`.
    """
    if len(spans) > MOST_SPANS:
        msg = f"at most {MOST_SPANS} spans are counted at once"
        raise ValueError(msg)
    if not spans:
        return []
    bounds = [(literal(number), literal(_ms(span.start)), literal(_ms(span.end))) for number, span in enumerate(spans)]
    asked = union_all(
        *(select(number.label("span"), start.label("start"), end.label("end")) for number, start, end in bounds)
    ).subquery("asked")
    rows = read.execute(
        select(asked.c.span, Standing.calling_ae, Standing.status, func.count())
        .join(
            Standing, (Standing.received_at >= asked.c.start) & (Standing.received_at < asked.c.end) & ~Standing.upload
        )
        .group_by(asked.c.span, Standing.calling_ae, Standing.status)
    )
    found: dict[tuple[int, str], dict[str, int]] = defaultdict(dict)
    for span, calling_ae, status, count in rows:
        found[span, calling_ae][status] = count
    return [FlowCell(*key, Flow(counts)) for key, counts in sorted(found.items())]


def total(cells: Sequence[FlowCell]) -> Flow:
    """Add up cells."""
    counts: dict[str, int] = defaultdict(int)
    for cell in cells:
        for status, count in cell.flow.by_status.items():
            counts[status] += count
    return Flow(dict(counts))


def reasons_not_analysed(read: Session, span: Span) -> dict[str, int]:
    """Return how many images were not analysed by reason (:class:`inference.findings.Reason`), the most first.

    Of the newest :data:`NEWEST` studies of the span without any result.
    """
    studies = (
        select(Standing.analysis_id)
        .where(Standing.status == "not-analysed")
        .where(Standing.received_at >= _ms(span.start), Standing.received_at < _ms(span.end), ~Standing.upload)
        .order_by(Standing.received_at.desc())
        .limit(NEWEST)
        .subquery("studies")
    )
    count = func.count().label("count")
    rows = read.execute(
        select(ImageOutcome.reason, count)
        .join(studies, ImageOutcome.analysis_id == studies.c.analysis_id)
        .where(ImageOutcome.reason.is_not(None))
        .group_by(ImageOutcome.reason)
        .order_by(count.desc(), ImageOutcome.reason)
    )
    return {str(reason): number for reason, number in rows}


def _ms(moment: datetime) -> int:
    return to_milliseconds(moment.timestamp())
