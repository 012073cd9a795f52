"""Notes that take documents back: which destinations have what does not hold any more, and have to be told.

An archive is told by a rejection note, a Key Object Selection Document that references what is to be shown no more
(IHE Radiology, Imaging Object Change Management); a receiver of messages by a correction whose observations are deleted
or wrong (HL7 table 0085); a FHIR server by a transaction that enters report and observations in error. A note is a
document like others: its row and its delivery are written in the transaction that finds out, so that a death in between
leaves all or nothing; the deliverer builds it when it is first sent.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Row, Select, String, case, cast, exists, func, literal, select, update
from sqlalchemy.orm import Session

from config.destinations import DicomDestination
from config.settings import Settings
from tracking.audit_log import audit
from tracking.audit_log.audit import AuditEventType
from tracking.engine.changes import study_changed
from tracking.engine.clock import now_ms
from tracking.engine.derived import derived_control_id, derived_uid
from tracking.jobs import queue
from tracking.jobs.keys import report_key
from tracking.outbox.document_kinds import (
    BUNDLE,
    BUNDLE_WITHDRAWAL,
    CORRECTION,
    IN_ARCHIVES,
    MESSAGE,
    NOTES,
    REJECTION_NOTE,
)
from tracking.outbox.documents import documents_of, make_delivery
from tracking.outbox.reasons import Reason
from tracking.outbox.states import NOT_TAKEN, SETTLED, WITHHELD
from tracking.studies.acting import latest_analysis
from tracking.tables.models import Analysis, Delivery, Document, Instance, Job, Study

KEY_OBJECT_SELECTION = "1.2.840.10008.5.1.4.1.1.88.59"
_ANSWERED = (MESSAGE.name, BUNDLE.name)
"""Results whose receiver keeps what came last."""
_SOON = 2
"""Priority of a note about what must not be shown: before whatever only tells more."""
_MILLISECONDS_AN_HOUR = 3_600_000
_DROPPED = "the result that it was of does not hold any more"

Holding = Row[Document, Delivery, int]
"""A document, its delivery, and the revision that it is of."""
Found = dict[str, list[Holding]]
"""By destination."""


@dataclass(frozen=True, slots=True)
class Told:
    """Which destinations are told what does not hold any more, by name, and for how long that is tried."""

    archives: frozenset[str]
    receivers: frozenset[str]
    give_up_ms: int = 3 * queue.DAY_MS


NOBODY = Told(frozenset(), frozenset())


def told_by(settings: Settings) -> Told:
    """Return whom the settings have told: archives that take notes, receivers of messages, and FHIR servers."""
    archives = {entry.name for entry in settings.destinations if isinstance(entry, DicomDestination)
                and entry.rejection_notes}  # fmt: skip
    receivers = {entry.name for entry in settings.destinations if not isinstance(entry, DicomDestination)}
    hours = settings.delivery.give_up_after_hours
    return Told(frozenset(archives), frozenset(receivers), round(hours * _MILLISECONDS_AN_HOUR))


@dataclass(frozen=True, slots=True)
class Rejected:
    """One document that a note takes back; ``path`` is relative to the document store."""

    kind: str
    uid: str
    series_uid: str
    sop_class_uid: str
    path: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Note:
    """What a note has to say: why, about which documents, in the order in which they were built, and since when.

    ``since_ms`` is milliseconds since 1970 UTC.
    """

    uid: str
    series_uid: str | None
    reason: Reason
    rejected: tuple[Rejected, ...]
    since_ms: int


def take_back(tx: Session, study_uid: str, told: Told) -> dict[str, int]:
    """Make a note due for each destination that has, or may have, documents which do not hold any more.

    These are documents of a result that was withdrawn, or whose images were rejected or replaced; and at an archive
    those of an earlier result, once it has all documents of the latest one. Each is taken back once. What is on its way
    at this moment is looked at when that delivery ends.

    Returns
    -------
    dict
        How many documents are taken back now, by destination.
    """
    analyses = tx.execute(select(func.count()).select_from(Analysis).where(Analysis.study_uid == study_uid)).scalar()
    # Locked: of two deliveries that end at once, the later one sees the note that the first one made.
    study = tx.scalar(
        select(Study).where(Study.study_uid == study_uid).with_for_update().execution_options(populate_existing=True)
    )
    if study is None or (analyses == 1 and study.valid_from == 1):
        return {}
    stale: dict[tuple[str, Reason], list[Holding]] = defaultdict(list)
    for name, rows in _void(tx, study, told).items():
        for row in rows:
            stale[name, _reason(study, row.revision)].append(row)
    for name, rows in _superseded(tx, study, told).items():
        stale[name, Reason.QUALITY] += rows
    for (name, reason), rows in stale.items():
        _make_note(tx, study, name, reason, rows, told)
    counts: dict[str, int] = defaultdict(int)
    for (name, _), rows in stale.items():
        counts[name] += len(rows)
    return dict(sorted(counts.items()))


def drop_undelivered(tx: Session, study_uid: str) -> int:
    """Let no document of a void result leave that waits or stopped; return how many there were.

    Those that are on their way at this moment meet :func:`tracking.studies.conflicts.is_withheld`, or
    :func:`take_back`.
    """
    waiting = tx.execute(
        select(Delivery.id, Job.id.label("job_id"))
        .join(Document, Delivery.document_id == Document.id)
        .join(Analysis, Document.analysis_id == Analysis.id)
        .join(Study, Analysis.study_uid == Study.study_uid)
        .join(Job, _is_its_job())
        .where(
            Study.study_uid == study_uid,
            Analysis.revision < Study.valid_from,
            Delivery.state.in_(("waiting", "stopped")),
            Document.kind.not_in(NOTES),
            Job.worker.is_(None),
        )
    ).all()
    dropped = 0
    for row in waiting:
        ended = tx.scalar(
            update(Job)
            .where(Job.id == row.job_id, Job.worker.is_(None), Job.state.in_(("open", "stopped")))
            .values(state="done", error=_DROPPED, finished_at=now_ms())
            .returning(Job.id)
            .execution_options(synchronize_session=False)
        )
        if ended is not None:
            dropped += 1
            tx.execute(
                update(Delivery)
                .where(Delivery.id == row.id)
                .values(state=WITHHELD, error=None, finished_at=now_ms())
                .execution_options(synchronize_session=False)
            )
    study_changed(tx, study_uid)
    return dropped


def load_note(read: Session, document_uid: str) -> Note:
    """Return what a note has to say. Raises LookupError."""
    note = read.scalar(select(Document).where(Document.uid == document_uid, Document.kind.in_(NOTES)))
    if note is None:
        msg = f"there is no note {document_uid}"
        raise LookupError(msg)
    rows = read.scalars(
        select(Document)
        .join(Delivery, Delivery.document_id == Document.id)
        .join(Analysis, Document.analysis_id == Analysis.id)
        .where(Delivery.taken_back_by == note.id)
        .order_by(Analysis.revision, Analysis.id, Document.id)
    )
    rejected = tuple(
        Rejected(row.kind, row.uid, row.series_uid or "", row.sop_class_uid or "", row.path, row.sha256) for row in rows
    )
    return Note(note.uid, note.series_uid, Reason(note.reason or Reason.QUALITY), rejected, note.built_at)


def record_built(tx: Session, note_uid: str, path: str, sha256: str, size: int) -> None:
    """Record where the file of a note is, before it is sent for the first time; from then on it stays what it is."""
    built = tx.scalar(
        update(Document)
        .where(Document.uid == note_uid, Document.path == "")
        .values(path=path, sha256=sha256, size=size)
        .returning(Document.analysis_id)
        .execution_options(synchronize_session=False)
    )
    if built is None:
        return
    study_uid = tx.scalars(select(Analysis.study_uid).where(Analysis.id == built)).one()
    study_changed(tx, study_uid)
    detail: audit.Detail = {"kind": REJECTION_NOTE.name, "document_uid": note_uid, "sha256": sha256, "analysis": built}
    audit.append(tx, AuditEventType.DOCUMENTS_BUILT, study_uid=study_uid, detail=detail)


def _is_its_job() -> ColumnElement[bool]:
    return Job.key == literal("deliver:").concat(cast(Delivery.id, String))


def _rows(study: Study) -> Select[Document, Delivery, int]:
    """Choose the documents that destinations have or may have, which no note takes back yet.

    A failed attempt may have arrived all the same, and so may one whose process died.
    """
    return (
        select(Document, Delivery, Analysis.revision)
        .join(Delivery, Delivery.document_id == Document.id)
        .join(Analysis, Document.analysis_id == Analysis.id)
        .outerjoin(Job, _is_its_job())
        .where(
            Analysis.study_uid == study.study_uid,
            Delivery.taken_back_by.is_(None),
            Delivery.state.not_in(("waiting", NOT_TAKEN)),
            (Delivery.state == "delivered") | (Delivery.attempts > 0) | (func.coalesce(Job.crashes, 0) > 0),
        )
        .order_by(Analysis.revision, Analysis.id, Document.id)
        .execution_options(populate_existing=True)
    )


def _void(tx: Session, study: Study, told: Told) -> Found:
    """Return by destination what it has of results that do not hold: withdrawn, or of other images than today's."""
    found: Found = defaultdict(list)
    stands = exists().where(Instance.study_uid == study.study_uid, Instance.rejected.is_(None))
    empty = not tx.scalar(select(stands))
    for row in tx.execute(_rows(study).where(Analysis.revision < study.valid_from)):
        name, kind = row.Delivery.destination, row.Document.kind
        withdrawn = empty or (study.withdrawn is not None and row.revision < study.withdrawn)
        # A message, or a Bundle, is answered by that of the next result, unless none will come.
        in_archive = kind in IN_ARCHIVES and name in told.archives
        if in_archive or (kind in _ANSWERED and name in told.receivers and withdrawn):
            found[name].append(row)
    return found


