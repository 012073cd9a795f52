"""What an administrator decides about whose images a study holds: resolve a conflict, reject, accept, dismiss.

Each action is one transaction with its audit lines, and can be asked for again: what is done already changes nothing.
An action that changes which instances or bytes stand makes a new revision of the study, whose results supersede those
of all revisions before it; what is due or under way for one of those comes to nothing.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import NoReturn

from sqlalchemy import func, literal, select, update
from sqlalchemy.orm import Session

from config.errors import ActionRefused, ConfirmationNeeded
from tracking.audit_log import audit
from tracking.audit_log.audit import AuditEventType
from tracking.engine.changes import study_changed
from tracking.jobs import queue
from tracking.jobs.keys import study_keys
from tracking.outbox.rejections import NOBODY, Told, drop_undelivered, take_back
from tracking.studies import conflicts
from tracking.studies.instances import HEADER_COLUMNS, StudyHeader, describe_study, make_due, make_study
from tracking.studies.patient import ELEMENTS, contradictions_among, names_patient, plain
from tracking.tables.models import Conflict, DeletedStudy, Instance, Study

OTHER_PATIENT = "other-patient"
BY_HAND = "by-hand"
_SUPERSEDED = "a later revision of the study takes its place"
_SWAPPED = (
    "series_uid", "sop_class_uid", "transfer_syntax_uid", "modality", "sha256", "size", "path", "calling_ae",
    "called_ae", "address", "received_at", "repeated", *(field.name for field in fields(StudyHeader)),
)  # fmt: skip
"""What belongs to the bytes of an instance rather than to its UID."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """What resolving a study came to: SOP Instance UIDs that stay and that were rejected; ``changed`` if anything."""

    kept: tuple[str, ...]
    rejected: tuple[str, ...]
    changed: bool


@dataclass(frozen=True, slots=True)
class Acceptance:
    """Which bytes stand for an instance now, and in which study; ``changed`` if they did not before."""

    study_uid: str
    sha256: str
    changed: bool


def resolve_study(
    tx: Session, study_uid: str, patient_id: str, issuer: str | None = None, *, told: Told = NOBODY, user: str
) -> Resolution:
    """Keep the instances that state this Patient ID (and issuer); reject all others of the study.

    Instances that an earlier resolution rejected are weighed again, those that were rejected by hand are not. An
    instance without a Patient ID is of the patient whose ID is empty. ``told`` are told at once what became void.

    Raises
    ------
    ActionRefused
        There is no such study, none of its instances is of that patient, the issuer is needed, or those that would
        stay name two patients still. Nothing has changed.
    """
    _lock(tx, study_uid)
    candidates = _instances(tx, study_uid, rejected=(None, OTHER_PATIENT))
    kept = [row for row in candidates if (who := conflicts.identity_of(row)) and names_patient(who, patient_id, issuer)]
    _require_one_patient(study_uid, kept, issuer)
    standing = {row.instance_uid for row in kept}
    dropped = [row for row in candidates if row.instance_uid not in standing]
    changed = any(row.rejected for row in kept) or any(row.rejected is None for row in dropped)
    if changed:
        for row in kept:
            if row.rejected is not None:
                _restore(tx, row, user)
        for row in dropped:
            if row.rejected is None:
                _reject(tx, row, OTHER_PATIENT, user)
        tx.flush()
        revision = _begin_revision(tx, study_uid)
        _retract(tx, study_uid, told)
        audit.append(
            tx,
            AuditEventType.STUDY_RESOLVED,
            study_uid=study_uid,
            detail={"user": user, "kept": len(kept), "rejected": len(dropped), "revision": revision},
        )
    return Resolution(_uids(kept), _uids(dropped), changed)


def reject_instance(tx: Session, study_uid: str, instance_uid: str, *, told: Told = NOBODY, user: str) -> bool:
    """Take an instance out of its study: kept on disk, never analysed, in no document; False when it is out already.

    ``told`` are told at once what became void: where no image is left, no later result would do it.

    Raises
    ------
    ActionRefused
        The study has no such instance.
    """
    _lock(tx, study_uid)
    row = _instance(tx, study_uid, instance_uid)
    if row.rejected == BY_HAND:
        return False
    stood = row.rejected is None
    _reject(tx, row, BY_HAND, user)
    tx.flush()
    if stood:
        _begin_revision(tx, study_uid)
        _retract(tx, study_uid, told)
    return True


def accept_instance(
    tx: Session,
    study_uid: str,
    instance_uid: str,
    *,
    sha256: str | None = None,
    other_patient: bool = False,
    told: Told = NOBODY,
    user: str,
) -> Acceptance:
    """Let bytes that were kept aside under an instance's UID take the place of those that stand for it.

    The study is described by them from now on; where they name another study, the instance goes there. The bytes that
    stood are kept aside instead and can be accepted again. A rejected instance stands again.

    ``study_uid`` is the study the instance is in, or one that the bytes kept aside name: then those that name it are
    meant. ``sha256`` is how the digest of the bytes begins, needed where several files wait. ``other_patient`` says
    that bytes of another patient or of another study are meant to take the place of those that stand. ``told`` are told
    at once what became void.

    Raises
    ------
    ConfirmationNeeded
        The bytes name another patient or another study, and nobody said that this is meant. Nothing has changed.
    ActionRefused
        The study has no such instance, nothing of that digest is kept aside, several files wait, or an earlier
        version kept too little about the file. Nothing has changed.
    """
    row = tx.get(Instance, instance_uid)
    if row is None or study_uid not in _studies_of(tx, row):
        _no_instance(study_uid, instance_uid)
    chosen = _choose(tx, row, study_uid, sha256)
    if chosen is None:
        return Acceptance(row.study_uid, row.sha256, changed=False)
    differing = conflicts.differing(row, chosen)
    if not other_patient and (differing or chosen.study_uid != row.study_uid):
        raise ConfirmationNeeded(_consequence(tx, row, chosen, differing), chosen.sha256)
    before, after, was_rejected = row.study_uid, chosen.study_uid, row.rejected
    _swap(tx, row, chosen)
    highest = _highest_revision(tx, (before, after))
    revisions = {uid: _begin_revision(tx, uid, highest + 1) for uid in sorted({before, after})}
    row.revision = revisions[after]
    tx.flush()
    for uid in revisions:
        _retract(tx, uid, told)
    _note_changed(tx, row)
    detail: audit.Detail = {
        "user": user,
        "instance_uid": instance_uid,
        "sha256": row.sha256,
        "replaced_sha256": chosen.sha256,
        "kept_aside": chosen.path,
        "was_rejected": was_rejected,
        "other_patient": ", ".join(differing) or None,
        "from_study": before if before != after else None,
        "to_study": after if before != after else None,
    }
    for uid, revision in revisions.items():
        audit.append(tx, AuditEventType.INSTANCE_ACCEPTED, study_uid=uid, detail=detail | {"revision": revision})
    return Acceptance(after, row.sha256, changed=True)


def _swap(tx: Session, row: Instance, chosen: Conflict) -> None:
    """Let what was kept aside stand, and keep aside what stood."""
    for name in _SWAPPED:
        ours, theirs = getattr(row, name), getattr(chosen, name)
        setattr(row, name, theirs)
        setattr(chosen, name, ours)
    row.rejected = None
    chosen.state = "replaced"
    row.revision = 1
    tx.flush()


def _highest_revision(tx: Session, study_uids: Sequence[str]) -> int:
    """Return the highest revision that studies have, or had before they were deleted.

    The UIDs of documents derive from images and revision: in its new study, or in one that was deleted and came again,
    an image must not meet an old pair.
    """
    return max(
        revision
        for table in (Study, DeletedStudy)
        for revision in tx.scalars(select(table.revision).where(table.study_uid.in_(study_uids)))
    )


def dismiss_kept_aside(tx: Session, study_uid: str, instance_uid: str, *, sha256: str | None = None, user: str) -> int:
    """Let nobody wait for a decision on the bytes kept aside under an instance's UID; return how many files it were.

    Of the study that the instance is in all are meant, of another one those that name it; ``sha256`` is how the digest
    of the only ones meant begins. They are kept on disk, and can be accepted by their digest all the same.

    Raises
    ------
    ActionRefused
        The study has no such instance.
    """
    _lock(tx, study_uid)
    row = tx.get(Instance, instance_uid)
    if row is None or study_uid not in _studies_of(tx, row):
        _no_instance(study_uid, instance_uid)
    meant = update(Conflict).where(Conflict.instance_uid == instance_uid, Conflict.state == "waiting")
    if study_uid != row.study_uid:
        meant = meant.where(Conflict.study_uid == study_uid)
    if sha256 is not None:
        meant = meant.where(Conflict.sha256.startswith(sha256, autoescape=True))
    dismissed = tx.scalars(meant.values(state="dismissed").returning(Conflict.sha256)).all()
    _note_changed(tx, row)
    for digest in dismissed:
        detail: audit.Detail = {"user": user, "instance_uid": instance_uid, "sha256": digest}
        audit.append(tx, AuditEventType.INSTANCE_DISMISSED, study_uid=study_uid, detail=detail)
    return len(dismissed)


def _lock(tx: Session, study_uid: str) -> None:
    """Let nothing else change the study until the transaction ends."""
    if tx.scalar(select(Study.study_uid).where(Study.study_uid == study_uid).with_for_update()) is None:
        msg = f"no study {study_uid} is on record; `cxrnode studies` lists them"
        raise ActionRefused(msg)


def _instances(tx: Session, study_uid: str, *, rejected: Sequence[str | None]) -> list[Instance]:
    rows = tx.scalars(
        select(Instance).where(Instance.study_uid == study_uid).order_by(Instance.received_at, Instance.instance_uid)
    )
    return [row for row in rows if row.rejected in rejected]


def _instance(tx: Session, study_uid: str, instance_uid: str) -> Instance:
    row = tx.get(Instance, instance_uid)
    if row is None or row.study_uid != study_uid:
        _no_instance(study_uid, instance_uid)
    return row


def _studies_of(tx: Session, row: Instance) -> set[str]:
    """Return every study that bytes under an instance's UID name."""
    aside = tx.scalars(select(Conflict.study_uid).where(Conflict.instance_uid == row.instance_uid))
    return {row.study_uid, *aside}


