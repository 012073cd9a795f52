"""Read models: what the command line, the console and the doctor show. Nothing here changes anything."""

from collections import Counter
from typing import Any

from sqlalchemy import ColumnElement, Select, String, cast, func, literal, or_, select
from sqlalchemy.orm import Session

from tracking import conflicts
from tracking.clock import to_datetime
from tracking.deliveries import NOT_TAKEN, SETTLED
from tracking.keys import report_key, study_keys
from tracking.models import (
    Analysis,
    Breaker,
    Conflict,
    Delivery,
    Document,
    Finding,
    ImageOutcome,
    Instance,
    Job,
    Study,
)
from tracking.patient import ELEMENTS, PatientIdentity, contradictions
from tracking.summaries import (
    DeliverySummary,
    DestinationSummary,
    DocumentSummary,
    FindingSummary,
    InstanceSummary,
    KeptAside,
    OutcomeSummary,
    RemarkSummary,
    RetrySummary,
    StudySummary,
)


def count_studies(read: Session) -> int:
    """Return the number of studies on record."""
    return read.scalar(select(func.count()).select_from(Study)) or 0


def recent_studies(read: Session, *, limit: int = 50) -> list[StudySummary]:
    """Return the studies in which something arrived last, newest first."""
    uids = read.scalars(select(Study.study_uid).order_by(Study.last_received_at.desc(), Study.study_uid).limit(limit))
    return [summary for uid in uids.all() if (summary := find_study(read, uid)) is not None]


def find_study(read: Session, study_uid: str) -> StudySummary | None:
    """Return a study by its UID."""
    study = read.get(Study, study_uid)
    if study is None:
        return None
    analysis = read.scalars(
        select(Analysis)
        .where(Analysis.study_uid == study_uid)
        .order_by(Analysis.revision.desc(), Analysis.id.desc())
        .limit(1)
    ).first()
    void = analysis is not None and conflicts.is_void(study, analysis.revision)
    findings = _findings(read, analysis.id) if analysis and not void else ()
    documents = _documents(read, analysis.id) if analysis else ()
    deliveries = _deliveries(read, analysis.id) if analysis else ()
    problems = _problems(read, study_uid, () if void else documents, () if void else deliveries)
    images = _count(read, select(func.count()).where(Instance.study_uid == study_uid))
    rejected = _count(
        read, select(func.count()).where(Instance.study_uid == study_uid, Instance.rejected.is_not(None))
    )  # fmt: skip
    aside = kept_aside(read, study_uid)
    return StudySummary(
        study_uid=study.study_uid,
        accession_number=study.accession_number,
        revision=study.revision,
        received_at=to_datetime(study.first_received_at),
        instances=images,
        conflicts=len(aside),
        status=(
            "conflict"
            if study.conflict_since is not None
            else "rejected"
            if rejected == images
            else "attention"
            if problems
            else _stage(read, analysis, study.revision, findings, documents, deliveries)
        ),
        model=f"{analysis.model_name} {analysis.model_version}" if analysis else None,
        analysed_at=to_datetime(analysis.completed_at) if analysis else None,
        findings=findings,
        not_analysed=_not_analysed(read, analysis.id) if analysis and not void else (),
        documents=documents,
        deliveries=deliveries,
        retrying=_retrying(read, study_uid, analysis.id if analysis else None),
        problems=problems,
        rejected=rejected,
        patients=conflicts.stated_patients(read, study_uid) if study.conflict_since is not None else (),
        kept_aside=aside,
        remarks=_remarks(read, analysis.id) if analysis and not void else (),
    )


def instances(read: Session, study_uid: str) -> list[InstanceSummary]:
    """Return the instances of a study in the order of their arrival."""
    aside = Counter(entry.instance_uid for entry in kept_aside(read, study_uid))
    rows = read.scalars(
        select(Instance).where(Instance.study_uid == study_uid).order_by(Instance.received_at, Instance.instance_uid)
    )
    return [
        InstanceSummary(
            row.instance_uid, row.sop_class_uid, row.transfer_syntax_uid, row.modality, row.size, row.calling_ae,
            row.address, row.revision, to_datetime(row.received_at), row.duplicates,
            aside[row.instance_uid], row.rejected, conflicts.identity_of(row),
        )
        for row in rows
    ]  # fmt: skip


