"""Withdrawing what was said about a study: nothing more of it leaves, and whoever has it is told."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import exists, func, or_, select, update
from sqlalchemy.orm import Session

from config.errors import ActionRefused
from tracking.audit_log import audit
from tracking.audit_log.audit import AuditEventType
from tracking.engine.changes import study_changed
from tracking.jobs import queue
from tracking.jobs.keys import study_keys
from tracking.outbox.document_kinds import LAST_COUNTS, NOTES
from tracking.outbox.left_behind import arrived
from tracking.outbox.reasons import Reason
from tracking.outbox.rejections import Told, drop_undelivered, take_back
from tracking.studies.acting import holding_analysis, lock_study
from tracking.tables.models import Analysis, Delivery, Document, Finding, Study

_WITHDRAWN = "the result was withdrawn"


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """What a withdrawal came to; ``changed`` is false where the study stood as withdrawn already.

    ``dropped`` documents will not leave any more, those of ``taken_back`` are called back, by destination. Those of
    ``left`` are at destinations that are not told by a note, by name: somebody has to remove them there.
    """

    dropped: int
    taken_back: Mapping[str, int]
    left: Mapping[str, int]
    changed: bool


def withdraw_study(tx: Session, study_uid: str, *, reason: Reason, why: str, told: Told, user: str) -> Withdrawal:
    """Withdraw the result of a study, with all that was said before it.

    A new revision begins, of which nothing is due: results of those before it are void, and whatever comes later (a
    late image, an analysis that is asked for) has UIDs of its own. Asked for again, it looks once more whom to tell.

    Raises
    ------
    ActionRefused
        There is no such study, ``why`` is empty, or there is no result to withdraw. Nothing has changed.
    """
    study = lock_study(tx, study_uid)
    if not why.strip():
        msg = "say why the result is withdrawn; it stands in the audit log, so name no patient"
        raise ActionRefused(msg)
    if study.withdrawn == study.revision:
        taken_back = take_back(tx, study_uid, told)
        return Withdrawal(0, taken_back, _left(tx, study_uid, told), changed=False)
    _require_result(tx, study)
    queue.retire(tx, study_keys(tx, study_uid), _WITHDRAWN)
    revision = study.revision + 1
    tx.execute(
        update(Study)
        .where(Study.study_uid == study_uid)
        .values(revision=revision, valid_from=revision, withdrawn=revision, withdrawn_reason=reason.value)
        .execution_options(synchronize_session=False)
    )
    study_changed(tx, study_uid)
    dropped = drop_undelivered(tx, study_uid)
    taken_back = take_back(tx, study_uid, told)
    left = _left(tx, study_uid, told)
    audit.append(
        tx,
        AuditEventType.STUDY_WITHDRAWN,
        study_uid=study_uid,
        detail={
            "user": user,
            "why": why.strip(),
            "code": reason.value,
            "revision": revision,
            "dropped": dropped,
            "taken_back": sum(taken_back.values()),
            "left": sum(left.values()),
        },
    )
    return Withdrawal(dropped, taken_back, left, changed=True)


def _require_result(tx: Session, study: Study) -> None:
    """Refuse to withdraw where nothing was said, or nothing of it is anywhere any more."""
    uid = study.study_uid
    analysis = holding_analysis(tx, study)
    if analysis is not None and tx.scalar(select(exists().where(Finding.analysis_id == analysis.id))):
        return
    if analysis is not None and tx.scalar(select(exists().where(Document.analysis_id == analysis.id))):
        return  # it says why no image was analysed
    anywhere = (
        select(Delivery.id)
        .join(Document, Delivery.document_id == Document.id)
        .join(Analysis, Document.analysis_id == Analysis.id)
        .where(
            Analysis.study_uid == uid, Document.kind.not_in(NOTES), Delivery.taken_back_by.is_(None),
            or_(Delivery.state == "delivered", Delivery.attempts > 0),
        )
    )  # fmt: skip
    if tx.scalar(anywhere.limit(1)) is not None:
        return
    if study.conflict_since is not None:
        msg = (
            f"study {uid} is in conflict: its images name two patients, so that it has no result and nothing of it was "
            f"delivered; `cxrnode study {uid}` says whom, and the ways out"
        )
    else:
        msg = f"study {uid} has no result to withdraw; `cxrnode study {uid}` says where it stands"
    raise ActionRefused(msg)


def _left(tx: Session, study_uid: str, told: Told) -> dict[str, int]:
    """Return how many documents of void results stay at destinations that are told nothing, by name."""
    rows = tx.execute(
        select(Delivery.destination, func.count())
        .join(Document, Delivery.document_id == Document.id)
        .join(Analysis, Document.analysis_id == Analysis.id)
        .join(Study, Analysis.study_uid == Study.study_uid)
        .where(
            Study.study_uid == study_uid, Analysis.revision < Study.valid_from, arrived(),
            Delivery.taken_back_by.is_(None), Document.kind.not_in((*NOTES, *LAST_COUNTS)),
            Delivery.destination.not_in(told.archives),
        )
        .group_by(Delivery.destination)
    )  # fmt: skip
    return {row[0]: row[1] for row in rows}
