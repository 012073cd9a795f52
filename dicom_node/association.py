"""One accepted association: pynetdicom's negotiation and services on a transport of our own.

pynetdicom runs an association in two threads that poll each other every millisecond, copies every fragment several
times, collects a data set in memory and believes whatever length a PDU claims. Here one thread blocks on the
socket, PDUs are bounded, and the fragments of a C-STORE go straight from the receive buffer to a :class:`Sink`.
Association negotiation (ACSE), presentation contexts, C-ECHO and any other service stay pynetdicom's.
"""

import socket
import threading
from dataclasses import dataclass
from typing import Any, Protocol

from pynetdicom import AE, evt
from pynetdicom._globals import MODE_ACCEPTOR
from pynetdicom.association import Association
from pynetdicom.dul import DULServiceProvider
from pynetdicom.pdu import (
    A_ABORT_RQ,
    A_ASSOCIATE_AC,
    A_ASSOCIATE_RJ,
    A_ASSOCIATE_RQ,
    A_RELEASE_RP,
    A_RELEASE_RQ,
    P_DATA_TF,
)
from pynetdicom.pdu_primitives import A_ABORT, A_ASSOCIATE, A_P_ABORT, A_RELEASE, P_DATA
from pynetdicom.presentation import PresentationContext

from config.logs import get_logger
from dicom_node import wire
from dicom_node.access import Caller, Rejection
from dicom_node.message import Answer, Message, Sink, StoreRequest
from dicom_node.negotiation import Negotiated, NegotiationMemory
from dicom_node.wire import ConnectionLost, Fragment, PduReader, TimedOut, WireError

_log = get_logger(__name__)

MAX_COMMAND_BYTES = 65536
MAX_OTHER_DATA_BYTES = 1 << 20
_REQUEST_SECONDS = 30.0


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

    def begin(self, association: "AcceptedAssociation", request: StoreRequest) -> Sink:
        """Return what takes the data set of a C-STORE."""

    def released(self, association: "AcceptedAssociation") -> None:
        """Act on the goodbye of the peer, who has its answer already."""

    def ended(self, association: "AcceptedAssociation") -> None:
        """Forget the association, however it ended."""


class UpperLayer(DULServiceProvider):
    """The acceptor's upper layer without a thread: what is sent is sent at once, by whoever sends it.

    Of PS3.8's state machine an acceptor that reads in one place needs only what the code of
    :class:`AcceptedAssociation` says in order: request, answer, data, release.
    """

    def __init__(self, association: "AcceptedAssociation", sock: socket.socket) -> None:
        super().__init__(association)
        self._sock = sock
        sock.settimeout(None)
        wire.limit_waiting(sock, socket.SO_SNDTIMEO, int(1e6 * _REQUEST_SECONDS))
        self._sending = threading.Lock()
        self.last_sent = b""

    def send_pdu(self, primitive: Any) -> None:
        """Encode a primitive and send it."""
        self.last_sent = _encode(primitive)
        self.send_bytes(self.last_sent)

    def send_bytes(self, encoded: bytes) -> None:
        """Send a whole PDU; raise ConnectionLost when the peer does not take it in time."""
        with self._sending:
            try:
                self._sock.sendall(encoded)
            except OSError as error:
                raise ConnectionLost from error

    def start(self) -> None:
        """Start nothing: the association's thread does the work."""

    def is_alive(self) -> bool:
        """There is no thread to wait for."""
        return False

    def stop_dul(self) -> bool:
        """There is nothing to stop."""
        return True


