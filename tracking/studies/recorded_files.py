"""The files that the database names: of instances that stand, and of those kept aside."""

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import exists, select, union_all
from sqlalchemy.orm import Session

from tracking.tables.models import Conflict, Instance, Job

_READ_AT_A_TIME = 1000


@dataclass(frozen=True, slots=True)
class RecordedFile:
    """A file by its path in the instance store; ``sha256`` and ``size`` in bytes are those of its data set."""

    path: str
    sha256: str
    size: int
    instance_uid: str
    study_uid: str
    sop_class_uid: str | None
    transfer_syntax_uid: str | None


def recorded_files(read: Session) -> Iterator[RecordedFile]:
    """Return every file that a row names, in the order of the bytes of their paths; the rows are streamed."""
    columns = ("path", "sha256", "size", "instance_uid", "study_uid", "sop_class_uid", "transfer_syntax_uid")
    every = union_all(
        *(select(*(getattr(table, name) for name in columns)) for table in (Instance, Conflict))
    ).subquery()
    order = every.c.path.collate("C") if read.get_bind().dialect.name == "postgresql" else every.c.path
    query = select(every).order_by(order, every.c.sha256).execution_options(yield_per=_READ_AT_A_TIME)
    with read.execute(query) as rows:
        for row in rows:
            yield RecordedFile(*row)


def names_any_file(read: Session) -> bool:
    """Say whether any instance is on record."""
    return bool(read.scalar(select(exists(select(Instance.instance_uid)))))


def newest_files(read: Session, count: int) -> list[str]:
    """Return the paths of the instances that were registered last, of at most ``count``."""
    latest = select(Job.payload["instance_uid"].as_string()).where(Job.queue == "examine")
    uids = list(read.scalars(latest.order_by(Job.id.desc()).limit(count)))
    return list(read.scalars(select(Instance.path).where(Instance.instance_uid.in_(uids))))
