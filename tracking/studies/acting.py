"""What every act on a study begins with: the study's row, locked, or words that say what is wrong."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from config.errors import ActionRefused
from tracking.studies import conflicts
from tracking.tables.models import Analysis, Study


def lock_study(tx: Session, study_uid: str) -> Study:
    """Return a study, which nothing else changes until the transaction ends.

    Raises
    ------
    ActionRefused
        There is no such study.
    """
    row = tx.scalar(
        select(Study)
        .where(Study.study_uid == study_uid)
        .with_for_update()
        .execution_options(populate_existing=True)  # the session may know the row from before the lock
    )
    if row is None:
        msg = f"no study {study_uid} is on record; `cxrnode studies` lists them"
        raise ActionRefused(msg)
    return row


def latest_analysis(read: Session, study_uid: str) -> Analysis | None:
    """Return the latest analysis of a study, void or not."""
    return read.scalar(
        select(Analysis)
        .where(Analysis.study_uid == study_uid)
        .order_by(Analysis.revision.desc(), Analysis.id.desc())
        .limit(1)
    )


def holding_analysis(read: Session, study: Study) -> Analysis | None:
    """Return the latest analysis of a study if it holds, or None: it has none, or nothing of it holds any more."""
    analysis = latest_analysis(read, study.study_uid)
    return None if analysis is None or conflicts.is_void(study, analysis.revision) else analysis