class AcceptedAssociation(Association):
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
        super().__init__(ae, MODE_ACCEPTOR)
        self._upper = UpperLayer(self, sock)
        self.dul = self._upper
        self.name = f"association-{address}"
        self.address = address
        self.studies: set[str] = set()
        """UIDs of the studies that were stored over this association."""
        self.was_admitted = False
        self.calling_ae = ""
        self.called_ae = ""
        self.acceptor.maximum_length = limits.max_pdu_bytes
        self.acceptor.ae_title = ae.ae_title
        self.acceptor.implementation_class_uid = ae.implementation_class_uid
        self.acceptor.implementation_version_name = ae.implementation_version_name
        self.acceptor._contexts = contexts  # the setter checks and copies what was checked once at start-up
        self._service = service
        self._limits = limits
        self._memory = memory
        self._sock = sock
        self._reader = PduReader(sock, limits.max_pdu_bytes)
        self._message = Message()
        self._leaving = False

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

    def run_reactor(self) -> None:
        """Serve the peer until it leaves or has to."""
        farewell = b""
        try:
            if self._establish():
                self._serve()
        except WireError as error:
            self._note(f"protocol violation: {error}")
            farewell = wire.abort_pdu(error.reason)
        except TimedOut:
            self._note("peer was silent or too slow for too long")
            farewell = wire.abort_pdu(0, by_provider=False) if self.is_established else b""
        except ConnectionLost:
            if self._leaving:
                farewell = wire.abort_pdu(0, by_provider=False)
            else:
                self._note("connection ended without a release")
        except Exception:  # noqa: BLE001 - the last resort of a thread: one peer must not take the receiver down
            _log.error("association failed", address=self.address, exc_info=True)
            farewell = wire.abort_pdu(0)
        finally:
            self.is_established = False
            self._message.abandon()
            wire.hang_up(self._sock, farewell)
            self._service.ended(self)

    def _establish(self) -> bool:
        """Read the request and answer it (PS3.8 7.1); tell whether there is an association now."""
        pdu = self._reader.read(min(_REQUEST_SECONDS, self._limits.idle_seconds))
        if pdu.kind != wire.ASSOCIATE_RQ:
            raise WireError("first PDU is no association request", reason=2)
        encoded = wire.whole_pdu(pdu)
        known = self._memory.recall(encoded)
        primitive = known.request if known is not None else _parse_request(encoded)
        caller = Caller(str(primitive.calling_ae_title), str(primitive.called_ae_title), self.address)
        self.requestor.primitive = primitive
        self.calling_ae, self.called_ae = caller.calling_ae, caller.called_ae
        if not encoded[7] & 1:  # the protocol version, PS3.8 Table 9-11
            self.acse.send_reject(1, 2, 2)
            return False
        rejection = self._service.admit(caller)
        if rejection is not None:
            self.acse.send_reject(rejection.result, rejection.source, rejection.diagnostic)
            return False
        self.was_admitted = True
        evt.trigger(self, evt.EVT_REQUESTED, {})
        if known is not None:
            self._accepted_cx = dict(known.accepted)
            self.acceptor.primitive = known.answer
            self._upper.send_bytes(known.encoded_answer)
            self.is_established = True
            return True
        self.acse.negotiate_association()
        if self.is_established and self.requestor.user_identity is None:
            negotiated = Negotiated(primitive, self.acceptor.primitive, dict(self._accepted_cx), self._upper.last_sent)
            self._memory.remember(encoded, negotiated)
        return bool(self.is_established)

    def _serve(self) -> None:
        """Take PDUs until the peer releases or aborts (PS3.8 7.2, 7.3)."""
        while not self._leaving:
            pdu = self._reader.read(self._limits.idle_seconds)
            if pdu.kind == wire.P_DATA:
                for fragment in wire.fragments(pdu.body):
                    self._take(fragment)
            elif pdu.kind == wire.RELEASE_RQ:
                self.is_released, self.is_established = True, False
                self.acse.send_release(is_response=True)
                self._service.released(self)
                return
            elif pdu.kind == wire.ABORT:
                self.is_aborted = True
                return
            else:
                what = f"PDU type 0x{pdu.kind:02X} is unexpected here"
                raise WireError(what, reason=2)
        raise ConnectionLost

    def _take(self, fragment: Fragment) -> None:
        """Take one fragment of a command set or data set (PS3.7 6.3, PS3.8 Annex E)."""
        message = self._message
        if fragment.context_id not in self._accepted_cx:
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
                raise WireError("data set is longer than receive.max_dataset_bytes")
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
            context = self._accepted_cx[message.context_id]
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
        self._upper.send_bytes(wire.command_pdu(self._message.context_id, wire.encode_command(response)))

    def _serve_other(self) -> None:
        """Hand any other message to pynetdicom's DIMSE provider and service classes."""
        message = self._message
        values: Any = [[message.context_id, b"\x03" + bytes(message.command)]]
        if message.expects_data:
            values.append([message.context_id, b"\x02" + bytes(message.other_data)])
        primitive = P_DATA()
        primitive.presentation_data_value_list = values
        self.dimse.receive_primitive(primitive)
        context_id, request = self.dimse.get_msg(block=False)
        if request is not None and context_id is not None:
            self._serve_request(request, context_id)
        if self._sent_abort or not self.dul.event_queue.empty():
            raise WireError("message cannot be served")

    def _note(self, what: str) -> None:
        _log.warning("association ended early", reason=what, address=self.address, calling_ae=self.calling_ae)


def _parse_request(encoded: bytes) -> Any:
    """Parse an A-ASSOCIATE-RQ with pynetdicom, which is strict about the padding of AE titles."""
    called, calling = (encoded[start : start + 16].split(b"\x00")[0].ljust(16) for start in (10, 26))
    try:
        request = A_ASSOCIATE_RQ()
        request.decode(encoded[:10] + called + calling + encoded[42:])
        primitive = request.to_primitive()
    except Exception as error:  # pynetdicom raises whatever its parsing of hostile bytes runs into
        raise WireError("association request cannot be parsed", reason=6) from error
    return primitive


def _uid(command: dict[int, bytes], tag: int) -> str:
    return command.get(tag, b"").strip(b"\x00 ").decode("latin_1")


def _encode(primitive: Any) -> bytes:
    """Encode what pynetdicom's ACSE and DIMSE providers hand to the upper layer."""
    if isinstance(primitive, A_ASSOCIATE):
        pdu: Any = A_ASSOCIATE_AC(primitive) if primitive.result == 0 else A_ASSOCIATE_RJ(primitive)
    elif isinstance(primitive, A_RELEASE):
        pdu = A_RELEASE_RQ(primitive) if primitive.result is None else A_RELEASE_RP(primitive)
    elif isinstance(primitive, A_ABORT | A_P_ABORT):
        pdu = A_ABORT_RQ(primitive)
    else:
        pdu = P_DATA_TF(primitive)
    return bytes(pdu.encode())
