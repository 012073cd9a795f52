"""Read models of the web pages: worklist, one study whole, one capture, what stopped. Nothing here changes anything.

Columns and texts that hold patient data (:class:`WorklistRow`, :class:`StudyPage`) are for the screen of somebody
who may see them, never for a log.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    ScalarSelect,
    Select,
    String,
    and_,
    case,
    cast,
    exists,
    func,
    literal,
    or_,
    select,
)
from sqlalchemy.orm import Session

from tracking import conflicts, queries
from tracking.analyses import StoredAnalysis, load_analysis, load_study
from tracking.clock import to_datetime
from tracking.deliveries import SETTLED
from tracking.instances import StudyHeader
from tracking.models import Analysis, Delivery, Document, Finding, Instance, Job, Study
from tracking.summaries import InstanceSummary, StudySummary

STATUSES = ("conflict", "attention", "received", "analysed", "reported", "delivered", "not-analysed", "rejected")
"""Every status a study can have, as :func:`tracking.queries.find_study` names them."""

COUNTED_UP_TO = 10_000
"""Matching studies are counted no further than this."""


@dataclass(frozen=True, slots=True)
class WorklistRow:
    """One study of the worklist."""

    header: StudyHeader
    summary: StudySummary


@dataclass(frozen=True, slots=True)
class Worklist:
    """One page of the worklist; ``total`` is ``COUNTED_UP_TO + 1`` when there are more matches than that."""

    rows: tuple[WorklistRow, ...]
    total: int


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
        return queries.marks_of(self.detail)


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


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A document on disk; ``path`` is relative to the document store and never comes from a peer."""

    uid: str
    path: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class StoppedDelivery:
    """A delivery that waits for a person."""

    study_uid: str
    kind: str
    destination: str
    attempts: int
    error: str
    stopped_at: datetime | None


def find_studies(read: Session, *, status: str = "", search: str = "", offset: int = 0, limit: int = 25) -> Worklist:
    """Return studies, those in which something arrived last first.

    ``status`` is one of :data:`STATUSES`; ``search`` is how a study UID, an accession number or a patient ID begins,
    in a conflict that of any image.
    """
    query = select(Study.study_uid)
    if search:
        named = exists().where(
            Instance.study_uid == Study.study_uid, Instance.patient_id.istartswith(search, autoescape=True)
        )
        query = query.where(
            or_(
                and_(Study.conflict_since.is_not(None), named),
                *(
                    column.istartswith(search, autoescape=True)
                    for column in (Study.study_uid, Study.accession_number, Study.patient_id)
                ),
            )
        )
    if status:
        query = query.where(_status() == status)
    ordered = query.order_by(Study.last_received_at.desc(), Study.study_uid).offset(offset).limit(limit)
    uids = read.scalars(ordered).all()
    if len(uids) < limit and (uids or not offset):
        total = offset + len(uids)  # the last page says how many there are
    else:
        total = read.scalar(select(func.count()).select_from(query.limit(COUNTED_UP_TO + 1).subquery())) or 0
    rows = (
        WorklistRow(load_study(read, uid), summary)
        for uid in uids
        if (summary := queries.find_study(read, uid)) is not None
    )
    return Worklist(tuple(rows), total)


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
        images=tuple(queries.instances(read, study_uid)),
        analyses=tuple(
            _analysis(read, analysis, void=conflicts.is_void(study, analysis.revision)) for analysis in analyses
        ),
    )


