"""What happens when a C-STORE arrives: durable on disk, committed in the database, and only then 0x0000.

::

    fragments ─→ temporary file ─→ fsync ─→ rename ─→ fsync of the folder ─→ one transaction ─→ 0x0000

Whatever goes wrong on the way is answered truthfully, so that the sender keeps the image and tries again. An image
is never refused for being uninteresting: most archives would send it again without end (PS3.4 B.2.3 for the codes).
"""

import socket
import threading
import time
from collections.abc import Callable

from pydicom.uid import UID
from pynetdicom import AE, _config
from pynetdicom.presentation import PresentationContext, build_context
from sqlalchemy.orm import Session

from config.errors import StorageFull
from config.logs import get_logger
from config.settings import Settings
from dicom_node import access
from dicom_node.access import Caller, Rejection
from dicom_node.association import AcceptedAssociation, Limits
from dicom_node.commit import GroupCommit
from dicom_node.identity import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from dicom_node.listener import Listener
from dicom_node.message import Sink, StoreRequest
from dicom_node.negotiation import NegotiationMemory
from dicom_node.reception import Reception
from dicom_node.releases import Releases
from dicom_node.sop_classes import VERIFICATION, accepted_sop_classes
from dicom_node.store import InstanceStore
from dicom_node.syntaxes import EXPLICIT_LITTLE, IMPLICIT_LITTLE, decodable_syntaxes
from tracking import audit
from tracking.audit import AuditEventType
from tracking.database import Database

# pynetdicom's standard handlers put identifiers, and at debug level whole requests, into the log.
_config.LOG_HANDLER_LEVEL = "none"
_config.LOG_REQUEST_IDENTIFIERS = False
_config.LOG_RESPONSE_IDENTIFIERS = False

_log = get_logger(__name__)
_LAST_SECONDS = 5.0
_SPARE_CONNECTIONS = 16
"""Connections beyond the limit that may still ask for an association and be told properly that it is too many."""


