"""Telling the queue that a sender has said goodbye, without making the next sender wait for it.

Each such note is a hint that brings an analysis forward; it is not worth a flush of the disk of its own while
images arrive. Notes are collected for a moment and written in one transaction.
"""

import threading
from collections.abc import Iterable

from config.logs import get_logger
from dicom_node.storage_scp.group_commit import GroupCommit
from tracking.studies.instances import association_released

_log = get_logger(__name__)
_COLLECT_SECONDS = 0.1


class Releases:
    """Collects the studies of released associations and brings their analyses forward.

    ``settle_seconds`` counts from the release; the moment of collecting is part of it.
    """

    def __init__(self, commits: GroupCommit, settle_seconds: float) -> None:
        self._commits = commits
        self._settle_seconds = max(0.0, settle_seconds - _COLLECT_SECONDS)
        self._studies: set[str] = set()
        self._lock = threading.Lock()
        self._work = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="dicom-releases", daemon=True)

    def start(self) -> None:
        """Begin to write what is added."""
        self._thread.start()

    def add(self, studies: Iterable[str]) -> None:
        """Note that nobody has more to say about these studies, as far as is known."""
        with self._lock:
            self._studies.update(studies)
        self._work.set()

    def stop(self) -> None:
        """Write what is left and end."""
        self._stopping.set()
        self._work.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._work.wait()
            self._stopping.wait(_COLLECT_SECONDS)
            self._work.clear()
            self._write()

    def _write(self) -> None:
        with self._lock:
            studies, self._studies = self._studies, set()
        if not studies:
            return
        try:
            self._commits.run(lambda tx: association_released(tx, studies, settle_seconds=self._settle_seconds))
        except Exception:  # noqa: BLE001 - any database driver's error; the analyses come due a little later
            _log.error("could not be recorded", kind="release", exc_info=True)
