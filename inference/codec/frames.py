"""The messages between the decoder process and its parent: two lengths, a JSON head, raw bytes."""

import json
import struct
from typing import IO, Any

_LENGTHS = struct.Struct("<IQ")


def write(pipe: IO[bytes], head: dict[str, Any], body: bytes | memoryview) -> None:
    """Write one message. Raises OSError when the other side is gone."""
    encoded = json.dumps(head).encode()
    for part in (_LENGTHS.pack(len(encoded), len(body)) + encoded, body):
        rest = memoryview(part)
        while rest:
            rest = rest[pipe.write(rest) :]  # an unbuffered pipe may take less than it is offered
    pipe.flush()


def read(pipe: IO[bytes]) -> tuple[dict[str, Any], bytearray]:
    """Read one message. Raises EOFError when the other side ends before it is whole."""
    head_length, length = _LENGTHS.unpack(_exactly(pipe, _LENGTHS.size))
    head: dict[str, Any] = json.loads(_exactly(pipe, head_length))
    return head, _exactly(pipe, length)


def _exactly(pipe: IO[bytes], length: int) -> bytearray:
    data = bytearray(length)
    view, filled = memoryview(data), 0
    while filled < length:
        count = pipe.readinto(view[filled:])  # type: ignore[attr-defined]  # a raw or buffered binary reader has it
        if not count:
            raise EOFError
        filled += count
    return data