def find_capture(read: Session, study_uid: str, document_uid: str) -> StoredFile | None:
    """Return a secondary capture of a study that passed its checks, or None: the only files that pages may show."""
    row = read.execute(
        select(Document.uid, Document.path, Document.sha256, Document.size)
        .join(Analysis, Document.analysis_id == Analysis.id)
        .where(Analysis.study_uid == study_uid, Document.uid == document_uid)
        .where(Document.kind == "sc", Document.quarantined.is_(None))
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


def stopped_deliveries(read: Session, *, limit: int = 50) -> list[StoppedDelivery]:
    """Return the deliveries that wait for a person, the latest first."""
    rows = read.execute(
        select(Delivery, Document.kind, Analysis.study_uid)
        .join(Document, Delivery.document_id == Document.id)
        .join(Analysis, Document.analysis_id == Analysis.id)
        .where(Delivery.state == "stopped")
        .order_by(Delivery.finished_at.desc(), Delivery.id.desc())
        .limit(limit)
    )
    return [
        StoppedDelivery(
            study_uid, kind, delivery.destination, delivery.attempts, delivery.error or "",
            to_datetime(delivery.finished_at) if delivery.finished_at is not None else None,
        )
        for delivery, kind, study_uid in rows
    ]  # fmt: skip


def last_errors(read: Session) -> dict[str, str]:
    """Return, for each destination for which something waits or stopped, what its latest delivery failed with."""
    latest = (
        select(func.max(Delivery.id))
        .where(Delivery.state.in_(("waiting", "stopped")), Delivery.error.is_not(None))
        .group_by(Delivery.destination)
    )
    rows = read.execute(select(Delivery.destination, Delivery.error).where(Delivery.id.in_(latest)))
    return {name: error for name, error in rows if error is not None}


def _analysis(read: Session, analysis: Analysis, *, void: bool) -> AnalysisDetail:
    findings = read.scalars(select(Finding).where(Finding.analysis_id == analysis.id).order_by(Finding.id))
    documents = select(func.count()).select_from(Document).where(Document.analysis_id == analysis.id)
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


def _status() -> ColumnElement[str]:
    """Say in SQL what :func:`tracking.queries.find_study` says of one study, so that a database can choose by it."""
    latest = (
        select(Analysis.id)
        .where(Analysis.study_uid == Study.study_uid)
        .order_by(Analysis.revision.desc(), Analysis.id.desc())
        .limit(1)
        .correlate(Study)
        .scalar_subquery()
    )
    analysed = exists().where(Analysis.study_uid == Study.study_uid, Analysis.revision >= Study.revision)
    documents = select(Document.id).where(Document.analysis_id == latest)
    deliveries = select(Delivery.id).join(Document, Delivery.document_id == Document.id)
    deliveries = deliveries.where(Document.analysis_id == latest)
    valid = exists().where(Analysis.id == latest, Analysis.revision >= Study.valid_from)
    standing = exists().where(Instance.study_uid == Study.study_uid, Instance.rejected.is_(None))
    return case(
        (Study.conflict_since.is_not(None), "conflict"),
        (~standing, "rejected"),
        (
            or_(
                Study.study_uid.in_(_stopped_analyses()),
                Study.study_uid.in_(_stopped_reports()),
                and_(valid, documents.where(Document.quarantined.is_not(None)).exists()),
                and_(valid, deliveries.where(Delivery.state == "stopped").exists()),
            ),
            "attention",
        ),
        (~analysed, "received"),
        (~exists().where(Finding.analysis_id == latest), "not-analysed"),
        (~documents.exists(), "analysed"),
        (or_(deliveries.where(Delivery.state.not_in(SETTLED)).exists(), _is_being_reported(latest)), "reported"),
        else_="delivered",
    )


def _is_being_reported(analysis_id: ScalarSelect[int]) -> ColumnElement[bool]:
    """Choose analyses of which more documents are still to come."""
    key = literal("report:").concat(cast(analysis_id, String))
    return exists().where(Job.key == key, Job.state == "open")


def _stopped_analyses() -> Select[Any]:
    uid: ColumnElement[str] = Job.payload["study_uid"].as_string()
    return select(uid).where(Job.queue == "analyse", Job.state == "stopped")


def _stopped_reports() -> Select[Any]:
    job = Job.payload["analysis_id"].as_integer() == Analysis.id
    return select(Analysis.study_uid).join(Job, job).where(Job.queue == "report", Job.state == "stopped")
