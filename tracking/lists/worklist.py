"""The list of studies: filtered, searched and ordered, a page at a time, in two statements however many there are.

Pages follow one another by the last study shown, never by counting: the thousandth costs what the first does. The
columns are those of :mod:`tracking.lists.standing`. Rows hold patient data, for the screen of somebody who may see it,
never for a log.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    String,
    cast,
    exists,
    literal,
    or_,
    select,
)
from sqlalchemy.orm import Session

from tracking.engine.clock import to_datetime
from tracking.lists.standing import Shown, read_shown
from tracking.lists.study_condition import COUNTED_UP_TO, Condition, Key, Page
from tracking.lists.study_filter import ALL_STUDIES, Order, StudyFilter
from tracking.lists.summaries import StudySummary
from tracking.lists.summarise import study_records
from tracking.studies.instances import StudyHeader, header_of
from tracking.tables.models import (
    Analysis,
    Breaker,
    CarriedDocument,
    Delivery,
    Document,
    Job,
    Study,
    Upload,
)
from tracking.tables.standing_models import Standing


@dataclass(frozen=True, slots=True)
class WorklistRow:
    """One study of the worklist; ``received_at`` is when its last image arrived."""

    header: StudyHeader
    status: str
    received_at: datetime
    urgent: bool
    calling_ae: str
    model: str | None
    images: int
    rejected: int
    deliveries: int
    delivered: int
    retrying: bool
    shown: Shown
    uploaded_by: str | None = None
    """Of an upload whose it is; None for a study that was received."""


@dataclass(frozen=True, slots=True)
class Worklist:
    """One page of the worklist.

    ``total`` is ``COUNTED_UP_TO + 1`` where more match. ``newer`` and ``older`` are the keys that the pages beside
    this one go on from, None where there is none. ``findings`` and ``callers`` are what can be chosen by.
    """

    rows: tuple[WorklistRow, ...]
    total: int
    newer: Key | None
    older: Key | None
    findings: tuple[str, ...]
    callers: tuple[str, ...]
    now: datetime


def find_studies(
    read: Session,
    which: StudyFilter = ALL_STUDIES,
    *,
    order: Order = Order.ARRIVAL,
    after: Key | None = None,
    before: Key | None = None,
    limit: int = 25,
) -> Worklist:
    """Return a page of the studies that match, the newest first: older than ``after``, or newer than ``before``."""
    on = Condition.prepare(read, which, order)
    around = read.execute(on.around()).one()
    page = Page(after, before, limit + 1)
    if around.begun is None:
        found, total = _rows_of_keys(read, on.keys(page), ascending=before is not None), around.total
    elif around.begun <= COUNTED_UP_TO:
        found, total = _rows_of(read, page.of(on.read_keys(around.keys))), around.total
    else:
        keys, total = on.read_many(read, page)
        found = _rows_of(read, keys)
    more = len(found) > limit
    found = found[:limit]
    if before:
        found = found[::-1]
    ends: list[Key] = [(row[0], row[1].study_uid) for row in found]
    return Worklist(
        rows=tuple(_row(*row[1:]) for row in found),
        total=total,
        newer=ends[0] if ends and (more if before else after is not None) else None,
        older=ends[-1] if ends and (before is not None or more) else None,
        findings=tuple((around.findings or "").split("\n")) if around.findings else (),
        callers=tuple((around.callers or "").split("\n")) if around.callers else (),
        now=to_datetime(around.now),
    )


def list_studies(
    read: Session,
    which: StudyFilter = ALL_STUDIES,
    *,
    order: Order = Order.ARRIVAL,
    limit: int,
) -> list[StudySummary]:
    """Return the newest studies that match, each with all that is on record about it."""
    on = Condition.prepare(read, which, order)
    keys, _ = on.read_many(read, Page(None, None, limit))
    uids = [uid for _, uid in keys]
    return [record.summary for record in study_records(read, uids)]


def count_studies(read: Session, which: StudyFilter = ALL_STUDIES, *, order: Order = Order.ARRIVAL) -> int:
    """Return how many studies match, ``COUNTED_UP_TO + 1`` where it is more than that."""
    return read.scalar(Condition.prepare(read, which, order).count()) or 0


def _rows_of(read: Session, keys: list[Key]) -> list[Any]:
    """Return the rows of studies in the order of their keys, each begun by its date."""
    rows = {
        row[0].study_uid: row for row in read.execute(_rows().where(Standing.study_uid.in_([uid for _, uid in keys])))
    }
    return [(at, *rows[uid]) for at, uid in keys if uid in rows]


def _rows_of_keys(read: Session, chosen: Select[Any], *, ascending: bool) -> list[Any]:
    """Return the rows of the studies that a statement chooses, each begun by its date, the newest first or last."""
    keys = chosen.subquery("page")
    order = [part.asc() if ascending else part.desc() for part in (keys.c.at, keys.c.study_uid)]
    rows = read.execute(_rows(keys.c.at).join(keys, Standing.study_uid == keys.c.study_uid).order_by(*order))
    return list(rows.all())


def _rows(*columns: Any) -> Select[Any]:
    return (
        select(*columns, Standing, Study, _retrying(), Upload.owner)
        .select_from(Standing)
        .join(Study, Study.study_uid == Standing.study_uid)
        .outerjoin(Upload, Upload.study_uid == Standing.study_uid)
    )


def _retrying() -> ColumnElement[bool]:
    """Tell whether work on the newest revision or analysis of a study failed and is tried again, or waits.

    Asked of the queue for the studies of one page: a destination that goes away concerns thousands at once.
    """
    failed = or_(Job.attempts > 0, Job.crashes > 0)
    analysis = literal("analyse:").concat(Standing.study_uid).concat(":").concat(cast(Standing.revision, String))
    report = literal("report:").concat(cast(Standing.analysis_id, String))
    own = exists().where(Job.key.in_([analysis, report]), Job.state == "open", failed)
    waiting = Delivery.state.concat("")  # no column, or SQLite would go through all that waits anywhere
    sending = (
        select(Delivery.id)
        .join(Document, Delivery.document_id == Document.id)
        .join(Job, Job.key == literal("deliver:").concat(cast(Delivery.id, String)))
        .outerjoin(Breaker, Breaker.destination == Delivery.destination)
        .where(waiting == "waiting", or_(failed, Breaker.failures > 0, Breaker.held_since.is_not(None)))
    )
    carried = select(CarriedDocument.document_id).where(CarriedDocument.analysis_id == Standing.analysis_id)
    built = sending.where(Document.analysis_id == Standing.analysis_id)
    notes = sending.join(Analysis, Document.analysis_id == Analysis.id).where(
        Analysis.study_uid == Standing.study_uid, Document.reason.is_not(None)
    )
    return or_(own, built.exists(), sending.where(Document.id.in_(carried)).exists(), notes.exists()).label("retrying")


def _row(standing: Standing, study: Study, retrying: bool, uploaded_by: str | None) -> WorklistRow:
    return WorklistRow(
        header=header_of(study),
        status=standing.status,
        received_at=to_datetime(standing.received_at),
        urgent=standing.urgent,
        calling_ae=standing.calling_ae,
        model=standing.model,
        images=standing.images,
        rejected=standing.rejected,
        deliveries=standing.deliveries,
        delivered=standing.delivered,
        retrying=bool(retrying),
        shown=read_shown(standing.shown),
        uploaded_by=uploaded_by,
    )
