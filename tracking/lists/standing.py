"""Where each study stands, kept in one row a study so that lists need no look at any other.

:func:`write` derives the rows of the studies that a transaction changed, as its last step
(:meth:`tracking.engine.database.Database.transaction`): nothing can change where a study stands without its row
following in the same commit, and a row follows from the other tables alone, so that :func:`drift` can check it and
:func:`fill` make it anew.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Executable,
    Select,
    bindparam,
    delete,
    exists,
    func,
    insert,
    literal_column,
    select,
)
from sqlalchemy.orm import Session

from tracking.engine.clock import to_datetime
from tracking.engine.prepared import Prepared
from tracking.jobs import queue
from tracking.jobs.keys import analysis_key
from tracking.lists import search_forms
from tracking.lists.summaries import FindingSummary, OutcomeSummary, StudySummary, WhyNot
from tracking.lists.summarise import AT_ONCE, StudyRecord, study_records
from tracking.outbox.documents import LEFT_OUT
from tracking.results.worst_news import worst_news
from tracking.studies.instances import HEADER_COLUMNS, StudyHeader
from tracking.studies.upload_hold import RECEIVED, UPLOAD
from tracking.tables.models import Analysis, Conflict, Instance, Job, Study
from tracking.tables.standing_models import Standing, StatedFinding

Columns = dict[str, Any]
ABSENT = "absent"
"""Level of a finding below both of its points (:class:`inference.findings.Level`)."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What only the screen needs of a study; kept as JSON.

    ``patients`` are names and Patient IDs of a study in conflict, ``findings`` the stated ones, of several images the
    worst news of each; ``scored`` tells whether there are others. ``corrected`` says of each file kept aside under
    the UID of an image of this study whether it is of another patient; ``elsewhere`` counts the files that name this
    study and wait under the UID of an image of another one. Patient data: for the screen of somebody who may see it,
    never for a log.
    """

    patients: tuple[tuple[str, str], ...] = ()
    findings: tuple[FindingSummary, ...] = ()
    scored: bool = False
    not_analysed: tuple[WhyNot, ...] = ()
    problems: tuple[str, ...] = ()
    corrected: tuple[bool, ...] = ()
    elsewhere: int = 0


NOTHING = Shown()
_WAITING: ColumnElement[str] = literal_column("'waiting'")
"""Not a parameter, for which SQLite would look for a partial index anew, and prepare the statement, each time."""


def write(tx: Session, study_uids: Sequence[str]) -> None:
    """Derive the rows of studies and write them.

    Each study is locked first: two transactions that change it one after the other both see what the first one wrote.
    ``study_uids`` are in the order of locking.
    """
    left = []
    for uid in study_uids:
        if tx.get_bind().dialect.name == "postgresql":  # a transaction on SQLite has the one lock there is
            _lock(tx, uid=uid)
        only_received = _only_received(tx, uid)
        if only_received is None:
            left.append(uid)
        else:
            _store(tx, only_received)
    for record in study_records(tx, left):
        _store(tx, record)


def fill(tx: Session) -> int:
    """Write the rows of all studies that have none, some at a time; return how many."""
    filled, after = 0, ""
    missing = ~exists().where(Standing.study_uid == Study.study_uid)
    studies = select(Study.study_uid).where(missing).order_by(Study.study_uid).limit(AT_ONCE)
    while uids := tx.scalars(studies.where(Study.study_uid > after)).all():
        after = uids[-1]
        rows = [columns_of(record) for record in study_records(tx, uids)]
        findings = [finding for _, found in rows for finding in found]
        for table, made in ((Standing, [row for row, _ in rows]), (StatedFinding, findings)):
            if made:
                tx.connection().execute(insert(table.__table__), made)  # type: ignore[arg-type]  # it is a table
        tx.expunge_all()
        filled += len(rows)
    return filled


def drift(read: Session, *, newest: int | None = None) -> Iterator[str]:
    """Yield the studies whose rows are not what follows from the other tables; all, or of the ``newest`` so many."""
    query = select(Study.study_uid)
    query = query.order_by(Study.study_uid) if newest is None else _newest_first(newest)
    uids = read.scalars(query).all()
    for first in range(0, len(uids), AT_ONCE):
        yield from differing(read, uids[first : first + AT_ONCE])
        read.expunge_all()


def differing(read: Session, study_uids: Sequence[str]) -> list[str]:
    """Return those of the studies whose rows are not what follows from the other tables."""
    stored = _stored(read, study_uids)
    derived = {record.header.study_uid: columns_of(record) for record in study_records(read, study_uids)}
    return [uid for uid, columns in derived.items() if stored.get(uid) != columns]


def columns_of(record: StudyRecord) -> tuple[Columns, list[Columns]]:
    """Return the row that follows from what is on record about a study, and those of its stated findings."""
    header, summary = record.header, record.summary
    findings = worst_news(summary.findings)
    stated = [finding for finding in findings if finding.stated]
    found = [finding for finding in stated if finding.abnormal and finding.level != ABSENT]
    shown = Shown(
        patients=tuple((who.identity.patient_name, who.identity.patient_id) for who in summary.patients),
        findings=tuple(stated),
        scored=len(stated) < len(findings),
        not_analysed=_reasons(summary.not_analysed),
        problems=summary.problems,
        corrected=tuple(bool(kept.differing) for kept in summary.kept_aside if kept.stands_in == header.study_uid),
        elsewhere=sum(kept.stands_in != header.study_uid for kept in summary.kept_aside),
    )
    row: Columns = {
        "study_uid": header.study_uid,
        "status": summary.status,
        "received_at": record.received_at,
        "study_date": search_forms.study_date(header.study_date),
        "patient_id": search_forms.identifier(header.patient_id),
        "patient_name": search_forms.person(header.patient_name),
        "accession_number": search_forms.identifier(header.accession_number),
        "calling_ae": record.calling_ae,
        "urgent": record.urgent,
        "upload": summary.kind == UPLOAD,
        "revision": summary.revision,
        "analysis_id": record.analysis_id,
        "model": summary.model,
        "score": max((finding.score for finding in stated if finding.abnormal), default=None),
        "images": summary.instances,
        "rejected": summary.rejected,
        "kept_aside": len(summary.kept_aside),
        "left_out": sum(remark.kind == LEFT_OUT for remark in summary.remarks),
        "deliveries": len(summary.deliveries),
        "delivered": sum(delivery.state == "delivered" for delivery in summary.deliveries),
        "shown": _write_shown(shown),
    }
    copied = {name: row[name] for name in ("study_uid", "received_at", "study_date", "status", "calling_ae", "urgent")}
    findings_found = sorted(found, key=lambda finding: finding.label)
    return row, [
        copied | {"label": finding.label, "level": finding.level, "score": finding.score} for finding in findings_found
    ]


def _named(record: Any) -> Columns:
    """Return the fields of a dataclass by name, its own values as they are (``asdict`` copies each of them)."""
    return {field.name: getattr(record, field.name) for field in fields(record)}


def _reasons(outcomes: Sequence[OutcomeSummary]) -> tuple[WhyNot, ...]:
    """Return why images were not analysed, each reason once."""
    reasons = {outcome.because: WhyNot(outcome.because, outcome.code, outcome.values) for outcome in outcomes}
    return tuple(reasons[because] for because in sorted(reasons))


def _write_shown(shown: Shown) -> str:
    """Return JSON; a reason without a code stands as its words, as in the rows of earlier versions."""
    if shown == NOTHING:
        return "{}"
    reasons = [entry.because if entry.code is None else entry for entry in shown.not_analysed]
    return json.dumps(_named(shown) | {"not_analysed": reasons}, default=_named, ensure_ascii=False)


def read_shown(text: str) -> Shown:
    """Return what :func:`columns_of` wrote as ``shown``."""
    values: dict[str, Any] = json.loads(text)
    if not values:
        return NOTHING
    lists = {name: tuple(values[name]) for name in ("problems", "corrected")}
    findings = (finding | {"marks": tuple(finding["marks"])} for finding in values["findings"])
    return Shown(
        patients=tuple((name, patient_id) for name, patient_id in values["patients"]),
        findings=tuple(FindingSummary(**finding) for finding in findings),
        scored=values["scored"],
        not_analysed=tuple(
            WhyNot(entry) if isinstance(entry, str) else WhyNot(**entry) for entry in values["not_analysed"]
        ),
        elsewhere=values["elsewhere"],
        **lists,
    )


def _newest_first(count: int) -> Select[str]:
    return select(Standing.study_uid).order_by(Standing.received_at.desc(), Standing.study_uid.desc()).limit(count)


def _stored(read: Session, study_uids: Sequence[str]) -> dict[str, tuple[Columns, list[Columns]]]:
    """Return the rows as they are stored, in the form of :func:`columns_of`."""
    rows = read.execute(select(Standing.__table__).where(Standing.study_uid.in_(study_uids))).mappings()
    stored: dict[str, tuple[Columns, list[Columns]]] = {row["study_uid"]: (dict(row), []) for row in rows}
    findings = select(StatedFinding.__table__).where(StatedFinding.study_uid.in_(study_uids))
    for row in read.execute(findings.order_by(StatedFinding.label)).mappings():
        stored[row["study_uid"]][1].append(dict(row))
    return stored


def _only_received(tx: Session, study_uid: str) -> StudyRecord | None:
    """Return the record of a study of which there are images and nothing else, or None.

    One statement for what every received image needs, where :func:`tracking.lists.summarise.study_records` takes ten.
    """
    rows = _bare_study(tx, uid=study_uid, job_key=analysis_key(study_uid, 1))
    if not rows:
        return None
    *header, urgent, first_received_at, received_at, images, rejected, calling_ae = rows[0]
    if rejected == images:
        return None
    study = StudyHeader(*header)
    summary = StudySummary(
        study_uid=study_uid, accession_number=study.accession_number, revision=1,
        received_at=to_datetime(first_received_at), instances=images, conflicts=0, status="received", model=None,
        analysed_at=None, findings=(), not_analysed=(), documents=(), deliveries=(), retrying=(), problems=(),
        rejected=rejected,
    )  # fmt: skip
    return StudyRecord(study, summary, None, calling_ae, bool(urgent), received_at)


def _store(tx: Session, record: StudyRecord) -> None:
    row, findings = columns_of(record)
    _upsert(tx, **row)
    if record.analysis_id is not None:  # without an analysis there never was a finding
        _delete_findings(tx, uid=record.header.study_uid)
    for finding in findings:
        _insert_finding(tx, **finding)


def _build_upsert(dialect: str) -> Executable:
    names = [column.name for column in Standing.__table__.columns]
    statement = queue.insert_of(dialect)(Standing).values({name: bindparam(name) for name in names})
    changed: Executable = statement.on_conflict_do_update(
        index_elements=["study_uid"], set_={name: statement.excluded[name] for name in names if name != "study_uid"}
    )
    return changed


def _build_bare_study(_: str) -> Executable:
    images = select(func.count()).where(Instance.study_uid == Study.study_uid)
    last = (
        select(Instance.calling_ae)
        .where(Instance.study_uid == Study.study_uid)
        .order_by(Instance.received_at.desc(), Instance.instance_uid.desc())
        .limit(1)
    )
    kept_aside = exists().where(Conflict.instance_uid == Instance.instance_uid, Conflict.state == _WAITING)
    return select(
        *(getattr(Study, name) for name in HEADER_COLUMNS), Study.urgent, Study.first_received_at,
        Study.last_received_at, images.scalar_subquery(),
        images.where(Instance.rejected.is_not(None)).scalar_subquery(), last.scalar_subquery(),
    ).where(
        Study.study_uid == bindparam("uid"),
        Study.revision == 1,
        Study.valid_from == 1,
        Study.conflict_since.is_(None),
        Study.kind == RECEIVED,
        ~exists().where(Analysis.study_uid == Study.study_uid),
        ~exists().where(Job.key == bindparam("job_key"), Job.state == "stopped"),
        ~exists().where(Instance.study_uid == Study.study_uid, kept_aside),
        ~exists().where(Conflict.study_uid == Study.study_uid, Conflict.state == _WAITING),
    )  # fmt: skip


_lock = Prepared(lambda _: select(Study.study_uid).where(Study.study_uid == bindparam("uid")).with_for_update())
_bare_study = Prepared(_build_bare_study)
_upsert = Prepared(_build_upsert)
_delete_findings = Prepared(lambda _: delete(StatedFinding).where(StatedFinding.study_uid == bindparam("uid")))
_insert_finding = Prepared(
    lambda _: insert(StatedFinding).values(
        {column.name: bindparam(column.name) for column in StatedFinding.__table__.columns}
    )
)
