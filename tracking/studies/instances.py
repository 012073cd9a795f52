"""From a received instance to the work that it makes due: one transaction, before the sender hears 0x0000.

The image is examined at once; the analysis of its study, which gathers the results, waits until the study falls quiet.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Executable, Text, bindparam, case, cast, literal_column, select, update
from sqlalchemy.orm import Session

from tracking.audit_log import audit
from tracking.audit_log.audit import AuditEventType
from tracking.engine.changes import study_changed
from tracking.engine.clock import now_ms, to_milliseconds
from tracking.engine.prepared import Prepared
from tracking.jobs import queue
from tracking.jobs.keys import analysis_key, examination_key
from tracking.studies import comparisons, conflicts
from tracking.studies.upload_hold import RECEIVED
from tracking.tables.models import Conflict, DeletedStudy, Instance, Job, Study

LONGEST_SETTLE_MS = 60_000
"""A study that never falls quiet is analysed after this long all the same, or after the quiet it needs if longer."""


@dataclass(frozen=True, slots=True)
class StudyHeader:
    """What the source says about patient and study, as decoded text; empty when absent."""

    study_uid: str
    accession_number: str = ""
    patient_id: str = ""
    issuer_of_patient_id: str = ""
    patient_name: str = ""
    patient_birth_date: str = ""
    patient_sex: str = ""
    study_date: str = ""
    study_time: str = ""
    description: str = ""

    def columns(self) -> dict[str, str]:
        """Return the columns that hold it; ``dataclasses.asdict`` copies each value and takes ten times as long."""
        return {name: getattr(self, name) for name in HEADER_COLUMNS}


HEADER_COLUMNS = tuple(entry.name for entry in fields(StudyHeader))


@dataclass(frozen=True, slots=True)
class IncomingInstance:
    """A received instance whose bytes are durable on disk.

    ``sha256`` is of the encoded data set as received; ``path`` is relative to the instance store.
    """

    instance_uid: str
    sop_class_uid: str
    series_uid: str
    transfer_syntax_uid: str
    modality: str
    sha256: str
    size: int
    path: str
    calling_ae: str
    called_ae: str
    address: str
    study: StudyHeader
    repeated: Mapping[str, str] = field(default_factory=dict)
    """Identifying elements that the data set holds a second time with another value, with that value: fields of
    :data:`tracking.studies.patient.ELEMENTS`, or names of other elements."""

    def record(self) -> dict[str, str | int]:
        """Return the columns that describe these bytes wherever they are kept."""
        columns: dict[str, str | int] = {name: getattr(self, name) for name in _RECORDED}
        repeated = json.dumps(self.repeated, sort_keys=True) if self.repeated else ""
        return {**columns, **self.study.columns(), "repeated": repeated}


_RECORDED = (
    "instance_uid", "sop_class_uid", "series_uid", "transfer_syntax_uid", "modality", "sha256", "size", "path",
    "calling_ae", "called_ae", "address",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class KnownInstance:
    """What is already on record under an instance UID."""

    instance_uid: str
    study_uid: str
    sha256: str
    path: str


class Registered(StrEnum):
    """What registering an instance came to."""

    NEW = "new"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"


def _build_insert_instance(dialect: str) -> Executable:
    values: dict[str, Any] = {name: bindparam(name) for name in (*_RECORDED, *HEADER_COLUMNS, "repeated", "revision")}
    statement: Executable = (
        queue.insert_of(dialect)(Instance)
        .values(**values, duplicates=0)
        .on_conflict_do_nothing(index_elements=["instance_uid"])
        .returning(Instance.instance_uid)
    )
    return statement


def _build_insert_study(dialect: str) -> Executable:
    header: dict[str, Any] = {name: bindparam(name) for name in HEADER_COLUMNS}
    statement: Executable = (
        queue.insert_of(dialect)(Study)
        .values(**header, revision=1, valid_from=1, urgent=False, kind=RECEIVED)
        .on_conflict_do_nothing(index_elements=["study_uid"])
        .returning(Study.study_uid)
    )
    return statement


def _build_postpone_analysis(_: str) -> Executable:
    latest = Job.created_at + bindparam("longest_ms", type_=BigInteger)
    wanted = now_ms() + bindparam("settle_ms", type_=BigInteger)
    return (
        update(Job)
        .where(Job.key == bindparam("job_key"), Job.state == "open", Job.worker.is_(None), Job.attempts == 0)
        .values(
            visible_at=case((wanted < latest, wanted), else_=latest),
            priority=case((Job.priority > queue.USUAL, queue.USUAL), else_=Job.priority),
        )
        .returning(Job.id)
    )


def _build_bring_forward(_: str) -> Executable:
    soon = now_ms() + bindparam("settle_ms", type_=BigInteger)
    revision = select(cast(Study.revision, Text)).where(Study.study_uid == bindparam("uid")).scalar_subquery()
    key = literal_column("'analyse:'", Text) + bindparam("uid", type_=Text) + literal_column("':'", Text) + revision
    return (
        update(Job)
        .where(Job.key == key, Job.state == "open", Job.worker.is_(None), Job.visible_at > soon)
        .values(visible_at=soon)
    )


_find_instance = Prepared(
    lambda _: select(Instance.instance_uid, Instance.study_uid, Instance.sha256, Instance.path).where(
        Instance.instance_uid == bindparam("uid")
    )
)
_insert_instance = Prepared(_build_insert_instance)
_insert_study = Prepared(_build_insert_study)
_lock_study = Prepared(
    lambda _: (
        select(Study.revision, Study.conflict_since, Study.valid_from, Study.urgent)
        .where(Study.study_uid == bindparam("uid"))
        .with_for_update()
    )
)
_deleted_study = Prepared(lambda _: select(DeletedStudy.revision).where(DeletedStudy.study_uid == bindparam("uid")))
_touch_study = Prepared(
    lambda _: update(Study).where(Study.study_uid == bindparam("uid")).values(last_received_at=now_ms())
)
_postpone_analysis = Prepared(_build_postpone_analysis)
_bring_forward = Prepared(_build_bring_forward)


def find_instance(read: Session, instance_uid: str) -> KnownInstance | None:
    """Return what is on record under this SOP Instance UID."""
    rows = _find_instance(read, uid=instance_uid)
    return KnownInstance(*rows[0]) if rows else None


def recorded_path(read: Session, instance_uid: str, sha256: str) -> str | None:
    """Return where bytes lie that stand for an instance or are kept aside under its UID; None when they are unknown."""
    known = find_instance(read, instance_uid)
    if known is not None and known.sha256 == sha256:
        return known.path
    return read.scalar(select(Conflict.path).where(Conflict.instance_uid == instance_uid, Conflict.sha256 == sha256))


def register_instance(
    tx: Session,
    incoming: IncomingInstance,
    *,
    settle_seconds: float,
    event: AuditEventType = AuditEventType.INSTANCE_RECEIVED,
) -> Registered:
    """Record an instance, its study, its audit line, and the examination and the analysis that it makes due.

    The same bytes again change nothing but a counter. Other bytes under a known UID change nothing at all: the
    caller keeps them aside and calls :func:`register_conflict`.
    """
    known = find_instance(tx, incoming.instance_uid)
    if known is not None:
        return _register_again(tx, incoming, known)
    study_uid = incoming.study.study_uid
    revision, described, in_conflict = _study_revision(tx, incoming.study, to_milliseconds(settle_seconds))
    if not _insert_instance(tx, **incoming.record(), revision=revision):
        # Another receiver was faster, between our look and our insert.
        known = find_instance(tx, incoming.instance_uid)
        assert known is not None  # noqa: S101 - ON CONFLICT just met the row
        return _register_again(tx, incoming, known)
    queue.enqueue(
        tx,
        "examine",
        examination_key(incoming.instance_uid),
        {"study_uid": study_uid, "instance_uid": incoming.instance_uid},
    )
    audit.append(
        tx,
        event,
        study_uid=study_uid,
        detail={
            "instance_uid": incoming.instance_uid,
            "sop_class": incoming.sop_class_uid,
            "transfer_syntax": incoming.transfer_syntax_uid,
            "sha256": incoming.sha256,
            "bytes": incoming.size,
            "revision": revision,
            **_from_whom(incoming),
        },
    )
    study_changed(tx, study_uid)
    if not described:
        describe_study(tx, study_uid)
    if not in_conflict:  # one more image ends no conflict, and each comparison is with all patients of the study
        conflicts.refresh(tx, study_uid)
    return Registered.NEW


def register_conflict(tx: Session, incoming: IncomingInstance) -> None:
    """Record bytes that were kept aside because their UID already stands for others.

    The same bytes again change only what is known about them; whether they wait, were dismissed or were replaced
    stays. Bytes that were accepted meanwhile are not recorded a second time. A study that only they name is on record
    from then on, without an image, so that it is found by its UID and its patient. Where nothing but the transfer
    syntax tells them from those that stand, they are compared before anybody is asked
    (:mod:`tracking.studies.comparisons`).
    """
    known = find_instance(tx, incoming.instance_uid)
    if known is not None and known.sha256 == incoming.sha256:
        return
    state = _keep_record(tx, incoming)
    if state == comparisons.COMPARING:  # the comparison says in the audit log what came
        return
    if state in comparisons.NO_DECISION:
        detail: audit.Detail = {"instance_uid": incoming.instance_uid, "sha256": incoming.sha256, "same_image": state}
        detail |= _from_whom(incoming)
        audit.append(tx, AuditEventType.INSTANCE_DUPLICATE, study_uid=incoming.study.study_uid, detail=detail)
        return
    stands_in = incoming.study.study_uid if known is None else known.study_uid
    study_changed(tx, stands_in)
    if stands_in != incoming.study.study_uid:
        make_study(tx, incoming.study)
        study_changed(tx, incoming.study.study_uid)
    audit.append(
        tx,
        AuditEventType.INSTANCE_CONFLICT,
        outcome="minor-failure",
        study_uid=incoming.study.study_uid,
        detail={
            "instance_uid": incoming.instance_uid,
            "sha256": incoming.sha256,
            "kept_aside": incoming.path,
            "stands_in": stands_in if stands_in != incoming.study.study_uid else None,
            **_from_whom(incoming),
        },
    )


def _keep_record(tx: Session, incoming: IncomingInstance) -> str:
    """Record bytes that were kept aside and, if need be, that they are to be compared; return their state."""
    values = incoming.record()
    standing = tx.get(Instance, incoming.instance_uid, populate_existing=True)
    recoded = standing is not None and comparisons.may_be_recoded(standing, values)
    of_these = (Conflict.instance_uid == incoming.instance_uid, Conflict.sha256 == incoming.sha256)
    earlier = tx.scalar(select(Conflict.state).where(*of_these))
    state: str = tx.execute(
        queue.upsert(tx)(Conflict)
        .values(**values, state=comparisons.COMPARING if recoded else "waiting")
        .on_conflict_do_update(index_elements=["instance_uid", "sha256"], set_=values)
        .returning(Conflict.state)
    ).scalar_one()
    if earlier is None and state == comparisons.COMPARING:
        comparisons.make_due(tx, incoming.study.study_uid, incoming.instance_uid, incoming.sha256)
    return state


def make_study(tx: Session, described: StudyHeader) -> None:
    """Put the study that bytes kept aside name on record, unless it is there.

    Its revision 0 says that no image of it ever stood.
    """
    tx.execute(
        queue.upsert(tx)(Study)
        .values(**described.columns(), revision=0)
        .on_conflict_do_nothing(index_elements=["study_uid"])
    )


def association_released(tx: Session, study_uids: Iterable[str], *, settle_seconds: float) -> None:
    """Bring forward the analyses of studies whose sender has said goodbye."""
    settle_ms = to_milliseconds(settle_seconds)
    for study_uid in sorted(set(study_uids)):
        _bring_forward(tx, uid=study_uid, settle_ms=settle_ms)


def describe_study(tx: Session, study_uid: str) -> None:
    """Let the study's row say what the first of its instances that were not rejected says, if there is one."""
    names = [name for name in HEADER_COLUMNS if name != "study_uid"]
    first = tx.execute(
        select(*(getattr(Instance, name) for name in names))
        .where(Instance.study_uid == study_uid, Instance.rejected.is_(None), Instance.patient_id.is_not(None))
        .order_by(Instance.received_at, Instance.instance_uid)
        .limit(1)
    ).one_or_none()
    if first is not None:
        tx.execute(update(Study).where(Study.study_uid == study_uid).values(dict(zip(names, first, strict=True))))
    study_changed(tx, study_uid)


