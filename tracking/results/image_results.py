"""What was said about each image, from its examination to the analyses of its study that gather it.

An examination is an optimisation: an analysis takes what is there under its own analyser's digest and the SHA-256 of
the image's bytes, and has the rest examined then. So nothing depends on an examination having run.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pydantic import TypeAdapter
from sqlalchemy import and_, or_, select, update
from sqlalchemy.orm import Session

from tracking.engine.clock import now_ms
from tracking.jobs import queue
from tracking.jobs.keys import examination_key
from tracking.results.analyses import OutcomeRecord, StoredInstance
from tracking.tables.models import ImageResult, Job

_OUTCOME = TypeAdapter(OutcomeRecord)


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """What came of one image, and what it took; ``seconds`` in all, ``timings`` in seconds by stage."""

    outcome: OutcomeRecord
    sha256: str
    seconds: float
    timings: dict[str, float]


@dataclass(frozen=True, slots=True)
class AnalyserIdentity:
    """Who says something about images: ``digest`` of all that follows from it, and its model's own digest."""

    digest: str
    model_digest: str


def image_results(read: Session, instances: Sequence[StoredInstance], analyser: AnalyserIdentity) -> list[ImageRecord]:
    """Return what this analyser said about these instances as they are stored; those without a result are left out."""
    stored = {instance.instance_uid: instance.sha256 for instance in instances}
    rows = read.scalars(
        select(ImageResult).where(ImageResult.instance_uid.in_(stored), ImageResult.analyser == analyser.digest)
    )
    return [
        ImageRecord(_OUTCOME.validate_python(row.outcome), row.sha256, row.seconds, row.timings)
        for row in rows
        if row.sha256 == stored[row.instance_uid]
    ]


def record_image_results(tx: Session, records: Iterable[ImageRecord], analyser: AnalyserIdentity) -> None:
    """Keep results; one that is there already stays, unless it is of other bytes."""
    for record in records:
        values = {
            "sha256": record.sha256,
            "model_digest": analyser.model_digest,
            "outcome": _OUTCOME.dump_python(record.outcome, mode="json"),
            "seconds": record.seconds,
            "timings": record.timings,
        }
        tx.execute(
            queue.upsert(tx)(ImageResult)
            .values(instance_uid=record.outcome.instance_uid, analyser=analyser.digest, **values)
            .on_conflict_do_update(
                index_elements=["instance_uid", "analyser"],
                set_={**values, "completed_at": now_ms()},
                where=ImageResult.sha256 != record.sha256,
            )
        )


def take_over_examinations(tx: Session, instance_uids: Iterable[str]) -> set[str]:
    """End the examinations that nobody is at work on; return the instances that are being examined right now."""
    keys = {examination_key(uid): uid for uid in instance_uids}
    idle = or_(Job.worker.is_(None), Job.visible_at <= now_ms())
    tx.execute(
        update(Job)
        .where(Job.key.in_(keys), or_(Job.state == "stopped", and_(Job.state == "open", idle)))
        .values(state="done", worker=None, error=None, finished_at=now_ms())
        .execution_options(synchronize_session=False)
    )
    return _running(tx, keys)


def running_examinations(read: Session, instance_uids: Iterable[str]) -> set[str]:
    """Return those of the instances that are being examined right now."""
    return _running(read, {examination_key(uid): uid for uid in instance_uids})


def _running(read: Session, keys: dict[str, str]) -> set[str]:
    leased = and_(Job.state == "open", Job.worker.is_not(None), Job.visible_at > now_ms())
    return {keys[key] for key in read.scalars(select(Job.key).where(Job.key.in_(keys), leased))}