def _note_changed(tx: Session, row: Instance) -> None:
    """Let every study that bytes under an instance's UID name be listed anew."""
    for uid in tx.scalars(select(Study.study_uid).where(Study.study_uid.in_(_studies_of(tx, row)))).all():
        study_changed(tx, uid)


def _consequence(tx: Session, row: Instance, chosen: Conflict, differing: Sequence[str]) -> str:
    """Say what accepting bytes of another patient or of another study would do; without patient data."""
    image, before, after = f"image {row.instance_uid}", row.study_uid, chosen.study_uid
    whose = f"another patient ({', '.join(differing)} differ)" if differing else "the same patient"
    stays = tx.scalar(
        select(func.count()).where(
            Instance.study_uid == before, Instance.rejected.is_(None), Instance.instance_uid != row.instance_uid
        )
    )
    if before == after:
        change = f"{image} of study {before} becomes one of {whose}"
    else:
        left = f"{stays} image{'' if stays == 1 else 's'}" if stays else "no image"
        change = f"{image} leaves study {before}, which keeps {left}, and joins study {after} of {whose}"
    return f"{change}; results of {before} are void"


def _no_instance(study_uid: str, instance_uid: str) -> NoReturn:
    msg = f"study {study_uid} has no image {instance_uid}; `cxrnode study {study_uid}` lists its images"
    raise ActionRefused(msg)


