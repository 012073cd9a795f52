"""Retention: which studies may be deleted by rule, the oldest first, and deleting one of them.

By rule goes only what is confirmed (:func:`tracking.outbox.confirmed.is_confirmed`) and of which nothing waits; never a
study that is urgent, is in conflict, needs a person, has a file kept aside that waits for a decision, or is an upload,
whose days are counted apart. One that readers answered goes only where the rule says so.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, exists, func, literal, or_, select, tuple_
from sqlalchemy.orm import Session

from config.errors import ActionRefused
from config.settings import RetentionSettings
from tracking.engine.clock import now_ms
from tracking.outbox.confirmed import is_confirmed
from tracking.studies.acting import lock_study
from tracking.studies.deletion import DELETABLE, Deletion, Stores, delete_study
from tracking.tables.feedback_models import Feedback
from tracking.tables.models import Analysis, Conflict, Document, Instance
from tracking.tables.standing_models import Standing

RULE = "retention"
"""Who deletes by rule, for the audit log."""
_DAY_MS = 24 * 3_600_000
AT_A_TIME = 100
"""Studies that are looked for at once."""

Ages = Mapping[str, float]
"""After how many days since its last image a study may go, by its status; a status that is missing never does."""


@dataclass(frozen=True, slots=True)
class Expired:
    """A study that the rule lets go; ``size`` in bytes of its files."""

    study_uid: str
    received_at: int
    size: int


def ages(retention: RetentionSettings) -> dict[str, float]:
    """Return after how many days studies are deleted, by status; empty where nothing is deleted by age."""
    found: dict[str, float] = {}
    if retention.study_days is not None:
        found |= dict.fromkeys(DELETABLE, retention.study_days)
    if retention.not_analysed_days is not None:
        found["not-analysed"] = retention.not_analysed_days
    return found


def ages_for_room(retention: RetentionSettings) -> dict[str, float]:
    """Return how old studies have to be that are deleted because the disk is low."""
    return dict.fromkeys(DELETABLE, retention.least_days)


def expired(read: Session, by_status: Ages, *, answered: bool, after: Expired | None = None) -> list[Expired]:
    """Return the next :data:`AT_A_TIME` studies that are old enough, the oldest first; answered ones if ``answered``.

    Whether they are confirmed is not asked yet.
    """
    images = select(func.sum(Instance.size)).where(Instance.study_uid == Standing.study_uid)
    aside = select(func.sum(Conflict.size)).where(Conflict.study_uid == Standing.study_uid)
    documents = select(func.sum(Document.size)).join(Analysis).where(Analysis.study_uid == Standing.study_uid)
    sizes = [func.coalesce(files.scalar_subquery(), 0) for files in (images, aside, documents)]
    query = select(Standing.study_uid, Standing.received_at, *sizes).where(_may_go(by_status, answered=answered))
    if after is not None:
        place = tuple_(literal(after.received_at), literal(after.study_uid))
        query = query.where(tuple_(Standing.received_at, Standing.study_uid) > place)
    rows = read.execute(query.order_by(Standing.received_at, Standing.study_uid).limit(AT_A_TIME))
    return [Expired(uid, received_at, sum(map(int, numbers))) for uid, received_at, *numbers in rows]


def delete_by_rule(
    tx: Session, study_uid: str, by_status: Ages, *, answered: bool, why: str, stores: Stores
) -> Deletion:
    """Delete a study, if the rule still lets it go.

    Raises
    ------
    ActionRefused
        It does not: something came or was decided meanwhile. Nothing has changed.
    """
    lock_study(tx, study_uid)
    allowed = tx.scalar(
        select(Standing.study_uid).where(Standing.study_uid == study_uid, _may_go(by_status, answered=answered))
    )
    if allowed is None or not is_confirmed(tx, study_uid):
        msg = f"study {study_uid} is not to be deleted by rule any more: something of it came or was decided meanwhile"
        raise ActionRefused(msg)
    return delete_study(tx, study_uid, why=why, stores=stores, user=RULE)


def count_files(read: Session, study_uid: str) -> tuple[int, int]:
    """Return how many images and documents a study has."""
    images = select(func.count()).select_from(Instance).where(Instance.study_uid == study_uid)
    documents = select(func.count()).select_from(Document).join(Analysis).where(Analysis.study_uid == study_uid)
    return read.scalar(images) or 0, read.scalar(documents) or 0


def _may_go(by_status: Ages, *, answered: bool) -> ColumnElement[bool]:
    """Return the condition under which a row of :class:`Standing` is of a study that the rule lets go."""
    old = [
        and_(Standing.status == status, Standing.received_at < now_ms() - round(days * _DAY_MS))
        for status, days in by_status.items()
    ]
    # Said once more of all statuses together, so that an index over the times serves.
    youngest = Standing.received_at < now_ms() - round(min(by_status.values(), default=0) * _DAY_MS)
    condition = and_(
        or_(*old) if old else literal(False), youngest, ~Standing.upload, ~Standing.urgent, Standing.kept_aside == 0
    )
    return condition if answered else and_(condition, ~exists().where(Feedback.study_uid == Standing.study_uid))
