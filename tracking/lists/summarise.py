"""Study summaries for any number of studies: a statement a table, not a statement a study."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import String, cast, literal, or_, select
from sqlalchemy.orm import Session

from tracking.engine.clock import to_datetime
from tracking.jobs.keys import analysis_key, report_key
from tracking.lists.summaries import (
    DeliverySummary,
    DocumentSummary,
    FindingSummary,
    KeptAside,
    OutcomeSummary,
    RemarkSummary,
    RetrySummary,
    StudySummary,
)
from tracking.outbox.document_kinds import NOTES
from tracking.outbox.documents import held_by, sent_for
from tracking.outbox.states import OVERTAKEN, SETTLED
from tracking.studies import conflicts
from tracking.studies.instances import StudyHeader, header_of
from tracking.studies.upload_hold import UPLOAD
from tracking.tables.models import (
    Analysis,
    Breaker,
    Conflict,
    Delivery,
    Document,
    Finding,
    ImageOutcome,
    Instance,
    Job,
    Study,
)

AT_ONCE = 200
"""Studies a statement is asked about at most: databases bound the number of its parameters."""

_HELD = "the destination is paused"
Value = TypeVar("Value")
Record = Any
"""A row of named columns."""


@dataclass(frozen=True, slots=True)
class StudyRecord:
    """A study's summary with what only lists need; ``calling_ae`` is who sent the last of its images."""

    header: StudyHeader
    summary: StudySummary
    analysis_id: int | None
    calling_ae: str
    urgent: bool
    received_at: int
    """When the last image arrived, in milliseconds since 1970 UTC."""


def study_records(read: Session, study_uids: Sequence[str]) -> list[StudyRecord]:
    """Return what is on record about studies, in the order asked for; unknown ones are left out."""
    found: dict[str, StudyRecord] = {}
    for first in range(0, len(study_uids), AT_ONCE):
        found |= _Reading(read, study_uids[first : first + AT_ONCE]).records()
    return [found[uid] for uid in study_uids if uid in found]