def _require_one_patient(study_uid: str, kept: Sequence[Instance], issuer: str | None) -> None:
    """Refuse to keep instances that are none, or not of one patient."""
    if not kept:
        msg = f"no image of study {study_uid} is of that patient; `cxrnode study {study_uid}` says whom they name"
        raise ActionRefused(msg)
    issuers = {plain(row.issuer_of_patient_id or "") for row in kept} - {""}
    if issuer is None and len(issuers) > 1:
        msg = "that Patient ID stands for patients of several issuers; say which with --issuer"
        raise ActionRefused(msg)
    differing = contradictions_among(who for row in kept if (who := conflicts.identity_of(row)))
    twice = sorted({name for row in kept if row.repeated for name in json.loads(row.repeated)})
    if differing:
        names = ", ".join(ELEMENTS[field] for field in differing)
        msg = (
            f"the images of that patient still contradict each other ({names}): first reject those that are wrong, "
            f"`cxrnode study reject {study_uid} --instance UID`, or correct them in the archive, send them again and "
            "accept them"
        )
        raise ActionRefused(msg)
    if twice:
        names = ", ".join(ELEMENTS.get(name, name) for name in twice)
        msg = (
            f"the file of an image of that patient holds {names} twice, with two values: reject it, "
            f"`cxrnode study reject {study_uid} --instance UID`, or correct it in the archive, send it again and "
            "accept it"
        )
        raise ActionRefused(msg)


