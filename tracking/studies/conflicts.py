"""Studies whose instances name two patients: finding them, and keeping every result of theirs back.

A study is in *conflict* from the transaction on in which an instance joined it that is not of the same patient as the
others (:mod:`tracking.studies.patient`), or that holds an identifying element twice with different values. Work that is
due is taken out of the queue; work that is under way meets :func:`may_speak` in the transaction that would record it.
"""

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Row, bindparam, func, null, select, update
from sqlalchemy.orm import Session

from tracking.audit_log import audit
from tracking.audit_log.audit import AuditEventType
from tracking.engine.changes import study_changed
from tracking.engine.clock import now_ms
from tracking.engine.prepared import Prepared
from tracking.jobs import queue
from tracking.jobs.keys import study_keys
from tracking.studies.patient import (
    ELEMENTS,
    PatientIdentity,
    contradictions,
    contradictions_among,
    names_patient,
    plain,
)
from tracking.tables.models import Analysis, Conflict, Delivery, Document, ImageOutcome, Instance, Study

WITHHELD = (
    "withheld: the instances of the study name two patients, or one of them was rejected or replaced since, or its "
    "result was withdrawn"
)

_FIELDS = tuple(ELEMENTS)
_COLUMNS = tuple(getattr(Instance, field) for field in _FIELDS)
_identities = Prepared(
    lambda _: (
        select(*_COLUMNS, Instance.repeated)
        .where(Instance.study_uid == bindparam("uid"), Instance.rejected.is_(None), Instance.patient_id.is_not(None))
        .distinct()
    )
)
_end = Prepared(
    lambda _: (
        update(Study)
        .where(Study.study_uid == bindparam("uid"), Study.conflict_since.is_not(None))
        .values(conflict_since=null())
    )
)


@dataclass(frozen=True, slots=True)
class StatedPatient:
    """One of the patients that the instances of a study name.

    ``images`` are the instances that name this patient, ``second`` those of them whose file names another one first.
    ``delivered`` counts documents about them that destinations have already. Patient data: for the screen of somebody
    who may see it, never for a log.
    """

    identity: PatientIdentity
    images: tuple[str, ...]
    second: tuple[str, ...]
    delivered: int


def refresh(tx: Session, study_uid: str) -> bool:
    """Find out anew whether a study is in conflict, write it down, and return it.

    Entering a conflict is audited, without saying who the patients are, and ends the work that is due.
    """
    rows = _identities(tx, uid=study_uid)
    fields = contradictions_among(PatientIdentity(*row[:-1]) for row in rows)
    twice = sorted({name for row in rows if row[-1] for name in json.loads(row[-1])})
    if not fields and not twice:
        _end(tx, uid=study_uid)
        study_changed(tx, study_uid)
        return False
    entered = tx.execute(
        update(Study)
        .where(Study.study_uid == study_uid, Study.conflict_since.is_(None))
        .values(conflict_since=now_ms())
        .returning(Study.study_uid)
    ).first()
    study_changed(tx, study_uid)
    queue.retire(tx, study_keys(tx, study_uid), WITHHELD)
    if entered is not None:
        delivered = tx.scalar(
            select(func.count())
            .select_from(Delivery)
            .join(Document, Delivery.document_id == Document.id)
            .join(Analysis, Document.analysis_id == Analysis.id)
            .where(Analysis.study_uid == study_uid, Delivery.state == "delivered")
        )
        audit.append(
            tx,
            AuditEventType.STUDY_CONFLICT,
            outcome="serious-failure",
            study_uid=study_uid,
            detail={
                "reason": "the instances of the study name two patients; it gets no result",
                "differing": ", ".join(ELEMENTS[field] for field in fields) or None,
                "held_twice": ", ".join(ELEMENTS.get(name, name) for name in twice) or None,
                "delivered_before": delivered or 0,
            },
        )
    return True


def is_void(study: Study, revision: int) -> bool:
    """Tell whether results of a revision do not hold: the study is in conflict, or its instances changed since."""
    return study.conflict_since is not None or revision < study.valid_from


def may_speak(tx: Session, study_uid: str, revision: int) -> bool:
    """Tell whether a result of this revision may be recorded, and keep the answer true until the transaction ends."""
    return not is_void(tx.get_one(Study, study_uid, with_for_update=True), revision)


def is_withheld(read: Session, study_uid: str, revision: int) -> bool:
    """Tell whether a result of this revision must not be built or leave: :func:`may_speak` without the lock."""
    study = read.get(Study, study_uid)
    return study is not None and is_void(study, revision)


