"""What happens when a C-STORE arrives: durable on disk, committed in the database, and only then 0x0000.

::

    fragments ─→ temporary file ─→ fsync ─→ rename ─→ fsync of the folder ─→ one transaction ─→ 0x0000

Whatever goes wrong on the way is answered truthfully, so that the sender keeps the image and tries again. An image
is never refused for being uninteresting: most archives would send it again without end (PS3.4 B.2.3 for the codes).
"""

import socket
import time
from collections.abc import Callable
from functools import partial

from config.certificates import RenewingContext, server_context, server_tls
from config.errors import StorageFull
from config.logs import get_logger
from config.settings import Settings
from dicom_node.format.sop_classes import STORAGE_COMMITMENT, VERIFICATION, accepted_sop_classes
from dicom_node.format.syntaxes import EXPLICIT_LITTLE, IMPLICIT_LITTLE, decodable_syntaxes
from dicom_node.instance_store.store import InstanceStore
from dicom_node.storage_commitment.report_sink import ReportSink, reporters
from dicom_node.storage_scp.group_commit import GroupCommit
from dicom_node.storage_scp.reception import Reception
from dicom_node.storage_scp.refusals import Refusals
from dicom_node.storage_scp.releases import Releases
from dicom_node.upper_layer import pynetdicom_private
from dicom_node.upper_layer.access import Caller, Rejection
from dicom_node.upper_layer.association import AcceptedAssociation, Limits
from dicom_node.upper_layer.listener import Listener
from dicom_node.upper_layer.message import EventReport, Sink, StoreRequest
from dicom_node.upper_layer.negotiation import NegotiationMemory, Offer
from dicom_node.upper_layer.presentation import Supported
from dicom_node.upper_layer.refusal_causes import broken_off, failed_handshake, refused_contexts, rejected_association
from dicom_node.upper_layer.slots import Slots
from dicom_node.upper_layer.tls_transport import HandshakeFailed, TlsTransport
from dicom_node.upper_layer.transport import ConnectionLost, PlainTransport, Transport
from tracking.engine.database import Database

pynetdicom_private.configure()

_log = get_logger(__name__)
_UNCOMPRESSED = (EXPLICIT_LITTLE.encode(), IMPLICIT_LITTLE.encode())
_LAST_SECONDS = 5.0
_SEND_SECONDS = 30.0
_CROWDED = "no association request came while others waited"
_NO_SLOT = "too many connections at once"