def _choose(tx: Session, row: Instance, study_uid: str, sha256: str | None) -> Conflict | None:
    """Return the bytes to accept for an instance, or None when they stand for it already.

    The studies that bytes under its UID name are locked, and the one they join is there.
    """
    chosen = _kept_aside(tx, row, study_uid, sha256)
    if chosen is None:
        return None
    digest, studies = chosen.sha256, (row.study_uid, chosen.study_uid)
    make_study(tx, StudyHeader(**{name: getattr(chosen, name) for name in HEADER_COLUMNS}))
    on_record = select(Study.study_uid).where(Study.study_uid.in_(_studies_of(tx, row)))
    for uid in sorted(tx.scalars(on_record)):
        _lock(tx, uid)
    tx.expire_all()  # somebody else may have decided while we waited
    if row.sha256 == digest:
        return None
    if _kept_aside(tx, row, study_uid, sha256) is not chosen or (row.study_uid, chosen.study_uid) != studies:
        msg = f"the image was changed meanwhile; look at `cxrnode study {row.study_uid}` and decide again"
        raise ActionRefused(msg)
    return chosen


def _kept_aside(tx: Session, row: Instance, study_uid: str, sha256: str | None) -> Conflict | None:
    """Return the bytes to accept for an instance, or None when they stand for it already.

    Of a study that the instance is not in, only bytes that name it are meant.
    """
    kept = tx.scalars(select(Conflict).where(Conflict.instance_uid == row.instance_uid).order_by(Conflict.id)).all()
    if sha256 is None:
        candidates = [
            entry for entry in kept if entry.state == "waiting" and study_uid in {row.study_uid, entry.study_uid}
        ]
        if not candidates and any(entry.state == "replaced" for entry in kept):
            return None
    else:
        if row.sha256.startswith(sha256):
            return None
        candidates = [entry for entry in kept if entry.sha256.startswith(sha256)]
    if not candidates:
        msg = (
            f"nothing waits under the UID of image {row.instance_uid}; `cxrnode study {row.study_uid}` shows what came"
        )
        raise ActionRefused(msg)
    if len(candidates) > 1:
        digests = ", ".join(entry.sha256[:12] for entry in candidates)
        msg = f"{len(candidates)} files are kept aside under that UID; say which with --sha256, one of {digests}"
        raise ActionRefused(msg)
    if candidates[0].patient_id is None:
        msg = "an earlier version kept that file and noted too little about it; have it sent once more, then accept it"
        raise ActionRefused(msg)
    return candidates[0]


def _reject(tx: Session, row: Instance, reason: str, user: str) -> None:
    row.rejected = reason
    study_changed(tx, row.study_uid)
    audit.append(
        tx,
        AuditEventType.INSTANCE_REJECTED,
        study_uid=row.study_uid,
        detail={"user": user, "instance_uid": row.instance_uid, "reason": reason},
    )


def _restore(tx: Session, row: Instance, user: str) -> None:
    detail: audit.Detail = {"user": user, "instance_uid": row.instance_uid, "was_rejected": row.rejected}
    row.rejected = None
    study_changed(tx, row.study_uid)
    audit.append(tx, AuditEventType.INSTANCE_RESTORED, study_uid=row.study_uid, detail=detail)


def _begin_revision(tx: Session, study_uid: str, revision: int | None = None) -> int:
    """Make all earlier revisions void, judge the study anew, and let an analysis be due if there is one to make.

    ``revision`` is the number of the new one, the next unless given.
    """
    study_changed(tx, study_uid)
    queue.retire(tx, study_keys(tx, study_uid), _SUPERSEDED)
    number = Study.revision + 1 if revision is None else literal(revision)
    begun = tx.scalars(
        update(Study)
        .where(Study.study_uid == study_uid)
        .values(revision=number, valid_from=number)
        .returning(Study.revision)
        .execution_options(synchronize_session=False)
    ).one()
    describe_study(tx, study_uid)
    in_conflict = conflicts.refresh(tx, study_uid)
    standing = tx.scalar(
        select(func.count()).where(Instance.study_uid == study_uid, Instance.rejected.is_(None))
    )  # fmt: skip
    if standing and not in_conflict:
        make_due(tx, study_uid, begun, 0)
    return begun


def _retract(tx: Session, study_uid: str, told: Told) -> None:
    """Let nothing of the void results leave that waits, and make the notes due that take back what is out."""
    drop_undelivered(tx, study_uid)
    take_back(tx, study_uid, told)


def _uids(rows: Sequence[Instance]) -> tuple[str, ...]:
    return tuple(row.instance_uid for row in rows)
