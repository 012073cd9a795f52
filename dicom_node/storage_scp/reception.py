"""One C-STORE, from its first byte to its status."""

from dataclasses import replace
from typing import Protocol

from sqlalchemy.orm import Session

from config.errors import StorageFull
from config.logs import get_logger
from dicom_node.format.file_meta import file_meta
from dicom_node.format.header import PREFIX_BYTES, Header, is_usable_uid
from dicom_node.instance_store.store import InstanceStore, PartialFile
from dicom_node.storage_scp.admission import BAD_INSTANCE_UID, NotAdmitted, admit
from dicom_node.storage_scp.group_commit import GroupCommit
from dicom_node.upper_layer.access import Caller
from dicom_node.upper_layer.message import Answer, StoreRequest
from dicom_node.upper_layer.refusal_causes import refused_instance, valid_uid
from tracking.audit_log import audit
from tracking.audit_log.audit import AuditEventType
from tracking.audit_log.refusals import Refusal
from tracking.studies.instances import (
    IncomingInstance,
    Registered,
    recorded_path,
    register_conflict,
    register_instance,
)

_log = get_logger(__name__)

SUCCESS = Answer(0x0000)
WRONG_CLASS = Answer(0x0122, "SOP class is not that of the context")
OTHER_STUDY = Answer(0xA900, "data set is of another study than the address")
NO_SPACE = Answer(0xA700, "disk is full or failing, try again later")
NOT_RECORDED = Answer(0xA700, "database is not available, try again later")


class Sender(Protocol):
    """Who sends: an association, or a request over HTTP."""

    caller: Caller
    studies: set[str]
    """UIDs of the studies that were stored for it."""
    prepared: PartialFile | None
    """A temporary file for the next image, opened before it came."""


class RefusalTrace(Protocol):
    """Takes a note of what is refused."""

    def add(self, refusal: Refusal) -> None:
        """Note a refusal; returns at once."""