class Receiver:
    """The Storage and Verification SCP of this node."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings = settings
        receive = settings.receive
        self._store = InstanceStore(settings.instance_dir, min_free_bytes=receive.min_free_disk_bytes)
        self._commits = GroupCommit(database)
        self._releases = Releases(self._commits, receive.settle_after_release_seconds)
        self._limits = Limits(receive.max_pdu_bytes, receive.max_dataset_bytes, max(receive.idle_seconds, 1.0))
        self._contexts = supported_contexts(settings)
        self._memory = NegotiationMemory()
        self._ae = _application_entity(settings)
        self._connections: dict[AcceptedAssociation, None] = {}
        self._admitted = 0
        self._lock = threading.Lock()
        self._stopping = False
        self._listener: Listener | None = None

    @property
    def port(self) -> int:
        """The TCP port that is listened on."""
        if self._listener is None:
            msg = "the receiver has not been started"
            raise RuntimeError(msg)
        return self._listener.port

    def start(self) -> None:
        """Prepare the store and listen; returns at once.

        Raises
        ------
        StorageFull
            The instance folder cannot be written.
        SettingsError
            The port cannot be used.
        """
        self._store.open()
        receive = self._settings.receive
        self._listener = Listener(receive.host, receive.port, self._connected)
        self._releases.start()
        self._listener.start()
        _log.info("receiving", host=receive.host, port=self.port, called_ae=self._settings.node.ae_title)

    def stop(self, drain_seconds: float | None = None) -> None:
        """Stop listening, let the messages that are under way finish, then end all associations.

        ``drain_seconds`` is how long to wait for them, ``work.drain_seconds`` of the settings unless given.
        """
        if drain_seconds is None:
            drain_seconds = self._settings.work.drain_seconds
        self._stopping = True
        if self._listener is not None:
            self._listener.close()
        deadline = time.monotonic() + drain_seconds
        for association in self._open():
            association.leave(at_once=False)
        while self._open() and time.monotonic() < deadline:
            time.sleep(0.02)
        for association in self._open():
            association.leave(at_once=True)
        deadline = time.monotonic() + _LAST_SECONDS
        while self._open() and time.monotonic() < deadline:
            time.sleep(0.02)
        self._releases.stop()

    def admit(self, caller: Caller) -> Rejection | None:
        """Decide over an association request, and write down a rejection."""
        with self._lock:
            rejection = access.decide(caller, self._admitted, self._settings)
            if rejection is None:
                self._admitted += 1
                return None
        _log.warning(
            "association rejected",
            reason=rejection.reason,
            calling_ae=caller.calling_ae,
            called_ae=caller.called_ae,
            address=caller.address,
        )
        self._record("rejection", lambda tx: _audit_rejection(tx, caller, rejection))
        return rejection

    def accepted(self, association: AcceptedAssociation) -> None:
        """Open a file for the first image while its sender prepares it."""
        if association.may_store:
            try:
                association.prepared = self._store.prepare()
            except StorageFull:  # the image's own answer will say so, if it is still true then
                return

    def begin(self, association: AcceptedAssociation, request: StoreRequest) -> Sink:
        """Return what takes the data set of a C-STORE."""
        return Reception(association, request, self._store, self._commits, self._settings.receive.settle_seconds)

    def released(self, association: AcceptedAssociation) -> None:
        """Bring the analysis of what this association stored forward: its sender has nothing more to say."""
        if association.studies:
            self._releases.add(association.studies)

    def ended(self, association: AcceptedAssociation) -> None:
        """Give the association's place back."""
        with self._lock:
            self._connections.pop(association, None)
            if association.was_admitted:
                self._admitted -= 1

    def _connected(self, sock: socket.socket, address: str) -> None:
        """Serve a connection; where there is no place, the one that has kept silent for longest makes room."""
        with self._lock:
            beyond = len(self._connections) - self._settings.receive.max_associations - _SPARE_CONNECTIONS
            silent = next((other for other in self._connections if not (other.was_admitted or other.is_leaving)), None)
            if self._stopping or (beyond >= 0 and silent is None) or beyond >= _SPARE_CONNECTIONS:
                sock.close()
                return
            association = AcceptedAssociation(self._ae, sock, address, self._contexts, self, self._limits, self._memory)
            self._connections[association] = None
        if beyond >= 0 and silent is not None:
            silent.leave(at_once=True)
        association.run()

    def _open(self) -> list[AcceptedAssociation]:
        with self._lock:
            return list(self._connections)

    def _record(self, what: str, work: Callable[[Session], None]) -> None:
        """Write something that no peer waits for; failing at it must not change what the peer was told."""
        try:
            self._commits.run(work)
        except Exception:  # noqa: BLE001 - any database driver's error; the association itself is well
            _log.error("could not be recorded", kind=what, exc_info=True)


def supported_contexts(settings: Settings) -> list[PresentationContext]:
    """Return what is offered to peers: SOP classes by policy, transfer syntaxes by what can be decoded here."""
    syntaxes: list[str | UID] = [UID(uid) for uid in decodable_syntaxes()]
    storage = [build_context(UID(uid), syntaxes) for uid in accepted_sop_classes(settings.receive.accept)]
    return [build_context(UID(VERIFICATION), [EXPLICIT_LITTLE, IMPLICIT_LITTLE]), *storage]


def _application_entity(settings: Settings) -> AE:
    ae = AE(settings.node.ae_title)
    ae.implementation_class_uid = UID(IMPLEMENTATION_CLASS_UID)
    ae.implementation_version_name = IMPLEMENTATION_VERSION_NAME
    ae.maximum_pdu_size = settings.receive.max_pdu_bytes
    ae.maximum_associations = 1_000_000  # dicom_node.access counts, and counts established ones only
    return ae


def _audit_rejection(tx: Session, caller: Caller, rejection: Rejection) -> None:
    audit.append(
        tx,
        AuditEventType.ASSOCIATION_REJECTED,
        outcome="serious-failure",
        detail={
            "calling_ae": caller.calling_ae,
            "called_ae": caller.called_ae,
            "address": caller.address,
            "reason": rejection.reason,
            "status": f"{rejection.result},{rejection.source},{rejection.diagnostic}",
        },
    )
