"""Documents on record, whatever their analysis: for programs that list and fetch them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from tracking.engine.clock import to_datetime
from tracking.lists.study_page import StoredFile
from tracking.outbox import documents
from tracking.studies import conflicts
from tracking.tables.models import Analysis, Document, Study


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """One document; its file is relative to the document store.

    ``stands`` tells whether it is of the latest analysis of its study, and nothing made that void.
    """

    uid: str
    kind: str
    study_uid: str
    analysis_id: int
    revision: int
    series_uid: str | None
    sop_class_uid: str | None
    file: StoredFile
    quarantined: str | None
    built_at: datetime
    stands: bool


def documents_of(read: Session, study_uid: str) -> list[StoredDocument]:
    """Return all documents of a study in the order in which they were built."""
    return list(_documents(read, _query().where(Analysis.study_uid == study_uid).order_by(Document.id)))


def find_document(read: Session, uid: str) -> StoredDocument | None:
    """Return a document by its UID; of a message it is derived, and in its control ID."""
    return next(iter(_documents(read, _query().where(Document.uid == uid))), None)


def _query() -> Select[Any]:
    query: Any = select(Document, Analysis.revision, Study)
    found: Select[Any] = query.join(Analysis, Document.analysis_id == Analysis.id).join(
        Study, Analysis.study_uid == Study.study_uid
    )
    return found


def _documents(read: Session, query: Select[Any]) -> Iterable[StoredDocument]:
    latest: dict[str, tuple[int, set[int]]] = {}
    for document, revision, study in read.execute(query):
        if study.study_uid not in latest:
            latest[study.study_uid] = _latest(read, study.study_uid)
        last, saying = latest[study.study_uid]
        stands = document.id in saying and not conflicts.is_void(study, last)
        yield StoredDocument(
            uid=document.uid,
            kind=document.kind,
            study_uid=study.study_uid,
            analysis_id=document.analysis_id,
            revision=revision,
            series_uid=document.series_uid,
            sop_class_uid=document.sop_class_uid,
            file=StoredFile(document.uid, document.kind, document.path, document.sha256, document.size),
            quarantined=document.quarantined,
            built_at=to_datetime(document.built_at),
            stands=stands,
        )


def _latest(read: Session, study_uid: str) -> tuple[int, set[int]]:
    """Return the revision of the analysis that took the place of all others, and the documents that say the same."""
    revision, analysis_id = read.execute(
        select(Analysis.revision, Analysis.id)
        .where(Analysis.study_uid == study_uid)
        .order_by(Analysis.revision.desc(), Analysis.id.desc())
        .limit(1)
    ).one()
    return revision, set(read.scalars(documents.documents_of(analysis_id)))
