"""A-ASSOCIATE-RQ (PS3.8 9.3.2): who calls, from the fixed bytes; what is proposed, from a bounded number of items.

The two parts are read apart, because a stranger is turned away after the first. Everything here looks at no more items
than :data:`MAX_ITEMS`, :data:`MAX_CONTEXTS`, :data:`MAX_SYNTAXES` and :data:`MAX_USER_ITEMS` allow, whatever the length
of the request.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from dicom_node.upper_layer.pdus import ProtocolError

FIXED_BYTES = 68
"""Protocol version, two reserved bytes, called and calling AE title, 32 reserved bytes (PS3.8 Table 9-11)."""

MAX_ITEMS = 512
"""Items of a request, unknown ones among them: 128 presentation contexts, one application context, one user item."""

MAX_CONTEXTS = 128
"""Presentation context IDs are the odd numbers from 1 to 255 (PS3.8 9.3.2.2)."""

MAX_SYNTAXES = 64
"""Transfer syntaxes looked at in one presentation context: PS3.6 Annex A has fewer. More are ignored."""

MAX_USER_ITEMS = 256
"""Sub-items of the user information looked at. More are ignored."""

APPLICATION_CONTEXT = b"1.2.840.10008.3.1.1.1"
"""DICOM Application Context Name (PS3.7 A.2.1), the only one there is."""

_APPLICATION_CONTEXT_ITEM, _CONTEXT_ITEM, _USER_ITEM = 0x10, 0x20, 0x50
_ABSTRACT_SYNTAX_ITEM, _TRANSFER_SYNTAX_ITEM, _MAXIMUM_LENGTH_ITEM, _ROLE_ITEM = 0x30, 0x40, 0x51, 0x54
_ITEM_HEADER = struct.Struct(">BxH")
_INVALID = 6
"""Reason of the A-ABORT: invalid-PDU-parameter value (PS3.8 Table 9-26)."""


@dataclass(frozen=True, slots=True)
class FixedFields:
    """What stands in the same place of every request; AE titles without padding, in printable ASCII."""

    protocol_version: int
    called_ae: str
    calling_ae: str

    @property
    def speaks_version_1(self) -> bool:
        """Bit 0 of the protocol version, which is the only one that is tested (PS3.8 Table 9-11)."""
        return bool(self.protocol_version & 1)


@dataclass(frozen=True, slots=True)
class ProposedContext:
    """A proposed presentation context (PS3.8 9.3.2.2); UIDs as sent, without padding, unchecked."""

    context_id: int
    abstract_syntax: bytes
    transfer_syntaxes: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class ProposedRoles:
    """Which roles the requestor proposes for itself in one SOP class (PS3.7 D.3.3.4)."""

    sop_class_uid: bytes
    as_scu: bool
    as_scp: bool


@dataclass(frozen=True, slots=True)
class AssociationRequest:
    """The variable part of a request; ``max_pdu_bytes`` is 0 where the peer sets no limit (PS3.8 D.1)."""

    application_context: bytes
    contexts: tuple[ProposedContext, ...]
    max_pdu_bytes: int
    roles: tuple[ProposedRoles, ...] = ()


def read_fixed_fields(body: bytes) -> FixedFields:
    """Return the fixed fields of a request without its PDU header; raise ProtocolError where it is too short."""
    if len(body) < FIXED_BYTES:
        raise ProtocolError("association request is too short", _INVALID)
    version = int.from_bytes(body[:2], "big")
    return FixedFields(version, _ae_title(body[4:20]), _ae_title(body[20:36]))


def parse_request(body: bytes) -> AssociationRequest:
    """Return the variable part of a request without its PDU header.

    Unknown items are ignored (PS3.8 9.3.1). An item that is longer than what holds it, a presentation context ID that
    is even or repeated, and more items than :data:`MAX_ITEMS` raise ProtocolError.
    """
    application_context, user_information = b"", b""
    contexts: dict[int, ProposedContext] = {}
    for number, (kind, value) in enumerate(_items(body[FIXED_BYTES:])):
        if number >= MAX_ITEMS:
            raise ProtocolError("association request has too many items", _INVALID)
        if kind == _CONTEXT_ITEM:
            context = _parse_context(value)
            if context.context_id in contexts:
                raise ProtocolError("presentation context ID is repeated", _INVALID)
            contexts[context.context_id] = context
        elif kind == _APPLICATION_CONTEXT_ITEM:
            application_context = _uid(value)
        elif kind == _USER_ITEM:
            user_information = value
    max_pdu_bytes, roles = _parse_user_information(user_information)
    return AssociationRequest(application_context, tuple(contexts.values()), max_pdu_bytes, roles)


def _parse_context(value: bytes) -> ProposedContext:
    if len(value) < 4 or value[0] % 2 == 0:  # odd and one byte: so there are at most MAX_CONTEXTS of them
        raise ProtocolError("presentation context ID is missing or even", _INVALID)
    abstract_syntax = b""
    transfer_syntaxes: list[bytes] = []
    for number, (kind, content) in enumerate(_items(value[4:])):
        if number > MAX_SYNTAXES:
            break
        if kind == _TRANSFER_SYNTAX_ITEM:
            transfer_syntaxes.append(_uid(content))
        elif kind == _ABSTRACT_SYNTAX_ITEM:
            abstract_syntax = _uid(content)
    return ProposedContext(value[0], abstract_syntax, tuple(transfer_syntaxes))


def _parse_user_information(user_information: bytes) -> tuple[int, tuple[ProposedRoles, ...]]:
    """Return the peer's Maximum Length Received (PS3.8 D.1), 0 where there is none, and the roles that it proposes."""
    max_pdu_bytes: int | None = None
    roles: dict[bytes, ProposedRoles] = {}
    for number, (kind, content) in enumerate(_items(user_information)):
        if number >= MAX_USER_ITEMS:
            break
        if kind == _MAXIMUM_LENGTH_ITEM and len(content) == 4 and max_pdu_bytes is None:
            max_pdu_bytes = int.from_bytes(content, "big")
        elif kind == _ROLE_ITEM and len(content) >= 4 and len(content) == int.from_bytes(content[:2], "big") + 4:
            uid = _uid(content[2:-2])
            roles.setdefault(uid, ProposedRoles(uid, content[-2] == 1, content[-1] == 1))
    return max_pdu_bytes or 0, tuple(roles.values())


def _items(encoded: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield type and value of each item; raise ProtocolError when one is longer than what is there."""
    position, size = 0, len(encoded)
    unpack_header, header_size = _ITEM_HEADER.unpack_from, _ITEM_HEADER.size  # thousands of items in a long request
    while position < size:
        begin = position + header_size
        if begin > size:
            raise ProtocolError("item of the association request is cut off", _INVALID)
        kind, length = unpack_header(encoded, position)
        position = begin + length
        if position > size:
            raise ProtocolError("item of the association request is longer than what holds it", _INVALID)
        yield kind, encoded[begin:position]


def _uid(value: bytes) -> bytes:
    """Strip the null or space that some peers pad a UID with."""
    return value.rstrip(b"\x00 ")


def _ae_title(padded: bytes) -> str:
    """Decode an AE title, padded with spaces (PS3.8 9.3.2) or, by some peers, nulls; what is not ASCII is ``?``."""
    text = padded.split(b"\x00", 1)[0].decode("ascii", "replace").strip(" ")
    return "".join(character if character.isascii() and character.isprintable() else "?" for character in text)
