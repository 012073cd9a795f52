"""Reconciliation: what came in, what became of it as far as its confirmation, and each gap with the command for it."""

from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session

from tracking.engine.clock import to_datetime, to_milliseconds
from tracking.lists.flow import Span, reasons_not_analysed
from tracking.lists.standing import read_shown
from tracking.outbox.confirmations import Confirmation
from tracking.outbox.pauses import paused_destinations
from tracking.tables.models import Analysis, Delivery, Document
from tracking.tables.standing_models import Standing

_DECIDED = ("not-analysed", "withdrawn", "rejected")
"""Statuses in which nothing is lacking."""


@dataclass(frozen=True, slots=True)
class Gap:
    """What one study lacks, at one destination or before any, why, and the command that mends it or says more."""

    study_uid: str
    received_at: datetime
    calling_ae: str
    destination: str
    """Empty where the study has not come as far."""
    lacks: str
    why: str
    mend: str


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """The studies of a span; each number counts studies.

    ``delivered`` and ``confirmed`` are those of one destination where that was asked for.
    """

    received: int
    analysed: int
    not_analysed: int
    reasons: Mapping[str, int]
    """Images by the reason why they were not analysed; of every sender."""
    taken_out: int
    """Withdrawn or rejected by a person."""
    reported: int
    delivered: int
    confirmed: int
    gaps: tuple[Gap, ...]


@dataclass(frozen=True, slots=True)
class _Study:
    study_uid: str
    status: str
    received_at: datetime
    calling_ae: str
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Due:
    """A document that has not arrived, or of which that is not confirmed."""

    destination: str
    state: str
    is_awaited: bool
    error: str


def reconcile(read: Session, span: Span, *, calling_ae: str = "", destination: str = "") -> Reconciliation:
    """Compare what came in with what was reported, delivered and confirmed.

    Parameters
    ----------
    read
        A transaction that reads.
    span
        When the studies' last images came.
    calling_ae
        Only what this system sent.
    destination
        Only what is due at this destination, and what has not come as far.
    """
    studies = _studies(read, span, calling_ae)
    due = _due(read, span, destination)
    paused = frozenset(paused_destinations(read))
    by_status = Counter(study.status for study in studies)
    gaps = [gap for study in studies for gap in _gaps(study, due[study.study_uid], destination, paused)]
    there = _delivered_to(read, span, destination) if destination else frozenset()
    arrived = [study for study in studies if _has_arrived(study, due[study.study_uid], destination, there)]
    return Reconciliation(
        received=len(studies),
        analysed=sum(by_status[status] for status in ("analysed", "reported", "delivered")),
        not_analysed=by_status["not-analysed"],
        reasons=reasons_not_analysed(read, span) if by_status["not-analysed"] else {},
        taken_out=by_status["withdrawn"] + by_status["rejected"],
        reported=by_status["reported"] + by_status["delivered"],
        delivered=len(arrived),
        confirmed=sum(not any(entry.is_awaited for entry in due[study.study_uid]) for study in arrived),
        gaps=tuple(gaps),
    )


def _studies(read: Session, span: Span, calling_ae: str) -> list[_Study]:
    columns = (Standing.study_uid, Standing.status, Standing.received_at, Standing.calling_ae, Standing.shown)
    query = select(*columns).where(*_within(span))
    if calling_ae:
        query = query.where(Standing.calling_ae == calling_ae)
    rows = read.execute(query.order_by(Standing.received_at, Standing.study_uid))
    return [
        _Study(row.study_uid, row.status, to_datetime(row.received_at), row.calling_ae, read_shown(row.shown).problems)
        for row in rows
    ]


def _within(span: Span) -> list[ColumnElement[bool]]:
    """Choose the received studies of a span."""
    start, end = (to_milliseconds(moment.timestamp()) for moment in (span.start, span.end))
    return [Standing.received_at >= start, Standing.received_at < end, ~Standing.upload]


