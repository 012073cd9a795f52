"""What an administrator restarts by hand: analyses and reports that stopped, or that wait after a failure."""

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from tracking import audit, queue
from tracking.audit import AuditEventType
from tracking.models import Analysis, Job


def retry_study(tx: Session, study_uid: str) -> int:
    """Start the analyses and reports of a study that stopped, or wait after a failure, now; return how many."""
    reports = [
        f"report:{analysis_id}"
        for analysis_id in tx.scalars(select(Analysis.id).where(Analysis.study_uid == study_uid))
    ]
    keys = tx.scalars(
        select(Job.key).where(
            or_(Job.state == "stopped", and_(Job.state == "open", Job.attempts > 0)),
            Job.key.startswith(f"analyse:{study_uid}:", autoescape=True) | Job.key.in_(reports),
        )
    ).all()
    started = [key for key in keys if queue.retry(tx, key=key)]
    for key in started:
        audit.append(tx, AuditEventType.JOB_RETRIED, study_uid=study_uid, detail={"job": key})
    return len(started)
