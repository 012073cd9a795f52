"""Deposit: instances that come over HTTP, taken by the same reception as those of an association.

Whoever hands them in has checked who sends. The bytes of a data set take the same way, to the same files and rows, with
the same answers: durable and committed, or refused with the status that a C-STORE would get.
"""

from collections import Counter
from dataclasses import dataclass, field

from sqlalchemy.orm import Session

from config.settings import Settings
from dicom_node.format.file_meta import PREAMBLE
from dicom_node.format.header import PREFIX_BYTES, identify, read_file_meta
from dicom_node.format.sop_classes import accepted_sop_classes
from dicom_node.format.syntaxes import decodable_syntaxes
from dicom_node.instance_store.store import InstanceStore, PartialFile
from dicom_node.storage_scp.group_commit import GroupCommit
from dicom_node.storage_scp.reception import NO_SPACE, Reception
from dicom_node.upper_layer.access import Caller
from dicom_node.upper_layer.message import Answer, StoreRequest
from dicom_node.upper_layer.refusal_causes import refused_instance, valid_uid
from tracking.audit_log import refusals
from tracking.audit_log.refusals import Refusal
from tracking.engine.database import Database
from tracking.studies.instances import association_released

CALLING_AE = "STOW-RS"
"""Stands for the calling AE title, which a request over HTTP does not have."""
NO_FILE = Answer(0xC000, "no DICOM file: its prefix or its meta information is missing")
OTHER_CLASS = Answer(0x0122, "SOP class is not accepted")
OTHER_SYNTAX = Answer(0xC122, "transfer syntax is not accepted")
TOO_LONG = Answer(0x0110, "data set is longer than receive.max_dataset_bytes")


@dataclass(frozen=True, slots=True)
class Deposited:
    """What came of one instance; UIDs are empty where they are not known, and valid otherwise (PS3.5 9.1)."""

    answer: Answer
    sop_class_uid: str = ""
    instance_uid: str = ""
    study_uid: str = ""
    series_uid: str = ""

    @property
    def is_stored(self) -> bool:
        """Say whether the sender may forget the instance."""
        return self.answer.status == 0

    @property
    def is_out_of_space(self) -> bool:
        """Say whether it can be sent again later."""
        return self.answer.status == NO_SPACE.status


class Depository:
    """Where instances are handed in. Safe to share between threads."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings = settings
        self._store = InstanceStore(settings.instance_dir, min_free_bytes=settings.receive.min_free_disk_bytes)
        self._store.open()
        self._commits = GroupCommit(database)
        self._classes = frozenset(accepted_sop_classes(settings.receive.accept))
        self._syntaxes = frozenset(decodable_syntaxes())

    def batch(self, address: str, study_uid: str | None = None) -> "Batch":
        """Begin to take the instances of one request, of one study where it is named."""
        return Batch(self, Caller(CALLING_AE, self._settings.node.ae_title, address), study_uid)

    def reception(self, batch: "Batch", request: StoreRequest) -> Reception:
        """Return what takes a data set."""
        refusal = None
        if request.sop_class_uid not in self._classes:
            refusal = OTHER_CLASS
        elif request.transfer_syntax_uid not in self._syntaxes:
            refusal = OTHER_SYNTAX
        return Reception(
            batch, request, self._store, self._commits, self._settings.receive.settle_seconds, batch,
            refusal=refusal, study_uid=batch.study_uid,
        )  # fmt: skip

    @property
    def most_bytes(self) -> int:
        """Return how long a data set may be."""
        return self._settings.receive.max_dataset_bytes

    def release(self, batch: "Batch") -> None:
        """Bring forward the analyses of what a batch stored, and count what of it was refused."""
        settle_seconds = self._settings.receive.settle_after_release_seconds

        def record(tx: Session) -> None:
            association_released(tx, batch.studies, settle_seconds=settle_seconds)
            refusals.add(tx, batch.refused)

        if batch.studies or batch.refused:
            self._commits.run(record)


@dataclass(slots=True)
class Batch:
    """The instances of one request."""

    depository: Depository
    caller: Caller
    study_uid: str | None
    studies: set[str] = field(default_factory=set)
    refused: Counter[Refusal] = field(default_factory=Counter)
    prepared: PartialFile | None = None

    def add(self, refusal: Refusal) -> None:
        """Note a refusal."""
        self.refused[refusal] += 1

    def begin(self) -> "Deposit":
        """Begin to take a DICOM file."""
        return Deposit(self)

    def release(self) -> None:
        """End: the sender has nothing more to say."""
        self.depository.release(self)


class Deposit:
    """Takes one DICOM file (PS3.10) while it comes."""

    def __init__(self, batch: Batch) -> None:
        self._batch = batch
        self._head = bytearray()
        self._request: StoreRequest | None = None
        self._reception: Reception | None = None
        self._length = 0

    def write(self, data: memoryview) -> None:
        """Take the next bytes; must not raise for what is wrong with them."""
        self._length += len(data)
        if self._reception is not None:
            self._reception.write(data)
        elif len(self._head) < PREFIX_BYTES:
            self._head += data
            if len(self._head) >= PREFIX_BYTES:
                self._begin()
        if self._length > self._batch.depository.most_bytes:
            self.abandon()

    def finish(self) -> Deposited:
        """Make the instance durable and known, and return the truth about it."""
        if self._length > self._batch.depository.most_bytes:
            return self._refuse(TOO_LONG)
        if self._reception is None:
            self._begin()
        if self._reception is None or self._request is None:
            return self._refuse(NO_FILE)
        try:
            answer = self._reception.finish()
        finally:
            self._reception.abandon()
        header = self._reception.header
        return Deposited(
            answer, valid_uid(self._request.sop_class_uid), valid_uid(self._request.instance_uid),
            header.study.study_uid if header is not None else "", header.series_uid if header is not None else "",
        )  # fmt: skip

    def abandon(self) -> None:
        """Forget what came."""
        if self._reception is not None:
            self._reception.abandon()

    def _begin(self) -> None:
        """Read what the file is, and hand the beginning of its data set on."""
        head = bytes(self._head)
        if head[128:132] != PREAMBLE[128:]:
            return
        meta = read_file_meta(head)
        sop_class_uid, instance_uid = meta.sop_class_uid, meta.instance_uid
        if not (sop_class_uid and instance_uid):
            sop_class_uid, instance_uid = identify(head[meta.end :], meta.transfer_syntax_uid)
        self._request = StoreRequest(sop_class_uid, sop_class_uid, instance_uid, meta.transfer_syntax_uid)
        self._reception = self._batch.depository.reception(self._batch, self._request)
        self._reception.write(memoryview(head)[meta.end :])
        self._head.clear()

    def _refuse(self, answer: Answer) -> Deposited:
        request = self._request or StoreRequest("", "", "", "")
        refusal = refused_instance(
            self._batch.caller, f"{answer.status:04X}", answer.comment, request.sop_class_uid,
            request.transfer_syntax_uid,
        )  # fmt: skip
        self._batch.add(refusal)
        return Deposited(answer, valid_uid(request.sop_class_uid), valid_uid(request.instance_uid))
