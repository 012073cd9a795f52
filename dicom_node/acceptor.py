"""pynetdicom's part in an association that a peer opened: its negotiation, and every service but C-STORE.

Most associations of a modality need none of it: their request was answered before, and they bring images. Making
pynetdicom's objects takes longer than the rest of such an association's beginning, so they are made when asked for.
"""

from collections.abc import Callable
from typing import Any

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

from dicom_node.access import Rejection
from dicom_node.negotiation import Negotiated
from dicom_node.wire import WireError

Send = Callable[[bytes], None]
"""Sends a whole PDU."""


class UpperLayer(DULServiceProvider):
    """The acceptor's upper layer without a thread: what is sent is sent at once, by whoever sends it.

    Of PS3.8's state machine an acceptor that reads in one place needs only what the code of
    :class:`~dicom_node.association.AcceptedAssociation` says in order: request, answer, data, release.
    """

    def __init__(self, acceptor: "Acceptor", send: Send) -> None:
        super().__init__(acceptor)
        self._send_encoded = send
        self.last_sent = b""

    def send_pdu(self, primitive: Any) -> None:
        """Encode a primitive and send it."""
        self.last_sent = _encode(primitive)
        self._send_encoded(self.last_sent)

    def start(self) -> None:
        """Start nothing: the association's thread does the work."""

    def is_alive(self) -> bool:
        """There is no thread to wait for."""
        return False

    def stop_dul(self) -> bool:
        """There is nothing to stop."""
        return True


class Acceptor(Association):
    """What pynetdicom knows of one association; a thread that is never started.

    ``contexts`` are what we support, checked at start-up; ``send`` sends a whole PDU.
    """

    def __init__(self, ae: AE, contexts: list[PresentationContext], send: Send) -> None:
        super().__init__(ae, MODE_ACCEPTOR)
        self._upper = UpperLayer(self, send)
        self.dul = self._upper
        self.acceptor.maximum_length = ae.maximum_pdu_size
        self.acceptor.ae_title = ae.ae_title
        self.acceptor.implementation_class_uid = ae.implementation_class_uid
        self.acceptor.implementation_version_name = ae.implementation_version_name
        self.acceptor._contexts = contexts  # the setter checks and copies what was checked once at start-up

    def reject(self, rejection: Rejection) -> None:
        """Send an A-ASSOCIATE-RJ (PS3.8 9.3.4)."""
        self.acse.send_reject(rejection.result, rejection.source, rejection.diagnostic)

    def negotiate(self, request: Any) -> Negotiated | None:
        """Answer a parsed request, and return what came of it unless it was rejected."""
        self.requestor.primitive = request
        evt.trigger(self, evt.EVT_REQUESTED, {})
        self.acse.negotiate_association()
        if not self.is_established:
            return None
        return Negotiated(request, self.acceptor.primitive, dict(self._accepted_cx), self._upper.last_sent)

    def resume(self, negotiated: Negotiated) -> None:
        """Be as after :meth:`negotiate`, which an earlier association did with the same request."""
        self.requestor.primitive = negotiated.request
        self.acceptor.primitive = negotiated.answer
        self._accepted_cx = dict(negotiated.accepted)
        self.is_established = True

    def identifies_user(self) -> bool:
        """Tell whether the request held a user identity (PS3.7 D.3.3.7), which is decided anew each time."""
        return self.requestor.user_identity is not None

    def serve(self, context_id: int, command: bytes, data: bytes | None) -> None:
        """Let pynetdicom's DIMSE provider and service classes serve a message; raise WireError if they cannot."""
        values: Any = [[context_id, b"\x03" + command]]
        if data is not None:
            values.append([context_id, b"\x02" + data])
        primitive = P_DATA()
        primitive.presentation_data_value_list = values
        self.dimse.receive_primitive(primitive)
        found_id, request = self.dimse.get_msg(block=False)
        if request is not None and found_id is not None:
            self._serve_request(request, found_id)
        if self._sent_abort or not self.dul.event_queue.empty():
            raise WireError("message cannot be served")


def parse_request(encoded: bytes) -> Any:
    """Parse an A-ASSOCIATE-RQ with pynetdicom, which is strict about the padding of AE titles."""
    called, calling = (encoded[start : start + 16].split(b"\x00")[0].ljust(16) for start in (10, 26))
    try:
        request = A_ASSOCIATE_RQ()
        request.decode(encoded[:10] + called + calling + encoded[42:])
        primitive = request.to_primitive()
    except Exception as error:  # pynetdicom raises whatever its parsing of hostile bytes runs into
        raise WireError("association request cannot be parsed", reason=6) from error
    return primitive


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
