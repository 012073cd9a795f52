"""The keys of jobs: what work a study can have, by the names the queue knows it under."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from tracking.tables.models import Analysis, Study


def analysis_key(study_uid: str, revision: int) -> str:
    """Return the queue key of the analysis of one revision of a study."""
    return f"analyse:{study_uid}:{revision}"


def examination_key(instance_uid: str) -> str:
    """Return the queue key of the examination of one instance, which says nothing about its study yet."""
    return f"examine:{instance_uid}"


def comparison_key(instance_uid: str, sha256: str) -> str:
    """Return the queue key of the comparison of bytes kept aside with those that stand for their UID."""
    return f"compare:{instance_uid}:{sha256}"


def report_key(analysis_id: int) -> str:
    """Return the queue key of the documents of an analysis."""
    return f"report:{analysis_id}"


def delivery_key(delivery_id: int) -> str:
    """Return the queue key of one document's delivery to one destination."""
    return f"deliver:{delivery_id}"


def confirmation_key(delivery_id: int) -> str:
    """Return the queue key of the question whether a destination has what was delivered."""
    return f"confirm:{delivery_id}"


def study_keys(read: Session, study_uid: str) -> list[str]:
    """Return the keys of every job that analyses a study or builds its documents, done or not.

    Whole keys: no index serves "begins with" on every database, and a node keeps millions of jobs.
    """
    analyses = read.scalars(select(Analysis.id).where(Analysis.study_uid == study_uid))
    revision = read.scalar(select(Study.revision).where(Study.study_uid == study_uid)) or 0
    return [
        *(analysis_key(study_uid, number) for number in range(1, revision + 1)),
        *(report_key(analysis_id) for analysis_id in analyses),
    ]


def study_of_work(read: Session, payload: dict[str, Any]) -> str | None:
    """Return the study that a job examines, analyses or builds the documents of; None for any other job."""
    if "analysis_id" in payload:
        return read.scalar(select(Analysis.study_uid).where(Analysis.id == payload["analysis_id"]))
    study_uid: str | None = payload.get("study_uid")
    return study_uid