def _register_again(tx: Session, incoming: IncomingInstance, known: KnownInstance) -> Registered:
    if known.sha256 != incoming.sha256:
        return Registered.CONFLICT
    tx.execute(
        update(Instance).where(Instance.instance_uid == known.instance_uid).values(duplicates=Instance.duplicates + 1)
    )
    audit.append(
        tx,
        AuditEventType.INSTANCE_DUPLICATE,
        study_uid=known.study_uid,
        detail={"instance_uid": incoming.instance_uid, **_from_whom(incoming)},
    )
    return Registered.DUPLICATE


class _StudyState(NamedTuple):
    """The study that a new instance joins: the revision it belongs to, whether the row describes the first instance."""

    revision: int
    described: bool
    in_conflict: bool


def _study_revision(tx: Session, header: StudyHeader, settle_ms: int) -> _StudyState:
    """Find the study and the revision that a new instance belongs to, and make the analysis of that due.

    The analysis of the revision is due once the study falls quiet. One that still waits takes the instance in and
    waits a little longer; one that was begun does not, and the study gets a new revision, whose report will supersede
    the old one. While the study is in conflict nothing is due: resolving it makes a revision of its own.
    """
    if _insert_study(tx, **header.columns()):
        revision = _first_revision(tx, header.study_uid)
        make_due(tx, header.study_uid, revision, settle_ms)
        return _StudyState(revision, described=True, in_conflict=False)
    ((current, conflict_since, valid_from, urgent),) = _lock_study(tx, uid=header.study_uid)
    _touch_study(tx, uid=header.study_uid)
    # Revision 0 is that of a study which a file kept aside describes.
    described, in_conflict = valid_from == 1 and current > 0, conflict_since is not None
    longest_ms = max(settle_ms, LONGEST_SETTLE_MS)
    if in_conflict or _postpone_analysis(
        tx, job_key=analysis_key(header.study_uid, current), settle_ms=settle_ms, longest_ms=longest_ms
    ):
        return _StudyState(int(current), described, in_conflict)
    revision = int(current) + 1
    tx.execute(update(Study).where(Study.study_uid == header.study_uid).values(revision=revision))
    if revision == 1:
        revision = _first_revision(tx, header.study_uid)
    priority = queue.URGENT if urgent else queue.USUAL
    make_due(tx, header.study_uid, revision, settle_ms, priority=priority)
    return _StudyState(revision, described, in_conflict)


