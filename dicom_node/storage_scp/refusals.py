"""The trace of what is refused: counted, logged and audited, without a line for each of a flood.

A thread of its own writes, so that no peer waits for it. Equal refusals are one row of the table ``refusal``; the first
of them in an hour leaves a line in log and audit log at once, the others one more with their number.
"""

import threading
import time
from collections import Counter
from dataclasses import dataclass, replace

from sqlalchemy.orm import Session

from config.logs import get_logger
from dicom_node.storage_scp.group_commit import GroupCommit
from tracking.audit_log import refusals
from tracking.audit_log.refusals import Refusal, RefusalKind

_log = get_logger(__name__)

WINDOW_SECONDS = 3600.0
"""Equal refusals leave at most two lines in this time."""

MOST_DIFFERENT = 512
"""Different refusals in a window; beyond it only kind and reason are kept apart."""

MOST_DIFFERENT_PER_ADDRESS = 24
"""Different refusals of one address in a window; beyond it AE titles, SOP classes and syntaxes are left out."""

_COLLECT_SECONDS = 0.1
_PAUSE_SECONDS = 3.0
_RETRY_SECONDS = 15.0


@dataclass(slots=True)
class _Tally:
    """Equal refusals of one window: ``new`` are not counted yet, ``untold`` not in log and audit log."""

    began_at: float
    new: int = 0
    untold: int = 0
    was_told: bool = False


class Refusals:
    """Collects refusals and writes them down."""

    def __init__(self, commits: GroupCommit) -> None:
        self._commits = commits
        self._tallies: dict[Refusal, _Tally] = {}
        self._different: Counter[str] = Counter()
        self._counts: Counter[Refusal] = Counter()
        self._lines: Counter[Refusal] = Counter()
        self._lock = threading.Lock()
        self._work = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="dicom-refusals", daemon=True)

    def start(self) -> None:
        """Begin to write what is added."""
        self._thread.start()

    def add(self, refusal: Refusal) -> None:
        """Note a refusal; returns at once."""
        with self._lock:
            kept = refusal if refusal in self._tallies else self._bounded(refusal)
            tally = self._tallies.get(kept)
            if tally is None:
                tally = self._tallies[kept] = _Tally(time.monotonic())
                self._different[kept.address] += 1
            tally.new += 1
        self._work.set()

    def stop(self) -> None:
        """Write what is left, and end."""
        self._stopping.set()
        self._work.set()
        if self._thread.is_alive():
            self._thread.join()

    def _bounded(self, refusal: Refusal) -> Refusal:
        """Return the refusal, or one with less detail where there are too many different ones."""
        if len(self._tallies) >= MOST_DIFFERENT:
            return Refusal(refusal.kind, refusal.reason, refusal.cure, refusal.status)
        if self._different[refusal.address] >= MOST_DIFFERENT_PER_ADDRESS:
            return replace(refusal, calling_ae="", called_ae="", sop_class_uid="", transfer_syntax_uid="")
        return refusal

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._work.wait()
            self._stopping.wait(_COLLECT_SECONDS)
            self._work.clear()
            was_written = self._write()
            self._stopping.wait(_PAUSE_SECONDS if was_written else _RETRY_SECONDS)
            if not was_written:
                self._work.set()
        self._write()

    def _write(self) -> bool:
        """Write what is due; what the database does not take stays due."""
        with self._lock:
            told = self._take_due(time.monotonic())
        for refusal, count in told.items():
            _tell(refusal, count)
        if not self._counts and not self._lines:
            return True
        try:
            self._commits.run(self._record)
        except Exception:  # noqa: BLE001 - any database driver's error
            _log.error("could not be recorded", kind="refusal", exc_info=True)
            return False
        self._counts.clear()
        self._lines.clear()
        return True

    def _take_due(self, now: float) -> Counter[Refusal]:
        """Move new refusals to what is to be counted and told; return what is to be told now."""
        told: Counter[Refusal] = Counter()
        for refusal, tally in list(self._tallies.items()):
            if tally.new:
                self._counts[refusal] += tally.new
                tally.untold += tally.new
                tally.new = 0
            is_over = self._stopping.is_set() or now - tally.began_at >= WINDOW_SECONDS
            if tally.untold and (is_over or not tally.was_told):
                told[refusal] = tally.untold
                tally.untold, tally.was_told = 0, True
            if is_over:
                del self._tallies[refusal]
                self._different[refusal.address] -= 1
                if not self._different[refusal.address]:
                    del self._different[refusal.address]
        self._lines += told
        return told

    def _record(self, tx: Session) -> None:
        refusals.add(tx, self._counts)
        for refusal, count in self._lines.items():
            refusals.write_audit_line(tx, refusal, count)


def _tell(refusal: Refusal, count: int) -> None:
    """Write a line into the log; an instance has one of its own, written where it is refused."""
    if refusal.kind is RefusalKind.INSTANCE:
        return
    names = ("reason", "status", "cure", "calling_ae", "called_ae", "address", "sop_class_uid", "transfer_syntax_uid")
    fields = {name: value for name in names if (value := getattr(refusal, name))}
    log = _log.info if refusal.kind is RefusalKind.SPARE_CONTEXT else _log.warning
    log("refused", kind=str(refusal.kind), count=count, **fields)
