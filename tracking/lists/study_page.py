"""Read models of one study: what is on record about it, for its page. Nothing here changes anything.

Columns and texts that hold patient data (:class:`StudyPage`) are for the screen of somebody who may see them, never
for a log.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from tracking.engine.clock import to_datetime
from tracking.lists import queries
from tracking.lists.summaries import InstanceSummary, StudySummary
from tracking.lists.summarise import marks_of
from tracking.outbox.document_kinds import IMAGES
from tracking.outbox.documents import documents_of
from tracking.results.analyses import StoredAnalysis, load_analysis, load_study
from tracking.studies import conflicts
from tracking.studies.instances import StudyHeader
from tracking.studies.uploads import UploadSummary, upload_of
from tracking.tables.models import Analysis, Document, Finding, Study


@dataclass(frozen=True, slots=True)
class FindingDetail:
    """One finding on one image; ``detail`` is the whole of it as the model said it (operating points, boxes, codes)."""

    instance_uid: str
    label: str
    meaning: str
    score: float
    level: str
    abnormal: bool
    detail: dict[str, Any]

    @property
    def stated(self) -> bool:
        """Tell whether words may be made of it; otherwise it is scored only."""
        return self.detail.get("stated") is True

    @property
    def marks(self) -> tuple[float, ...]:
        """Return the operating points it was read against, 0 to 1, the sensitive one first."""
        return marks_of(self.detail)


@dataclass(frozen=True, slots=True)
class AnalysisDetail:
    """One analysis of a study, the latest or one that a later one took the place of.

    ``void`` when nothing of it holds: the study is in conflict, or its instances changed since.
    """

    id: int
    revision: int
    model: str
    digest: str
    engine: str
    seconds: float
    completed_at: datetime
    documents: int
    findings: tuple[FindingDetail, ...]
    void: bool = False


@dataclass(frozen=True, slots=True)
class StudyPage:
    """One study with everything that is on record about it; ``analyses`` begin with the latest."""

    header: StudyHeader
    summary: StudySummary
    images: tuple[InstanceSummary, ...]
    analyses: tuple[AnalysisDetail, ...]
    upload: UploadSummary | None = None
    """Whose it is and until when it is kept; None for a study that was received."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A document on disk; ``path`` is relative to the document store and never comes from a peer."""

    uid: str
    kind: str
    path: str
    sha256: str
    size: int


def study_page(read: Session, study_uid: str) -> StudyPage | None:
    """Return a study with its images and all its analyses, or None when there is no such study."""
    summary = queries.find_study(read, study_uid)
    if summary is None:
        return None
    analyses = read.scalars(
        select(Analysis).where(Analysis.study_uid == study_uid).order_by(Analysis.revision.desc(), Analysis.id.desc())
    ).all()
    study = read.get_one(Study, study_uid)
    return StudyPage(
        header=load_study(read, study_uid),
        summary=summary,
        images=tuple(queries.instances(read, study_uid, summary.kept_aside)),
        analyses=tuple(
            _analysis(read, analysis, void=conflicts.is_void(study, analysis.revision)) for analysis in analyses
        ),
        upload=upload_of(read, study_uid),
    )


def latest_result(page: StudyPage) -> AnalysisDetail | None:
    """Return the latest analysis of a study that holds, or None."""
    return next((analysis for analysis in page.analyses if not analysis.void), None)


def result_of(read: Session, study_uid: str) -> tuple[StudyHeader, AnalysisDetail] | None:
    """Return a study's header with its latest analysis that holds, or None."""
    study = read.get(Study, study_uid)
    if study is None:
        return None
    rows = read.scalars(
        select(Analysis).where(Analysis.study_uid == study_uid).order_by(Analysis.revision.desc(), Analysis.id.desc())
    ).all()
    analysis = next((row for row in rows if not conflicts.is_void(study, row.revision)), None)
    return None if analysis is None else (load_study(read, study_uid), _analysis(read, analysis, void=False))


def find_document(
    read: Session, study_uid: str, document_uid: str, kinds: Collection[str] = IMAGES
) -> StoredFile | None:
    """Return a document of a study that passed its checks, or None: the only files that pages may show.

    ``kinds`` are those that are asked for; without them, those that are images.
    """
    row = read.execute(
        select(Document.uid, Document.kind, Document.path, Document.sha256, Document.size)
        .join(Analysis, Document.analysis_id == Analysis.id)
        .where(Analysis.study_uid == study_uid, Document.uid == document_uid)
        .where(Document.kind.in_(sorted(kinds)), Document.quarantined.is_(None))
    ).first()
    return None if row is None else StoredFile(*row)


def standing_analysis(read: Session, study_uid: str) -> StoredAnalysis | None:
    """Return the latest analysis of a study that holds, or None; in a conflict there is none."""
    rows = read.execute(
        select(Analysis.id, Analysis.revision)
        .where(Analysis.study_uid == study_uid)
        .order_by(Analysis.revision.desc(), Analysis.id.desc())
    )
    standing = (row.id for row in rows if not conflicts.is_withheld(read, study_uid, row.revision))
    analysis_id = next(standing, None)
    return None if analysis_id is None else load_analysis(read, analysis_id)


def _analysis(read: Session, analysis: Analysis, *, void: bool) -> AnalysisDetail:
    findings = read.scalars(select(Finding).where(Finding.analysis_id == analysis.id).order_by(Finding.id))
    documents = select(func.count()).select_from(Document).where(Document.id.in_(documents_of(analysis.id)))
    return AnalysisDetail(
        id=analysis.id,
        revision=analysis.revision,
        model=f"{analysis.model_name} {analysis.model_version}",
        digest=analysis.model_digest,
        engine=analysis.engine,
        seconds=analysis.seconds,
        completed_at=to_datetime(analysis.completed_at),
        documents=read.scalar(documents) or 0,
        findings=tuple(
            FindingDetail(row.instance_uid, row.label, row.code_meaning, row.score, row.level, row.abnormal, row.detail)
            for row in findings
        ),
        void=void,
    )