def note_withheld(tx: Session, study_uid: str, revision: int, what: str) -> None:
    """Write into the audit log that a result was made and not recorded; ``what`` names it."""
    audit.append(
        tx,
        AuditEventType.RESULT_WITHHELD,
        outcome="minor-failure",
        study_uid=study_uid,
        detail={"what": what, "revision": revision, "reason": WITHHELD},
    )


def stated_patients(read: Session, study_uid: str) -> tuple[StatedPatient, ...]:
    """Return the patients that the instances of a study name, the one that was named first at the front.

    Instances that were rejected do not count. An identity that leaves something open stands with the first fuller one
    that it does not contradict.
    """
    rows = read.execute(
        select(Instance.instance_uid, *_COLUMNS, Instance.repeated)
        .where(Instance.study_uid == study_uid, Instance.rejected.is_(None), Instance.patient_id.is_not(None))
        .order_by(Instance.received_at, Instance.instance_uid)
    ).all()
    stated = [(row.instance_uid, _identity(row), False) for row in rows]
    stated += [(row.instance_uid, second, True) for row in rows if (second := _second(row)) is not None]
    order = {identity: number for number, identity in enumerate(dict.fromkeys(identity for _, identity, _ in stated))}
    groups: dict[PatientIdentity, list[tuple[str, bool]]] = {}
    for uid, identity, second_value in sorted(stated, key=lambda entry: (-_stated_fields(entry[1]), order[entry[1]])):
        fullest = next((group for group in groups if not contradictions(group, identity)), identity)
        groups.setdefault(fullest, []).append((uid, second_value))
    return tuple(
        StatedPatient(
            identity,
            tuple(uid for uid, _ in images),
            tuple(uid for uid, second in images if second),
            _delivered(read, [uid for uid, second in images if not second]),
        )
        for identity, images in sorted(groups.items(), key=lambda group: order[group[0]])
    )


def ways_out(study_uid: str, patients: Sequence[StatedPatient]) -> list[str]:
    """Return the commands that end a conflict: one for each patient that can be kept, and one that rejects an image.

    A patient cannot be kept whose ID and issuer another one shares, or one of whose files names two patients.
    """
    twofold = {uid for patient in patients for uid in patient.second}
    commands = []
    for patient in patients:
        own = set(patient.images) - set(patient.second)
        patient_id, issuer = plain(patient.identity.patient_id), plain(patient.identity.issuer_of_patient_id)
        alike = [other for other in patients if plain(other.identity.patient_id) == patient_id]
        shared = sum(names_patient(other.identity, patient_id, issuer) for other in alike) > 1
        if own and not own & twofold and not shared:
            option = f" --issuer {shlex.quote(issuer)}" if len(alike) > 1 else ""
            commands.append(f"cxrnode study resolve {study_uid} --patient {shlex.quote(patient_id)}{option}")
    return [*commands, f"cxrnode study reject {study_uid} --instance UID"]


def identity_of(row: Instance | Conflict) -> PatientIdentity | None:
    """Return whose image an instance is, or None where an earlier version did not keep it."""
    return None if row.patient_id is None else _identity(row)


def differing(standing: Instance, kept: Conflict) -> tuple[str, ...]:
    """Return the names of the elements in which bytes kept aside are of another patient than those that stand.

    Empty where an earlier version did not keep whose one of them is.
    """
    first, second = identity_of(standing), identity_of(kept)
    if first is None or second is None:
        return ()
    return tuple(ELEMENTS[field] for field in contradictions(first, second))


def _identity(row: Instance | Conflict | Row[tuple[str, ...]]) -> PatientIdentity:
    return PatientIdentity(**{field: getattr(row, field) or "" for field in _FIELDS})


def _second(row: Row[tuple[str, ...]]) -> PatientIdentity | None:
    """Return the patient that a file names when its repeated elements are taken at their last value."""
    repeated = json.loads(row.repeated) if row.repeated else {}
    values = {field: repeated[field] for field in _FIELDS if field in repeated}
    return replace(_identity(row), **values) if values else None


def _stated_fields(identity: PatientIdentity) -> int:
    return sum(bool(getattr(identity, field)) for field in _FIELDS)


def _delivered(read: Session, instance_uids: list[str]) -> int:
    """Count the documents on findings of these instances that destinations have."""
    analysed = select(ImageOutcome.analysis_id).where(
        ImageOutcome.instance_uid.in_(instance_uids), ImageOutcome.reason.is_(None)
    )
    return (
        read.scalar(
            select(func.count())
            .select_from(Delivery)
            .join(Document, Delivery.document_id == Document.id)
            .where(Document.analysis_id.in_(analysed), Delivery.state == "delivered")
        )
        or 0
    )
