"""What the receiver refused: counted in one bounded table, with the setting that would change it.

A refusal names systems and SOP classes, never a patient: UIDs that are no UIDs and AE titles that are no text have been
left out by whoever made it.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from tracking.audit_log import audit
from tracking.audit_log.audit import AuditEventType
from tracking.engine.clock import now_ms, to_datetime, to_milliseconds
from tracking.jobs import queue
from tracking.tables.models import Refusal as Row

MOST_ROWS = 2000
"""Rows that are kept, the latest: a stranger who changes names does not fill the database."""

_WHAT = ("kind", "reason", "calling_ae", "called_ae", "address", "sop_class_uid", "transfer_syntax_uid")


class RefusalKind(StrEnum):
    """What was refused; the values are stored."""

    ASSOCIATION = "association"
    """A whole association, rejected or broken off before it was accepted."""
    CONTEXT = "context"
    """Presentation contexts of an accepted association over which no image came."""
    SPARE_CONTEXT = "spare-context"
    """Presentation contexts of an association over which other images came, or a C-ECHO."""
    INSTANCE = "instance"
    """One C-STORE."""
    COMMITMENT = "commitment"
    """An answer to a storage commitment request that nobody waits for, or that another peer gave."""


_EVENTS: Mapping[RefusalKind, tuple[AuditEventType, str]] = {
    RefusalKind.ASSOCIATION: (AuditEventType.ASSOCIATION_REJECTED, "serious-failure"),
    RefusalKind.CONTEXT: (AuditEventType.CONTEXT_REFUSED, "minor-failure"),
    RefusalKind.SPARE_CONTEXT: (AuditEventType.CONTEXT_REFUSED, "minor-failure"),
}
"""Audit event and outcome. An INSTANCE has an audit line of its own, written where it is refused."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """What is refused, to whom and why; ``status`` as the peer sees it, ``cure`` the setting that would change it.

    ``sop_class_uid`` and ``transfer_syntax_uid`` are valid UIDs (PS3.5 9.1), or empty where they play no part.
    """

    kind: RefusalKind
    reason: str
    cure: str
    status: str = ""
    calling_ae: str = ""
    called_ae: str = ""
    address: str = ""
    sop_class_uid: str = ""
    transfer_syntax_uid: str = ""


@dataclass(frozen=True, slots=True)
class RefusalCount:
    """How often something was refused, and when first and last."""

    refusal: Refusal
    count: int
    first_at: datetime
    last_at: datetime


def add(tx: Session, counts: Mapping[Refusal, int]) -> None:
    """Add to the counts, and forget the oldest rows beyond :data:`MOST_ROWS`."""
    if not counts:
        return
    insert = queue.upsert(tx)(Row)
    changed = {"count": Row.count + insert.excluded.count, "last_at": now_ms(), "cure": insert.excluded.cure}
    tx.execute(
        insert.on_conflict_do_update(index_elements=list(_WHAT), set_=changed),
        [{name: getattr(refusal, name) for name in (*_WHAT, "cure")} | {"count": n} for refusal, n in counts.items()],
    )
    rows = tx.scalar(select(func.count()).select_from(Row)) or 0
    if rows > MOST_ROWS:
        oldest = select(Row.id).order_by(Row.last_at, Row.id).limit(rows - MOST_ROWS)
        tx.execute(delete(Row).where(Row.id.in_(oldest)))


def write_audit_line(tx: Session, refusal: Refusal, count: int) -> None:
    """Write one audit line for ``count`` equal refusals; none for an instance, which has its own."""
    if refusal.kind not in _EVENTS:
        return
    event, outcome = _EVENTS[refusal.kind]
    detail: audit.Detail = {name: value for name, value in asdict(refusal).items() if value and name != "kind"}
    audit.append(tx, event, outcome=outcome, detail=detail | {"count": count})


def latest(read: Session, *, limit: int = 100, days: float | None = None) -> list[RefusalCount]:
    """Return what was refused last, newest first; with ``days``, only what was refused in the last so many."""
    query = select(Row).order_by(Row.last_at.desc(), Row.id.desc()).limit(limit)
    if days is not None:
        query = query.where(Row.last_at >= now_ms() - to_milliseconds(days * 86400))
    return [_count_of(row) for row in read.scalars(query)]


def _count_of(row: Row) -> RefusalCount:
    refusal = Refusal(
        kind=RefusalKind(row.kind), reason=row.reason, cure=row.cure, calling_ae=row.calling_ae,
        called_ae=row.called_ae, address=row.address, sop_class_uid=row.sop_class_uid,
        transfer_syntax_uid=row.transfer_syntax_uid,
    )  # fmt: skip
    return RefusalCount(refusal, row.count, to_datetime(row.first_at), to_datetime(row.last_at))