class _Reading:
    """The rows of some studies, read once."""

    def __init__(self, read: Session, study_uids: Sequence[str]) -> None:
        self.read = read
        fresh = {"populate_existing": True}  # statements may have passed by the objects that the session knows
        studies = read.scalars(select(Study).where(Study.study_uid.in_(study_uids)).execution_options(**fresh))
        self.studies = {study.study_uid: study for study in studies}
        self.analyses: dict[str, list[Record]] = defaultdict(list)
        for row in read.execute(
            select(
                Analysis.id, Analysis.study_uid, Analysis.revision, Analysis.model_name, Analysis.model_version,
                Analysis.completed_at,
            )
            .where(Analysis.study_uid.in_(self.studies))
            .order_by(Analysis.revision, Analysis.id)
        ):  # fmt: skip
            self.analyses[row.study_uid].append(row)
        self.latest = {uid: rows[-1] for uid, rows in self.analyses.items()}
        ids = [row.id for row in self.latest.values()]
        holding = [row.id for uid, row in self.latest.items() if not conflicts.is_void(self.studies[uid], row.revision)]
        self.findings = _by_first(_findings(read, holding)) if holding else {}
        self.outcomes = _outcomes(read, holding) if holding else {}
        self.documents = _by_first(_documents(read, ids)) if ids else {}
        self.deliveries = _by_first(_deliveries(read, ids)) if ids else {}
        self.sending = _by_first(_sending(read, ids)) if ids else {}
        self.being_reported: set[str] = set()
        self.work = self._work()
        self.images = self._images()
        self.aside = kept_aside(read, list(self.studies))

    def records(self) -> dict[str, StudyRecord]:
        """Return the records by study UID."""
        return {uid: self._record(study) for uid, study in self.studies.items()}

    def _work(self) -> dict[str, list[Record]]:
        """Return the jobs that stopped, or are tried again, of the studies' analyses and reports.

        Studies of whose latest analysis more documents are still to come are noted in ``being_reported``.
        """
        owner = {
            analysis_key(uid, number): uid
            for uid, study in self.studies.items()
            for number in range(1, study.revision + 1)
        } | {report_key(row.id): uid for uid, rows in self.analyses.items() for row in rows}
        reports = {report_key(row.id) for row in self.latest.values()}
        columns = (Job.key, Job.queue, Job.state, Job.error, Job.attempts, Job.crashes, Job.visible_at)
        found: dict[str, list[Record]] = defaultdict(list)
        keys = list(owner)
        for first in range(0, len(keys), 4 * AT_ONCE):
            query = select(*columns).where(
                Job.key.in_(keys[first : first + 4 * AT_ONCE]), Job.state.in_(("stopped", "open"))
            )
            for row in self.read.execute(query.order_by(Job.id)):
                if row.state == "open" and row.key in reports:
                    self.being_reported.add(owner[row.key])
                if row.state == "stopped" or row.attempts > 0 or row.crashes > 0:
                    found[owner[row.key]].append(row)
        return found

    def _images(self) -> dict[str, list[Record]]:
        rows = self.read.execute(
            select(Instance.study_uid, Instance.calling_ae, Instance.rejected)
            .where(Instance.study_uid.in_(self.studies))
            .order_by(Instance.received_at, Instance.instance_uid)
        )
        images: dict[str, list[Record]] = defaultdict(list)
        for row in rows:
            images[row.study_uid].append(row)
        return images

    def _record(self, study: Study) -> StudyRecord:
        images = self.images.get(study.study_uid, [])
        analysis = self.latest.get(study.study_uid)
        return StudyRecord(
            header=header_of(study),
            summary=self._summary(study, analysis, images),
            analysis_id=analysis.id if analysis else None,
            calling_ae=images[-1].calling_ae if images else "",
            urgent=study.urgent,
            received_at=study.last_received_at,
        )

    def _summary(self, study: Study, analysis: Record | None, images: Sequence[Record]) -> StudySummary:
        void = analysis is not None and conflicts.is_void(study, analysis.revision)
        of = analysis.id if analysis else 0
        findings = tuple(self.findings.get(of, ()))
        not_analysed, remarks = self.outcomes.get(of, ((), ()))
        documents, deliveries = tuple(self.documents.get(of, ())), tuple(self.deliveries.get(of, ()))
        work = self.work.get(study.study_uid, [])
        problems = _problems(
            work,
            () if void else documents,
            [entry for entry in deliveries if not void or entry.kind in NOTES],
        )
        rejected = sum(image.rejected is not None for image in images)
        in_conflict = study.conflict_since is not None
        stage = _stage(analysis, study.revision, findings, documents, deliveries)
        if stage == "delivered" and (
            study.study_uid in self.being_reported or (study.kind == UPLOAD and not deliveries)
        ):
            stage = "reported"
        aside = self.aside.get(study.study_uid, ())
        stage = "waiting" if aside and not images else stage
        return StudySummary(
            study_uid=study.study_uid,
            accession_number=study.accession_number,
            revision=study.revision,
            received_at=to_datetime(study.first_received_at),
            instances=len(images),
            conflicts=len(aside),
            status=_status(
                "withdrawn" if study.withdrawn == study.revision else stage,
                in_conflict=in_conflict,
                rejected=rejected == len(images) and stage != "waiting",
                problems=problems,
            ),
            model=f"{analysis.model_name} {analysis.model_version}" if analysis else None,
            analysed_at=to_datetime(analysis.completed_at) if analysis else None,
            findings=findings,
            not_analysed=not_analysed,
            documents=documents,
            deliveries=deliveries,
            retrying=_retrying(work, self.sending.get(of, [])),
            problems=problems,
            rejected=rejected,
            patients=conflicts.stated_patients(self.read, study.study_uid) if in_conflict else (),
            kept_aside=aside,
            remarks=remarks,
            kind=study.kind,
        )


def kept_aside(read: Session, study_uids: Sequence[str]) -> dict[str, tuple[KeptAside, ...]]:
    """Return by study UID what waits for a decision because its UID stands for other bytes.

    A file is of the study that its instance is in and, where it names another one, of that, too.
    """
    waiting: Any = Conflict.state == literal("waiting", literal_execute=True)  # so that the partial index serves
    rows: dict[int, tuple[Conflict, Instance]] = {}
    for owner in (Instance.study_uid, Conflict.study_uid):  # each has an index; both in one condition would use neither
        found = read.execute(
            select(Conflict, Instance)
            .join(Instance, Instance.instance_uid == Conflict.instance_uid)
            .where(owner.in_(study_uids), waiting)
            .execution_options(populate_existing=True)
        )
        rows |= {kept.id: (kept, instance) for kept, instance in found}
    return _by_first(
        (study_uid, _kept_aside(kept, instance))
        for _, (kept, instance) in sorted(rows.items())
        for study_uid in sorted({instance.study_uid, kept.study_uid} & set(study_uids))
    )


