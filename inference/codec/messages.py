"""The messages between the decoder process and its parent: one line of JSON each; see :mod:`.buffer` for the bytes."""

import json
from typing import IO, Any


def write(pipe: IO[bytes], message: dict[str, Any]) -> None:
    """Write one message. Raises OSError when the other side is gone."""
    rest = memoryview(json.dumps(message).encode() + b"\n")
    while rest:
        rest = rest[pipe.write(rest) :]  # an unbuffered pipe may take less than it is offered
    pipe.flush()


def read(pipe: IO[bytes]) -> dict[str, Any]:
    """Read one message. Raises EOFError when the other side ends before it is whole."""
    line = pipe.readline()
    if not line.endswith(b"\n"):
        raise EOFError
    message: dict[str, Any] = json.loads(line)
    return message
