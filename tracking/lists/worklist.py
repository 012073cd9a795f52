"""The list of studies: filtered, searched and ordered, a page at a time, in two statements however many there are.

Pages follow one another by the last study shown, never by counting: the thousandth costs what the first does. The
columns are those of :mod:`tracking.lists.standing`. Rows hold patient data, for the screen of somebody who may see it,
never for a log.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    SelectBase,
    String,
    and_,
    any_,
    cast,
    exists,
    func,
    literal,
    literal_column,
    null,
    or_,
    select,
    tuple_,
    union,
)
from sqlalchemy.orm import InstrumentedAttribute, Session

from tracking.engine.clock import now_ms, to_datetime, to_milliseconds
from tracking.engine.distinct import distinct_values
from tracking.lists import search_forms
from tracking.lists.standing import Shown, read_shown
from tracking.lists.study_filter import ALL_STUDIES, Need, Order, StudyFilter
from tracking.lists.summaries import StudySummary
from tracking.lists.summarise import study_records
from tracking.studies.instances import StudyHeader, header_of
from tracking.tables.models import (
    Analysis,
    Breaker,
    CarriedDocument,
    Conflict,
    Delivery,
    Document,
    Instance,
    Job,
    Study,
    Upload,
)
from tracking.tables.standing_models import Standing, StatedFinding

COUNTED_UP_TO = 1_000
"""Matching studies are counted no further than this."""

_LAST_CHARACTER = "\U0010ffff"
_UID = re.compile(r"[0-9][0-9.]*")

Key = tuple[int | str, str]
"""Where a page begins or ends: when a study arrived (milliseconds since 1970 UTC) or its date, and its UID."""


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
    on = Condition(which, order, read.get_bind().dialect.name)
    around = read.execute(on.around()).one()
    if around.begun is None or around.begun > COUNTED_UP_TO:
        keys = on.keys(after=after, before=before, limit=limit + 1)
        found = _rows_of_keys(read, keys, ascending=before is not None)
        total = around.total if around.begun is None else on.count_many(read)
    else:  # few begin with what is searched for: the page is made here
        few = on.read_keys(around.keys or "")
        found = _rows_of(read, _page_of(few, after=after, before=before, limit=limit + 1))
        total = len(few)
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
    uids = [uid for _, uid in read.execute(Condition(which, order, read.get_bind().dialect.name).keys(limit=limit))]
    return [record.summary for record in study_records(read, uids)]


def count_studies(read: Session, which: StudyFilter = ALL_STUDIES, *, order: Order = Order.ARRIVAL) -> int:
    """Return how many studies match, ``COUNTED_UP_TO + 1`` where it is more than that."""
    return read.scalar(Condition(which, order, read.get_bind().dialect.name).count()) or 0


class Condition:
    """A filter as SQL: over stated findings where it names one, else over where studies stand.

    What a searched text may begin is an alternative of several columns. For PostgreSQL each of these is a statement of
    its own, cut at the length of the page and then merged: it finds each by its index and in one condition none.
    """

    def __init__(self, which: StudyFilter, order: Order, dialect: str) -> None:
        self._of: Any = StatedFinding if which.finding else Standing
        self._by_arrival = order is Order.ARRIVAL
        self._at = self._of.received_at if order is Order.ARRIVAL else self._of.study_date
        searched = list(_searched(which, dialect))
        needed = list(_needing(which))
        self._joined = bool((searched or needed) and which.finding)
        self._arms: list[ColumnElement[bool]] = searched.pop(0) if searched and dialect == "postgresql" else []
        alternatives = (or_(*arms) for arms in searched)
        self._where = [*self._chosen(which), *self._within(which, order), *alternatives, *needed]

    def keys(self, *, after: Key | None = None, before: Key | None = None, limit: int) -> Select[Any]:
        """Choose date and UID of the studies of a page; those newer than ``before`` come in the other direction."""
        at, uid = self._at, self._of.study_uid
        beyond: list[ColumnElement[bool]] = []
        if before is not None:
            beyond = [tuple_(at, uid) > tuple_(*before)]
        elif after is not None:
            beyond = [tuple_(at, uid) < tuple_(*after)]

        def ordered(query: Select[Any], at: Any, uid: Any) -> Select[Any]:
            forward = (at, uid) if before is not None else (at.desc(), uid.desc())
            return query.order_by(*forward).limit(limit)

        columns = (at.label("at"), uid.label("study_uid"))
        if not self._arms:
            return ordered(self._select(*columns).where(*beyond), at, uid)
        merged = union(
            *(select(ordered(self._select(*columns).where(arm, *beyond), at, uid).subquery()) for arm in self._arms)
        ).subquery("found")
        return ordered(select(merged.c.at, merged.c.study_uid), merged.c.at, merged.c.study_uid)

    def count(self) -> Select[Any]:
        """Count what matches, up to a bound."""
        most = COUNTED_UP_TO + 1
        matching: Any = self._select(self._of.study_uid)
        if self._arms:
            arms = (matching.where(arm).limit(most).subquery() for arm in self._arms)
            found = union(*(select(arm.c.study_uid) for arm in arms)).subquery("found")
            matching = select(found.c.study_uid)
        return select(func.count()).select_from(matching.limit(most).subquery("matching"))

    def count_many(self, read: Session) -> int:
        """Count what matches where more than are counted begin with the text searched for."""
        return (read.scalar(self.count()) or 0) if self._where else COUNTED_UP_TO + 1

    def around(self) -> Select[Any]:
        """Count what matches, up to a bound; find what can be chosen by; and ask what time it is.

        Where a text is searched for in PostgreSQL, ``begun`` is how many studies begin with it, up to a bound, whatever
        else is asked of them, and ``keys`` has a line for each of these that matches; ``total`` is then not counted.
        """
        total: ColumnElement[Any] = null()
        begun: ColumnElement[Any] = null()
        keys: ColumnElement[Any] = null()
        if self._arms:
            few = self._begun().cte("few")
            key = cast(self._at, String).concat(" ").concat(self._of.study_uid)
            lines = self._select(key.label("line")).where(self._of.study_uid.in_(select(few.c.study_uid))).subquery()
            begun = select(func.count()).select_from(few).scalar_subquery()
            keys = select(func.aggregate_strings(lines.c.line, "\n")).scalar_subquery()
        else:
            total = self.count().scalar_subquery()
        return select(
            total.label("total"),
            begun.label("begun"),
            keys.label("keys"),
            _joined(StatedFinding.label).label("findings"),
            _joined(Standing.calling_ae).label("callers"),
            now_ms().label("now"),
        )

    def read_keys(self, lines: str) -> list[Key]:
        """Read what :meth:`around` found, a key in each line."""
        found: list[Key] = []
        for line in lines.splitlines():
            at, _, uid = line.partition(" ")
            found.append((int(at) if self._by_arrival else at, uid))
        return found

    def _begun(self) -> Select[Any]:
        """Choose the studies that begin with the text searched for, one more than are counted at most."""
        most = COUNTED_UP_TO + 1
        arms = (select(Standing.study_uid).where(arm).limit(most).subquery() for arm in self._arms)
        found = union(*(select(arm.c.study_uid) for arm in arms)).subquery("any")
        return select(found.c.study_uid).limit(most)

    def _select(self, *columns: Any) -> Select[Any]:
        query = select(*columns).where(*self._where)
        return query.join(Standing, Standing.study_uid == self._of.study_uid) if self._joined else query

    def _chosen(self, which: StudyFilter) -> Iterator[ColumnElement[bool]]:
        if which.finding:
            yield StatedFinding.label == which.finding
        if which.status:
            yield self._of.status == which.status
        if which.calling_ae:
            yield self._of.calling_ae == which.calling_ae
        if which.urgent:
            yield self._of.urgent

    def _within(self, which: StudyFilter, order: Order) -> Iterator[ColumnElement[bool]]:
        by_arrival = order is Order.ARRIVAL
        if which.first is not None:
            yield self._at >= (_midnight(which.first) if by_arrival else f"{which.first:%Y%m%d}")
        if which.last is not None and by_arrival:
            yield self._at < _midnight(which.last + timedelta(days=1))
        if which.last is not None and not by_arrival:
            yield self._at.between("0", f"{which.last:%Y%m%d}")  # what has no date lies before the first


def _searched(which: StudyFilter, dialect: str) -> Iterator[list[ColumnElement[bool]]]:
    """Yield for each text what may begin with it, as alternatives."""

    def begins(column: InstrumentedAttribute[str], prefix: str) -> ColumnElement[bool]:
        """Choose by a prefix in the way in which each database uses an index."""
        if dialect == "postgresql":
            return column.like(re.sub(r"([\\%_])", r"\\\1", prefix) + "%")
        return and_(column >= prefix, column < prefix + _LAST_CHARACTER)

    def among(few: Any) -> ColumnElement[bool]:
        """Choose among few studies; PostgreSQL uses no index for an alternative that asks another table."""
        if dialect == "postgresql":
            return Standing.study_uid == any_(func.array(few.scalar_subquery()))
        return Standing.study_uid.in_(few)

    def few(waiting: ColumnElement[bool], in_conflict: ColumnElement[bool] | None = None) -> ColumnElement[bool]:
        """Choose the studies that files kept aside name, or whose images name two patients: there are few of either."""
        undecided = Conflict.state == literal("waiting", literal_execute=True)  # so that the partial index serves
        named = select(Conflict.study_uid).where(undecided, waiting)
        if in_conflict is None:
            return among(named)
        conflicts = select(Study.study_uid).where(Study.conflict_since.is_not(None))
        return among(named.union(select(Instance.study_uid).where(Instance.study_uid.in_(conflicts), in_conflict)))

    def patient(text: str) -> tuple[list[ColumnElement[bool]], ColumnElement[bool], ColumnElement[bool]]:
        name, patient_id = search_forms.person(text), search_forms.identifier(text)
        stands = [begins(Standing.patient_id, patient_id), *([begins(Standing.patient_name, name)] if name else [])]
        waiting, named = (
            or_(
                of.patient_id.istartswith(patient_id, autoescape=True),
                func.replace(of.patient_name, "^", " ").istartswith(name or patient_id, autoescape=True),
            )
            for of in (Conflict, Instance)
        )
        return stands, waiting, named

    def accession(text: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
        number = search_forms.identifier(text)
        return begins(Standing.accession_number, number), Conflict.accession_number.istartswith(number, autoescape=True)

    if which.search:
        number = search_forms.identifier(which.search)
        stands, waiting, named = patient(which.search)
        numbered, waiting_by_number = accession(which.search)
        uid = [begins(Standing.study_uid, number)] if _UID.fullmatch(number) else []
        yield [*stands, numbered, *uid, few(or_(waiting, waiting_by_number), named)]
    if which.patient:
        stands, waiting, named = patient(which.patient)
        yield [*stands, few(waiting, named)]
    if which.accession:
        numbered, waiting = accession(which.accession)
        yield [numbered, few(waiting)]


def _needing(which: StudyFilter) -> Iterator[ColumnElement[bool]]:
    """Yield the condition that a study waits for a person, begun from what waits, of which there is little."""
    if which.needs is Need.DECISION:
        yield Standing.kept_aside > literal_column("0")  # no parameter, so that the partial index serves
    elif which.needs is Need.WORK:
        analysis = literal("analyse:").concat(Standing.study_uid).concat(":").concat(cast(Standing.revision, String))
        report = literal("report:").concat(cast(Standing.analysis_id, String))
        yield and_(
            Standing.status == "attention", exists().where(Job.key.in_([analysis, report]), Job.state == "stopped")
        )
    elif which.needs is Need.DOCUMENT:
        yield _of_documents(select(Document.analysis_id).where(Document.quarantined.is_not(None)))
    elif which.needs is Need.DELIVERY:
        yield _of_stopped()


def _of_documents(analyses: SelectBase) -> ColumnElement[bool]:
    """Choose the studies whose latest analysis is among some, and which show it."""
    studies = select(Analysis.study_uid).where(Analysis.id.in_(analyses))
    return and_(Standing.study_uid.in_(studies), Standing.analysis_id.in_(analyses), Standing.status == "attention")


def _of_stopped() -> ColumnElement[bool]:
    """Choose the studies with a delivery that stopped: of the latest analysis, or of a note about an earlier one."""
    built = select(Document.analysis_id).join(Delivery).where(Delivery.state == "stopped")
    carried = (
        select(CarriedDocument.analysis_id)
        .join(Delivery, Delivery.document_id == CarriedDocument.document_id)
        .where(Delivery.state == "stopped")
    )
    notes = select(Analysis.study_uid).where(Analysis.id.in_(built.where(Document.reason.is_not(None))))
    noted = and_(Standing.study_uid.in_(notes), Standing.status == "attention")
    return or_(_of_documents(union(built, carried)), noted)


def _page_of(keys: list[Key], *, after: Key | None, before: Key | None, limit: int) -> list[Key]:
    """Return the keys of a page, the newest first; those newer than ``before`` in the other direction."""
    ordered: list[Any] = sorted(keys, reverse=before is None)  # keys of one kind: numbers or texts
    if before is not None:
        ordered = [key for key in ordered if key > before]
    elif after is not None:
        ordered = [key for key in ordered if key < after]
    return ordered[:limit]


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


def _midnight(day: date) -> int:
    """Return when a day begins here, in milliseconds since 1970 UTC."""
    return to_milliseconds(datetime(day.year, day.month, day.day).astimezone().timestamp())


def _joined(column: InstrumentedAttribute[str]) -> ColumnElement[str | None]:
    """Return the values of an indexed column, joined by line feeds."""
    found = distinct_values(column).subquery()
    return select(func.aggregate_strings(found.c.value, "\n")).scalar_subquery()


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