def _superseded(tx: Session, study: Study, told: Told) -> Found:
    """Return by archive what it has of earlier results, where it has the whole of the latest one."""
    latest = latest_analysis(tx, study.study_uid)
    if latest is None or latest.revision < study.valid_from or study.conflict_since is not None:
        return {}
    if tx.scalar(select(Job.state).where(Job.key == report_key(latest.id))) not in {"done", None}:
        return {}
    held = documents_of(latest.id)
    settled = case((Delivery.state.in_(SETTLED), 1), else_=0)
    arrived = tx.execute(
        select(Delivery.destination)
        .join(Document, Delivery.document_id == Document.id)
        .where(Document.id.in_(held), Document.kind.in_(IN_ARCHIVES), Delivery.destination.in_(told.archives))
        .group_by(Delivery.destination)
        .having(
            func.min(settled) == 1, func.max(case((Delivery.state == "delivered", 1), else_=0)) == 1
        )
    )  # fmt: skip
    names = list(arrived.scalars())
    found: Found = defaultdict(list)
    rows = _rows(study).where(
        Analysis.revision >= study.valid_from,
        Document.id.not_in(held),
        Document.kind.in_(IN_ARCHIVES),
        Delivery.destination.in_(names),
    )
    for row in tx.execute(rows):
        found[row.Delivery.destination].append(row)
    return found


