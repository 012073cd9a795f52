"""A filter of the list of studies as SQL: which studies are on a page, and how many match.

Short texts begin thousands of studies, long ones a few; accession numbers go with time, names do not. So a text is
first looked for among all studies, whatever else is asked, as far as few begin with it; then near the page's beginning;
then collected and ordered.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    SelectBase,
    String,
    and_,
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
    union_all,
)
from sqlalchemy.orm import InstrumentedAttribute, Session

from tracking.engine.clock import now_ms, to_milliseconds
from tracking.engine.distinct import distinct_values
from tracking.lists import search_forms
from tracking.lists.study_filter import Need, Order, StudyFilter
from tracking.tables.models import Analysis, CarriedDocument, Conflict, Delivery, Document, Instance, Job, Study
from tracking.tables.standing_models import Standing, StatedFinding

COUNTED_UP_TO = 1_000
"""Matching studies are counted no further than this."""

NEAR = 1_000
"""Studies that are looked through for a page of those that begin with a short text."""
MERGED_UP_TO = 150_000
"""Studies that begin with a text are collected and then ordered up to this number; beyond it they are met soon enough
by going through all from the newest on."""

_LAST_CHARACTER = "\U0010ffff"
_UID = re.compile(r"[0-9][0-9.]*")

Key = tuple[int | str, str]
"""Where a page begins or ends: when a study arrived (milliseconds since 1970 UTC) or its date, and its UID."""


@dataclass(frozen=True, slots=True)
class Page:
    """Which studies of those that match are on a page: older than ``after`` or newer than ``before``."""

    after: Key | None
    before: Key | None
    limit: int

    def cut(self, query: Select[Any], at: Any, uid: Any) -> Select[Any]:
        """Choose those of the page, the newest first; those newer than ``before`` in the other direction."""
        if self.before is not None:
            return query.where(tuple_(at, uid) > tuple_(*self.before)).order_by(at, uid).limit(self.limit)
        if self.after is not None:
            query = query.where(tuple_(at, uid) < tuple_(*self.after))
        return query.order_by(at.desc(), uid.desc()).limit(self.limit)

    def of(self, keys: list[Key]) -> list[Key]:
        """Return the keys of the page, in the same order."""
        ordered: list[Any] = sorted(set(keys), reverse=self.before is None)  # keys of one kind: numbers or texts
        if self.before is not None:
            ordered = [key for key in ordered if key > self.before]
        elif self.after is not None:
            ordered = [key for key in ordered if key < self.after]
        return ordered[: self.limit]


class Condition:
    """A filter as SQL: over stated findings where it names one, else over where studies stand.

    What a searched text may begin is an alternative of several columns. For PostgreSQL each of these is a statement of
    its own, cut at the length of the page and then merged: it finds each by its index and in one condition none. In
    SQLite, which is for fewer studies, one walk finds all of them.
    """

    def __init__(self, which: StudyFilter, order: Order, dialect: str) -> None:
        self._of: Any = StatedFinding if which.finding else Standing
        self._by_arrival = order is Order.ARRIVAL
        self._at = self._of.received_at if order is Order.ARRIVAL else self._of.study_date
        searched = list(_searched(which, dialect))
        needed = list(_needing(which))
        self._joined = bool((searched or needed) and which.finding)
        self._arms: list[ColumnElement[bool]] = []
        self._named: SelectBase | None = None
        if searched:
            self._arms, self._named = searched.pop(0)
        if self._named is not None and dialect != "postgresql":  # one walk along an index that holds all of them
            self._arms, self._named = [or_(*self._arms, Standing.study_uid.in_(self._named))], None
        alternatives = (or_(*arms, Standing.study_uid.in_(named)) for arms, named in searched)
        self._where = [*self._chosen(which), *self._within(which, order), *alternatives, *needed]

    @classmethod
    def prepare(cls, read: Session, which: StudyFilter, order: Order) -> "Condition":
        """Return the condition; which few studies a text names besides is asked once, for all its statements."""
        condition = cls(which, order, read.get_bind().dialect.name)
        if condition._named is not None:
            uids = [uid for (uid,) in read.execute(select(condition._named.subquery().c.study_uid))]
            condition._arms += [Standing.study_uid.in_(uids)] if uids else []
        return condition

    def keys(self, page: "Page") -> Select[Any]:
        """Choose date and UID of the studies of a page; those newer than its ``before`` come in the other direction."""
        at, uid = self._at, self._of.study_uid
        columns = (at.label("at"), uid.label("study_uid"))
        if not self._arms:
            return page.cut(self._select(*columns), at, uid)
        merged = union(
            *(select(page.cut(self._select(*columns).where(arm), at, uid).subquery()) for arm in self._arms)
        ).subquery("found")
        return page.cut(select(merged.c.at, merged.c.study_uid), merged.c.at, merged.c.study_uid)

    def count(self) -> Select[Any]:
        """Count what matches, up to a bound."""
        most = COUNTED_UP_TO + 1
        matching: Any = self._select(self._of.study_uid)
        if self._arms:
            arms = (matching.where(arm).limit(most).subquery() for arm in self._arms)
            found = union(*(select(arm.c.study_uid) for arm in arms)).subquery("found")
            matching = select(found.c.study_uid)
        return select(func.count()).select_from(matching.limit(most).subquery("matching"))

    def around(self) -> Select[Any]:
        """Count what matches, up to a bound; find what can be chosen by; and ask what time it is.

        Where a text is searched for, what few studies begin with is looked for, too: see ``_begun``.
        """
        counted = (self.count().scalar_subquery(), null(), null())
        total, begun, keys = self._of_begun(COUNTED_UP_TO) if self._arms else counted
        return select(
            total.label("total"),
            begun.label("begun"),
            keys.label("keys"),
            _joined(StatedFinding.label).label("findings"),
            _joined(Standing.calling_ae).label("callers"),
            now_ms().label("now"),
        )

    def _begun(self, most: int, page: "Page") -> Select[Any]:
        """Begin from the studies that begin with the text searched for, whatever else is asked of them.

        ``begun`` is how many these are, ``most + 1`` where they are more, and then the others are wrong: ``total``
        counts those that match, up to a bound, or is NULL where all of them do; ``keys`` has a line for each on a page.
        """
        total, begun, keys = self._of_begun(most, page)
        return select(total.label("total"), begun.label("begun"), keys.label("keys"))

    def _of_begun(self, most: int, page: "Page | None" = None) -> tuple[ColumnElement[Any], ...]:
        at = Standing.received_at if self._by_arrival else Standing.study_date
        arms = (select(Standing.study_uid, at.label("at")).where(arm).limit(most + 1).subquery() for arm in self._arms)
        one_of_each = union if page is None else union_all  # of many, which are met twice is seen when they are read
        found = one_of_each(*(select(arm.c.study_uid, arm.c.at) for arm in arms)).subquery("any")
        begun = select(found.c.study_uid, found.c.at).limit(most + 1).cte("begun")
        matching = select(begun.c.at, begun.c.study_uid)
        total: ColumnElement[Any] = null()
        if self._where:
            both = matching.join(self._of, self._of.study_uid == begun.c.study_uid).where(*self._where)
            if self._joined:
                both = both.join(Standing, Standing.study_uid == begun.c.study_uid)
            matched = both.distinct().cte("matching")
            matching = select(matched.c.at, matched.c.study_uid)
        elif page is not None:
            page = replace(page, limit=page.limit * len(self._arms))
        if self._where or page is None:
            some = matching.limit(COUNTED_UP_TO + 1).subquery("some")
            total = select(func.count()).select_from(some).scalar_subquery()
        shown = (matching if page is None else page.cut(matching, *matching.selected_columns)).subquery("shown")
        line = cast(shown.c.at, String).concat(" ").concat(shown.c.study_uid)
        return (
            total,
            select(func.count()).select_from(begun).scalar_subquery(),
            select(func.aggregate_strings(line, "\n")).scalar_subquery(),
        )

    def read_many(self, read: Session, page: "Page") -> tuple[list[Key], int]:
        """Return the keys of a page, and how many match, up to a bound: what many studies begin with, too."""
        if self._arms and not self._where and (near := self._read_near(read, page)):
            return near, COUNTED_UP_TO + 1
        if self._arms:
            begun = read.execute(self._begun(MERGED_UP_TO, page)).one()
            if begun.begun <= MERGED_UP_TO:
                total = COUNTED_UP_TO + 1 if begun.total is None else begun.total
                return page.of(self.read_keys(begun.keys)), total
        return [(at, uid) for at, uid in read.execute(self.keys(page))], read.scalar(self.count()) or 0

    def _read_near(self, read: Session, page: "Page") -> list[Key]:
        """Return the keys of a page if it is full of studies near its beginning, else nothing.

        A short text begins so many that collecting them takes longer than meeting a page of them.
        """
        at, uid = self._at, self._of.study_uid
        near = replace(page, limit=NEAR).cut(select(at.label("at"), uid.label("uid")), at, uid).subquery("near")
        query = select(near.c.at, near.c.uid).join(Standing, Standing.study_uid == near.c.uid).where(or_(*self._arms))
        found = [(at, uid) for at, uid in read.execute(page.cut(query, near.c.at, near.c.uid))]
        return found if len(found) == page.limit else []

    def read_keys(self, lines: str | None) -> list[Key]:
        """Read what :meth:`around` found, a key in each line."""
        found: list[Key] = []
        for line in (lines or "").splitlines():
            at, _, uid = line.partition(" ")
            found.append((int(at) if self._by_arrival else at, uid))
        return found

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


def _searched(which: StudyFilter, dialect: str) -> Iterator[tuple[list[ColumnElement[bool]], SelectBase]]:
    """Yield for each text what may begin with it, as alternatives, and the studies that it names besides.

    These are few: files that are kept aside name them, or their images name two patients.
    """

    def begins(column: InstrumentedAttribute[str], prefix: str) -> ColumnElement[bool]:
        """Choose by a prefix in the way in which each database uses an index."""
        last = prefix + _LAST_CHARACTER
        if dialect == "postgresql":  # by the operators of its index; LIKE finds none where its text is a parameter
            return and_(column.op("~>=~", is_comparison=True)(prefix), column.op("~<~", is_comparison=True)(last))
        return and_(column >= prefix, column < last)

    def named(waiting: ColumnElement[bool], in_conflict: ColumnElement[bool] | None = None) -> SelectBase:
        undecided = Conflict.state == literal("waiting", literal_execute=True)  # so that the partial index serves
        aside = select(Conflict.study_uid).where(undecided, waiting)
        if in_conflict is None:
            return aside
        conflicts = select(Study.study_uid).where(Study.conflict_since.is_not(None))
        return aside.union(select(Instance.study_uid).where(Instance.study_uid.in_(conflicts), in_conflict))

    def patient(text: str) -> tuple[list[ColumnElement[bool]], ColumnElement[bool], ColumnElement[bool]]:
        name, patient_id = search_forms.person(text), search_forms.identifier(text)
        stands = [begins(Standing.patient_id, patient_id), *([begins(Standing.patient_name, name)] if name else [])]
        waiting, other = (
            or_(
                of.patient_id.istartswith(patient_id, autoescape=True),
                func.replace(of.patient_name, "^", " ").istartswith(name or patient_id, autoescape=True),
            )
            for of in (Conflict, Instance)
        )
        return stands, waiting, other

    def accession(text: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
        number = search_forms.identifier(text)
        return begins(Standing.accession_number, number), Conflict.accession_number.istartswith(number, autoescape=True)

    if which.search:
        number = search_forms.identifier(which.search)
        stands, waiting, other = patient(which.search)
        numbered, waiting_by_number = accession(which.search)
        uid = [begins(Standing.study_uid, number)] if _UID.fullmatch(number) else []
        yield [*stands, numbered, *uid], named(or_(waiting, waiting_by_number), other)
    if which.patient:
        stands, waiting, other = patient(which.patient)
        yield stands, named(waiting, other)
    if which.accession:
        numbered, waiting = accession(which.accession)
        yield [numbered], named(waiting)


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


def _midnight(day: date) -> int:
    """Return when a day begins here, in milliseconds since 1970 UTC."""
    return to_milliseconds(datetime(day.year, day.month, day.day).astimezone().timestamp())


def _joined(column: InstrumentedAttribute[str]) -> ColumnElement[str | None]:
    """Return the values of an indexed column, joined by line feeds."""
    found = distinct_values(column).subquery()
    return select(func.aggregate_strings(found.c.value, "\n")).scalar_subquery()