def _kept_aside(kept: Conflict, instance: Instance) -> KeptAside:
    patient = conflicts.identity_of(kept)
    return KeptAside(
        kept.instance_uid, kept.sha256, kept.study_uid, to_datetime(kept.received_at),
        conflicts.differing(instance, kept), patient, instance.study_uid,
    )  # fmt: skip


def marks_of(detail: dict[str, Any]) -> tuple[float, ...]:
    """Return the operating points in a finding's detail, the sensitive one first; none where none are on record."""
    points = detail.get("points")
    if not isinstance(points, dict):
        return ()
    values = [points.get(name) for name in ("sensitive", "specific")]
    return tuple(float(value) for value in values if isinstance(value, int | float))


def _by_first(pairs: Iterable[tuple[Any, Value]]) -> dict[Any, tuple[Value, ...]]:
    """Group the second of each pair by the first."""
    groups: dict[Any, list[Value]] = defaultdict(list)
    for key, value in pairs:
        groups[key].append(value)
    return {key: tuple(values) for key, values in groups.items()}


def _findings(read: Session, analyses: Sequence[int]) -> Iterable[tuple[int, FindingSummary]]:
    rows = read.execute(
        select(
            Finding.analysis_id, Finding.instance_uid, Finding.label, Finding.code_meaning, Finding.score,
            Finding.level, Finding.abnormal, Finding.detail,
        )
        .where(Finding.analysis_id.in_(analyses))
        .order_by(Finding.id)
    )  # fmt: skip
    for row in rows:
        yield (
            row.analysis_id,
            FindingSummary(
                row.instance_uid,
                row.label,
                row.code_meaning,
                row.score,
                row.level,
                row.abnormal,
                len(row.detail.get("boxes", ())),
                str(row.detail.get("note", "")),
                row.detail.get("stated") is True,
                marks_of(row.detail),
            ),
        )


def _outcomes(
    read: Session, analyses: Sequence[int]
) -> dict[int, tuple[tuple[OutcomeSummary, ...], tuple[RemarkSummary, ...]]]:
    """Return by analysis why images were not analysed, and the remarks on how images were read."""
    columns = (
        ImageOutcome.analysis_id, ImageOutcome.instance_uid, ImageOutcome.reason, ImageOutcome.because,
        ImageOutcome.remarks, ImageOutcome.code, ImageOutcome.code_values,
    )  # fmt: skip
    rows = _by_first(
        (row.analysis_id, row)
        for row in read.execute(
            select(*columns).where(ImageOutcome.analysis_id.in_(analyses)).order_by(ImageOutcome.id)
        )
    )
    return {
        analysis_id: (
            tuple(
                OutcomeSummary(row.instance_uid, row.reason, row.because or "", row.code, row.code_values)
                for row in outcomes
                if row.reason is not None
            ),
            tuple(
                RemarkSummary(row.instance_uid, str(remark.get("kind", "")), str(remark.get("text", "")))
                for row in outcomes
                for remark in row.remarks or ()
            ),
        )
        for analysis_id, outcomes in rows.items()
    }


def _documents(read: Session, analyses: Sequence[int]) -> Iterable[tuple[int, DocumentSummary]]:
    held = held_by(analyses)
    columns = (held.c.analysis_id, Document.kind, Document.uid, Document.path, Document.quarantined)
    query = select(*columns).join(Document, Document.id == held.c.document_id)
    rows = read.execute(query.order_by(Document.id))
    for row in rows:
        yield row.analysis_id, DocumentSummary(row.kind, row.uid, row.path, row.quarantined, row.analysis_id)


def _deliveries(read: Session, analyses: Sequence[int]) -> Iterable[tuple[int, DeliverySummary]]:
    """Yield the deliveries by analysis: of its documents, and of notes of the study that an earlier one has."""
    sent = sent_for(analyses)
    rows = read.execute(
        select(
            sent.c.analysis_id, Document.kind, Document.uid, Delivery.destination, Delivery.state,
            Delivery.attempts, Delivery.error, Delivery.finished_at, Delivery.confirmation, Delivery.confirmed_at,
        )
        .join(Document, Document.id == sent.c.document_id)
        .join(Delivery, Delivery.document_id == Document.id)
        .order_by(Delivery.id)
    )  # fmt: skip
    for row in rows:
        finished = to_datetime(row.finished_at) if row.finished_at is not None else None
        confirmed = to_datetime(row.confirmed_at) if row.confirmed_at is not None else None
        yield (
            row.analysis_id,
            DeliverySummary(
                row.kind, row.uid, row.destination, row.state, row.attempts, row.error, finished, row.confirmation,
                confirmed,
            ),
        )  # fmt: skip