class Receiver:
    """The Storage and Verification SCP of this node."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings = settings
        receive = settings.receive
        self._store = InstanceStore(settings.instance_dir, min_free_bytes=receive.min_free_disk_bytes)
        self._commits = GroupCommit(database)
        self._releases = Releases(self._commits, receive.settle_after_release_seconds)
        self._refusals = Refusals(self._commits)
        self._limits = Limits(
            receive.max_pdu_bytes, receive.max_dataset_bytes, max(receive.idle_seconds, 1.0), receive.no_image_seconds
        )
        supported = supported_contexts(settings)
        self._offer = Offer(supported, NegotiationMemory())
        with_reports = {STORAGE_COMMITMENT.encode(): _UNCOMPRESSED, **supported}
        self._offer_with_reports = Offer(with_reports, NegotiationMemory())
        self._reporters = reporters(settings)
        self._slots: Slots[AcceptedAssociation] = Slots(settings)
        self._stopping = False
        tls = server_tls(settings)
        self._tls = None if tls is None else RenewingContext(tls.files, partial(server_context, tls))
        self._listeners: list[Listener] = []

    @property
    def port(self) -> int:
        """The TCP port that is listened on: ``receive.port``."""
        return self._ports()[0]

    @property
    def tls_port(self) -> int:
        """The TCP port on which TLS is spoken, where it is: that of ``node.tls``, or else ``receive.port``."""
        return self._ports()[-1]

    def start(self) -> None:
        """Prepare the store and listen; returns at once.

        Raises
        ------
        StorageFull
            The instance folder cannot be written.
        SettingsError
            A port cannot be used.
        """
        self._store.open()
        receive, tls_port = self._settings.receive, self._settings.node.tls.port
        only_tls = self._tls is not None and tls_port is None
        connected = partial(self._connected, self._over_tls if only_tls else _in_the_clear)
        self._listeners.append(Listener(receive.host, receive.port, connected))
        if tls_port is not None:
            connected = partial(self._connected, self._over_tls)
            self._listeners.append(Listener(receive.host, tls_port, connected, "node.tls.port"))
        self._releases.start()
        self._refusals.start()
        for listener in self._listeners:
            listener.start()
        ports = {"port": self.port} | ({} if self._tls is None else {"tls_port": self.tls_port})
        _log.info("receiving", host=receive.host, called_ae=self._settings.node.ae_title, **ports)

    def stop(self, drain_seconds: float | None = None) -> None:
        """Stop listening, let the messages that are under way finish, then end all associations.

        ``drain_seconds`` is how long to wait for them, ``work.drain_seconds`` of the settings unless given.
        """
        if drain_seconds is None:
            drain_seconds = self._settings.work.drain_seconds
        self._stopping = True
        for listener in self._listeners:
            listener.close()
        deadline = time.monotonic() + drain_seconds
        for association in self._slots.connections():
            association.leave(at_once=False)
        while self._slots.connections() and time.monotonic() < deadline:
            time.sleep(0.02)
        for association in self._slots.connections():
            association.leave(at_once=True)
        deadline = time.monotonic() + _LAST_SECONDS
        while self._slots.connections() and time.monotonic() < deadline:
            time.sleep(0.02)
        self._releases.stop()
        self._refusals.stop()

    def admit(self, association: AcceptedAssociation, caller: Caller) -> Rejection | None:
        """Decide over an association request."""
        return self._slots.admit(association, caller)

    def offer(self, caller: Caller) -> Offer:
        """Return what a caller is offered: storage commitment only where a destination answers under its AE title."""
        return self._offer_with_reports if caller.calling_ae.strip() in self._reporters else self._offer

    def rejected(self, caller: Caller, rejection: Rejection) -> None:
        """Write down a rejection."""
        self._refusals.add(rejected_association(caller, rejection))

    def broken_off(self, caller: Caller, reason: str) -> None:
        """Write down a connection that ended before there was an association."""
        self._refusals.add(broken_off(caller, reason))

    def handshake_failed(self, caller: Caller, failure: HandshakeFailed) -> None:
        """Write down a TLS handshake that came to nothing."""
        self._refusals.add(failed_handshake(caller, failure))

    def accepted(self, association: AcceptedAssociation) -> None:
        """Open a file for the first image while its sender prepares it."""
        if association.may_store:
            try:
                association.prepared = self._store.prepare()
            except StorageFull:  # the image's own answer will say so, if it is still true then
                return

    def begin(self, association: AcceptedAssociation, request: StoreRequest) -> Sink:
        """Return what takes the data set of a C-STORE."""
        settle_seconds = self._settings.receive.settle_seconds
        return Reception(association, request, self._store, self._commits, settle_seconds, self._refusals)

    def begin_report(self, association: AcceptedAssociation, report: EventReport) -> Sink:
        """Return what takes the answer to a storage commitment request."""
        resends = self._reporters.get(association.caller.calling_ae.strip(), {})
        return ReportSink(association.caller, report, resends, self._commits.run, self._refusals.add)

    def released(self, association: AcceptedAssociation) -> None:
        """Bring the analysis of what this association stored forward: its sender has nothing more to say."""
        if association.studies:
            self._releases.add(association.studies)

    def ended(self, association: AcceptedAssociation) -> None:
        """Write down which presentation contexts the association was refused, and give its slot back.

        In this order: when no connection has a slot any more, :meth:`stop` writes the last refusals.
        """
        negotiated = association.negotiated
        if negotiated is not None:
            for refusal in refused_contexts(association.caller, negotiated.refused, was_used=association.was_used):
                self._refusals.add(refusal)
        self._slots.leave(association)

    def _ports(self) -> list[int]:
        if not self._listeners:
            msg = "the receiver has not been started"
            raise RuntimeError(msg)
        return [listener.port for listener in self._listeners]

    def _over_tls(self, sock: socket.socket) -> Transport:
        assert self._tls is not None  # noqa: S101 - only then there is a port for it
        return TlsTransport(sock, self._tls.current(), _SEND_SECONDS)

    def _connected(self, secure: Callable[[socket.socket], Transport], sock: socket.socket, address: str) -> None:
        """Serve a connection; where there is no slot, one that keeps silent makes room, or it is closed."""
        if self._stopping:
            sock.close()
            return
        try:
            transport = secure(sock)
        except ConnectionLost:
            return
        association = AcceptedAssociation(transport, address, self, self._limits)
        entry = self._slots.enter(association, address)
        if entry.gives_way is not None:
            entry.gives_way.leave(at_once=True)
            self.broken_off(entry.gives_way.caller, _CROWDED)
        if not entry.has_slot:
            transport.close()
            self.broken_off(association.caller, _NO_SLOT)
            return
        association.run()


def _in_the_clear(sock: socket.socket) -> Transport:
    return PlainTransport(sock, _SEND_SECONDS)


def supported_contexts(settings: Settings) -> Supported:
    """Return what is offered to peers: SOP classes by policy, transfer syntaxes by what can be decoded here."""
    syntaxes = tuple(uid.encode() for uid in decodable_syntaxes())
    storage = {uid.encode(): syntaxes for uid in accepted_sop_classes(settings.receive.accept)}
    return {VERIFICATION.encode(): _UNCOMPRESSED, **storage}
