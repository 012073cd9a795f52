"""One accepted association, on an upper layer of our own.

pynetdicom runs an association in two threads that poll each other every millisecond, copies every fragment several
times, collects a data set in memory and believes whatever length a PDU claims. Here one thread blocks on the
connection, PDUs are bounded, and the fragments of a C-STORE go straight from the receive buffer to a :class:`Sink`. The
caller is judged by the fixed bytes of the request alone; what a stranger proposes is never parsed.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from config.logs import get_logger
from dicom_node.format.sop_classes import STORAGE_COMMITMENT, WITHOUT_OBJECTS
from dicom_node.instance_store.store import PartialFile
from dicom_node.upper_layer import access, dimse, negotiation, other_services, pdus
from dicom_node.upper_layer.access import Caller, Rejection
from dicom_node.upper_layer.association_request import APPLICATION_CONTEXT, parse_request, read_fixed_fields
from dicom_node.upper_layer.message import Answer, DataSetTooLong, EventReport, Message, Sink, StoreRequest
from dicom_node.upper_layer.negotiation import Negotiated, Offer
from dicom_node.upper_layer.pdus import Fragment, PduReader, ProtocolError
from dicom_node.upper_layer.presentation import AcceptedContext
from dicom_node.upper_layer.tls_transport import HandshakeFailed
from dicom_node.upper_layer.transport import ConnectionLost, TimedOut, Transport

_log = get_logger(__name__)

MAX_COMMAND_BYTES = 65536
MAX_OTHER_DATA_BYTES = 1 << 20
_REQUEST_SECONDS = 30.0
_HANDSHAKE_SECONDS = 10.0
_RELEASED = pdus.release_pdu(pdus.RELEASE_RP)
_BROKEN_REQUEST = "no valid association request came"
_SILENT = "no association request came in time"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a peer may claim of us, in bytes and seconds."""

    max_pdu_bytes: int
    max_dataset_bytes: int
    idle_seconds: float
    no_image_seconds: float


class Service(Protocol):
    """What the receiver decides for its associations."""

    def admit(self, association: "AcceptedAssociation", caller: Caller) -> Rejection | None:
        """Return why the association is refused, or None."""

    def offer(self, caller: Caller) -> Offer:
        """Return what a caller that was admitted is offered."""

    def rejected(self, caller: Caller, rejection: Rejection) -> None:
        """Write a rejection down, without waiting: the peer has no answer yet, and may not stay for it."""

    def broken_off(self, caller: Caller, reason: str) -> None:
        """Write down that the connection ended for this reason before there was an association."""

    def handshake_failed(self, caller: Caller, failure: HandshakeFailed) -> None:
        """Write down that a TLS handshake came to nothing."""

    def accepted(self, association: "AcceptedAssociation") -> None:
        """Get ready: the peer has its answer, and needs a moment for its first message."""

    def begin(self, association: "AcceptedAssociation", request: StoreRequest) -> Sink:
        """Return what takes the data set of a C-STORE."""

    def begin_report(self, association: "AcceptedAssociation", report: EventReport) -> Sink:
        """Return what takes the data set of an N-EVENT-REPORT of storage commitment."""

    def released(self, association: "AcceptedAssociation") -> None:
        """Act on the goodbye of the peer, who has its answer already."""

    def ended(self, association: "AcceptedAssociation") -> None:
        """Forget the association, however it ended."""


