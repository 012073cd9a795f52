"""How soon the work on a study is done: an urgent study's first, what was asked for anew last.

A study's later work inherits the priority of the analysis that it follows from.
"""

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from tracking.audit_log import audit
from tracking.audit_log.audit import AuditEventType
from tracking.engine.changes import study_changed
from tracking.jobs import queue
from tracking.jobs.keys import analysis_key, delivery_key, examination_key, study_keys
from tracking.studies.acting import lock_study
from tracking.tables.models import Analysis, Delivery, Document, Instance, Job, Study


def priority_of(read: Session, study_uid: str, revision: int) -> int:
    """Return the priority of what follows from the analysis of a revision of a study."""
    if is_urgent(read, study_uid):
        return queue.URGENT
    asked = read.scalar(select(Job.priority).where(Job.key == analysis_key(study_uid, revision)))
    return queue.USUAL if asked is None else asked


def is_urgent(read: Session, study_uid: str) -> bool:
    """Return whether a study was marked urgent, by a person or for a critical finding; once it is, it stays so."""
    return bool(read.scalar(select(Study.urgent).where(Study.study_uid == study_uid)))


def mark_urgent(tx: Session, study_uid: str, *, user: str) -> bool:
    """Let all work on a study, due now or later, come before that on others; False where it does already.

    Raises
    ------
    ActionRefused
        There is no such study.
    """
    study = lock_study(tx, study_uid)
    if study.urgent:
        return False
    tx.execute(
        update(Study)
        .where(Study.study_uid == study_uid)
        .values(urgent=True)
        .execution_options(synchronize_session=False)
    )
    images = tx.scalars(select(Instance.instance_uid).where(Instance.study_uid == study_uid))
    deliveries = tx.scalars(
        select(Delivery.id)
        .join(Document, Delivery.document_id == Document.id)
        .join(Analysis, Document.analysis_id == Analysis.id)
        .where(Analysis.study_uid == study_uid)
    )
    keys = [*study_keys(tx, study_uid), *map(examination_key, images), *map(delivery_key, deliveries)]
    tx.execute(
        update(Job)
        .where(Job.key.in_(keys), Job.state.in_(("open", "stopped")))
        .values(priority=queue.URGENT)
        .execution_options(synchronize_session=False)
    )
    study_changed(tx, study_uid)
    audit.append(tx, AuditEventType.STUDY_URGENT, study_uid=study_uid, detail={"user": user})
    return True