def kept_aside(read: Session, study_uid: str) -> tuple[KeptAside, ...]:
    """Return what came under the UIDs of a study's instances with other bytes and waits for a decision."""
    rows = read.execute(
        select(Conflict, Instance)
        .join(Instance, Instance.instance_uid == Conflict.instance_uid)
        .where(Instance.study_uid == study_uid, Conflict.state == "waiting")
        .order_by(Conflict.id)
    )
    return tuple(
        KeptAside(
            kept.instance_uid, kept.sha256, kept.study_uid, to_datetime(kept.received_at),
            _differing(conflicts.identity_of(instance), conflicts.identity_of(kept)), conflicts.identity_of(kept),
        )
        for kept, instance in rows
    )  # fmt: skip


def _differing(standing: PatientIdentity | None, kept: PatientIdentity | None) -> tuple[str, ...]:
    if standing is None or kept is None:
        return ()
    return tuple(ELEMENTS[field] for field in contradictions(standing, kept))


def studies_in_conflict(read: Session) -> list[str]:
    """Return the UIDs of the studies whose instances name two patients, the oldest conflict first."""
    query = select(Study.study_uid).where(Study.conflict_since.is_not(None))
    return list(read.scalars(query.order_by(Study.conflict_since, Study.study_uid)))


def studies_with_files_kept_aside(read: Session) -> dict[str, int]:
    """Return how many files wait for a decision by study UID, the study whose first one came first at the front."""
    rows = read.execute(
        select(Instance.study_uid, func.count())
        .join(Conflict, Conflict.instance_uid == Instance.instance_uid)
        .where(Conflict.state == "waiting")
        .group_by(Instance.study_uid)
        .order_by(func.min(Conflict.id))
    )
    return {row[0]: row[1] for row in rows}


def destinations(read: Session) -> list[DestinationSummary]:
    """Return every destination that was ever delivered to, with what waits for it."""
    counts: dict[str, dict[str, int]] = {}
    for name, state, count in read.execute(
        select(Delivery.destination, Delivery.state, func.count()).group_by(Delivery.destination, Delivery.state)
    ):
        counts.setdefault(name, {})[state] = count
    breakers = {row.destination: row for row in read.scalars(select(Breaker))}
    return [
        DestinationSummary(
            name=name,
            waiting=states.get("waiting", 0),
            stopped=states.get("stopped", 0),
            delivered=states.get("delivered", 0),
            failures=breakers[name].failures if name in breakers else 0,
            paused_until=to_datetime(breakers[name].paused_until)
            if name in breakers and breakers[name].failures
            else None,
            error=breakers[name].error if name in breakers else None,
            not_taken=states.get(NOT_TAKEN, 0),
        )
        for name, states in sorted(counts.items())
    ]


def _count(read: Session, query: Select[Any]) -> int:
    return read.scalar(query) or 0


def _findings(read: Session, analysis_id: int) -> tuple[FindingSummary, ...]:
    rows = read.scalars(select(Finding).where(Finding.analysis_id == analysis_id).order_by(Finding.id))
    return tuple(
        FindingSummary(
            row.instance_uid,
            row.label,
            row.code_meaning,
            row.score,
            row.level,
            row.abnormal,
            len(row.detail.get("boxes", ())),
            str(row.detail.get("note", "")),
            row.detail.get("stated") is True,
            marks_of(row.detail),
        )
        for row in rows
    )


def marks_of(detail: dict[str, Any]) -> tuple[float, ...]:
    """Return the operating points in a finding's detail, the sensitive one first; none where none are on record."""
    points = detail.get("points")
    if not isinstance(points, dict):
        return ()
    values = [points.get(name) for name in ("sensitive", "specific")]
    return tuple(float(value) for value in values if isinstance(value, int | float))


def _not_analysed(read: Session, analysis_id: int) -> tuple[OutcomeSummary, ...]:
    rows = read.scalars(
        select(ImageOutcome)
        .where(ImageOutcome.analysis_id == analysis_id, ImageOutcome.reason.is_not(None))
        .order_by(ImageOutcome.id)
    )
    return tuple(OutcomeSummary(row.instance_uid, row.reason or "", row.because or "") for row in rows)


def _remarks(read: Session, analysis_id: int) -> tuple[RemarkSummary, ...]:
    rows = read.scalars(select(ImageOutcome).where(ImageOutcome.analysis_id == analysis_id).order_by(ImageOutcome.id))
    return tuple(
        RemarkSummary(row.instance_uid, str(remark.get("kind", "")), str(remark.get("text", "")))
        for row in rows
        for remark in row.remarks or ()
    )


def _documents(read: Session, analysis_id: int) -> tuple[DocumentSummary, ...]:
    rows = read.scalars(select(Document).where(Document.analysis_id == analysis_id).order_by(Document.id))
    return tuple(DocumentSummary(row.kind, row.uid, row.path, row.quarantined, row.analysis_id) for row in rows)