class AcceptedAssociation:
    """An association that a peer opened, from its first byte to its last, in one thread."""

    def __init__(
        self,
        transport: Transport,
        address: str,
        service: Service,
        limits: Limits,
    ) -> None:
        self.caller = Caller("", "", address)
        self.studies: set[str] = set()
        """UIDs of the studies that were stored over this association."""
        self.prepared: PartialFile | None = None
        """A temporary file for the first image, opened before it came."""
        self.was_used = False
        """A C-STORE, C-ECHO or N-EVENT-REPORT came."""
        self.negotiated: Negotiated | None = None
        self._service = service
        self._limits = limits
        self._transport = transport
        self._reader = PduReader(transport, limits.max_pdu_bytes)
        self._message = Message()
        self._accepted: Mapping[int, AcceptedContext] = {}
        self._image_due = 0.0
        self._leaving = False

    @property
    def calling_ae(self) -> str:
        """The peer's AE title, empty before its request came."""
        return self.caller.calling_ae

    @property
    def called_ae(self) -> str:
        """The AE title that the peer called."""
        return self.caller.called_ae

    @property
    def address(self) -> str:
        """The peer's address."""
        return self.caller.address

    @property
    def may_store(self) -> bool:
        """Tell whether a presentation context was accepted on which an image can come."""
        return any(context.abstract_syntax not in WITHOUT_OBJECTS for context in self._accepted.values())

    def leave(self, *, at_once: bool) -> None:
        """End the association from another thread: at once, or as soon as no message is under way."""
        self._leaving = True
        if at_once or not self._message.under_way:
            self._transport.stop_receiving()

    def run(self) -> None:
        """Serve the peer until it leaves or has to."""
        farewell, reason = b"", ""
        refused: Sink | None = None
        try:
            if self._establish():
                self._serve()
        except ProtocolError as error:
            reason = str(error)
            if self.negotiated is None:  # PS3.8 9.2.3, AA-1: the service-user's, where AA-8 is the service-provider's
                self._service.broken_off(self.caller, _BROKEN_REQUEST)
                farewell = pdus.abort_pdu(0, by_provider=False)
            else:
                self._note(f"protocol violation: {reason}")
                farewell = pdus.abort_pdu(error.reason)
            refused = self._message.sink if isinstance(error, DataSetTooLong) else None
        except TimedOut:
            if self.negotiated is None:
                self._service.broken_off(self.caller, _SILENT)
            else:
                self._note("peer was silent, too slow or without an image for too long")
                farewell = pdus.abort_pdu(0, by_provider=False)
        except HandshakeFailed as failure:
            if not self._leaving:
                self._service.handshake_failed(self.caller, failure)
        except ConnectionLost:
            if self._leaving:
                farewell = pdus.abort_pdu(0, by_provider=False)
            elif self.negotiated is not None:
                self._note("connection ended without a release")
        except Exception:  # noqa: BLE001 - the last resort of a thread: one peer must not take the receiver down
            _log.error("association failed", address=self.address, exc_info=True)
            farewell = pdus.abort_pdu(0)
        finally:
            self._message.abandon()
            if self.prepared is not None:
                self.prepared.discard()
            self._transport.hang_up(farewell)
            if refused is not None:  # only now: the database may be slow or away, and the peer goes on sending
                refused.cut_off(reason)
            self._service.ended(self)

    def _establish(self) -> bool:
        """Read the request and answer it (PS3.8 7.1); tell whether there is an association now."""
        names = self._transport.begin(min(_HANDSHAKE_SECONDS, self._limits.idle_seconds))
        pdu = self._reader.read(min(_REQUEST_SECONDS, self._limits.idle_seconds))
        if pdu.kind == pdus.ABORT:
            return False
        if pdu.kind != pdus.ASSOCIATE_RQ:
            raise ProtocolError("first PDU is no association request")
        body = bytes(pdu.body)
        fixed = read_fixed_fields(body)
        self.caller = Caller(fixed.calling_ae, fixed.called_ae, self.caller.address, names)
        rejection = self._service.admit(self, self.caller) if fixed.speaks_version_1 else access.OTHER_VERSION
        negotiated = None
        if rejection is None:
            negotiated = self._negotiate(body)
            rejection = access.OTHER_APPLICATION_CONTEXT
        if negotiated is None:
            self._service.rejected(self.caller, rejection)
            self._transport.send(pdus.reject_pdu(rejection.result, rejection.source, rejection.diagnostic))
            return False
        self._transport.send(negotiated.encoded_answer)
        self.negotiated, self._accepted = negotiated, negotiated.accepted
        self._image_due = time.monotonic() + self._limits.no_image_seconds
        self._service.accepted(self)
        return True

    def _negotiate(self, body: bytes) -> Negotiated | None:
        """Return the answer to a request, or None where its application context is not DICOM's."""
        offer = self._service.offer(self.caller)
        negotiated = offer.memory.recall(body)
        if negotiated is not None:
            return negotiated
        request = parse_request(body)
        if request.application_context != APPLICATION_CONTEXT:
            return None
        negotiated = negotiation.negotiate(body, request, offer.supported, self._limits.max_pdu_bytes)
        offer.memory.remember(body, negotiated)
        return negotiated

    def _serve(self) -> None:
        """Take PDUs until the peer releases or aborts (PS3.8 7.2, 7.3)."""
        while not self._leaving:
            pdu = self._reader.read(self._patience())
            if pdu.kind == pdus.P_DATA:
                for fragment in pdus.fragments(pdu.body):
                    self._take(fragment)
            elif pdu.kind == pdus.RELEASE_RQ:
                self._transport.send(_RELEASED)
                self._service.released(self)
                return
            elif pdu.kind == pdus.ABORT:
                return
            else:
                what = f"PDU type 0x{pdu.kind:02X} is unexpected here"
                raise ProtocolError(what, reason=2)
        raise ConnectionLost

    def _patience(self) -> float:
        """Return how many seconds the next PDU may take; a message under way has a time limit of its own."""
        if self._message.under_way:
            return self._limits.idle_seconds
        return min(self._limits.idle_seconds, self._image_due - time.monotonic())

    def _take(self, fragment: Fragment) -> None:
        """Take one fragment of a command set or data set (PS3.7 6.3, PS3.8 Annex E)."""
        message = self._message
        if fragment.context_id not in self._accepted:
            raise ProtocolError("fragment names a presentation context that was not accepted", reason=6)
        if not message.under_way:
            message.start(fragment.context_id, self._limits.idle_seconds)
        message.check(fragment)
        if fragment.is_command:
            message.command += fragment.data
            if len(message.command) > MAX_COMMAND_BYTES:
                raise ProtocolError("command set is too long", reason=6)
            if fragment.is_last:
                self._begin_message()
            return
        message.received += len(fragment.data)
        if message.sink is not None:
            if message.received > message.longest:
                raise DataSetTooLong
            message.sink.write(fragment.data)
        elif message.received > MAX_OTHER_DATA_BYTES:
            raise ProtocolError("data set of this command is too long")
        if fragment.is_last:
            self._end_message()

    def _begin_message(self) -> None:
        """Get ready for the data set of a complete command set, or serve it when it has none."""
        message = self._message
        message.parsed = command = dimse.decode_command(message.command)
        message.expects_data = dimse.number(command, dimse.DATA_SET_TYPE) != dimse.NO_DATA_SET
        context = self._accepted[message.context_id]
        field = dimse.number(command, dimse.COMMAND_FIELD)
        if field == dimse.C_STORE_RQ:
            self._begin_store(context)
        elif field == dimse.N_EVENT_REPORT_RQ and context.abstract_syntax == STORAGE_COMMITMENT:
            self.was_used = True
            dimse.number(command, dimse.MESSAGE_ID)
            report = EventReport(dimse.number(command, dimse.EVENT_TYPE_ID), context.transfer_syntax)
            message.longest = MAX_OTHER_DATA_BYTES
            message.sink = self._service.begin_report(self, report)
        if not message.expects_data:
            self._end_message()

    def _begin_store(self, context: AcceptedContext) -> None:
        """Get ready for the data set of a C-STORE (PS3.7 9.3.1)."""
        self.was_used = True
        message, command = self._message, self._message.parsed
        request = StoreRequest(
            sop_class_uid=_uid(command, dimse.AFFECTED_SOP_CLASS),
            abstract_syntax=context.abstract_syntax,
            instance_uid=_uid(command, dimse.AFFECTED_SOP_INSTANCE),
            transfer_syntax_uid=context.transfer_syntax,
        )
        dimse.number(command, dimse.MESSAGE_ID)
        message.longest = self._limits.max_dataset_bytes
        message.sink = self._service.begin(self, request)

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
        if not answer.is_refusal:
            self._image_due = time.monotonic() + self._limits.no_image_seconds
        self._respond(other_services.response(self._message.parsed, answer.status, answer.comment))

    def _serve_other(self) -> None:
        """Answer a message that is no C-STORE."""
        command = self._message.parsed
        self.was_used = self.was_used or dimse.number(command, dimse.COMMAND_FIELD) == dimse.C_ECHO_RQ
        response = other_services.respond(command)
        if response is not None:
            self._respond(response)

    def _respond(self, response: dict[int, int | bytes]) -> None:
        assert self.negotiated is not None  # noqa: S101 - messages come over an association only
        limit = self.negotiated.peer_max_pdu_bytes
        self._transport.send(pdus.command_pdus(self._message.context_id, dimse.encode_command(response), limit))

    def _note(self, what: str) -> None:
        _log.warning("association ended early", reason=what, address=self.address, calling_ae=self.calling_ae)


def _uid(command: dict[int, bytes], tag: int) -> str:
    return command.get(tag, b"").strip(b"\x00 ").decode("latin_1")
