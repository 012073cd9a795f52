"""Taking in files of the store that no row names, as after a restore of an older database.

A file's name is a hash of all that its sender was told is safe (:func:`.store.hashed_name`), so whether it still holds
that can be told from the file alone. Its header says where it belongs; what the association told is lost.
Each file is taken in by one transaction, in the shape of a reception. Whatever ends this early, the next run goes on.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from sqlalchemy.orm import Session

from config.errors import UnreadableInstance
from dicom_node.format.dicom_file import DicomFile
from dicom_node.format.header import is_usable_uid, parse_header
from dicom_node.instance_store.store import CONFLICTS, UPLOADS, InstanceStore
from dicom_node.instance_store.store_check import unnamed_files
from dicom_node.instance_store.stored_files import StoredDataSet, is_as_named, read_data_set
from tracking.audit_log.audit import AuditEventType
from tracking.engine.database import Database
from tracking.studies.deletion import was_deleted
from tracking.studies.instances import (
    IncomingInstance,
    find_instance,
    recorded_path,
    register_conflict,
    register_instance,
)

CALLER = "(recovered)"
"""Stands for the calling AE title, which is lost."""


class Outcome(StrEnum):
    """What became of a file that no row named."""

    RECOVERED = "recovered"
    """It stands for its instance, and is analysed."""
    KEPT_ASIDE = "kept-aside"
    """Other bytes stand under its UID: an administrator decides."""
    PUT_BACK = "put-back"
    """A row names these bytes elsewhere, where they were missing: they are there again."""
    COPY = "copy"
    """A row names these bytes elsewhere, where they are: this second file is removed."""
    DELETED = "deleted"
    """Its study was deleted: it stays where it is, and is not taken in."""
    ON_RECORD = "on-record"
    """A receiver has recorded it meanwhile."""
    DAMAGED = "damaged"
    """It is not what its name says, or cannot be read: it stays where it is."""


@dataclass(frozen=True, slots=True)
class RecoveredFile:
    """One file, by its path in the store, and what became of it."""

    path: str
    outcome: Outcome
    study_uid: str | None = None
    instance_uid: str | None = None
    reason: str | None = None


class Recovery:
    """Takes the files of one store in that the database does not name; of deleted studies only where that is meant."""

    def __init__(self, root: Path, database: Database, *, settle_seconds: float, deleted: bool = False) -> None:
        self._root = root
        self._database = database
        self._settle_seconds = settle_seconds
        self._deleted = deleted
        self._store = InstanceStore(root, min_free_bytes=0)

    def waiting(self) -> list[str]:
        """Return the paths of files that no row names, the oldest first: what came first stands, as it did then.

        Uploads are none of them: nobody was promised that they are kept before their rows were there, and taken in as
        received studies they would be sent.
        """
        with self._database.reading() as read:
            files = [file for file in unnamed_files(read, self._root) if not file.path.startswith(f"{UPLOADS}/")]
        return [file.path for file in files if not _is_kept_aside(file.path)] + [
            file.path for file in files if _is_kept_aside(file.path)
        ]

    def run(self, *, dry: bool = False) -> Iterator[RecoveredFile]:
        """Take each file in and tell what became of it; ``dry`` only tells what would."""
        if not dry:
            self._store.open()
        for path in self.waiting():
            yield self._take_in(path, dry=dry)

    def _take_in(self, path: str, *, dry: bool) -> RecoveredFile:
        try:
            data_set = read_data_set(self._root / path)
            incoming = self._incoming(path, data_set)
        except UnreadableInstance as error:
            return RecoveredFile(path, Outcome.DAMAGED, reason=str(error))
        if dry:
            with self._database.reading() as read:
                outcome, _ = self._outlook(read, incoming)
        else:
            outcome = self._record(incoming)
        return RecoveredFile(path, outcome, incoming.study.study_uid, incoming.instance_uid)

    def _record(self, incoming: IncomingInstance) -> Outcome:
        with self._database.reading() as read:
            outcome, elsewhere = self._outlook(read, incoming)
        if outcome is Outcome.PUT_BACK and elsewhere is not None:
            self._store.put_back(incoming.path, elsewhere)
        elif outcome is Outcome.COPY:
            self._store.remove(incoming.path)
        elif outcome in {Outcome.RECOVERED, Outcome.KEPT_ASIDE}:
            return self._register(incoming, outcome)
        return outcome

    def _register(self, incoming: IncomingInstance, outlook: Outcome) -> Outcome:
        """Record a file; what a receiver recorded since the look is left to the next run."""
        if outlook is Outcome.KEPT_ASIDE and not _is_kept_aside(incoming.path):
            # As in a reception: the file is where the row will say before there is a row.
            incoming = replace(incoming, path=self._store.keep_aside(incoming.path))
        with self._database.transaction() as tx:
            outcome, _ = self._outlook(tx, incoming)
            if outcome is not outlook:
                return Outcome.ON_RECORD
            if outcome is Outcome.RECOVERED:
                register_instance(
                    tx, incoming, settle_seconds=self._settle_seconds, event=AuditEventType.INSTANCE_RECOVERED
                )
            else:
                register_conflict(tx, incoming)
        return outcome

    def _outlook(self, read: Session, incoming: IncomingInstance) -> tuple[Outcome, str | None]:
        """Say what becomes of a file as things stand, and where its bytes are on record."""
        recorded = recorded_path(read, incoming.instance_uid, incoming.sha256)
        if recorded == incoming.path:
            return Outcome.ON_RECORD, recorded
        if recorded is not None:
            return (Outcome.COPY if self._holds(recorded, incoming) else Outcome.PUT_BACK), recorded
        if not self._deleted and was_deleted(read, incoming.study.study_uid):
            return Outcome.DELETED, None
        known = find_instance(read, incoming.instance_uid)
        return (Outcome.RECOVERED if known is None else Outcome.KEPT_ASIDE), None

    def _holds(self, recorded: str, incoming: IncomingInstance) -> bool:
        try:
            return read_data_set(self._root / recorded).sha256 == incoming.sha256
        except UnreadableInstance:
            return False

    def _incoming(self, path: str, data_set: StoredDataSet) -> IncomingInstance:
        meta = data_set.meta
        if not is_as_named(path, data_set):
            msg = "it does not hold what its name says: it was altered or cut short, or is no file of this store"
            raise UnreadableInstance(msg)
        file = DicomFile(
            self._root / path, meta.sop_class_uid, meta.instance_uid, meta.transfer_syntax_uid, offset=meta.end
        )
        with file.data_set() as data:
            header = parse_header(data, meta.transfer_syntax_uid)
        if header is None or not is_usable_uid(meta.instance_uid):
            msg = "its header cannot be read"
            raise UnreadableInstance(msg)
        return IncomingInstance(
            instance_uid=meta.instance_uid,
            sop_class_uid=meta.sop_class_uid,
            series_uid=header.series_uid,
            transfer_syntax_uid=meta.transfer_syntax_uid,
            modality=header.modality,
            sha256=data_set.sha256,
            size=data_set.size,
            path=path,
            calling_ae=CALLER,
            called_ae="",
            address="",
            study=header.study,
            repeated=header.repeated,
        )


def _is_kept_aside(path: str) -> bool:
    return path.startswith(f"{CONFLICTS}/")