def _due(read: Session, span: Span, destination: str) -> dict[str, list[_Due]]:
    """Return by study what has not arrived or is not confirmed, the oldest first."""
    awaited = and_(Delivery.state == "delivered", Delivery.confirmation == Confirmation.AWAITED.value)
    query = (
        select(Standing.study_uid, Delivery.destination, Delivery.state, Delivery.error, awaited.label("is_awaited"))
        .join(Analysis, Analysis.study_uid == Standing.study_uid)
        .join(Document, Document.analysis_id == Analysis.id)
        .join(Delivery, Delivery.document_id == Document.id)
        .where(*_within(span), or_(Delivery.state.in_(("waiting", "stopped")), awaited))
        .order_by(Delivery.id)
    )
    if destination:
        query = query.where(Delivery.destination == destination)
    found: dict[str, list[_Due]] = defaultdict(list)
    for row in read.execute(query):
        found[row.study_uid].append(_Due(row.destination, row.state, bool(row.is_awaited), row.error or ""))
    return found


def _delivered_to(read: Session, span: Span, destination: str) -> frozenset[str]:
    """Return the studies of which the destination has something: one that was added later was never due any."""
    query = (
        select(Standing.study_uid)
        .join(Analysis, Analysis.study_uid == Standing.study_uid)
        .join(Document, Document.analysis_id == Analysis.id)
        .join(Delivery, Delivery.document_id == Document.id)
        .where(*_within(span), Delivery.destination == destination, Delivery.state == "delivered")
    )
    return frozenset(read.scalars(query))


def _has_arrived(study: _Study, due: Sequence[_Due], destination: str, there: Container[str]) -> bool:
    """Tell whether a study counts as delivered; at one destination that does not depend on the others."""
    if not destination:
        return study.status == "delivered"
    return (
        study.status in {"reported", "delivered"}
        and study.study_uid in there
        and all(entry.is_awaited for entry in due)
    )


def _gaps(study: _Study, due: Sequence[_Due], destination: str, paused: frozenset[str]) -> Iterable[Gap]:
    """Yield what a study lacks: one gap before its documents are there, then one for each destination and kind."""
    if study.status in _DECIDED:
        return
    before = _lacks_before_delivery(study)
    if before is not None and not (destination and due):
        yield before
        return
    seen = set()
    for entry in due:
        if (entry.destination, entry.state, entry.is_awaited) not in seen:
            seen.add((entry.destination, entry.state, entry.is_awaited))
            yield _at_destination(study, entry, paused)
    if study.status == "reported" and not due and not destination:
        yield _gap(study, "report", "more of its documents are still to be built", "cxrnode doctor")


def _lacks_before_delivery(study: _Study) -> Gap | None:
    uid = study.study_uid
    match study.status:
        case "received":
            return _gap(study, "analysis", "waits for its analysis", "cxrnode doctor")
        case "analysed":
            return _gap(study, "report", "waits for its report", "cxrnode doctor")
        case "conflict":
            return _gap(study, "analysis", "its images name two patients", f"cxrnode study {uid}")
        case "waiting":
            return _gap(study, "analysis", "a file waits for a decision", f"cxrnode study {uid}")
        case "attention":
            return _gap(study, "result", "; ".join(study.problems) or "something stopped", f"cxrnode retry {uid}")
    return None


def _at_destination(study: _Study, entry: _Due, paused: frozenset[str]) -> Gap:
    name, uid = entry.destination, study.study_uid
    if entry.is_awaited:
        why = entry.error or "delivered, and not confirmed yet"
        return _gap(study, "confirmation", why, f"cxrnode resend {uid} --destination {name}", name)
    if entry.state == "stopped":
        return _gap(study, "delivery", entry.error or "stopped", f"cxrnode retry {uid}", name)
    if name in paused:
        return _gap(study, "delivery", "the destination is paused", f"cxrnode destination resume {name}", name)
    return _gap(study, "delivery", entry.error or "waits for its turn", f"cxrnode retry --destination {name}", name)


def _gap(study: _Study, lacks: str, why: str, mend: str, destination: str = "") -> Gap:
    return Gap(study.study_uid, study.received_at, study.calling_ae, destination, lacks, why, mend)
