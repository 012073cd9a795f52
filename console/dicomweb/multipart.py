"""Answers of several parts (RFC 2387, PS3.18 8.6.1.2): written as they are read, so that none is held in memory."""

import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from fastapi.responses import StreamingResponse


@dataclass(frozen=True, slots=True)
class Part:
    """One part: its headers, and its bytes as they come."""

    headers: Mapping[str, str]
    chunks: Iterable[bytes]


def multipart_response(parts: Iterable[Part], content_type: str) -> StreamingResponse:
    """Return an answer of parts of one media type; the boundary is ours and random."""
    boundary = secrets.token_hex(16)
    media_type = f'multipart/related; type="{content_type}"; boundary={boundary}'
    return StreamingResponse(_write(parts, boundary), media_type=media_type)


def _write(parts: Iterable[Part], boundary: str) -> Iterator[bytes]:
    for part in parts:
        headers = "".join(f"{name}: {value}\r\n" for name, value in part.headers.items())
        yield f"--{boundary}\r\n{headers}\r\n".encode("ascii")
        yield from part.chunks
        yield b"\r\n"
    yield f"--{boundary}--\r\n".encode("ascii")
