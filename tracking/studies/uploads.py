"""Uploads: studies that users of the console bring. Each is one file, recorded with its answer in one transaction.

An upload has UIDs of this node, so that it never joins a study that was received, and no image that is received later
is taken for it. It is its owner's: nothing of it leaves until the owner or an administrator has it sent, either may
delete it at once, and its days are counted.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from config.errors import ActionRefused
from tracking.audit_log import audit
from tracking.audit_log.audit import AuditEventType
from tracking.engine.changes import study_changed
from tracking.engine.clock import now_ms, to_datetime
from tracking.jobs import queue
from tracking.jobs.keys import report_key
from tracking.people.roles import Role
from tracking.people.users import Actor, Identity
from tracking.results.analyses import AnalysisRecord, record_analysis
from tracking.results.image_results import AnalyserIdentity, ImageRecord, record_image_results
from tracking.studies.acting import holding_analysis, lock_study
from tracking.studies.deletion import Deletion, Stores, delete_study
from tracking.studies.instances import IncomingInstance
from tracking.studies.upload_hold import UPLOAD
from tracking.tables.models import Instance, Job, Study, Upload

CALLING_AE = "UPLOAD"
"""Stands for the calling AE title, which an upload does not have."""
EXPIRY = "retention"
"""Who deletes an upload whose days are over, for the audit log."""
_DAY_MS = 24 * 3_600_000


@dataclass(frozen=True, slots=True)
class NewUpload:
    """A file whose bytes are durable on disk, and what the model said of it."""

    incoming: IncomingInstance
    file_kind: str
    """PNG, JPEG or DICOM."""
    analysis: AnalysisRecord
    result: ImageRecord
    analyser: AnalyserIdentity


@dataclass(frozen=True, slots=True)
class UploadSummary:
    """Whose an upload is, and until when it is kept."""

    owner: str
    file_kind: str
    uploaded_at: datetime
    released_at: datetime | None
    """When it was sent; None while nothing of it may leave."""

    def may_be_changed_by(self, who: Identity) -> bool:
        """Say whether somebody may send or delete it: its owner, or an administrator."""
        return who.name == self.owner or who.role.includes(Role.ADMINISTRATOR)


def record_upload(tx: Session, new: NewUpload, *, by: Actor) -> None:
    """Record an upload, whole: study, image, result and audit lines; its documents are due."""
    incoming = new.incoming
    study_uid = incoming.study.study_uid
    tx.add(Study(**incoming.study.columns(), kind=UPLOAD))
    tx.flush()
    tx.add_all(
        [
            Instance(**incoming.record(), revision=1, duplicates=0),
            Upload(study_uid=study_uid, owner=by.name, file_kind=new.file_kind),
        ]
    )
    tx.flush()
    study_changed(tx, study_uid)
    detail: audit.Detail = {"instance_uid": incoming.instance_uid, "file": new.file_kind, "sha256": incoming.sha256}
    audit.append(tx, AuditEventType.STUDY_UPLOADED, study_uid=study_uid, detail=detail | by.detail())
    record_image_results(tx, [new.result], new.analyser)
    record_analysis(tx, new.analysis)


def upload_of(read: Session, study_uid: str) -> UploadSummary | None:
    """Return whose upload a study is; None where it was received."""
    row = read.get(Upload, study_uid)
    if row is None:
        return None
    released = None if row.released_at is None else to_datetime(row.released_at)
    return UploadSummary(row.owner, row.file_kind, to_datetime(row.uploaded_at), released)


def release_upload(tx: Session, study_uid: str, *, by: Identity, destinations: Collection[str]) -> bool:
    """Let an upload's documents go where those of received studies go; False where they may already.

    They are built once more, the same bytes under the same UIDs, and then routed.

    Raises
    ------
    ActionRefused
        It is no upload, it is somebody else's, there is no destination, or it has no result that holds. Nothing has
        changed.
    """
    study = lock_study(tx, study_uid)
    upload = _own_upload(tx, study_uid, by)
    if upload.released_at is not None:
        return False
    if not destinations:
        msg = "there is no destination in the settings of this node, so that there is nobody to send to"
        raise ActionRefused(msg)
    analysis = holding_analysis(tx, study)
    key = None if analysis is None else report_key(analysis.id)
    if analysis is None or key is None or tx.scalar(select(Job.id).where(Job.key == key)) is None:
        msg = "there is nothing to send: the image was not analysed, or its result was withdrawn"
        raise ActionRefused(msg)
    if not queue.retry(tx, key=key, done=True):
        msg = "its documents are being built: try again in some seconds"
        raise ActionRefused(msg)
    upload.released_at = tx.scalar(select(now_ms()))
    tx.flush()
    study_changed(tx, study_uid)
    detail: audit.Detail = {"user": by.name, "owner": upload.owner, "destinations": ", ".join(sorted(destinations))}
    audit.append(tx, AuditEventType.UPLOAD_RELEASED, study_uid=study_uid, detail=detail)
    return True


def discard_upload(tx: Session, study_uid: str, *, by: Identity, stores: Stores) -> Deletion:
    """Delete an upload at once, as its owner or an administrator wishes.

    Raises
    ------
    ActionRefused
        It is no upload, it is somebody else's, or something works on it or has to be delivered. Nothing has changed.
    """
    lock_study(tx, study_uid)
    _own_upload(tx, study_uid, by)
    return delete_study(tx, study_uid, why="upload discarded", stores=stores, user=by.name)


def expired_uploads(read: Session, days: float, *, limit: int = 100) -> list[str]:
    """Return the uploads that are older than so many days, the oldest first."""
    query = select(Upload.study_uid).where(Upload.uploaded_at < now_ms() - round(days * _DAY_MS))
    return list(read.scalars(query.order_by(Upload.uploaded_at, Upload.study_uid).limit(limit)))


def recorded_paths(read: Session) -> frozenset[str]:
    """Return where the images of uploads lie, relative to the instance store."""
    return frozenset(read.scalars(select(Instance.path).join(Upload, Upload.study_uid == Instance.study_uid)))


def delete_expired(tx: Session, study_uid: str, *, stores: Stores) -> Deletion:
    """Delete an upload whose days are over. Raises ActionRefused where something of it waits, or it is gone."""
    return delete_study(tx, study_uid, why="the days of uploads are over", stores=stores, user=EXPIRY)


def _own_upload(tx: Session, study_uid: str, who: Identity) -> Upload:
    upload = tx.get(Upload, study_uid, populate_existing=True)
    if upload is None:
        msg = f"study {study_uid} was received and is no upload"
        raise ActionRefused(msg)
    if not (who.name == upload.owner or who.role.includes(Role.ADMINISTRATOR)):
        msg = "an upload is sent or deleted by whoever uploaded it, or by an administrator"
        raise ActionRefused(msg)
    return upload
