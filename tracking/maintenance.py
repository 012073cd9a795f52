"""What an administrator restarts by hand: stopped analyses and reports."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from tracking import audit, queue
from tracking.audit import AuditEventType
from tracking.models import Analysis, Job


def retry_study(tx: Session, study_uid: str) -> int:
    """Start the stopped analyses and reports of a study again; return how many."""
    reports = [
        f"report:{analysis_id}"
        for analysis_id in tx.scalars(select(Analysis.id).where(Analysis.study_uid == study_uid))
    ]
    keys = tx.scalars(
        select(Job.key).where(
            Job.state == "stopped",
            Job.key.startswith(f"analyse:{study_uid}:", autoescape=True) | Job.key.in_(reports),
        )
    ).all()
    started = [key for key in keys if queue.retry(tx, key=key)]
    for key in started:
        audit.append(tx, AuditEventType.JOB_RETRIED, study_uid=study_uid, detail={"job": key})
    return len(started)
