"""``cxrnode audit verify``: the audit log against itself and its anchors, the store against the database."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.markup import escape

from config.settings import Settings
from dicom_node.instance_store import store_check
from dicom_node.instance_store.store_check import Difference, StoreVerdict
from tracking.audit_log import anchor, audit
from tracking.audit_log.anchor import Anchor
from tracking.audit_log.audit import Verdict
from tracking.engine.database import Database

_SHOWN = 20
_AGAIN = "restore it from a backup, or have it sent again"
_CURES = {
    Difference.UNNAMED: ("files that no row names", "`cxrnode recover` takes them in"),
    Difference.MISSING: ("images whose file is missing", _AGAIN),
    Difference.OTHER_SIZE: ("images whose file has another size", _AGAIN),
    Difference.OTHER_CONTENT: ("images whose file holds other bytes", _AGAIN),
}


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found; ``lost`` is an anchor whose line the log lacks, ``store`` is None where it was not asked for."""

    log: Verdict
    anchors: int
    lost: Anchor | None
    store: StoreVerdict | None

    @property
    def good(self) -> bool:
        """Say whether everything fits."""
        return self.log.intact and self.lost is None and (self.store is None or self.store.matches)

    def as_json(self) -> dict[str, Any]:
        """Return it for scripts."""
        return {
            **asdict(self.log),
            "anchors": self.anchors,
            "lost_anchor": None if self.lost is None else asdict(self.lost),
            "store": None if self.store is None else asdict(self.store),
        }


def verify(
    settings: Settings,
    database: Database,
    *,
    head: str | None,
    anchors: Path | None,
    store: bool,
    contents: bool,
    after: str,
) -> Verification:
    """Check the log and, where asked to, the store.

    Raises
    ------
    SettingsError
        The anchor file cannot be read.
    """
    with database.reading() as read:
        log = audit.verify(read, expected_head=head)
        noted = known_anchors(settings, anchors)
        lost = anchor.lost(read, noted)
    found = None
    if store:
        with database.reading() as read:
            found = store_check.compare(read, settings.instance_dir, contents=contents, after=after)
    return Verification(log, len(noted), lost, found)


def known_anchors(settings: Settings, file: Path | None = None) -> list[Anchor]:
    """Return the anchors of a file, else of ``audit.anchor_file``, and the node's own."""
    named = file or settings.audit.anchor_file
    own = anchor.own_anchor(settings.node.data_dir)
    return (anchor.read_anchors(named) if named is not None else []) + ([own] if own is not None else [])


def in_words(verification: Verification) -> Iterator[str]:
    """Return what was found, line by line, with the marks of Rich."""
    log, lost, store = verification.log, verification.lost, verification.store
    if log.intact:
        yield f"[green]intact[/]: {log.lines} lines\nhead {log.head}"
    else:
        yield f"[bold red]broken[/] at line {log.broken_at}: {log.problem}; intact up to {log.lines}"
    if lost is not None:
        yield f"[bold red]shortened[/]: {escape(lost_in_words(lost))}"
    elif verification.anchors:
        yield f"[green]anchors[/]: the log has the line of each of {verification.anchors}"
    if store is not None:
        yield from _store_in_words(store)


def lost_in_words(lost: Anchor) -> str:
    """Return what a lost anchor means, and what to do."""
    return (
        f"the log lacks line {lost.seq}, noted {lost.at}: the database is older than that (restored?) or was "
        "rewritten. After a restore, `cxrnode recover`, keep the anchor file as evidence and begin another; else keep "
        "everything as it is and call your security officer"
    )


def store_counts(store: StoreVerdict) -> str:
    """Return the mismatches of store and database in words, with the cure of each."""
    return "; ".join(
        f"{found}: {store.counts[difference]} ({cure})"
        for difference, (found, cure) in _CURES.items()
        if store.counts[difference]
    )


def _store_in_words(store: StoreVerdict) -> Iterator[str]:
    if store.matches:
        yield f"[green]store matches[/]: {store.files} files, {store.rows} rows"
    else:
        yield f"[bold red]store differs[/]: {escape(store_counts(store))}"
        for entry in store.examples[:_SHOWN]:
            where = f" (study {entry.study_uid}, image {entry.instance_uid})" if entry.instance_uid else ""
            yield f"  {entry.difference}: {escape(entry.path + where)}"
        more = sum(store.counts.values()) - _SHOWN
        if more > 0:
            yield f"  and {more} more; --json lists up to a thousand"
    if store.arriving:
        yield (
            f"  files of the last {store_check.ARRIVAL_SECONDS} s without a row: {store.arriving}; if no image is "
            "being received, look again in a minute"
        )