def _reason(study: Study, revision: int) -> Reason:
    """Say why a void document is taken back: withdrawn for a reason, else of images that were not this patient's."""
    if study.withdrawn is not None and revision < study.withdrawn:
        return Reason(study.withdrawn_reason or Reason.QUALITY)
    return Reason.SAFETY


def _make_note(
    tx: Session, study: Study, destination: str, reason: Reason,
    rows: Sequence[Holding], told: Told,
) -> None:  # fmt: skip
    latest = latest_analysis(tx, study.study_uid)
    assert latest is not None  # noqa: S101 - the documents are of one
    kind, uid, series_uid, sop_class_uid = _identify(
        study.study_uid, destination, reason, [row.Document for row in rows]
    )
    note = Document(
        analysis_id=latest.id, kind=kind, uid=uid, series_uid=series_uid, sop_class_uid=sop_class_uid, path="",
        sha256="", size=0, reason=reason.value,
    )  # fmt: skip
    tx.add(note)
    tx.flush()
    taken_back = [row.Delivery.id for row in rows]
    tx.execute(
        update(Delivery)
        .where(Delivery.id.in_(taken_back))
        .values(taken_back_by=note.id)
        .execution_options(synchronize_session=False)
    )
    void = any(row.revision < study.valid_from for row in rows)
    make_delivery(tx, note.id, destination, told.give_up_ms, priority=_SOON if void else queue.USUAL)
    study_changed(tx, study.study_uid)
    audit.append(
        tx,
        AuditEventType.REJECTION_DUE,
        study_uid=study.study_uid,
        detail={
            "destination": destination,
            "reason": reason.value,
            "document_uid": uid,
            "documents": len(rows),
            "rejected": ", ".join(row.Document.uid for row in rows),
        },
    )


def _identify(
    study_uid: str, destination: str, reason: Reason, documents: Iterable[Document]
) -> tuple[str, str, str | None, str | None]:
    """Return kind, UID, series and SOP class of a note; its UIDs follow from what it takes back where."""
    uids = [document.uid for document in documents]
    kinds = {document.kind for document in documents}
    if kinds & set(IN_ARCHIVES):
        parts = (study_uid, destination, reason.value, *sorted(uids))
        return (
            REJECTION_NOTE.name,
            derived_uid("note", *parts),
            derived_uid("note-series", *parts),
            KEY_OBJECT_SELECTION,
        )
    if BUNDLE.name in kinds:
        return (
            BUNDLE_WITHDRAWAL.name,
            derived_uid("fhir-note", study_uid, destination, reason.value, *sorted(uids)),
            None,
            None,
        )
    uid = derived_control_id("correction", study_uid, destination, reason.value, *sorted(uids))
    return CORRECTION.name, uid, None, None
