"""Deleting a study by hand: its rows and files, but not what the audit log says of it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import delete, or_, select
from sqlalchemy.orm import Session

from config.errors import ActionRefused, WorkUnderWay
from tracking.audit_log import audit
from tracking.audit_log.audit import AuditEventType
from tracking.engine.changes import study_changed
from tracking.engine.clock import now_ms
from tracking.jobs import queue
from tracking.jobs.keys import comparison_key, confirmation_key, delivery_key, examination_key, study_keys
from tracking.lists import queries
from tracking.studies import comparisons
from tracking.studies.acting import lock_study
from tracking.studies.upload_hold import is_held
from tracking.tables.feedback_models import Feedback
from tracking.tables.models import (
    Analysis,
    CarriedDocument,
    Conflict,
    DeletedStudy,
    Delivery,
    Document,
    Finding,
    ImageOutcome,
    ImageResult,
    Instance,
    Job,
    Study,
    Upload,
)
from tracking.tables.standing_models import Standing, StatedFinding

DELETABLE = ("delivered", "withdrawn", "not-analysed", "rejected")
"""Where a study may stand that is deleted: nothing of it waits for anything."""


@dataclass(frozen=True, slots=True)
class Deletion:
    """How many images and documents were deleted, with their files."""

    images: int
    documents: int


@dataclass(frozen=True, slots=True)
class Stores:
    """Where the files are: folders of the received instances and of the documents."""

    instances: Path
    documents: Path


def delete_study(tx: Session, study_uid: str, *, why: str, stores: Stores, user: str) -> Deletion:
    """Delete a study that has nothing left to do: its rows, readers' answers among them, then its files.

    An upload that was never sent is deleted as it is, unless something works on it at this moment.

    The files go last, before the transaction ends: after a death in between the study is on record still, and deleting
    it again ends what was begun. Should it be received once more, its revisions go on from where they were, so that no
    document gets a UID for the second time.

    Raises
    ------
    ActionRefused
        There is no such study, ``why`` is empty, or something of it waits. Nothing has changed.
    """
    study = lock_study(tx, study_uid)
    if not why.strip():
        msg = "say why the study is deleted; it stands in the audit log, so name no patient"
        raise ActionRefused(msg)
    analyses = select(Analysis.id).where(Analysis.study_uid == study_uid)
    documents = tx.scalars(select(Document).where(Document.analysis_id.in_(analyses))).all()
    numbers = [document.id for document in documents]
    deliveries = tx.scalars(select(Delivery).where(Delivery.document_id.in_(numbers))).all()
    images = tx.scalars(select(Instance).where(Instance.study_uid == study_uid)).all()
    uids = [image.instance_uid for image in images]
    kept_aside = tx.scalars(select(Conflict).where(Conflict.instance_uid.in_(uids))).all()
    keys = [
        *study_keys(tx, study_uid),
        *map(examination_key, uids),
        *(comparison_key(kept.instance_uid, kept.sha256) for kept in kept_aside),
        *(delivery_key(row.id) for row in deliveries),
        *(confirmation_key(row.id) for row in deliveries),
    ]
    _require_decided(tx, study_uid)
    if is_held(tx, study_uid):
        _require_unclaimed(tx, study_uid, keys)
    else:
        _require_idle(tx, study_uid, keys)
    others = {kept.study_uid for kept in kept_aside} - {study_uid}
    document_paths = [document.path for document in documents]
    image_paths = [*(image.path for image in images), *(kept.path for kept in kept_aside)]
    # One that came again as a file kept aside alone is at revision 0.
    deleted_before = select(DeletedStudy.revision).where(DeletedStudy.study_uid == study_uid)
    revision = max(study.revision, tx.scalar(deleted_before) or 0)
    tx.expunge_all()
    _delete_rows(tx, study_uid, numbers, uids, keys)
    values = {"revision": revision, "deleted_at": now_ms()}
    tx.execute(
        queue.upsert(tx)(DeletedStudy)
        .values(study_uid=study_uid, **values)
        .on_conflict_do_update(index_elements=["study_uid"], set_=values)
    )
    detail: audit.Detail = {
        "user": user, "why": why.strip(), "images": len(uids), "documents": len(numbers), "revision": revision,
    }  # fmt: skip
    audit.append(tx, AuditEventType.STUDY_DELETED, study_uid=study_uid, detail=detail)
    for uid in others:
        study_changed(tx, uid)
    tx.flush()
    _remove(stores.documents, document_paths)
    _remove(stores.instances, image_paths)
    return Deletion(len(uids), len(numbers))


def was_deleted(read: Session, study_uid: str) -> bool:
    """Tell whether a study of this UID was deleted once, also where it came again since."""
    return read.get(DeletedStudy, study_uid) is not None


def _delete_rows(
    tx: Session, study_uid: str, documents: Sequence[int], instance_uids: Sequence[str], keys: Sequence[str]
) -> None:
    """Delete every row of a study, with its documents, its images and its jobs."""
    analyses = select(Analysis.id).where(Analysis.study_uid == study_uid)
    for table, condition in (
        (Delivery, Delivery.document_id.in_(documents)),
        (CarriedDocument, CarriedDocument.analysis_id.in_(analyses)),
        (Document, Document.id.in_(documents)),
        # An image that came from another study has results there, which are void.
        (Finding, or_(Finding.analysis_id.in_(analyses), Finding.instance_uid.in_(instance_uids))),
        (ImageOutcome, or_(ImageOutcome.analysis_id.in_(analyses), ImageOutcome.instance_uid.in_(instance_uids))),
        (Feedback, Feedback.study_uid == study_uid),
        (ImageResult, ImageResult.instance_uid.in_(instance_uids)),
        (Conflict, Conflict.instance_uid.in_(instance_uids)),
        (Job, Job.key.in_(keys)),
        (StatedFinding, StatedFinding.study_uid == study_uid),
        (Standing, Standing.study_uid == study_uid),
        (Upload, Upload.study_uid == study_uid),
    ):
        tx.execute(delete(table).where(condition).execution_options(synchronize_session=False))
    for number in tx.scalars(analyses.order_by(Analysis.id.desc())).all():  # a later one points to an earlier one
        tx.execute(delete(Analysis).where(Analysis.id == number).execution_options(synchronize_session=False))
    tx.execute(delete(Instance).where(Instance.study_uid == study_uid).execution_options(synchronize_session=False))
    tx.execute(delete(Study).where(Study.study_uid == study_uid).execution_options(synchronize_session=False))


def _require_decided(tx: Session, study_uid: str) -> None:
    """Refuse to delete while a file kept aside, under the UID of an image of the study or naming it, is undecided."""
    ours = select(Instance.instance_uid).where(Instance.study_uid == study_uid)
    undecided = (
        select(Conflict)
        .where(or_(Conflict.instance_uid.in_(ours), Conflict.study_uid == study_uid))
        .where(Conflict.state.in_(("waiting", comparisons.COMPARING)))
    )
    kept = tx.scalars(undecided.order_by(Conflict.id).limit(1)).first()
    if kept is None:
        return
    if kept.state == comparisons.COMPARING:
        msg = f"a file kept aside under image {kept.instance_uid} is being compared with it: wait for that"
    else:
        msg = (
            f"a file kept aside under image {kept.instance_uid} waits for a decision: `cxrnode study accept` or "
            f"`cxrnode study reject --kept-aside` it first; `cxrnode study {study_uid}` shows it"
        )
    raise ActionRefused(msg)


def _require_unclaimed(tx: Session, study_uid: str, keys: list[str]) -> None:
    """Refuse to delete while a service works on the study."""
    claimed = (Job.state == "open", Job.worker.is_not(None), Job.visible_at > now_ms())
    if tx.scalar(select(Job.key).where(Job.key.in_(keys), *claimed).limit(1)) is not None:
        msg = f"study {study_uid} is being worked on: try again in some seconds"
        raise WorkUnderWay(msg)


def _require_idle(tx: Session, study_uid: str, keys: list[str]) -> None:
    """Refuse to delete while something of the study waits, runs, or stopped and was not looked at."""
    summary = queries.find_study(tx, study_uid)
    status = summary.status if summary is not None else ""
    busy = tx.scalar(select(Job.key).where(Job.key.in_(keys), Job.state == "open").limit(1))
    if status in DELETABLE and busy is None:
        return
    if status in DELETABLE:
        msg = f"study {study_uid} stands as {status}, but something of it waits still: wait for it, or "
        msg += "`cxrnode withdraw` it first"
    else:
        msg = (
            f"study {study_uid} stands as {status}; only what was delivered, withdrawn, rejected or not analysed may "
            f"be deleted: `cxrnode study {study_uid}` says what it waits for, and `cxrnode withdraw` takes back what "
            "was said"
        )
    raise ActionRefused(msg)


def _remove(folder: Path, paths: Iterable[str]) -> None:
    for path in paths:
        if path:
            (folder / path).unlink(missing_ok=True)