def _first_revision(tx: Session, study_uid: str) -> int:
    """Return the revision of a study's first image: 1, or beyond those that it had before it was deleted."""
    had = _deleted_study(tx, uid=study_uid)
    if not had:
        return 1
    revision = int(had[0][0]) + 1
    tx.execute(
        update(Study)
        .where(Study.study_uid == study_uid)
        .values(revision=revision, valid_from=revision)
        .execution_options(synchronize_session=False)
    )
    return revision


def make_due(tx: Session, study_uid: str, revision: int, settle_ms: int, *, priority: int = queue.USUAL) -> None:
    """Let the analysis of a revision of a study come due in so many milliseconds."""
    queue.enqueue(
        tx,
        "analyse",
        analysis_key(study_uid, revision),
        {"study_uid": study_uid, "revision": revision},
        priority=priority,
        delay_ms=settle_ms,
    )


def _from_whom(incoming: IncomingInstance) -> audit.Detail:
    return {
        "calling_ae": incoming.calling_ae,
        "called_ae": incoming.called_ae,
        "address": incoming.address,
    }


def header_of(study: Study) -> StudyHeader:
    """Return patient and study as the study's row describes them."""
    return StudyHeader(
        study_uid=study.study_uid,
        accession_number=study.accession_number,
        patient_id=study.patient_id,
        issuer_of_patient_id=study.issuer_of_patient_id,
        patient_name=study.patient_name,
        patient_birth_date=study.patient_birth_date,
        patient_sex=study.patient_sex,
        study_date=study.study_date,
        study_time=study.study_time,
        description=study.description,
    )
