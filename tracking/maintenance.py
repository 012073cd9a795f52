"""What an administrator restarts by hand: analyses and reports that stopped, or that wait after a failure."""

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from tracking import audit, queue
from tracking.audit import AuditEventType
from tracking.models import Job
from tracking.queries import work_on


def retry_study(tx: Session, study_uid: str) -> int:
    """Start the analyses and reports of a study that stopped, or wait after a failure, now; return how many."""
    keys = tx.scalars(
        select(Job.key).where(
            or_(Job.state == "stopped", and_(Job.state == "open", Job.attempts > 0)), work_on(tx, study_uid)
        )
    ).all()
    started = [key for key in keys if queue.retry(tx, key=key)]
    for key in started:
        audit.append(tx, AuditEventType.JOB_RETRIED, study_uid=study_uid, detail={"job": key})
    return len(started)