def _deliveries(read: Session, analysis_id: int) -> tuple[DeliverySummary, ...]:
    rows = read.execute(
        select(Delivery, Document.kind, Document.uid)
        .join(Document, Delivery.document_id == Document.id)
        .where(Document.analysis_id == analysis_id)
        .order_by(Delivery.id)
    )
    return tuple(
        DeliverySummary(
            kind,
            uid,
            delivery.destination,
            delivery.state,
            delivery.attempts,
            delivery.error,
            to_datetime(delivery.finished_at) if delivery.finished_at is not None else None,
        )
        for delivery, kind, uid in rows
    )


def _problems(
    read: Session,
    study_uid: str,
    documents: tuple[DocumentSummary, ...],
    deliveries: tuple[DeliverySummary, ...],
) -> tuple[str, ...]:
    """Everything of this study that waits for a person."""
    stopped = read.execute(select(Job.key, Job.error).where(Job.state == "stopped", work_on(read, study_uid)))
    return (
        *(f"{key.split(':')[0]} stopped: {error}" for key, error in stopped),
        *(f"{document.kind} quarantined: {document.quarantined}" for document in documents if document.quarantined),
        *(
            f"{delivery.kind} to {delivery.destination} stopped: {delivery.error}"
            for delivery in deliveries
            if delivery.state == "stopped"
        ),
    )


def work_on(read: Session, study_uid: str) -> ColumnElement[bool]:
    """Choose the jobs that analyse a study or build its documents."""
    return Job.key.in_(study_keys(read, study_uid))


def _retrying(read: Session, study_uid: str, analysis_id: int | None) -> tuple[RetrySummary, ...]:
    """Find what failed and will be tried again: the study's own work, then its deliveries by destination."""
    work = read.scalars(
        select(Job)
        .where(Job.state == "open", or_(Job.attempts > 0, Job.crashes > 0), work_on(read, study_uid))
        .order_by(Job.id)
    )
    crashed = "the process that worked on it died"
    found = [
        RetrySummary(
            job.queue, None, 0, job.attempts + job.crashes, job.error or crashed, to_datetime(job.visible_at)
        )
        for job in work
    ]  # fmt: skip
    if analysis_id is None:
        return tuple(found)
    waiting = read.execute(
        select(Delivery, Job, Breaker)
        .join(Document, Delivery.document_id == Document.id)
        .join(Job, Job.key == literal("deliver:").concat(cast(Delivery.id, String)))
        .outerjoin(Breaker, Breaker.destination == Delivery.destination)
        .where(Document.analysis_id == analysis_id, Delivery.state == "waiting")
        .where(or_(Job.attempts > 0, Job.crashes > 0, Breaker.failures > 0))
        .order_by(Delivery.id)
    )
    by_destination: dict[str, list[tuple[Delivery, Job, Breaker | None]]] = {}
    for delivery, job, breaker in waiting:
        by_destination.setdefault(delivery.destination, []).append((delivery, job, breaker))
    return (*found, *(_waiting_for(name, entries) for name, entries in by_destination.items()))


def _waiting_for(name: str, entries: list[tuple[Delivery, Job, Breaker | None]]) -> RetrySummary:
    """Sum up what waits for one destination; while it is paused, nothing for it is tried."""
    breaker = entries[0][2]
    paused_until = breaker.paused_until if breaker is not None and breaker.failures else 0
    errors = [delivery.error or job.error for delivery, job, _ in entries]
    return RetrySummary(
        step="deliver",
        destination=name,
        documents=len(entries),
        attempts=max(delivery.attempts + job.crashes for delivery, job, _ in entries),
        error=next((error for error in errors if error), None)
        or (breaker.error if breaker is not None else None)
        or "the process that worked on it died",
        next_try_at=to_datetime(max(paused_until, min(job.visible_at for _, job, _ in entries))),
    )


def _stage(
    read: Session,
    analysis: Analysis | None,
    revision: int,
    findings: tuple[FindingSummary, ...],
    documents: tuple[DocumentSummary, ...],
    deliveries: tuple[DeliverySummary, ...],
) -> str:
    """One word for how far the study's newest revision has come."""
    if analysis is None or analysis.revision < revision:
        return "received"
    if not findings:
        return "not-analysed"
    if not documents:
        return "analysed"
    settled = all(delivery.state in SETTLED for delivery in deliveries) and not _is_being_reported(read, analysis.id)
    return "delivered" if settled else "reported"


def _is_being_reported(read: Session, analysis_id: int) -> bool:
    """Tell whether more documents of an analysis are still to come."""
    due = select(Job.id).where(Job.key == report_key(analysis_id), Job.state == "open")
    return read.execute(due).first() is not None
