"""Checks of what is on record: the database, its clock and audit log, and the files that it names."""

from collections.abc import Iterator
from datetime import UTC, datetime

from sqlalchemy import select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from config.errors import CxrnodeError
from config.settings import Settings
from cxrnode.doctor.check import Check, first_of, reading
from tracking.audit_log import anchor, audit
from tracking.engine import schema
from tracking.engine.clock import now_ms, to_datetime
from tracking.engine.database import Database, in_words
from tracking.lists import standing

_CLOCK_SKEW_SECONDS = 2.0
_STUDIES_CHECKED = 1000


def database(settings: Settings, *, quick: bool) -> Iterator[Check]:
    """Say whether the database has this version's schema, and what it holds is as it should be."""
    database = Database.open(settings.database_url())
    try:
        found = schema.current(database)
        if found is None and not quick:
            schema.ensure(database)
            found = schema.current(database)
        current = found == schema.head()
        yield Check(
            "database",
            "ok" if current else "failed",
            f"{database.dialect}, schema {found or 'none yet'}",
            "" if current else f"back it up, then `cxrnode db upgrade` (this version needs {schema.head()})",
        )
        if not current:
            return
        with database.reading() as read:
            yield _clock(to_datetime(read.scalars(select(now_ms())).one()))
            if not quick:
                yield _lists(list(standing.drift(read, newest=_STUDIES_CHECKED)))
                yield _audit_log(audit.verify(read))
                yield from _anchors(settings, read)
    except DBAPIError as error:
        cure = "is it running, is database.url right, may this user connect?"
        yield Check("database", "failed", f"{database.dialect}: {in_words(error)}", cure)
    finally:
        database.close()


def _lists(differing: list[str]) -> Check:
    """Compare the rows that lists read with what follows from the other tables, for the studies that came last."""
    if not differing:
        return Check("lists", "ok", f"the rows of the last {_STUDIES_CHECKED} studies are as they should be")
    found = f"{len(differing)} studies stand elsewhere than the lists say ({first_of(differing)})"
    return Check("lists", "failed", found, "`cxrnode db check --repair` makes their rows anew; please report this")


def _clock(theirs: datetime) -> Check:
    ours = datetime.now(UTC)
    skew = abs((ours - theirs).total_seconds())
    right = skew < _CLOCK_SKEW_SECONDS and 2024 <= ours.year < 2100
    return Check(
        "clock",
        "ok" if right else "warning",
        f"{ours:%Y-%m-%d %H:%M:%S} UTC, {skew:.2f} s from the database's",
        "" if right else "run NTP on this machine and on the database's",
    )


def _audit_log(verdict: audit.Verdict) -> Check:
    return Check(
        "audit log",
        "ok" if verdict.intact else "failed",
        f"{verdict.lines} line{'s' if verdict.lines != 1 else ''} intact" if verdict.intact else str(verdict.problem),
        "" if verdict.intact else "keep the database as it is and call your security officer",
    )


def _anchors(settings: Settings, read: Session) -> Iterator[Check]:
    """Say whether the audit log has every line that was noted outside the database."""
    from cxrnode.verify import known_anchors, lost_in_words

    try:
        lost = anchor.lost(read, known_anchors(settings))
    except CxrnodeError as error:
        yield Check("audit anchors", "failed", str(error))
        return
    if lost is not None:
        yield Check("audit anchors", "failed", lost_in_words(lost))


def store(settings: Settings) -> Iterator[Check]:
    """Compare the files on disk with the database, by presence and size."""
    from cxrnode.verify import store_counts
    from dicom_node.instance_store import store_check

    with reading(settings) as read:
        found = store_check.compare(read, settings.instance_dir)
    if found.matches:
        yield Check("store", "ok", f"{found.rows} rows, {found.files} files: each image has its file")
    else:
        yield Check("store", "failed", store_counts(found), "`cxrnode audit verify --store` names them")
