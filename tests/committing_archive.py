"""An archive that keeps what is stored to it, answers storage commitment requests and says by C-FIND what it has."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum

from pydicom import Dataset
from pynetdicom import AE, build_role, evt
from pynetdicom.association import Association
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StorageCommitmentPushModel,
    StorageCommitmentPushModelInstance,
    StudyRootQueryRetrieveInformationModelFind,
)

CLASSES = (
    "1.2.840.10008.5.1.4.1.1.88.34", "1.2.840.10008.5.1.4.1.1.88.33", "1.2.840.10008.5.1.4.1.1.7",
    "1.2.840.10008.5.1.4.1.1.88.59",
)  # fmt: skip
NO_SUCH_INSTANCE = 0x0112


class Way(Enum):
    """How it answers storage commitment requests."""

    SAME_ASSOCIATION = "same association"
    PERSISTENT = "reverse association, again and again until it is taken"
    SILENT = "not at all"
    REFUSED = "status 0110 to the N-ACTION"


@dataclass
class CommittingArchive:
    """``stored`` counts arrivals by SOP Instance UID; ``loses`` are how often it forgets what comes next."""

    way: Way
    ae_title: str = "ORTHANC"
    port: int = 0
    report_port: int = 0
    """Where it calls to answer, on the reverse association."""
    loses: int = 0
    stored: dict[str, int] = field(default_factory=dict)
    lost: int = 0
    order: list[str] = field(default_factory=list)
    requests: list[Dataset] = field(default_factory=list)
    queries: list[Dataset] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    """What its reports were answered with."""

    def store(self, event: evt.Event) -> int:
        """Take an object, or say so and lose it."""
        uid = str(event.request.AffectedSOPInstanceUID)
        self.order.append(uid)
        if self.lost < self.loses:
            self.lost += 1
        else:
            self.stored[uid] = self.stored.get(uid, 0) + 1
        return 0

    def find(self, event: evt.Event) -> Iterator[tuple[int, Dataset | None]]:
        """Answer a query at the instance level."""
        query = event.identifier
        self.queries.append(query)
        if str(query.SOPInstanceUID) in self.stored:
            yield 0xFF00, query

    def act(self, event: evt.Event) -> tuple[int, None]:
        """Take a storage commitment request."""
        request = event.action_information
        self.requests.append(request)
        if self.way is Way.REFUSED:
            return 0x0110, None
        if self.way is Way.PERSISTENT:
            threading.Thread(target=self._report_until_taken, args=(request,), daemon=True).start()
        elif self.way is Way.SAME_ASSOCIATION:
            threading.Thread(target=self._report_on, args=(event.assoc, request), daemon=True).start()
        return 0, None

    def report(
        self, request: Dataset, *, calling_ae: str = "", with_role: bool = True, committed: bool | None = None
    ) -> int:
        """Call to answer a request; return the status that this gets."""
        ae = AE(calling_ae or self.ae_title)
        ae.add_requested_context(StorageCommitmentPushModel)
        roles = [build_role(StorageCommitmentPushModel, scp_role=True)] if with_role else []
        association = ae.associate("127.0.0.1", self.report_port, ae_title="CXRNODE", ext_neg=roles)
        if not association.is_established:
            return -1
        status = self._send_report(association, request, committed=committed)
        association.release()
        return status

    def _report_until_taken(self, request: Dataset) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and (not self._can_call() or self.report(request) != 0):
            time.sleep(0.3)

    def _can_call(self) -> bool:
        """Tell whether somebody listens: pynetdicom leaves a socket open, to be complained of, where nobody does."""
        try:
            socket.create_connection(("127.0.0.1", self.report_port), 5).close()
        except OSError:
            return False
        return True

    def _report_on(self, association: Association, request: Dataset) -> None:
        self._send_report(association, request)

    def _send_report(self, association: Association, request: Dataset, *, committed: bool | None = None) -> int:
        kept, missing = [], []
        for item in request.ReferencedSOPSequence:
            there = str(item.ReferencedSOPInstanceUID) in self.stored if committed is None else committed
            (kept if there else missing).append(item)
        report = Dataset()
        report.TransactionUID = request.TransactionUID
        if kept:
            report.ReferencedSOPSequence = kept
        if missing:
            for item in missing:
                item.FailureReason = NO_SUCH_INSTANCE
            report.FailedSOPSequence = missing
        event_type = 2 if missing else 1
        status, _ = association.send_n_event_report(
            report, event_type, StorageCommitmentPushModel, StorageCommitmentPushModelInstance
        )
        self.statuses.append(int(status.Status) if "Status" in status else -1)
        return self.statuses[-1]


@contextmanager
def open_committing_archive(way: Way, *, commits: bool = True, finds: bool = True) -> Iterator[CommittingArchive]:
    """Serve an archive on the loopback interface; without ``commits`` or ``finds`` it does not offer that service."""
    archive = CommittingArchive(way)
    ae = AE(archive.ae_title)
    for uid in CLASSES:
        ae.add_supported_context(uid)
    if commits:
        ae.add_supported_context(StorageCommitmentPushModel)
    if finds:
        ae.add_supported_context(StudyRootQueryRetrieveInformationModelFind)
    handlers = [(evt.EVT_C_STORE, archive.store), (evt.EVT_C_FIND, archive.find), (evt.EVT_N_ACTION, archive.act)]
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)  # type: ignore[arg-type]
    archive.port = server.socket.getsockname()[1]
    try:
        yield archive
    finally:
        server.shutdown()
