"""What an administrator restarts by hand: analyses and reports that stopped, wait after a failure, or fell short."""

from sqlalchemy import and_, exists, or_, select
from sqlalchemy.orm import Session

from tracking.audit_log import audit
from tracking.audit_log.audit import AuditEventType
from tracking.engine.changes import study_changed
from tracking.jobs import queue
from tracking.lists.queries import work_on
from tracking.tables.models import Analysis, Document, Job


def retry_study(tx: Session, study_uid: str, *, user: str | None = None) -> int:
    """Start the analyses and reports of a study that stopped, or wait after a failure, now; return how many.

    The report of the latest analysis is made again where one of its documents is quarantined. ``user`` is who asks,
    for the audit log.
    """
    keys = tx.scalars(
        select(Job.key).where(
            or_(Job.state == "stopped", and_(Job.state == "open", Job.attempts > 0)), work_on(tx, study_uid)
        )
    ).all()
    started = [key for key in keys if queue.retry(tx, key=key)]
    fell_short = _report_that_fell_short(tx, study_uid)
    if fell_short is not None and fell_short not in started and queue.retry(tx, key=fell_short, done=True):
        started.append(fell_short)
    study_changed(tx, study_uid)
    for key in started:
        audit.append(tx, AuditEventType.JOB_RETRIED, study_uid=study_uid, detail={"job": key, "user": user})
    return len(started)


def _report_that_fell_short(tx: Session, study_uid: str) -> str | None:
    """Return the key of the job that built the latest analysis's documents, if one of those is quarantined."""
    latest = tx.scalar(
        select(Analysis.id)
        .where(Analysis.study_uid == study_uid)
        .order_by(Analysis.revision.desc(), Analysis.id.desc())
        .limit(1)
    )
    quarantined = select(exists().where(Document.analysis_id == latest, Document.quarantined.is_not(None)))
    return f"report:{latest}" if tx.scalar(quarantined) else None
