"""PDUs (PS3.8 9.3), bounded, and the fragments of messages in them (PS3.8 9.3.5, Annex E).

For the side that is called (:mod:`.association`); where we call, pynetdicom does this. Association requests are read in
:mod:`.association_request`, command sets in :mod:`.dimse`.
"""

import struct
import time
from collections.abc import Iterator
from typing import NamedTuple

from dicom_node.upper_layer.transport import ConnectionLost, Transport

ASSOCIATE_RQ, ASSOCIATE_AC, ASSOCIATE_RJ, P_DATA, RELEASE_RQ, RELEASE_RP, ABORT = range(1, 8)

MAX_CONTROL_PDU_BYTES = 1 << 18
"""For PDUs other than P-DATA: room for 128 presentation contexts with 50 transfer syntaxes each, and not more."""

PDU_TOLERANCE_BYTES = 4096
"""Some peers count the maximum length without the headers of the fragments; that is forgiven, 4 GB are not."""

_PDU_HEADER = struct.Struct(">BxI")
_FRAGMENT_HEADER = struct.Struct(">IBB")


class ProtocolError(Exception):
    """The peer broke the protocol; ``reason`` is the diagnostic of the A-ABORT we answer (PS3.8 Table 9-26)."""

    def __init__(self, what: str, reason: int = 0) -> None:
        super().__init__(what)
        self.reason = reason


class Pdu(NamedTuple):
    """A received PDU; ``body`` is valid until the next read."""

    kind: int
    body: memoryview


class Fragment(NamedTuple):
    """A presentation data value: part of a command set or of a data set."""

    context_id: int
    is_command: bool
    is_last: bool
    data: memoryview


class PduReader:
    """Reads one PDU after another from a connection into one buffer of fixed size.

    pynetdicom believes the length in a PDU's header and would buffer 4 GB for a stranger; here a claim beyond the
    bound is a :class:`ProtocolError` before a byte of it is read.
    """

    def __init__(self, transport: Transport, max_pdu_bytes: int) -> None:
        self._transport = transport
        self._max_data = max_pdu_bytes + PDU_TOLERANCE_BYTES
        self._buffer = bytearray(self._max_data + _PDU_HEADER.size)
        self._start = self._end = 0

    def read(self, timeout: float) -> Pdu:
        """Return the next PDU, waiting at most ``timeout`` seconds for all of it.

        Raises
        ------
        ProtocolError, ConnectionLost, TimedOut
        """
        deadline = time.monotonic() + timeout
        self._fill(_PDU_HEADER.size, deadline)
        kind, length = _PDU_HEADER.unpack_from(self._buffer, self._start)
        if not ASSOCIATE_RQ <= kind <= ABORT:
            what = f"PDU type 0x{kind:02X} does not exist"
            raise ProtocolError(what, reason=1)
        if length > (self._max_data if kind == P_DATA else MAX_CONTROL_PDU_BYTES):
            what = f"PDU of {length} bytes is longer than agreed"
            raise ProtocolError(what, reason=6)
        self._fill(_PDU_HEADER.size + length, deadline)
        begin = self._start + _PDU_HEADER.size
        self._start = begin + length
        return Pdu(kind, memoryview(self._buffer)[begin : begin + length])

    def _fill(self, wanted: int, deadline: float) -> None:
        """Have ``wanted`` bytes in the buffer from ``_start`` on."""
        if self._end - self._start >= wanted:
            return
        if self._start == self._end:
            self._start = self._end = 0
        if self._start + wanted > len(self._buffer):
            self._make_room(wanted)
        view = memoryview(self._buffer)
        while (missing := self._start + wanted - self._end) > 0:
            # The rest of a PDU is waited for in one call; behind its end, whatever is there is taken along.
            whole = wanted > _PDU_HEADER.size
            received = self._transport.receive(view[self._end :][: missing if whole else None], deadline, whole=whole)
            if received == 0:
                raise ConnectionLost
            self._end += received

    def _make_room(self, wanted: int) -> None:
        """Move what is unread to the front; a long association request gets a larger buffer."""
        unread = bytes(memoryview(self._buffer)[self._start : self._end])
        if wanted > len(self._buffer):
            self._buffer = bytearray(wanted)
        self._buffer[: len(unread)] = unread
        self._start, self._end = 0, len(unread)


def fragments(body: memoryview) -> Iterator[Fragment]:
    """Yield the fragments of a P-DATA-TF (PS3.8 9.3.5.1 and E.2); raise ProtocolError where they do not add up."""
    position, size = 0, len(body)
    while position < size:
        if size - position < _FRAGMENT_HEADER.size:
            raise ProtocolError("fragment header is cut off", reason=6)
        length, context_id, control = _FRAGMENT_HEADER.unpack_from(body, position)
        end = position + 4 + length
        if length < 2 or end > size:
            raise ProtocolError("fragment length does not fit its PDU", reason=6)
        is_command, is_last = bool(control & 1), bool(control & 2)
        yield Fragment(context_id, is_command, is_last, body[position + _FRAGMENT_HEADER.size : end])
        position = end


def data_pdu_header(context_id: int, length: int, *, is_command: bool, is_last: bool) -> bytes:
    """Return the twelve bytes that precede one fragment which fills a P-DATA-TF of its own."""
    control = is_command | is_last << 1
    return _PDU_HEADER.pack(P_DATA, length + 6) + _FRAGMENT_HEADER.pack(length + 2, context_id, control)


def command_pdu(context_id: int, command: bytes) -> bytes:
    """Return a whole command set as one P-DATA-TF."""
    return data_pdu_header(context_id, len(command), is_command=True, is_last=True) + command


def command_pdus(context_id: int, command: bytes, max_pdu_bytes: int) -> bytes:
    """Return a command set in P-DATA-TFs of at most ``max_pdu_bytes`` each, headers of PDUs not counted; 0: no limit.

    A limit that leaves no room for a fragment is taken as one byte of room (PS3.8 D.1 has no least value).
    """
    room = max(1, max_pdu_bytes - _FRAGMENT_HEADER.size) if max_pdu_bytes else len(command)
    if len(command) <= room:
        return command_pdu(context_id, command)
    encoded = bytearray()
    for start in range(0, len(command), room):
        piece = command[start : start + room]
        is_last = start + room >= len(command)
        encoded += data_pdu_header(context_id, len(piece), is_command=True, is_last=is_last) + piece
    return bytes(encoded)


def control_pdu(kind: int, body: bytes) -> bytes:
    """Return a PDU other than P-DATA-TF with its header."""
    return _PDU_HEADER.pack(kind, len(body)) + body


def reject_pdu(result: int, source: int, diagnostic: int) -> bytes:
    """Return an A-ASSOCIATE-RJ (PS3.8 9.3.4)."""
    return control_pdu(ASSOCIATE_RJ, bytes((0, result, source, diagnostic)))


def release_pdu(kind: int) -> bytes:
    """Return an A-RELEASE-RQ or A-RELEASE-RP (PS3.8 9.3.6, 9.3.7)."""
    return _PDU_HEADER.pack(kind, 4) + bytes(4)


def abort_pdu(reason: int, *, by_provider: bool = True) -> bytes:
    """Return an A-ABORT (PS3.8 9.3.8)."""
    source = 2 if by_provider else 0
    return _PDU_HEADER.pack(ABORT, 4) + bytes((0, 0, source, reason if by_provider else 0))