def _sending(read: Session, analyses: Sequence[int]) -> Iterable[tuple[int, Record]]:
    """Yield the deliveries that are tried again, or wait behind a breaker, by analysis."""
    sent = sent_for(analyses)
    rows = read.execute(
        select(
            sent.c.analysis_id, Delivery.destination, Delivery.attempts, Delivery.error, Job.crashes,
            Job.error.label("job_error"), Job.visible_at, Breaker.failures, Breaker.paused_until,
            Breaker.error.label("breaker_error"), Breaker.held_since,
        )
        .join(Delivery, Delivery.document_id == sent.c.document_id)
        .join(Job, Job.key == literal("deliver:").concat(cast(Delivery.id, String)))
        .outerjoin(Breaker, Breaker.destination == Delivery.destination)
        .where(Delivery.state == "waiting")
        .where(or_(Job.attempts > 0, Job.crashes > 0, Breaker.failures > 0, Breaker.held_since.is_not(None)))
        .order_by(Delivery.id)
    )  # fmt: skip
    for row in rows:
        yield row.analysis_id, row


def _problems(
    work: Sequence[Record], documents: Sequence[DocumentSummary], deliveries: Sequence[DeliverySummary]
) -> tuple[str, ...]:
    """Everything of this study that waits for a person."""
    return (
        *(f"{job.key.split(':')[0]} stopped: {job.error}" for job in work if job.state == "stopped"),
        *(f"{document.kind} quarantined: {document.quarantined}" for document in documents if document.quarantined),
        *(
            f"{delivery.kind} to {delivery.destination} stopped: {delivery.error}"
            for delivery in deliveries
            if delivery.state == "stopped"
        ),
    )


def _retrying(work: Sequence[Record], sending: Sequence[Record]) -> tuple[RetrySummary, ...]:
    """Find what failed and will be tried again: the study's own work, then its deliveries by destination."""
    crashed = "the process that worked on it died"
    found = [
        RetrySummary(
            job.queue, None, 0, job.attempts + job.crashes, job.error or crashed, to_datetime(job.visible_at)
        )
        for job in work
        if job.state == "open"
    ]  # fmt: skip
    by_destination = _by_first((row.destination, row) for row in sending)
    return (*found, *(_waiting_for(name, entries) for name, entries in by_destination.items()))


def _waiting_for(name: str, entries: Sequence[Record]) -> RetrySummary:
    """Sum up what waits for one destination; while it is paused, nothing for it is tried."""
    breaker = entries[0]
    paused_until = breaker.paused_until if breaker.failures else 0
    errors = [entry.error or entry.job_error for entry in entries]
    return RetrySummary(
        step="deliver",
        destination=name,
        documents=len(entries),
        attempts=max(entry.attempts + entry.crashes for entry in entries),
        error=next((error for error in errors if error), None)
        or breaker.breaker_error
        or (_HELD if breaker.held_since is not None else "the process that worked on it died"),
        next_try_at=to_datetime(max(paused_until, min(entry.visible_at for entry in entries))),
        held=breaker.held_since is not None,
    )


def _status(stage: str, *, in_conflict: bool, rejected: bool, problems: Sequence[str]) -> str:
    """One word for where a study stands; what needs a person comes before how far it is."""
    if in_conflict:
        return "conflict"
    if rejected:
        return "rejected"
    return "attention" if problems else stage


def _stage(
    analysis: Record | None,
    revision: int,
    findings: Sequence[FindingSummary],
    documents: Sequence[DocumentSummary],
    deliveries: Sequence[DeliverySummary],
) -> str:
    """One word for how far the study's newest revision has come."""
    if analysis is None or analysis.revision < revision:
        return "received"
    if not findings:
        return "not-analysed"
    if not documents:
        return "analysed"
    return "delivered" if all(_is_settled(delivery) for delivery in deliveries) else "reported"


def _is_settled(delivery: DeliverySummary) -> bool:
    """Tell whether nothing is left to do; a note is needless where a later result says what holds."""
    return delivery.state in SETTLED or (delivery.kind in NOTES and delivery.state == OVERTAKEN)
