"""Bytes under a known UID of which nothing but the transfer syntax seems new: compared before anybody is asked.

A PACS that compresses or decompresses an image sends other bytes of the same image. They are compared by a job, because
that decodes both; until then, and where they turn out to be the same image, nobody is asked for a decision.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from tracking.audit_log import audit
from tracking.audit_log.audit import AuditEventType
from tracking.engine.changes import study_changed
from tracking.jobs import queue
from tracking.jobs.keys import comparison_key
from tracking.tables.models import Conflict, Described, Instance

COMPARING = "comparing"
"""State of bytes kept aside that are to be compared with those that stand."""
_OF_THE_IMAGE = ("study_uid", "series_uid", "sop_class_uid", "modality", *Described.__annotations__)
"""What is on record about bytes and must agree before a comparison is worth the decoding."""


class Likeness(StrEnum):
    """What a comparison came to; the values are states of bytes kept aside, where nobody has to decide."""

    SAME = "same"
    """The same image, pixel for pixel."""
    LOSSY = "lossy"
    """The same image after lossy compression."""
    OTHER = "waiting"
    """Another image, or one that could not be compared."""


NO_DECISION = frozenset({Likeness.SAME, Likeness.LOSSY})


@dataclass(frozen=True, slots=True)
class Pair:
    """Bytes that stand and bytes that came under the same UID; paths are relative to the instance store."""

    study_uid: str
    instance_uid: str
    standing_sha256: str
    standing_path: str
    sha256: str
    path: str


def may_be_recoded(standing: Instance, values: Mapping[str, object]) -> bool:
    """Tell whether bytes, by what would be on record about them, may be those that stand in another transfer syntax."""
    return standing.transfer_syntax_uid != values["transfer_syntax_uid"] and all(
        getattr(standing, name) == values[name] for name in _OF_THE_IMAGE
    )


def make_due(tx: Session, study_uid: str, instance_uid: str, sha256: str) -> None:
    """Let a comparison be due."""
    payload = {"study_uid": study_uid, "instance_uid": instance_uid, "sha256": sha256}
    queue.enqueue(tx, "compare", comparison_key(instance_uid, sha256), payload)


def find_pair(read: Session, instance_uid: str, sha256: str) -> Pair | None:
    """Return what is to be compared; None where somebody has decided meanwhile."""
    row = read.execute(
        select(Instance, Conflict)
        .join(Conflict, Conflict.instance_uid == Instance.instance_uid)
        .where(Conflict.instance_uid == instance_uid, Conflict.sha256 == sha256, Conflict.state == COMPARING)
    ).first()
    if row is None:
        return None
    standing, kept = row
    return Pair(standing.study_uid, instance_uid, standing.sha256, standing.path, sha256, kept.path)


def record_comparison(tx: Session, pair: Pair, likeness: Likeness) -> None:
    """Write down what a comparison came to, with one audit line.

    Nothing is written where somebody has decided meanwhile. Where other bytes stand by now, the comparison says
    nothing about them, and an administrator is asked.
    """
    standing = tx.scalar(select(Instance.sha256).where(Instance.instance_uid == pair.instance_uid))
    state = likeness if standing == pair.standing_sha256 else Likeness.OTHER
    kept = tx.scalars(
        update(Conflict)
        .where(Conflict.instance_uid == pair.instance_uid, Conflict.sha256 == pair.sha256)
        .where(Conflict.state == COMPARING)
        .values(state=str(state))
        .returning(Conflict)
    ).one_or_none()
    if kept is None:
        return
    study_changed(tx, pair.study_uid)
    decided = state in NO_DECISION
    audit.append(
        tx,
        AuditEventType.INSTANCE_DUPLICATE if decided else AuditEventType.INSTANCE_CONFLICT,
        outcome="success" if decided else "minor-failure",
        study_uid=pair.study_uid,
        detail={
            "instance_uid": pair.instance_uid,
            "sha256": pair.sha256,
            "kept_aside": kept.path,
            "same_image": str(state) if decided else None,
            "transfer_syntax": kept.transfer_syntax_uid,
            "calling_ae": kept.calling_ae,
            "called_ae": kept.called_ae,
            "address": kept.address,
        },
    )
