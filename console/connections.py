"""Connections to the pages: bounded in number and in time, so that idle ones never keep others out.

uvicorn counts every open connection against one limit and answers 503 beyond it, and it waits without end for a request
that does not come. Here a connection has to bring a whole request in time, its answer has to be taken in time, and
beyond the limit the connection that has been idle for longest, of the address that has most of them, is closed.
"""

import asyncio
from collections import Counter
from typing import Any, cast

from uvicorn.protocols.http.h11_impl import H11Protocol

from console.refusal_log import refusal_log

MOST_CONNECTIONS = 256
"""Open connections; more close the longest idle one. Descriptors of a process are 1024 by default."""

REQUEST_SECONDS = 10.0
"""From the connection, or the end of an answer, to the whole head of a request, however it drips."""

ANSWER_SECONDS = 60.0
"""From a request to the end of its answer, which a peer may be slow to take."""

KEEP_OPEN = "cxrnode.keep_open"
"""In a request's scope: what an answer without end calls from time to time."""
TRANSFER_SECONDS = 900.0
"""The same where whole studies come and go. Strangers do not have it: they are answered before they send anything."""

_TRANSFERS = "/dicom-web/"


class _Loop(asyncio.SelectorEventLoop):
    """asyncio's event loop, on which a peer that begins no TLS is not waited for longer than for a request."""

    async def create_server(self, *values: Any, **more: Any) -> Any:
        """Listen; asyncio's own time for the handshake is 60 s."""
        if more.get("ssl") is not None:
            more["ssl_handshake_timeout"] = REQUEST_SECONDS
        return await super().create_server(*values, **more)


def new_loop() -> asyncio.AbstractEventLoop:
    """Return the event loop that the pages are served on."""
    return _Loop()


class BoundedProtocol(H11Protocol):
    """HTTP/1.1 on one connection, with limits. All methods run on the event loop's thread."""

    _deadline: asyncio.TimerHandle | None = None

    @property
    def is_idle(self) -> bool:
        """No request is being answered."""
        return self.cycle is None or self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for a request, and make room if there are too many connections."""
        super().connection_made(transport)
        self._wait(REQUEST_SECONDS)
        if len(self.connections) > MOST_CONNECTIONS:
            closed = self._longest_idle()
            refusal_log.add("a connection beyond the most that are held", closed._host)
            closed.transport.abort()

    def handle_events(self) -> None:
        """Take what has come; a request that is complete has its time to be answered from here on."""
        was_idle = self.is_idle
        super().handle_events()
        if was_idle and not self.is_idle:
            self._wait(TRANSFER_SECONDS if self.scope["path"].startswith(_TRANSFERS) else ANSWER_SECONDS)
            cast("dict[str, Any]", self.scope)[KEEP_OPEN] = self.keep_open

    def keep_open(self) -> None:
        """Give an answer that goes on its time anew, if the peer has taken all of it so far."""
        if not self.is_idle and not self.transport.get_write_buffer_size():
            self._wait(ANSWER_SECONDS)

    def on_response_complete(self) -> None:
        """Wait for the next request on this connection."""
        self._wait(REQUEST_SECONDS)
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        if self._deadline is not None:
            self._deadline.cancel()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP request."""
        refusal_log.add("no HTTP request", self._host)
        super().send_400_response(msg)

    def _wait(self, seconds: float) -> None:
        """Close the connection unless it has come further in so many seconds."""
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = self.loop.call_later(seconds, self._expire)

    def _expire(self) -> None:
        """Close the connection, whose time is over; one that rests after its answer was taken is no refusal."""
        unread, _ = self.conn.trailing_data
        if not self.is_idle or self.transport.get_write_buffer_size():
            refusal_log.add("an answer that was not taken in time", self._host)
        elif self.cycle is None or unread:
            refusal_log.add("a connection without a request in time", self._host)
        self.transport.abort()

    def _longest_idle(self) -> "BoundedProtocol":
        """Return the connection to close: this new one where all others are busy."""
        idle = [entry for entry in self.connections if isinstance(entry, BoundedProtocol) and entry.is_idle]
        held = Counter(entry._host for entry in idle)
        return min(idle, key=lambda entry: (-held[entry._host], entry._due), default=self)

    @property
    def _host(self) -> str:
        return self.client[0] if self.client else ""

    @property
    def _due(self) -> float:
        """When the time of this connection is over, by the clock of the event loop."""
        return self._deadline.when() if self._deadline is not None else 0.0
