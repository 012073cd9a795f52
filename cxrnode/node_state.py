"""Whether database and files of a node belong together: asked before a service starts, and kept up while it runs."""

import time

from config.errors import SettingsError
from config.logs import get_logger
from config.settings import Settings
from dicom_node.instance_store.stored_files import holds_any_file
from tracking.audit_log import anchor, audit
from tracking.audit_log.audit import AuditEventType
from tracking.engine.database import Database
from tracking.studies.recorded_files import names_any_file, newest_files

log = get_logger(__name__)
_NEWEST = 100
GRACE_SECONDS = 5.0
"""How long a receiver may take to record its first image."""
_BEGUN = (AuditEventType.SERVICE_STARTED, AuditEventType.STORE_RECOVERED)


def require_consistent(settings: Settings, database: Database) -> None:
    """Refuse to work on a half-restored node.

    Raises
    ------
    SettingsError
        The database is older than the files or another one, knows nothing of them, or the files are not there.
    """
    kept, root = anchor.own_anchor(settings.node.data_dir), settings.instance_dir
    empty = holds_any_file(root) and not _has_begun(database)
    with database.reading() as read:
        older = anchor.lost(read, [kept] if kept is not None else [])
        named = names_any_file(read)
        newest = newest_files(read, _NEWEST)
    if older is not None:
        msg = (
            f"the database is older than the files in {settings.node.data_dir}, or belongs to others: its audit log "
            f"lacks line {older.seq} of {older.at}. Restore a newer backup of it; if there is none, `cxrnode recover` "
            "takes in the images that it does not know, and the node starts again"
        )
        raise SettingsError(msg)
    if empty:
        msg = (
            f"the database is empty, but {root} holds images: restore the database (`cxrnode restore`), then "
            "`cxrnode recover` takes in the images that it does not know; or give node.data_dir another folder"
        )
        raise SettingsError(msg)
    if named and not holds_any_file(root):
        msg = (
            f"the database names images, but {root} holds none: mount or restore it (`cxrnode restore`), or correct "
            "node.data_dir"
        )
        raise SettingsError(msg)
    missing = sum(not (root / path).is_file() for path in newest)
    if missing:
        log.error("files-missing", count=missing, of=len(newest), cure="cxrnode audit verify --store")


def _has_begun(database: Database) -> bool:
    """Tell whether the database knows of an image or of a service that ever started.

    A receiver that starts at this moment may have stored its first image and not recorded it yet, so this is asked for
    some seconds.
    """
    deadline = time.monotonic() + GRACE_SECONDS
    while True:
        with database.reading() as read:
            if names_any_file(read) or audit.last_lines(read, 1, types=_BEGUN):
                return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)


def keep_anchor(settings: Settings, database: Database, *, replace_lost: bool = False) -> None:
    """Note the head of the audit log beside the files; a failure is logged, as the next one may succeed.

    An anchor that the database lacks is left, so that a database that was exchanged under running services is found at
    the next start; ``replace_lost`` is for when that was mended.
    """
    data_dir = settings.node.data_dir
    try:
        kept = anchor.own_anchor(data_dir)
        with database.reading() as read:
            head = anchor.current(read)
            lost = anchor.lost(read, [kept] if kept is not None else [])
        if lost is not None and not replace_lost:
            log.error("database-older-than-files", since=lost.at, cure="cxrnode recover")
        elif head.seq and (kept is None or kept.hash != head.hash):
            anchor.keep_own_anchor(data_dir, head)
    except Exception as error:  # noqa: BLE001 - the database or the disk is away; the service lives on
        log.warning("anchor-not-kept", error=type(error).__name__)


def note_recovery(settings: Settings, database: Database, counts: dict[str, int], *, user: str) -> None:
    """Audit what was recovered and which line of an earlier log is lost; the node may start again."""
    with database.transaction() as tx:
        older = anchor.lost(tx, filter(None, [anchor.own_anchor(settings.node.data_dir)]))
        detail: audit.Detail = {"user": user, **counts}
        if older is not None:
            detail |= {"lost_line": older.seq, "lost_hash": older.hash, "lost_at": older.at}
        audit.append(tx, AuditEventType.STORE_RECOVERED, detail=detail)
    keep_anchor(settings, database, replace_lost=True)
