"""The parts of a multipart request (RFC 2046 5.1), handed on as they come, so that none is held in memory."""

import re
from email.message import Message
from typing import Protocol

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser

_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{1,70}")


class BrokenParts(Exception):
    """The body is not what its type promises."""


class TooManyParts(Exception):
    """There are more parts than are taken."""


class Receiver(Protocol):
    """Takes the parts of one body."""

    def begin(self, content_type: str) -> None:
        """Begin a part; may raise :class:`TooManyParts`."""

    def write(self, data: memoryview) -> None:
        """Take the next bytes of the part."""

    def end(self) -> None:
        """End the part."""


class PartReader:
    """Reads a body in pieces of any size."""

    def __init__(self, boundary: str, receiver: Receiver) -> None:
        self._receiver = receiver
        self._name, self._value = b"", b""
        self._content_type = ""
        self._is_over = False
        self._parser = MultipartParser(
            boundary.encode("ascii"),
            {
                "on_part_begin": self._part_begin, "on_header_field": self._header_field,
                "on_header_value": self._header_value, "on_header_end": self._header_end,
                "on_headers_finished": self._headers_finished, "on_part_data": self._part_data,
                "on_part_end": receiver.end, "on_end": self._end,
            },
        )  # fmt: skip

    def feed(self, piece: bytes) -> None:
        """Read the next piece. Raises :class:`BrokenParts`, and what the receiver raises."""
        try:
            self._parser.write(piece)
        except MultipartParseError:
            raise BrokenParts from None

    def close(self) -> None:
        """Raise :class:`BrokenParts` where the last boundary did not come."""
        if not self._is_over:
            raise BrokenParts

    def _part_begin(self) -> None:
        self._content_type = ""

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        if self._name.lower() == b"content-type":
            self._content_type = self._value.decode("latin_1").partition(";")[0].strip().lower()
        self._name, self._value = b"", b""

    def _headers_finished(self) -> None:
        self._receiver.begin(self._content_type)

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        self._receiver.write(memoryview(data)[start:end])

    def _end(self) -> None:
        self._is_over = True


def boundary_of(content_type: str, wanted: str) -> str | None:
    """Return the boundary of ``multipart/related`` whose root is of a wanted type (RFC 2387); None for another type."""
    message = Message()
    message["content-type"] = content_type.replace("\r", " ").replace("\n", " ")
    parameters = {name.lower(): value for name, value in (message.get_params() or [])[1:]}
    boundary = parameters.get("boundary", "")
    is_related = content_type.partition(";")[0].strip().lower() == "multipart/related"
    if not is_related or parameters.get("type", wanted).lower() != wanted or not _BOUNDARY.fullmatch(boundary):
        return None
    return boundary
