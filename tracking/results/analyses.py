"""What the models said: one analysis a study revision and model, its outcomes and findings."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, insert, select
from sqlalchemy.orm import Session

from tracking.audit_log import audit
from tracking.audit_log.audit import AuditEventType
from tracking.engine.changes import study_changed
from tracking.engine.clock import to_datetime
from tracking.jobs import queue
from tracking.jobs.keys import report_key
from tracking.jobs.priorities import mark_urgent, priority_of
from tracking.outbox.documents import holders
from tracking.studies import conflicts
from tracking.studies.instances import StudyHeader, header_of
from tracking.studies.patient import PatientIdentity
from tracking.tables.models import Analysis, Finding, ImageOutcome, Instance, Study, Upload

_WITHOUT_HEADER = frozenset({"PNG", "JPEG"})
"""Kinds of files that say nothing of their image."""
CRITICAL_FINDING = "critical finding"
"""Whom the audit log names for a study that became urgent by what was found."""


@dataclass(frozen=True, slots=True)
class StoredInstance:
    """An instance as the later stages need it; ``path`` is relative to the instance store.

    ``patient`` is None where an earlier version did not keep it.
    """

    instance_uid: str
    series_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    path: str
    modality: str
    sha256: str
    patient: PatientIdentity | None = None
    is_wrapped: bool = False
    """It was an uploaded PNG or JPEG, so that its header says nothing of the image."""


@dataclass(frozen=True, slots=True)
class FindingRecord:
    """One finding on one image; ``detail`` is the finding whole, as plain JSON values."""

    label: str
    code_value: str
    code_scheme: str
    code_meaning: str
    score: float
    level: str
    abnormal: bool
    detail: dict[str, Any]


@dataclass(frozen=True, slots=True)
class OutcomeRecord:
    """What came of one instance: findings, or why it was not analysed."""

    instance_uid: str
    reason: str | None
    because: str | None
    findings: tuple[FindingRecord, ...]
    remarks: list[dict[str, Any]] = field(default_factory=list)
    """What a reader must know about how the image was read, as plain JSON values."""
    verdict: dict[str, Any] | None = None
    """What the image itself says it is, as plain JSON values."""
    distance: float | None = None
    """How far the image lies from what the model learnt, 0 to 1."""
    code: str | None = None
    """Which reason exactly, with ``values``; ``because`` has it in English words. None where none was kept."""
    values: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class AnalysisRecord:
    """One model's run over one revision of a study; times in seconds."""

    study_uid: str
    revision: int
    model_name: str
    model_version: str
    model_digest: str
    engine: str
    seconds: float
    outcomes: tuple[OutcomeRecord, ...]
    timings: dict[str, float]


@dataclass(frozen=True, slots=True)
class StoredAnalysis:
    """An analysis as it stands in the database; ``completed_at`` is aware UTC with whole milliseconds."""

    id: int
    study: StudyHeader
    study_uid: str
    revision: int
    model_name: str
    model_version: str
    model_digest: str
    engine: str
    seconds: float
    outcomes: tuple[OutcomeRecord, ...]
    timings: dict[str, float]
    completed_at: datetime
    supersedes: int | None
    instances: tuple[StoredInstance, ...]


def instances_of(read: Session, study_uid: str, revision: int) -> list[StoredInstance]:
    """Return the instances of a revision of a study that are to be analysed, in order of arrival.

    Those that were rejected are none of them, and a study in conflict has none.
    """
    return _stored_instances(
        read,
        Instance.study_uid == study_uid,
        Instance.revision <= revision,
        Instance.rejected.is_(None),
        select(Study.conflict_since).where(Study.study_uid == study_uid).scalar_subquery().is_(None),
    )


def _stored_instances(read: Session, *conditions: ColumnElement[bool]) -> list[StoredInstance]:
    rows = read.execute(
        select(Instance, Upload.file_kind)
        .outerjoin(Upload, Upload.study_uid == Instance.study_uid)
        .where(*conditions)
        .order_by(Instance.received_at, Instance.instance_uid)
    )
    return [
        StoredInstance(
            row.instance_uid, row.series_uid, row.sop_class_uid, row.transfer_syntax_uid, row.path, row.modality,
            row.sha256, conflicts.identity_of(row), is_wrapped=file_kind in _WITHOUT_HEADER,
        )
        for row, file_kind in rows
    ]  # fmt: skip


def stored_instance(read: Session, instance_uid: str) -> StoredInstance | None:
    """Return one instance, or None when it is not on record any more."""
    return next(iter(_stored_instances(read, Instance.instance_uid == instance_uid)), None)


def record_analysis(
    tx: Session, record: AnalysisRecord, *, say_not_analysed: bool = False, critical: Collection[str] = ()
) -> None:
    """Record an analysis with its audit line; a report is due unless there is nothing to say or it is overtaken.

    That no image was analysed is said where ``say_not_analysed``, or where destinations have or may have an earlier
    result of the study. A finding of the labels in ``critical`` that is stated and present makes the study urgent.
    Nothing is recorded of a study that is in conflict by now, or of instances that were rejected or replaced since.
    """
    if not conflicts.may_speak(tx, record.study_uid, record.revision):
        conflicts.note_withheld(tx, record.study_uid, record.revision, f"analysis by {record.model_name}")
        return
    earlier = tx.execute(
        select(Analysis.id, Analysis.revision)
        .where(Analysis.study_uid == record.study_uid, Analysis.model_name == record.model_name)
        .order_by(Analysis.revision.desc(), Analysis.id.desc())
        .limit(1)
    ).first()
    overtaken = earlier is not None and earlier.revision > record.revision
    analysis_id = tx.execute(
        insert(Analysis)
        .values(
            study_uid=record.study_uid,
            revision=record.revision,
            model_name=record.model_name,
            model_version=record.model_version,
            model_digest=record.model_digest,
            engine=record.engine,
            seconds=record.seconds,
            timings=record.timings,
            supersedes=earlier.id if earlier is not None and not overtaken else None,
        )
        .returning(Analysis.id)
    ).scalar_one()
    _insert_outcomes(tx, analysis_id, record.outcomes)
    study_changed(tx, record.study_uid)
    analysed = [outcome for outcome in record.outcomes if outcome.findings]
    detail = _audit_detail(record, analysed) | {"analysis": analysis_id, "overtaken": overtaken}
    audit.append(tx, AuditEventType.ANALYSIS_RECORDED, study_uid=record.study_uid, detail=detail)
    if not overtaken and any(_is_critical(finding, critical) for outcome in analysed for finding in outcome.findings):
        mark_urgent(tx, record.study_uid, user=CRITICAL_FINDING)
    if not overtaken and (analysed or say_not_analysed or holders(tx, record.study_uid)):
        priority = priority_of(tx, record.study_uid, record.revision)
        queue.enqueue(tx, "report", report_key(analysis_id), {"analysis_id": analysis_id}, priority=priority)


