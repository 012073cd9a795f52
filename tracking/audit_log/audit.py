"""The audit log: append-only, hash-chained, verifiable.

Lines are collected during a transaction and written as its last step
(:meth:`tracking.engine.database.Database.transaction`), so that the lock which orders them is held only for the moment
of the commit, and an event without its change of state, or a change without its event, cannot exist.
"""

import hashlib
import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.orm import Session

from tracking.engine.clock import now_ms
from tracking.engine.prepared import Prepared
from tracking.tables.models import AuditEvent, AuditHead

Detail = dict[str, str | int | float | bool | None]
GENESIS = "0" * 64
_MEANS = "audit-means"
_PENDING = "audit_pending"
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True)


class AuditEventType(StrEnum):
    """What can be written down; the values are stored and must never change their meaning."""

    SERVICE_STARTED = "service-started"
    SERVICE_STOPPED = "service-stopped"
    ASSOCIATION_REJECTED = "association-rejected"
    CONTEXT_REFUSED = "context-refused"
    INSTANCE_RECEIVED = "instance-received"
    INSTANCE_RECOVERED = "instance-recovered"
    INSTANCE_DUPLICATE = "instance-duplicate"
    INSTANCE_CONFLICT = "instance-conflict"
    INSTANCE_REFUSED = "instance-refused"
    INSTANCE_REJECTED = "instance-rejected"
    INSTANCE_RESTORED = "instance-restored"
    INSTANCE_ACCEPTED = "instance-accepted"
    INSTANCE_DISMISSED = "instance-dismissed"
    STUDY_CONFLICT = "study-conflict"
    STUDY_RESOLVED = "study-resolved"
    STUDY_RESENT = "study-resent"
    STUDY_WITHDRAWN = "study-withdrawn"
    REJECTION_DUE = "rejection-due"
    STUDY_REANALYSED = "study-reanalysed"
    STUDY_URGENT = "study-urgent"
    STUDY_DELETED = "study-deleted"
    STUDY_UPLOADED = "study-uploaded"
    UPLOAD_RELEASED = "upload-released"
    POINTS_CHANGED = "points-changed"
    DESTINATION_PAUSED = "destination-paused"
    DESTINATION_RESUMED = "destination-resumed"
    RESULT_WITHHELD = "result-withheld"
    ANALYSIS_RECORDED = "analysis-recorded"
    ANALYSIS_STOPPED = "analysis-stopped"
    DOCUMENTS_BUILT = "documents-built"
    DOCUMENT_QUARANTINED = "document-quarantined"
    DELIVERY_DONE = "delivery-done"
    DELIVERY_FAILED = "delivery-failed"
    DELIVERY_STOPPED = "delivery-stopped"
    DELIVERY_CONFIRMED = "delivery-confirmed"
    DELIVERY_UNCONFIRMED = "delivery-unconfirmed"
    REPORT_CLASS_CHANGED = "report-class-changed"
    JOB_STOPPED = "job-stopped"
    JOB_RETRIED = "job-retried"
    CLOCK_SET_BACK = "clock-set-back"
    CONFIGURATION_CHANGED = "configuration-changed"
    STORE_RECOVERED = "store-recovered"
    AUDIT_READ = "audit-read"
    STUDIES_LISTED = "studies-listed"
    STUDY_VIEWED = "study-viewed"
    INSTANCES_STORED = "instances-stored"
    FILES_ANALYSED = "files-analysed"
    FEEDBACK_GIVEN = "feedback-given"
    FEEDBACK_EXPORTED = "feedback-exported"
    USER_LOGIN = "user-login"
    USER_LOGOUT = "user-logout"
    LOGIN_FAILED = "login-failed"
    USER_CHANGED = "user-changed"
    DESTINATION_ASKED = "destination-asked"
    FILTER_CHANGED = "filter-changed"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the log as it is stored."""

    seq: int
    at: int
    type: str
    outcome: str
    service: str
    study_uid: str | None
    detail: Detail
    hash: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What :func:`verify` found; ``broken_at`` is the first line that does not fit, ``problem`` says why."""

    lines: int
    head: str
    broken_at: int | None = None
    problem: str | None = None

    @property
    def intact(self) -> bool:
        """Say whether every line fits."""
        return self.broken_at is None


def append(
    tx: Session,
    event: AuditEventType,
    *,
    outcome: str = "success",
    study_uid: str | None = None,
    detail: Detail | None = None,
) -> None:
    """Note an event; it is written when, and only when, the transaction commits. No patient data in ``detail``."""
    means: Detail = tx.info.get(_MEANS, {})
    tx.info.setdefault(_PENDING, []).append((event, outcome, study_uid, {**(detail or {}), **means}))


def add_means(tx: Session, means: Detail) -> None:
    """Have every further line of this transaction say with what it was asked for, such as an API token."""
    tx.info[_MEANS] = means


