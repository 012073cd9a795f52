"""Association negotiation: which proposed presentation contexts are accepted, and the answer (PS3.8 9.3.3, PS3.7 D.3).

The answer depends on nothing but the bytes of the request and our settings, which do not change while the process
runs. A modality that opens an association for every image sends the same request, byte for byte, each time, so
:class:`NegotiationMemory` keeps the latest answers. Who may call is decided anew each time, before this.

Role selection is answered for storage commitment alone, whose SCP calls us to report (PS3.4 J.3.3): it may be the SCP,
and not the SCU. Other role selection, extended negotiation and user identity are not answered, which means: default
roles, no extension, and the identity is accepted unchecked (PS3.7 D.3.3.4, D.3.3.5, D.3.3.7).
"""

import struct
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dicom_node.format.sop_classes import STORAGE_COMMITMENT
from dicom_node.identity import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from dicom_node.upper_layer import pdus
from dicom_node.upper_layer.association_request import APPLICATION_CONTEXT, AssociationRequest, ProposedRoles
from dicom_node.upper_layer.presentation import AcceptedContext, ContextResult, RefusedContext, Supported, decide
from dicom_node.upper_layer.refusal_causes import Cause, causes

_LONGEST_REQUEST = 65536
_MOST_REQUESTS = 64
_AE_TITLES = slice(4, 68)
"""Called and calling AE title and 32 reserved bytes: an answer repeats them as they came (PS3.8 Table 9-17)."""

_APPLICATION_CONTEXT_ITEM, _CONTEXT_ITEM, _TRANSFER_SYNTAX_ITEM, _USER_ITEM = 0x10, 0x21, 0x40, 0x50
_MAXIMUM_LENGTH_ITEM, _CLASS_UID_ITEM, _ROLE_ITEM, _VERSION_NAME_ITEM = 0x51, 0x52, 0x54, 0x55
_ITEM_HEADER = struct.Struct(">BxH")
_REPORTING = STORAGE_COMMITMENT.encode()


@dataclass(frozen=True, slots=True)
class Offer:
    """What some callers are offered, and the memory of what was negotiated with them."""

    supported: Supported
    memory: "NegotiationMemory"


@dataclass(frozen=True, slots=True)
class Negotiated:
    """What came of a request; shared between associations. ``peer_max_pdu_bytes`` is 0 for no limit."""

    accepted: Mapping[int, AcceptedContext]
    refused: tuple[Cause, ...]
    encoded_answer: bytes
    peer_max_pdu_bytes: int


class NegotiationMemory:
    """The latest requests and their answers, bounded in number and length; safe to share between threads."""

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, Negotiated] = OrderedDict()
        self._lock = threading.Lock()

    def recall(self, request: bytes) -> Negotiated | None:
        """Return what these bytes came to last time."""
        with self._lock:
            negotiated = self._known.get(request)
            if negotiated is not None:
                self._known.move_to_end(request)
            return negotiated

    def remember(self, request: bytes, negotiated: Negotiated) -> None:
        """Keep an answer, unless the request is unusually long."""
        if len(request) > _LONGEST_REQUEST:
            return
        with self._lock:
            self._known[request] = negotiated
            while len(self._known) > _MOST_REQUESTS:
                self._known.popitem(last=False)


def negotiate(body: bytes, request: AssociationRequest, supported: Supported, max_pdu_bytes: int) -> Negotiated:
    """Decide on each proposed presentation context and encode the A-ASSOCIATE-AC.

    ``body`` is the request that was parsed into ``request``, ``max_pdu_bytes`` the longest PDU we take.
    """
    accepted: dict[int, AcceptedContext] = {}
    refused: list[RefusedContext] = []
    items = [_item(_APPLICATION_CONTEXT_ITEM, APPLICATION_CONTEXT)]
    for context in request.contexts:
        result, syntax = decide(context, supported)
        if result is ContextResult.ACCEPTANCE:
            accepted[context.context_id] = AcceptedContext(context.abstract_syntax.decode("ascii"), syntax.decode())
        else:
            refused.append(RefusedContext(context, result))
        content = bytes((context.context_id, 0, result, 0)) + _item(_TRANSFER_SYNTAX_ITEM, syntax)
        items.append(_item(_CONTEXT_ITEM, content))
    taken = {context.abstract_syntax for context in accepted.values()}
    roles = [
        proposed for proposed in request.roles if proposed.sop_class_uid == _REPORTING and STORAGE_COMMITMENT in taken
    ]
    items.append(_user_information(max_pdu_bytes, roles))
    fixed = b"\x00\x01\x00\x00" + body[_AE_TITLES]
    answer = pdus.control_pdu(pdus.ASSOCIATE_AC, fixed + b"".join(items))
    return Negotiated(accepted, causes(refused), answer, request.max_pdu_bytes)


def _user_information(max_pdu_bytes: int, roles: Sequence[ProposedRoles]) -> bytes:
    content = _item(_MAXIMUM_LENGTH_ITEM, max_pdu_bytes.to_bytes(4, "big"))
    content += _item(_CLASS_UID_ITEM, IMPLEMENTATION_CLASS_UID.encode("ascii"))
    for proposed in roles:
        uid = proposed.sop_class_uid
        content += _item(_ROLE_ITEM, len(uid).to_bytes(2, "big") + uid + bytes((0, proposed.as_scp)))
    content += _item(_VERSION_NAME_ITEM, IMPLEMENTATION_VERSION_NAME.encode("ascii"))
    return _item(_USER_ITEM, content)


def _item(kind: int, content: bytes) -> bytes:
    return _ITEM_HEADER.pack(kind, len(content)) + content
