"""Retention: deleting studies whose days are over, and the oldest ones while the disk is low."""

import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from config.errors import ActionRefused
from config.logs import get_logger
from config.settings import Settings
from tracking.engine.database import Database
from tracking.jobs import schedules
from tracking.outbox.confirmed import is_confirmed
from tracking.studies import retention
from tracking.studies.deletion import Stores
from tracking.studies.retention import Ages, Expired, delete_by_rule

log = get_logger(__name__)
_AT_ONCE_SECONDS = 30
SCHEDULE, EVERY = "retention", timedelta(hours=1)


@dataclass
class Pruning:
    """What retention came to, or would: studies deleted, those of them for room, and how large their files were."""

    studies: int = 0
    for_room: int = 0
    images: int = 0
    documents: int = 0
    size: int = 0
    """Bytes."""
    left: int = 0
    """Studies that were to go and did not: something of them waits, or a file could not be removed."""
    cut_short: bool = False
    """Whether it was enough before all had gone."""


@dataclass(frozen=True, slots=True)
class _Step:
    """One rule of the settings: which studies it lets go, and the words for the audit log."""

    ages: Ages
    why: str
    for_room: bool = False


def is_set(settings: Settings) -> bool:
    """Say whether anything is deleted by rule."""
    return bool(retention.ages(settings.retention) or settings.retention.keep_free_bytes)


def prune(
    settings: Settings,
    database: Database,
    *,
    dry_run: bool = False,
    stopping: Callable[[], bool] = lambda: False,
    until: float | None = None,
) -> Pruning:
    """Delete what the settings let go, each study in a transaction of its own, so that it may die at any moment.

    Parameters
    ----------
    settings, database
        The node.
    dry_run
        Only count. What waits is then counted as deleted; a study that comes meanwhile is not.
    stopping
        Asked before each study; where it says True the rest waits for the next time.
    until
        When it is enough, on the monotonic clock, in seconds, once a study is deleted: to come so far may take longer.
    """
    done = Pruning()
    counted: set[str] = set()
    for step in _steps(settings):
        for entry in _chosen(settings, database, step):
            if entry.study_uid in counted:
                continue
            if until is not None and done.studies and time.monotonic() > until:
                done.cut_short = True
                return done
            if stopping() or (step.for_room and _has_room(settings, done.size if dry_run else 0)):
                break
            counted.add(entry.study_uid)
            if dry_run:
                _count(done, step, entry, _files_of(database, entry))
            else:
                _delete(settings, database, done, step, entry)
    return done


def prune_when_due(settings: Settings, database: Database, stopping: Callable[[], bool]) -> None:
    """Delete what the settings let go, once an hour, by one of all workers.

    It ends after some seconds, and goes on at the next look: whoever calls has other things to look after.
    """
    if not is_set(settings):
        return
    with database.transaction() as tx:
        due = schedules.begin(tx, SCHEDULE, EVERY)
    if not due:
        return
    until = time.monotonic() + _AT_ONCE_SECONDS
    done = prune(settings, database, stopping=stopping, until=until)
    with database.transaction() as tx:
        if done.cut_short:
            schedules.go_on_soon(tx, SCHEDULE, f"so far {in_words(done)}", EVERY)
        else:
            schedules.end(tx, SCHEDULE, in_words(done))
    if done.studies or done.left:
        log.info("studies-pruned", count=done.studies, bytes=done.size)


def in_words(done: Pruning) -> str:
    """Say what retention came to."""
    room = f", {done.for_room} of them because the disk is low" if done.for_room else ""
    left = f"; {done.left} left, as something of them waits or cannot be removed" if done.left else ""
    return (
        f"{done.studies} studies with {done.images} images and {done.documents} documents, "
        f"{done.size / 2**20:,.1f} MiB{room}{left}"
    )


def _steps(settings: Settings) -> Iterator[_Step]:
    rules = settings.retention
    if by_age := retention.ages(rules):
        yield _Step(by_age, "the days of such studies are over")
    if rules.keep_free_bytes:
        yield _Step(retention.ages_for_room(rules), "the disk is low", for_room=True)


def _chosen(settings: Settings, database: Database, step: _Step) -> Iterator[Expired]:
    """Yield what a rule lets go, the oldest first; no reading of the database is open while something is deleted."""
    if step.for_room and _has_room(settings, 0):
        return
    last: Expired | None = None
    while True:
        with database.reading() as read:
            page = retention.expired(read, step.ages, answered=settings.retention.answered, after=last)
            entries = [entry for entry in page if is_confirmed(read, entry.study_uid)]
        yield from entries
        if len(page) < retention.AT_A_TIME:
            return
        last = page[-1]


def _has_room(settings: Settings, freed: int) -> bool:
    """Say whether the disk has the room that is to be kept free, with so many bytes more."""
    return shutil.disk_usage(settings.node.data_dir).free + freed >= settings.retention.keep_free_bytes


def _delete(settings: Settings, database: Database, done: Pruning, step: _Step, entry: Expired) -> None:
    stores = Stores(settings.instance_dir, settings.document_dir)
    answered = settings.retention.answered
    try:
        with database.transaction() as tx:
            deletion = delete_by_rule(
                tx, entry.study_uid, step.ages, answered=answered, why=step.why, stores=stores
            )  # fmt: skip
    except ActionRefused:
        done.left += 1
        return
    except OSError as error:  # a file that cannot be removed must not keep all younger studies
        log.error("study-not-deleted", study_uid=entry.study_uid, error=error.strerror or type(error).__name__)
        done.left += 1
        return
    _count(done, step, entry, (deletion.images, deletion.documents))


def _count(done: Pruning, step: _Step, entry: Expired, files: tuple[int, int]) -> None:
    done.studies += 1
    done.for_room += step.for_room
    done.images += files[0]
    done.documents += files[1]
    done.size += entry.size


def _files_of(database: Database, entry: Expired) -> tuple[int, int]:
    with database.reading() as read:
        return retention.count_files(read, entry.study_uid)