_lock_head = Prepared(
    lambda _: select(AuditHead.seq, AuditHead.hash, now_ms()).where(AuditHead.id == 1).with_for_update(of=AuditHead)
)
_insert_line = Prepared(
    lambda _: insert(AuditEvent).values(
        {column.name: bindparam(column.name) for column in AuditEvent.__table__.columns}
    )
)
_move_head = Prepared(
    lambda _: update(AuditHead).where(AuditHead.id == 1).values(seq=bindparam("head_seq"), hash=bindparam("head_hash"))
)


def write_pending(tx: Session, service: str) -> None:
    """Write the noted events as the last step of a transaction, chained to the lines before them."""
    pending = tx.info.pop(_PENDING, [])
    if not pending:
        return
    ((seq, previous, at),) = _lock_head(tx)
    for event, outcome, study_uid, detail in pending:
        seq += 1
        row = {
            "seq": seq,
            "at": at,
            "type": str(event),
            "outcome": outcome,
            "service": service,
            "study_uid": study_uid,
            "detail": canonical(detail),
        }
        previous = row["hash"] = chain(previous, row)
        _insert_line(tx, **row)
    _move_head(tx, head_seq=seq, head_hash=previous)


def canonical(value: object) -> str:
    """Return the one JSON text of a value: sorted keys, no spaces, ASCII."""
    return _ENCODER.encode(value)


def chain(previous: str, row: dict[str, Any]) -> str:
    """Return the hash of a line: SHA-256 over the previous hash and the line's fields."""
    fields = [row[name] for name in ("seq", "at", "type", "outcome", "service", "study_uid", "detail")]
    return hashlib.sha256((previous + canonical(fields)).encode("ascii")).hexdigest()


def lines(
    read: Session,
    *,
    study_uid: str | None = None,
    after: int = 0,
    limit: int | None = None,
    types: Collection[AuditEventType] | None = None,
) -> Iterator[Line]:
    """Return lines in order: all, or those of one study or of some types, beyond a sequence number."""
    query = select(AuditEvent).where(AuditEvent.seq > after).order_by(AuditEvent.seq)
    if study_uid is not None:
        query = query.where(AuditEvent.study_uid == study_uid)
    if types is not None:
        query = query.where(AuditEvent.type.in_(sorted(types)))
    with read.scalars(query.limit(limit).execution_options(yield_per=1000)) as rows:
        yield from map(_line, rows)


def last_lines(
    read: Session,
    count: int,
    *,
    study_uid: str | None = None,
    before: int | None = None,
    types: Collection[AuditEventType] | None = None,
    without: Collection[AuditEventType] = (),
) -> list[Line]:
    """Return the newest ``count`` lines, oldest first; with ``before``, of those with a lower number.

    ``types`` are the only ones that are wanted, ``without`` those that are not.
    """
    query = select(AuditEvent).order_by(AuditEvent.seq.desc()).limit(count)
    if study_uid is not None:
        query = query.where(AuditEvent.study_uid == study_uid)
    if before is not None:
        query = query.where(AuditEvent.seq < before)
    if types is not None:
        query = query.where(AuditEvent.type.in_(sorted(types)))
    if without:
        query = query.where(AuditEvent.type.not_in(sorted(without)))
    return [_line(row) for row in read.scalars(query).all()[::-1]]


def _line(row: AuditEvent) -> Line:
    detail: Detail = json.loads(row.detail)
    return Line(row.seq, row.at, row.type, row.outcome, row.service, row.study_uid, detail, row.hash)


def last_number(read: Session) -> int:
    """Return the number of the newest line: cheap to ask, and higher after every change that is audited."""
    return read.scalar(select(AuditHead.seq).where(AuditHead.id == 1)) or 0


def verify(read: Session, *, expected_head: str | None = None) -> Verdict:
    """Walk the whole chain: an edited, missing, inserted, reordered or cut-off line is found.

    ``expected_head`` is a hash noted earlier outside the database; it must still be in the chain.
    """
    previous, expected, met = GENESIS, 0, expected_head in {None, GENESIS}
    query = select(*AuditEvent.__table__.columns).order_by(AuditEvent.seq).execution_options(yield_per=1000)
    with read.execute(query) as rows:
        for row in rows.mappings():
            expected += 1
            if row["seq"] != expected:
                return Verdict(expected - 1, previous, expected, f"line {expected} is missing")
            if chain(previous, dict(row)) != row["hash"]:
                return Verdict(expected - 1, previous, expected, f"line {expected} was altered or moved")
            previous = row["hash"]
            met = met or previous == expected_head
    head = read.execute(select(AuditHead.seq, AuditHead.hash).where(AuditHead.id == 1)).one_or_none()
    if head is None or (head.seq, head.hash) != (expected, previous):
        return Verdict(expected, previous, expected + 1, f"lines after {expected} were cut off")
    if not met:
        return Verdict(expected, previous, expected, "the noted head hash is not in this log")
    return Verdict(expected, previous)
