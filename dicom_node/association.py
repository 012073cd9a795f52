"""One accepted association, on a transport of our own.

pynetdicom runs an association in two threads that poll each other every millisecond, copies every fragment several
times, collects a data set in memory and believes whatever length a PDU claims. Here one thread blocks on the
socket, PDUs are bounded, and the fragments of a C-STORE go straight from the receive buffer to a :class:`Sink`.
Association negotiation (ACSE), presentation contexts, C-ECHO and any other service stay pynetdicom's, which
:mod:`dicom_node.acceptor` calls when an association needs it.
"""

import socket
from dataclasses import dataclass
from typing import Protocol

from pynetdicom import AE
from pynetdicom.presentation import PresentationContext

from config.logs import get_logger
from dicom_node import wire
from dicom_node.acceptor import Acceptor, parse_request
from dicom_node.access import Caller, Rejection
from dicom_node.message import Answer, DataSetTooLong, Message, Sink, StoreRequest
from dicom_node.negotiation import Negotiated, NegotiationMemory
from dicom_node.sop_classes import VERIFICATION
from dicom_node.store import PartialFile
from dicom_node.wire import ConnectionLost, Fragment, PduReader, TimedOut, WireError

_log = get_logger(__name__)

MAX_COMMAND_BYTES = 65536
MAX_OTHER_DATA_BYTES = 1 << 20
_REQUEST_SECONDS = 30.0
_RELEASED = wire.release_pdu(wire.RELEASE_RP)
_OTHER_VERSION = Rejection(1, 2, 2, "protocol version not supported")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a peer may claim of us, in bytes and seconds."""

    max_pdu_bytes: int
    max_dataset_bytes: int
    idle_seconds: float


class Service(Protocol):
    """What the receiver decides for its associations."""

    def admit(self, caller: Caller) -> Rejection | None:
        """Return why the association is refused, or None."""

    def accepted(self, association: "AcceptedAssociation") -> None:
        """Get ready: the peer has its answer, and needs a moment for its first message."""

    def begin(self, association: "AcceptedAssociation", request: StoreRequest) -> Sink:
        """Return what takes the data set of a C-STORE."""

    def released(self, association: "AcceptedAssociation") -> None:
        """Act on the goodbye of the peer, who has its answer already."""

    def ended(self, association: "AcceptedAssociation") -> None:
        """Forget the association, however it ended."""


class AcceptedAssociation:
    """An association that a peer opened, from its first byte to its last, in one thread."""

    def __init__(
        self,
        ae: AE,
        sock: socket.socket,
        address: str,
        contexts: list[PresentationContext],
        service: Service,
        limits: Limits,
        memory: NegotiationMemory,
    ) -> None:
        self.address = address
        self.studies: set[str] = set()
        """UIDs of the studies that were stored over this association."""
        self.prepared: PartialFile | None = None
        """A temporary file for the first image, opened before it came."""
        self.was_admitted = False
        self.calling_ae = ""
        self.called_ae = ""
        self._ae = ae
        self._contexts = contexts
        self._service = service
        self._limits = limits
        self._memory = memory
        self._sock = sock
        sock.settimeout(None)
        wire.limit_waiting(sock, socket.SO_SNDTIMEO, int(1e6 * _REQUEST_SECONDS))
        self._reader = PduReader(sock, limits.max_pdu_bytes)
        self._message = Message()
        self._acceptor: Acceptor | None = None
        self._negotiated: Negotiated | None = None
        self._accepted: dict[int, PresentationContext] = {}
        self._leaving = False

    @property
    def may_store(self) -> bool:
        """Tell whether a presentation context was accepted on which an image can come."""
        return any(context.abstract_syntax != VERIFICATION for context in self._accepted.values())

    @property
    def is_leaving(self) -> bool:
        """It was told to end, and will."""
        return self._leaving

    def leave(self, *, at_once: bool) -> None:
        """End the association from another thread: at once, or as soon as no message is under way."""
        self._leaving = True
        if at_once or not self._message.under_way:
            try:
                self._sock.shutdown(socket.SHUT_RD)
            except OSError:
                return

    def run(self) -> None:
        """Serve the peer until it leaves or has to."""
        farewell, reason = b"", ""
        refused: Sink | None = None
        try:
            if self._establish():
                self._serve()
        except WireError as error:
            reason = str(error)
            self._note(f"protocol violation: {reason}")
            farewell = wire.abort_pdu(error.reason)
            refused = self._message.sink if isinstance(error, DataSetTooLong) else None
        except TimedOut:
            self._note("peer was silent or too slow for too long")
            farewell = wire.abort_pdu(0, by_provider=False) if self._negotiated is not None else b""
        except ConnectionLost:
            if self._leaving:
                farewell = wire.abort_pdu(0, by_provider=False)
            else:
                self._note("connection ended without a release")
        except Exception:  # noqa: BLE001 - the last resort of a thread: one peer must not take the receiver down
            _log.error("association failed", address=self.address, exc_info=True)
            farewell = wire.abort_pdu(0)
        finally:
            self._message.abandon()
            if self.prepared is not None:
                self.prepared.discard()
            wire.hang_up(self._sock, farewell)
            if refused is not None:  # only now: the database may be slow or away, and the peer goes on sending
                refused.cut_off(reason)
            self._service.ended(self)

    def _establish(self) -> bool:
        """Read the request and answer it (PS3.8 7.1); tell whether there is an association now."""
        pdu = self._reader.read(min(_REQUEST_SECONDS, self._limits.idle_seconds))
        if pdu.kind != wire.ASSOCIATE_RQ:
            raise WireError("first PDU is no association request", reason=2)
        encoded = wire.whole_pdu(pdu)
        known = self._memory.recall(encoded)
        request = known.request if known is not None else parse_request(encoded)
        caller = Caller(str(request.calling_ae_title), str(request.called_ae_title), self.address)
        self.calling_ae, self.called_ae = caller.calling_ae, caller.called_ae
        speaks_version_1 = encoded[7] & 1  # PS3.8 Table 9-11
        rejection = self._service.admit(caller) if speaks_version_1 else _OTHER_VERSION
        if rejection is not None:
            self._new_acceptor().reject(rejection)
            return False
        self.was_admitted = True
        if known is not None:
            self._send(known.encoded_answer)
        else:
            self._acceptor = self._new_acceptor()
            known = self._acceptor.negotiate(request)
            if known is None:
                return False
            if not self._acceptor.identifies_user():
                self._memory.remember(encoded, known)
        self._negotiated, self._accepted = known, known.accepted
        self._service.accepted(self)
        return True

    def _new_acceptor(self) -> Acceptor:
        return Acceptor(self._ae, self._contexts, self._send)

    def _send(self, encoded: bytes) -> None:
        """Send a whole PDU; raise ConnectionLost when the peer does not take it in time."""
        try:
            self._sock.sendall(encoded)
        except OSError as error:
            raise ConnectionLost from error

    def _serve(self) -> None:
        """Take PDUs until the peer releases or aborts (PS3.8 7.2, 7.3)."""
        while not self._leaving:
            pdu = self._reader.read(self._limits.idle_seconds)
            if pdu.kind == wire.P_DATA:
                for fragment in wire.fragments(pdu.body):
                    self._take(fragment)
            elif pdu.kind == wire.RELEASE_RQ:
                self._send(_RELEASED)
                self._service.released(self)
                return
            elif pdu.kind == wire.ABORT:
                return
            else:
                what = f"PDU type 0x{pdu.kind:02X} is unexpected here"
                raise WireError(what, reason=2)
        raise ConnectionLost

    def _take(self, fragment: Fragment) -> None:
        """Take one fragment of a command set or data set (PS3.7 6.3, PS3.8 Annex E)."""
        message = self._message
        if fragment.context_id not in self._accepted:
            raise WireError("fragment names a presentation context that was not accepted", reason=6)
        if not message.under_way:
            message.start(fragment.context_id, self._limits.idle_seconds)
        message.check(fragment)
        if fragment.is_command:
            message.command += fragment.data
            if len(message.command) > MAX_COMMAND_BYTES:
                raise WireError("command set is too long", reason=6)
            if fragment.is_last:
                self._begin_message()
            return
        message.received += len(fragment.data)
        if message.sink is not None:
            if message.received > self._limits.max_dataset_bytes:
                raise DataSetTooLong
            message.sink.write(fragment.data)
        else:
            message.other_data += fragment.data
            if message.received > MAX_OTHER_DATA_BYTES:
                raise WireError("data set of this command is too long")
        if fragment.is_last:
            self._end_message()

    def _begin_message(self) -> None:
        """Get ready for the data set of a complete command set, or serve it when it has none."""
        message = self._message
        message.parsed = command = wire.decode_command(message.command)
        message.expects_data = wire.number(command, wire.DATA_SET_TYPE) != wire.NO_DATA_SET
        if wire.number(command, wire.COMMAND_FIELD) == wire.C_STORE_RQ:
            context = self._accepted[message.context_id]
            request = StoreRequest(
                sop_class_uid=_uid(command, wire.AFFECTED_SOP_CLASS),
                abstract_syntax=str(context.abstract_syntax),
                instance_uid=_uid(command, wire.AFFECTED_SOP_INSTANCE),
                transfer_syntax_uid=str(context.transfer_syntax[0]),
            )
            wire.number(command, wire.MESSAGE_ID)
            message.sink = self._service.begin(self, request)
        if not message.expects_data:
            self._end_message()

    def _end_message(self) -> None:
        message = self._message
        try:
            if message.sink is not None:
                self._answer_store(message.sink.finish())
            else:
                self._serve_other()
        finally:
            message.abandon()

    def _answer_store(self, answer: Answer) -> None:
        """Send the C-STORE-RSP (PS3.7 9.3.1.2)."""
        command = self._message.parsed
        response: dict[int, int | bytes] = {
            wire.COMMAND_FIELD: wire.C_STORE_RSP,
            wire.RESPONDED_MESSAGE_ID: wire.number(command, wire.MESSAGE_ID),
            wire.DATA_SET_TYPE: wire.NO_DATA_SET,
            wire.STATUS: answer.status,
        }
        for tag in (wire.AFFECTED_SOP_CLASS, wire.AFFECTED_SOP_INSTANCE):
            if tag in command:
                response[tag] = command[tag]
        if answer.comment:
            response[wire.ERROR_COMMENT] = answer.comment[:64].encode("ascii", "replace")
        self._send(wire.command_pdu(self._message.context_id, wire.encode_command(response)))

    def _serve_other(self) -> None:
        """Hand any other message to pynetdicom."""
        message = self._message
        if self._acceptor is None and self._negotiated is not None:
            self._acceptor = self._new_acceptor()
            self._acceptor.resume(self._negotiated)
        if self._acceptor is not None:
            data = bytes(message.other_data) if message.expects_data else None
            self._acceptor.serve(message.context_id, bytes(message.command), data)

    def _note(self, what: str) -> None:
        _log.warning("association ended early", reason=what, address=self.address, calling_ae=self.calling_ae)


def _uid(command: dict[int, bytes], tag: int) -> str:
    return command.get(tag, b"").strip(b"\x00 ").decode("latin_1")