class Reception:
    """Takes one data set while it arrives, and decides what the sender is told.

    ``refusal`` is an answer that stands before the first byte; a data set of another study than ``study_uid``, where
    one is given, is refused.
    """

    def __init__(
        self,
        sender: Sender,
        request: StoreRequest,
        store: InstanceStore,
        commits: GroupCommit,
        settle_seconds: float,
        refusals: RefusalTrace,
        *,
        refusal: Answer | None = None,
        study_uid: str | None = None,
    ) -> None:
        self.header: Header | None = None
        """What the data set says it is, once it was read."""
        self._sender = sender
        self._study_uid = study_uid
        self._request = request
        self._store = store
        self._commits = commits
        self._settle_seconds = settle_seconds
        self._refusals = refusals
        self._refusal = refusal
        self._prefix = bytearray()
        self._file: PartialFile | None = None
        if refusal is not None:
            return
        if request.sop_class_uid != request.abstract_syntax:
            self._refusal = WRONG_CLASS
            return
        if not is_usable_uid(request.instance_uid):
            self._refusal = BAD_INSTANCE_UID
            return
        meta = file_meta(request.sop_class_uid, request.instance_uid, request.transfer_syntax_uid)
        prepared, sender.prepared = sender.prepared, None
        try:
            self._file = store.start(meta, prepared)
        except StorageFull as error:
            self._out_of_space(error)

    def write(self, data: memoryview) -> None:
        """Append to the temporary file; once refused, the rest is dropped as it comes."""
        if self._file is None:
            return
        if len(self._prefix) < PREFIX_BYTES:
            self._prefix += data[: PREFIX_BYTES - len(self._prefix)]
        try:
            self._file.write(data)
        except StorageFull as error:
            self._out_of_space(error)

    def finish(self) -> Answer:
        """Make the data set durable and known, and return the truth about it."""
        if self._file is None or self._refusal is not None:
            return self._refuse(self._refusal or NO_SPACE)
        file, request = self._file, self._request
        file.complete()
        try:
            named = (request.sop_class_uid, request.instance_uid)
            header = self.header = admit(self._prefix, file.size, file.data_set, request.transfer_syntax_uid, named)
        except NotAdmitted as refused:
            return self._refuse(refused.answer)
        if self._study_uid not in {None, header.study.study_uid}:
            return self._refuse(OTHER_STUDY)
        try:
            self._store.check_space()
            incoming = self._incoming(header, file)
            registered = self._register(incoming)
        except StorageFull as error:
            self._out_of_space(error)
            return NO_SPACE
        except Exception:  # noqa: BLE001 - any database driver's error: what is not recorded is not acknowledged
            _log.error("instance could not be recorded", instance_uid=self._request.instance_uid, exc_info=True)
            return NOT_RECORDED
        self._sender.studies.add(incoming.study.study_uid)
        if registered is not Registered.NEW:
            _log.info("instance came again", outcome=str(registered), instance_uid=incoming.instance_uid)
        return SUCCESS

    def abandon(self) -> None:
        """Remove the temporary file if there still is one."""
        if self._file is not None:
            self._file.discard()

    def cut_off(self, reason: str) -> None:
        """Write into the audit log that the peer was sent away in the middle of this data set."""
        self._audit_refusal("A-ABORT", reason)

    def _incoming(self, header: Header, file: PartialFile) -> IncomingInstance:
        request, caller = self._request, self._sender.caller
        return IncomingInstance(
            instance_uid=request.instance_uid,
            sop_class_uid=request.sop_class_uid,
            series_uid=header.series_uid,
            transfer_syntax_uid=request.transfer_syntax_uid,
            modality=header.modality,
            sha256=file.sha256,
            size=file.size,
            path=self._store.place(file, request.instance_uid, request.transfer_syntax_uid),
            calling_ae=caller.calling_ae,
            called_ae=caller.called_ae,
            address=caller.address,
            study=header.study,
            repeated=header.repeated,
        )

    def _register(self, incoming: IncomingInstance) -> Registered:
        """Record what is now on disk; what is on disk for nothing is put where it belongs."""
        registered, path = self._commits.run(lambda tx: self._register_in(tx, incoming))
        if registered is Registered.CONFLICT:
            kept = incoming
            if path != incoming.path:  # bytes that once stood are kept where they lie, and on record there
                kept = replace(incoming, path=self._store.keep_aside(incoming.path))
            self._commits.run(lambda tx: register_conflict(tx, kept))
        elif path != incoming.path:
            self._store.remove(incoming.path)
        return registered

    def _register_in(self, tx: Session, incoming: IncomingInstance) -> tuple[Registered, str | None]:
        """Return what registering came to, and where these bytes are on record now."""
        registered = register_instance(tx, incoming, settle_seconds=self._settle_seconds)
        if registered is Registered.NEW:
            return registered, incoming.path
        return registered, recorded_path(tx, incoming.instance_uid, incoming.sha256)

    def _out_of_space(self, error: StorageFull) -> None:
        _log.error("instance refused", error=str(error), address=self._sender.caller.address)
        self._refusal = NO_SPACE
        self.abandon()
        self._file = None

    def _refuse(self, answer: Answer) -> Answer:
        """Say why; a refusal that sending again cannot cure is also written into the audit log."""
        if answer.status == NO_SPACE.status:
            return answer
        self._audit_refusal(f"{answer.status:04X}", answer.comment)
        return answer

    def _audit_refusal(self, status: str, reason: str) -> None:
        """Log a refusal and write it into the audit log, if the database is there."""
        request, caller = self._request, self._sender.caller
        uid = valid_uid(request.instance_uid)
        syntax, sop_class = request.transfer_syntax_uid, request.sop_class_uid
        self._refusals.add(refused_instance(caller, status, reason, sop_class, syntax))
        detail: audit.Detail = {
            "instance_uid": uid,
            "status": status,
            "reason": reason,
            "calling_ae": caller.calling_ae,
            "called_ae": caller.called_ae,
            "address": caller.address,
        }
        _log.warning("instance refused", **detail)
        try:
            self._commits.run(
                lambda tx: audit.append(tx, AuditEventType.INSTANCE_REFUSED, outcome="minor-failure", detail=detail)
            )
        except Exception:  # noqa: BLE001 - the refusal stands whether or not it could be written down
            _log.error("could not be recorded", kind="refusal", exc_info=True)