def _audit_detail(record: AnalysisRecord, analysed: Sequence[OutcomeRecord]) -> audit.Detail:
    findings = [
        f"{finding.label} {finding.level} {finding.score:.3f}" for outcome in analysed for finding in outcome.findings
    ]
    return {
        "revision": record.revision,
        "model": f"{record.model_name} {record.model_version}",
        "model_digest": record.model_digest,
        "engine": record.engine,
        "analysed": len(analysed),
        "not_analysed": len(record.outcomes) - len(analysed),
        "why_not": "; ".join(sorted({outcome.reason for outcome in record.outcomes if outcome.reason})) or None,
        "findings": ", ".join(findings) or None,
    }


def _is_critical(finding: FindingRecord, critical: Collection[str]) -> bool:
    return finding.label in critical and finding.level == "present" and finding.detail.get("stated") is True


def _insert_outcomes(tx: Session, analysis_id: int, outcomes: tuple[OutcomeRecord, ...]) -> None:
    rows = [
        {
            "analysis_id": analysis_id,
            "instance_uid": outcome.instance_uid,
            "reason": outcome.reason,
            "because": outcome.because,
            "code": outcome.code,
            "code_values": outcome.values,
            "remarks": outcome.remarks,
            "verdict": outcome.verdict,
            "distance": outcome.distance,
        }
        for outcome in outcomes
    ]
    findings = [
        {
            "analysis_id": analysis_id,
            "instance_uid": outcome.instance_uid,
            "label": finding.label,
            "code_value": finding.code_value,
            "code_scheme": finding.code_scheme,
            "code_meaning": finding.code_meaning,
            "score": finding.score,
            "level": finding.level,
            "abnormal": finding.abnormal,
            "detail": finding.detail,
        }
        for outcome in outcomes
        for finding in outcome.findings
    ]
    if rows:
        tx.execute(insert(ImageOutcome), rows)
    if findings:
        tx.execute(insert(Finding), findings)


def load_analysis(read: Session, analysis_id: int) -> StoredAnalysis:
    """Return an analysis with its study, instances, outcomes and findings.

    Raises
    ------
    LookupError
        There is no such analysis.
    """
    analysis = read.get(Analysis, analysis_id)
    if analysis is None:
        msg = f"there is no analysis {analysis_id}"
        raise LookupError(msg)
    return StoredAnalysis(
        id=analysis.id,
        study=load_study(read, analysis.study_uid),
        study_uid=analysis.study_uid,
        revision=analysis.revision,
        model_name=analysis.model_name,
        model_version=analysis.model_version,
        model_digest=analysis.model_digest,
        engine=analysis.engine,
        seconds=analysis.seconds,
        outcomes=_load_outcomes(read, analysis_id),
        timings=analysis.timings,
        completed_at=to_datetime(analysis.completed_at),
        supersedes=analysis.supersedes,
        instances=tuple(_analysed_instances(read, analysis_id)),
    )


def _analysed_instances(read: Session, analysis_id: int) -> list[StoredInstance]:
    """Return the instances an analysis looked at, also those that were rejected or went to another study since."""
    looked_at = select(ImageOutcome.instance_uid).where(ImageOutcome.analysis_id == analysis_id)
    return _stored_instances(read, Instance.instance_uid.in_(looked_at))


def load_study(read: Session, study_uid: str) -> StudyHeader:
    """Return patient and study as the study's row describes them. Raises LookupError."""
    study = read.get(Study, study_uid)
    if study is None:
        msg = f"there is no study {study_uid}"
        raise LookupError(msg)
    return header_of(study)


def _load_outcomes(read: Session, analysis_id: int) -> tuple[OutcomeRecord, ...]:
    findings: dict[str, list[FindingRecord]] = {}
    for row in read.scalars(select(Finding).where(Finding.analysis_id == analysis_id).order_by(Finding.id)):
        findings.setdefault(row.instance_uid, []).append(
            FindingRecord(
                label=row.label,
                code_value=row.code_value,
                code_scheme=row.code_scheme,
                code_meaning=row.code_meaning,
                score=row.score,
                level=row.level,
                abnormal=row.abnormal,
                detail=row.detail,
            )
        )
    outcomes = read.scalars(
        select(ImageOutcome).where(ImageOutcome.analysis_id == analysis_id).order_by(ImageOutcome.id)
    )
    return tuple(
        OutcomeRecord(
            row.instance_uid,
            row.reason,
            row.because,
            tuple(findings.get(row.instance_uid, ())),
            row.remarks,
            row.verdict,
            row.distance,
            row.code,
            row.code_values,
        )
        for row in outcomes
    )
