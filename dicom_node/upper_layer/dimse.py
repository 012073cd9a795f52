"""Command sets of DIMSE messages (PS3.7 6.3, E): always Implicit VR Little Endian, as tag → raw value."""

import struct
from collections.abc import Mapping

from dicom_node.upper_layer.pdus import ProtocolError

_ELEMENT_HEADER = struct.Struct("<HHI")

GROUP_LENGTH = 0x00000000
AFFECTED_SOP_CLASS = 0x00000002
COMMAND_FIELD = 0x00000100
MESSAGE_ID = 0x00000110
RESPONDED_MESSAGE_ID = 0x00000120
PRIORITY = 0x00000700
DATA_SET_TYPE = 0x00000800
STATUS = 0x00000900
ERROR_COMMENT = 0x00000902
AFFECTED_SOP_INSTANCE = 0x00001000
EVENT_TYPE_ID = 0x00001002

C_STORE_RQ, C_STORE_RSP, C_ECHO_RQ, C_ECHO_RSP = 0x0001, 0x8001, 0x0030, 0x8030
N_EVENT_REPORT_RQ = 0x0100
C_CANCEL_RQ, RESPONSE = 0x0FFF, 0x8000
OTHER_REQUESTS = frozenset({0x0010, 0x0020, 0x0021, 0x0100, 0x0110, 0x0120, 0x0130, 0x0140, 0x0150})
"""C-GET, C-FIND, C-MOVE, N-EVENT-REPORT, N-GET, N-SET, N-ACTION, N-CREATE, N-DELETE (PS3.7 E.1)."""
NO_DATA_SET = 0x0101


def decode_command(encoded: bytes | bytearray) -> dict[int, bytes]:
    """Return a command set as tag → raw value; command sets are always Implicit VR Little Endian (PS3.7 6.3.1)."""
    found: dict[int, bytes] = {}
    position = 0
    while position < len(encoded):
        if len(encoded) - position < _ELEMENT_HEADER.size:
            raise ProtocolError("command element is cut off", reason=6)
        group, element, length = _ELEMENT_HEADER.unpack_from(encoded, position)
        position += _ELEMENT_HEADER.size
        if position + length > len(encoded):
            raise ProtocolError("command element is longer than its command set", reason=6)
        found[group << 16 | element] = bytes(encoded[position : position + length])
        position += length
    return found


def encode_command(elements: Mapping[int, int | bytes]) -> bytes:
    """Encode a command set; integers become US, bytes are padded to even length with a null."""
    encoded = bytearray()
    for tag, value in sorted(elements.items()):
        raw = value.to_bytes(2, "little") if isinstance(value, int) else value + b"\x00" * (len(value) % 2)
        encoded += _ELEMENT_HEADER.pack(tag >> 16, tag & 0xFFFF, len(raw)) + raw
    return _ELEMENT_HEADER.pack(0, 0, 4) + len(encoded).to_bytes(4, "little") + bytes(encoded)


def number(command: Mapping[int, bytes], tag: int) -> int:
    """Return an unsigned short of a command set; a missing one is a ProtocolError."""
    raw = command.get(tag, b"")
    if len(raw) != 2:
        what = f"command element {tag:08X} is missing or no US"
        raise ProtocolError(what, reason=6)
    return int.from_bytes(raw, "little")
