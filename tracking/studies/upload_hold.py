"""Kinds of studies, and the hold on uploads: nothing of an upload leaves before somebody has it sent."""

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from tracking.tables.models import Upload

RECEIVED, UPLOAD = "received", "upload"
"""What a study's ``kind`` may be."""


def is_held(read: Session, study_uid: str) -> bool:
    """Say whether a study is an upload that nobody has had sent."""
    held = exists().where(Upload.study_uid == study_uid, Upload.released_at.is_(None))
    return bool(read.scalar(select(held)))
